//! A node as people are shown it: what is observed of it, what is wanted of it, and whether it can be fenced.

use crate::id::{NodeId, ResourceId, SessionId};
use crate::planner;
use crate::scheduler::Placement;
use crate::state::{Armed, Arming, ClusterState, HealthSign, Intent, Liveness, SessionState, Standing};
use crate::time::Timestamp;
use crate::view::{Live, StoreView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub id: NodeId,
    /// Where its peers reach it.
    pub address: String,
    /// Observed: joining, online, suspect, daemon-gone, away, lost or off.
    pub liveness: String,
    /// Since when.
    pub since: Timestamp,
    /// Wanted: online, standby or maintenance.
    pub intent: String,
    /// Its host shuts down: what it has moves or stops.
    #[serde(default)]
    pub leaving: bool,
    /// It votes and runs nothing.
    #[serde(default)]
    pub witness: bool,
    /// The version of its daemon, once it said hello.
    #[serde(default)]
    pub version: String,
    /// The highest feature level its daemon takes part in.
    #[serde(default)]
    pub feature_level: u16,
    /// Others take part in a higher level, and it keeps the cluster from it.
    #[serde(default)]
    pub is_behind: bool,
    /// Whether it takes part and runs resources.
    pub is_active: bool,
    /// Whether it leads.
    pub is_leader: bool,
    /// Whether it votes.
    pub is_voter: bool,
    /// Its id in Raft; another one when it came back with a new store.
    pub raft_id: u64,
    /// Where its store stands, where the leader could be asked.
    pub store: Option<StoreView>,
    /// Its boot, if one said hello.
    pub session: Option<SessionId>,
    /// Whether that boot is proven dead.
    pub session_ended: bool,
    /// For how many milliseconds it has not been heard, where that is known.
    pub silent_ms: Option<u64>,
    /// Why it is not fenced yet, though it is silent.
    pub waits: Option<String>,
    /// Why nothing new is placed on it, where there is another place.
    pub quarantine: Option<String>,
    /// Why what needs its storage is not started on it, though a device should let it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_out: Option<String>,
    /// Why it gets no resources at all until a person releases it.
    pub disarmed: Option<String>,
    /// How many resources run there, or may.
    pub resources: usize,
    /// What it has for resources, where that is configured, and how much of it those that are there, or may be, need.
    #[serde(default)]
    pub room: BTreeMap<String, Room>,
    /// What was said of it, for as long as its session lasts.
    pub attributes: BTreeMap<String, String>,
    /// Its fence levels in the order of trying; none: nothing can prove it dead but a person.
    pub fence_levels: Vec<Vec<ResourceId>>,
    /// Whether it was found that its death can be proven without a person.
    #[serde(default)]
    pub is_armed: bool,
    /// Why it is not armed, or that a device by which it was fails now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arming: Option<String>,
    /// What says that it is not well, with what its sensors read; absent: nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<String>,
    /// Its watchdog, where one is armed: what it is, and what it is worth.
    #[serde(default)]
    pub watchdog: Option<String>,
    /// What was found on its host that does not belong there, with what to type.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// A kind of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// So much there is.
    pub capacity: i64,
    /// So much of it is needed by what is there.
    pub used: i64,
    /// It is a limit: `placement-strategy` says that it counts.
    pub counts: bool,
}

pub(super) fn nodes(state: &ClusterState, live: &Live) -> Vec<NodeView> {
    let known = state.nodes.iter();
    let highest = state.nodes.values().map(|node| node.release.level).max().unwrap_or_default();
    known
        .map(|(id, node)| NodeView {
            id: id.clone(),
            address: state.members.get(id).map_or_else(String::new, |member| member.address.clone()),
            liveness: word(node.liveness).to_owned(),
            since: node.since,
            intent: node.intent.word().to_owned(),
            leaving: node.leaving,
            witness: state.is_witness(id),
            version: node.release.version.clone(),
            feature_level: node.release.level,
            is_behind: (1..highest).contains(&node.release.level),
            is_active: node.is_online()
                && node.intent == Intent::Active
                && !node.leaving
                && !state.is_witness(id)
                && node.disarmed.is_none(),
            is_leader: live.leader.as_ref() == Some(id),
            is_voter: live.voters.contains(id),
            raft_id: state.members.get(id).map_or(0, |member| member.raft_id.0),
            store: live.stores.get(id).cloned(),
            session: node.session.as_ref().map(|session| session.id.clone()),
            session_ended: node.session.as_ref().is_some_and(|it| matches!(it.state, SessionState::Ended(_))),
            silent_ms: live.silent_ms.get(id).copied(),
            waits: live.waits_ms.get(id).map(|ms| waits(id, *ms)),
            quarantine: node.flapping.quarantine.as_ref().map(|quarantine| quarantine.why.clone()),
            locked_out: node.living_session().and_then(|_| state.not_unfenced(id)),
            disarmed: node.disarmed.as_ref().map(|disarmed| disarmed.why.clone()),
            resources: held(state, id),
            room: room(state, id),
            attributes: state.attributes.get(id).cloned().unwrap_or_default(),
            fence_levels: state.fence_levels(id),
            is_armed: state.is_armed(id),
            arming: arming(state, id),
            health: state.health_signs(id).iter().filter(|sign| !sign.is_good()).map(HealthSign::words).collect(),
            watchdog: node.dog.armed.as_ref().map(|armed| watchdog(state, id, armed)),
            findings: live.findings.get(id).cloned().unwrap_or_default(),
        })
        .collect()
}

/// Why a node is not armed, or that a device by which it is fails, in words.
pub fn arming(state: &ClusterState, node: &NodeId) -> Option<String> {
    match state.arming(node) {
        Arming::Armed => None,
        Arming::Failing(why) => Some(why),
        Arming::Untested(why) => Some(format!("{why}; now: qrm fence test {node}")),
        Arming::NoDevice => Some("no fence device".to_owned()),
    }
}

fn room(state: &ClusterState, node: &NodeId) -> BTreeMap<String, Room> {
    let used = planner::room::used(state, node);
    let counts = state.properties().placement != Placement::Default;
    let of = |name: &String| used.get(name).copied().unwrap_or(0);
    let capacity = planner::room::capacity(state, node).into_iter();
    capacity.map(|(name, capacity)| (name.clone(), Room { capacity, used: of(&name), counts })).collect()
}

fn watchdog(state: &ClusterState, node: &NodeId, armed: &Armed) -> String {
    let worth = match state.watchdog_proves(node) {
        Ok(_) if !armed.disks.is_empty() => {
            format!("proves this host off {} s after a pill was left for it", armed.terms.wait().as_secs())
        }
        Ok(_) => format!("proves this host off {} s after nobody feeds it", armed.terms.wait().as_secs()),
        Err(why) => format!("for the host's own good only: {why}"),
    };
    let timeout = armed.terms.timeout.as_secs();
    format!("{} ({}, {timeout} s): {worth}", armed.device, armed.identity)
}

/// power restore, in words.
fn waits(node: &NodeId, ms: u64) -> String {
    format!(
        "not heard since a majority is there: it may be booting, and is not fenced for {} s yet (join-grace) unless its power reads off; `qrm fence {node}` does not wait",
        ms.div_ceil(1000)
    )
}

fn word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Joining => "joining",
        Liveness::Online => "online",
        Liveness::Suspect => "suspect",
        Liveness::DaemonGone => "daemon-gone",
        Liveness::Away => "away",
        Liveness::Lost => "lost",
        Liveness::Off => "off",
    }
}

fn held(state: &ClusterState, node: &NodeId) -> usize {
    state.resources.keys().filter(|id| state.standing(id, node) != Standing::NotActive).count()
}
