//! What to do next: `plan(&ClusterState) -> Plan`. Pure and deterministic; the phases in their order.
//!
//! Level-triggered: it looks at the whole state, whatever changed. It is not trusted for safety: `apply` checks every
//! claim itself.

mod actions;
mod any;
mod change;
mod clone;
mod eligible;
mod fence;
mod location;
mod migrate;
mod model;
mod notice;
mod order;
mod placement;
mod preference;
mod promotion;
mod role_order;
mod rolling;
pub(crate) mod room;
mod standpoint;
mod survey;
mod ticket;

use crate::config::Primitive;
use crate::id::{ActionId, NodeId, ResourceId, SessionId};
use crate::state::{ClusterState, Ended, FenceCause, NewAction, NoticeStep};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use eligible::Rejection;
pub use location::DateRule;
pub use model::{Sketch, Term, model};
pub use standpoint::{Standpoint, standpoint};
use survey::Survey;

/// What should change, and what cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Planned actions that are no longer wanted.
    pub cancel: Vec<ActionId>,
    /// New actions.
    pub add: Vec<NewAction>,
    /// Sessions that have to be proven dead, beyond those that are being.
    pub fence: Vec<WantedFence>,
    /// Moves that have done what they were for.
    pub ended: Vec<Ended>,
    /// What instances of clones are to be told.
    pub notices: Vec<NoticeStep>,
    /// When to plan again though nothing happens: something lapses then, or a pause is over. In the past: now.
    pub wake: Option<Timestamp>,
    /// What waits, and for what.
    pub report: Report,
}

/// A node that must be fenced for what happened on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFence {
    /// Which node.
    pub target: NodeId,
    /// Which boot.
    pub session: SessionId,
    /// Why.
    pub cause: FenceCause,
}

/// Where each resource should be, and what is blocked and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where each resource should run; those that should and can not are in `blocked`.
    pub placement: BTreeMap<ResourceId, NodeId>,
    /// Where each clone should run.
    pub clones: BTreeMap<ResourceId, BTreeSet<NodeId>>,
    /// Where each promotable clone should be promoted.
    pub promoted: BTreeMap<ResourceId, BTreeSet<NodeId>>,
    /// What waits.
    pub blocked: Vec<Blocked>,
}

/// A resource that is not as it should be, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Which.
    pub resource: ResourceId,
    /// Why, in words.
    pub why: String,
    /// What a person can do, where only a person can.
    pub mend: Option<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.cancel.is_empty()
            && self.add.is_empty()
            && self.fence.is_empty()
            && self.ended.is_empty()
            && self.notices.is_empty()
    }
}

/// Plans from the whole state.
pub fn plan(state: &ClusterState) -> Plan {
    let survey = Survey::of(state);
    let state = &survey;
    let wake = state.next_lapse().into_iter().chain(location::next_date(state)).min();
    let mut plan = Plan { wake, ..Plan::default() };
    fence::fences(state, &mut plan);
    let (wanted, turns) = placement::place(state, &mut plan);
    actions::changes(state, &wanted, &turns, &mut plan);
    plan
}

/// The first rule that keeps `resource` from `node`, or `None` where it may run.
pub fn unfit(state: &ClusterState, resource: &ResourceId, primitive: &Primitive, node: &NodeId) -> Option<Rejection> {
    eligible::unfit(&Survey::of(state), resource, primitive, node)
}

/// Why there is, or is no, instance of a clone on a node; for people.
pub fn of_instance(
    state: &ClusterState,
    id: &ResourceId,
    primitive: &Primitive,
    node: &NodeId,
    is_place: bool,
) -> String {
    clone::of_instance(&Survey::of(state), id, primitive, node, is_place)
}

/// Why an instance is, or is not, to be promoted on a node; for people. Nothing of what is no promotable clone.
pub fn of_role(state: &ClusterState, id: &ResourceId, node: &NodeId, is_promoted: bool) -> Option<String> {
    promotion::of_role(&Survey::of(state), id, node, is_promoted)
}
