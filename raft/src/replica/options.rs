//! The settings of a replica, and openraft's made from them.

use std::path::PathBuf;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use crate::types::MemberId;

/// How a replica runs. Timing has to be the same on all members.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where log and snapshots live.
    pub dir: PathBuf,
    /// Whether a store may begin here. Where not, an absent one was lost, and is damage.
    pub may_begin: bool,
    /// The store's id; peers take no other under this raft id.
    pub store: String,
    /// This member's raft id.
    pub id: MemberId,
    /// The cluster's identity; messages of another are refused.
    pub cluster: String,
    /// How often the leader is heard; openraft's clock wakes this member five times as often. A follower stands after
    /// three to four of these without a word, whatever it is: see `election_min`.
    pub heartbeat: Duration,
    /// The shortest wait before a follower stands; one more than `election_max` passes first.
    pub election_min: Duration,
    /// The longest.
    pub election_max: Duration,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept below a snapshot, for followers a little behind.
    pub keep_entries: u64,
    /// Entries between two state hashes.
    pub hash_every: u64,
    /// Proposals in flight, of each importance; more are refused.
    pub in_flight: usize,
    /// How full the disk may be, in percent, before no more is proposed here.
    pub full_percent: u8,
}

impl Options {
    /// The defaults for a member of a cluster.
    pub fn new(dir: impl Into<PathBuf>, id: MemberId, cluster: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            may_begin: true,
            store: String::new(),
            id,
            cluster: cluster.into(),
            heartbeat: Duration::from_millis(150),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(350),
            snapshot_every: 5000,
            keep_entries: 1000,
            hash_every: 1024,
            in_flight: 128,
            full_percent: 90,
        }
    }

    pub(super) fn config(&self) -> Result<Config, String> {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let queue = self.in_flight as u64 * 4 + 64;
        Config {
            cluster_name: self.cluster.clone(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            // One deadline for a whole snapshot on its way.
            install_snapshot_timeout: 60_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.keep_entries,
            replication_lag_threshold: self.snapshot_every + self.keep_entries,
            purge_batch_size: 64,
            api_channel_size: Some(queue),
            notification_channel_size: Some(4096),
            backoff: "50ms 100ms 200ms ...500ms".to_owned(),
            // A member that cannot win must not raise the term of those that are well.
            enable_pre_vote: Some(true),
            // Both would let a member come back with less than it acknowledged.
            allow_log_reversion: Some(false),
            enable_leader_restore: Some(false),
            ..Config::default()
        }
        .validate()
        .map_err(|e| e.to_string())
    }
}
