//! What the daemon that answers knows at first hand and the log does not hold.

use super::DrillView;
use crate::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// First-hand knowledge at the moment of asking; a follower leaves out what only a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Who answers.
    pub from: NodeId,
    /// Whom it holds to be the leader.
    pub leader: Option<NodeId>,
    /// In which term.
    pub term: u64,
    /// Members that vote.
    pub voters: Vec<NodeId>,
    /// Voters from which the leader has an answer of the last moments, itself included.
    pub reachable: Vec<NodeId>,
    /// Whether a majority confirmed that the state shown is the current one (a linearizable read). If not, it is what
    /// this daemon knew last, and nothing can be changed.
    pub confirmed: bool,
    /// For how many milliseconds each node has not been heard.
    pub silent_ms: BTreeMap<NodeId, u64>,
    /// For how many milliseconds silent nodes are still waited for, that were not heard since a majority returned.
    pub waits_ms: BTreeMap<NodeId, u64>,
    /// Fence devices whose last reading failed, with the error.
    pub device_errors: BTreeMap<ResourceId, String>,
    /// What fence devices said when they were read for practice, and by whom.
    #[serde(default)]
    pub drills: Vec<(ResourceId, DrillView)>,
    /// How far live migrations are, by their sources' word.
    pub migrations: BTreeMap<ResourceId, Progress>,
    /// Where the store of each member stands, where the leader could be asked.
    pub stores: BTreeMap<NodeId, StoreView>,
    /// What runs on a node by the log and could not be looked at there the last time, and why.
    #[serde(default)]
    pub unseen: BTreeMap<NodeId, BTreeMap<ResourceId, String>>,
    /// By how many ms the leader's wall clock is ahead of the cluster's time.
    #[serde(default)]
    pub clock_ahead_ms: i64,
    /// What was found on a host that does not belong there.
    #[serde(default)]
    pub findings: BTreeMap<NodeId, Vec<String>>,
}

/// How far a live migration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// For how many milliseconds it goes on.
    pub took_ms: u64,
    /// How much was sent, in bytes; more than the guest has where it writes to what was sent already.
    pub sent: u64,
    /// How much is left to be sent, in bytes.
    pub left: u64,
    /// How much is sent in a second, in bytes.
    pub speed: u64,
}

impl Progress {
    /// `62 % at 45 MiB/s, 2.1 s`
    pub fn words(&self) -> String {
        let percent = self.sent.saturating_mul(100) / self.sent.saturating_add(self.left).max(1);
        let (seconds, tenths) = (self.took_ms / 1000, self.took_ms % 1000 / 100);
        format!("{percent} % at {} MiB/s, {seconds}.{tenths} s", self.speed >> 20)
    }
}

/// Where a member's store stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// The last entry of its log.
    pub last: u64,
    /// The last entry that is part of its state.
    pub applied: u64,
    /// The entry that its snapshot ends with.
    pub snapshot: Option<u64>,
    /// Older entries are in the snapshot only: a member that needs them gets that.
    pub log_begins_after: Option<u64>,
    /// How full the disk under it is.
    pub disk_percent: u8,
    /// Whether that is too full: no change is taken there, and it does not lead.
    pub is_full: bool,
}

impl Live {
    /// What a daemon can say that knows nothing but itself.
    pub fn alone(from: NodeId) -> Self {
        Self {
            from,
            leader: None,
            term: 0,
            voters: Vec::new(),
            reachable: Vec::new(),
            confirmed: false,
            silent_ms: BTreeMap::new(),
            waits_ms: BTreeMap::new(),
            device_errors: BTreeMap::new(),
            drills: Vec::new(),
            migrations: BTreeMap::new(),
            stores: BTreeMap::new(),
            unseen: BTreeMap::new(),
            clock_ahead_ms: 0,
            findings: BTreeMap::new(),
        }
    }

    /// How many voters make a majority.
    pub fn needed(&self) -> usize {
        self.voters.len() / 2 + 1
    }
}
