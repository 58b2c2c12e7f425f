//! The status document: one look that says whether all is well, what waits for whom, and what goes on.

mod health;
mod node;
mod noun;
mod question;
mod resource;
mod ticket;

pub use health::{Health, Level};
pub use node::{NodeView, Room, arming};
pub use noun::Noun;
pub use question::Question;
pub use resource::{Doing, FailureView, Place, PlaceState, ResourceView, Role, WishView};
pub use ticket::{NeededBy, TicketView};

use super::{Document, FenceView, Fencing, Live, fence};
use crate::id::{NodeId, ResourceId};
use crate::planner::{Blocked, Report};
use crate::state::ClusterState;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many ended fences are shown.
const FENCES_SHOWN: usize = 5;

/// What `qrm status` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which cluster.
    pub cluster: ClusterView,
    /// Whether all is well, in one line.
    pub health: Health,
    /// Who leads, and whether what is shown is current.
    pub quorum: Quorum,
    /// What only a person can answer.
    pub questions: Vec<Question>,
    /// What is not as it should be, and what it waits for.
    pub blocked: Vec<Blocked>,
    /// Every member.
    pub nodes: Vec<NodeView>,
    /// Every resource, and what is left of those that are not configured any more.
    pub resources: Vec<ResourceView>,
    /// Every fence device.
    pub devices: Vec<DeviceView>,
    /// Every ticket that was spoken of, or that something needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<TicketView>,
    /// Fences under way.
    pub fencing: Vec<Fencing>,
    /// The last fences that ended, the last first.
    pub fences: Vec<FenceView>,
}

/// Which cluster, and which state of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The log index of the state shown.
    pub index: u64,
    /// The time of its last change.
    pub at: Timestamp,
    /// The revision of the configuration.
    pub revision: u64,
    /// How often a survivor of a lost majority went on alone.
    #[serde(default)]
    pub generation: u64,
    /// By how many ms the leader's wall clock is ahead of the cluster's time, or behind it: a jump of it is held.
    #[serde(default)]
    pub clock_ahead_ms: i64,
    /// `maintenance-mode`: hands off everything.
    pub maintenance: bool,
    /// What every member understands.
    #[serde(default)]
    pub feature_level: u16,
    /// `stonith-enabled`: if not, the VMs of a lost node wait for a person.
    pub fencing_enabled: bool,
}

/// Who leads, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// Who answers.
    pub from: NodeId,
    /// Whom it holds to be the leader.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// Members that vote.
    pub voters: Vec<NodeId>,
    /// Those of them that the leader reaches.
    pub reachable: Vec<NodeId>,
    /// How many are needed.
    pub needed: usize,
    /// Whether a majority confirmed that this is the current state.
    pub confirmed: bool,
    /// How many more of the voters that are reached may fail before nothing can be changed.
    pub may_fail: usize,
}

/// A fence device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its name.
    pub id: ResourceId,
    /// `stonith:ipmi`
    pub agent: String,
    /// The nodes it is for.
    pub targets: Vec<NodeId>,
    /// Why it could not be read the last time, if it could not.
    pub error: Option<String>,
    /// What it said when it was read for practice: for each node, where it was.
    #[serde(default)]
    pub drills: Vec<DrillView>,
    /// Why its word proves nothing, if it does not: until `qrm fence trust`.
    pub distrusted: Option<String>,
}

/// What a fence device said when it was read for practice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillView {
    /// For which node.
    pub node: NodeId,
    /// By whom.
    pub by: NodeId,
    /// How long ago.
    pub ago_ms: u64,
    /// Whether it read on, where it was read.
    pub on: Option<bool>,
    /// What is wrong with it, if something is.
    pub problem: Option<String>,
    /// What its sensors said, where they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensors: Option<String>,
}

impl Document for Status {
    const SCHEMA: &'static str = "status/1";
}

/// One look at everything.
pub fn status(state: &ClusterState, report: &Report, live: &Live) -> Status {
    let fencing = fence::open(state);
    let mut status = Status {
        cluster: cluster(state, live),
        health: Health::default(),
        quorum: quorum(live),
        questions: question::questions(state, &fencing),
        blocked: report.blocked.clone(),
        nodes: node::nodes(state, live),
        resources: resource::resources(state, report, live),
        devices: devices(state, live),
        tickets: ticket::tickets(state),
        fencing,
        fences: fence::ended(state).take(FENCES_SHOWN).collect(),
    };
    status.health = health::judge(&status);
    status
}

fn cluster(state: &ClusterState, live: &Live) -> ClusterView {
    let properties = state.properties();
    let identity = state.identity.as_ref();
    ClusterView {
        name: identity.map_or_else(String::new, |identity| identity.name.clone()),
        id: identity.map_or_else(String::new, |identity| identity.cluster_id.clone()),
        index: state.index,
        at: state.now,
        revision: state.revision,
        generation: state.generation,
        clock_ahead_ms: live.clock_ahead_ms,
        maintenance: properties.maintenance_mode,
        feature_level: state.level,
        fencing_enabled: properties.stonith_enabled,
    }
}

fn quorum(live: &Live) -> Quorum {
    Quorum {
        from: live.from.clone(),
        leader: live.leader.clone(),
        term: live.term,
        voters: live.voters.clone(),
        reachable: live.reachable.clone(),
        needed: live.needed(),
        confirmed: live.confirmed,
        may_fail: live.reachable.len().saturating_sub(live.needed()),
    }
}

/// The newest for each node; what reads off while its node is heard reads something else than the node's power.
fn drills(state: &ClusterState, live: &Live, id: &ResourceId) -> Vec<DrillView> {
    let mut newest: BTreeMap<&NodeId, &DrillView> = BTreeMap::new();
    for (_, drill) in live.drills.iter().filter(|(device, _)| device == id) {
        let known = newest.entry(&drill.node).or_insert(drill);
        if drill.ago_ms < known.ago_ms {
            *known = drill;
        }
    }
    let judged = newest.into_values().cloned().map(|mut drill| {
        let is_heard = state.nodes.get(&drill.node).is_some_and(|node| node.is_online());
        if drill.on == Some(false) && is_heard {
            drill.problem =
                Some(format!("it reads off, and {} is heard: it is not its power that is read", drill.node));
        }
        drill
    });
    judged.collect()
}

fn devices(state: &ClusterState, live: &Live) -> Vec<DeviceView> {
    let devices = state.config.primitives.iter().filter(|(_, primitive)| primitive.is_fence_device());
    let view = devices.map(|(id, primitive)| DeviceView {
        id: id.clone(),
        agent: primitive.agent.text(),
        targets: primitive.fence_targets(),
        error: live.device_errors.get(id).cloned(),
        drills: drills(state, live, id),
        distrusted: state.distrusted.get(id).map(|distrust| distrust.why.clone()),
    });
    view.collect()
}
