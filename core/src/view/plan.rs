//! The plan for people: where everything should be, what is under way, what comes next and what is blocked.

use super::Document;
use crate::id::{NodeId, ResourceId};
use crate::planner::{Blocked, Plan};
use crate::state::{Action, ClusterState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the planner makes of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// The log index of the state it was made from.
    pub index: u64,
    /// Where each resource should run.
    pub placement: BTreeMap<ResourceId, NodeId>,
    /// Where each clone should run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clones: BTreeMap<ResourceId, BTreeSet<NodeId>>,
    /// Where each promotable clone should be promoted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promoted: BTreeMap<ResourceId, BTreeSet<NodeId>>,
    /// Actions in the log that are not done yet.
    pub actions: Vec<Action>,
    /// Actions that are about to enter it.
    pub next: Vec<NextAction>,
    /// Nodes about to be fenced, with the cause.
    pub fence: BTreeMap<NodeId, String>,
    /// What waits, and for what.
    pub blocked: Vec<Blocked>,
}

/// An action that is not in the log yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// probe, start or stop.
    pub kind: String,
    /// What.
    pub resource: ResourceId,
    /// Where.
    pub node: NodeId,
    /// Why.
    pub reason: String,
}

impl Document for PlanView {
    const SCHEMA: &'static str = "plan/1";
}

/// The plan that was made from this state.
pub fn plan(state: &ClusterState, plan: &Plan) -> PlanView {
    let next = plan.add.iter().map(|action| NextAction {
        kind: action.kind.word().to_owned(),
        resource: action.resource.clone(),
        node: action.node.clone(),
        reason: action.reason.clone(),
    });
    PlanView {
        index: state.index,
        placement: plan.report.placement.clone(),
        clones: plan.report.clones.clone(),
        promoted: plan.report.promoted.clone(),
        actions: state.actions.values().cloned().collect(),
        next: next.collect(),
        fence: plan.fence.iter().map(|fence| (fence.target.clone(), fence.cause.to_string())).collect(),
        blocked: plan.report.blocked.clone(),
    }
}
