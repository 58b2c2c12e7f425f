//! The running member as the rest of the daemon sees it: its replica, its engine, and who it is.
//!
//! Changes go through `change`, the one way into the log; everything else only looks.

use super::beats::Beats;
use super::clock::{self, boot_time, wall_clock};
use super::feeder::Disks;
use crate::engine::{Engine, FirstHand, Me};
use quorate_agents::ocf::Agents;
use quorate_agents::systemd::Systemd;
use quorate_core::id::{NodeId, RaftId, RequestId, ResourceId, SessionId};
use quorate_core::planner::Report;
use quorate_core::state::{ClusterState, Command, Entry, Outcome, SCHEMA};
use quorate_core::time::millis;
use quorate_core::view::StoreView;
use quorate_raft::{CallError, Importance, Machine, Node, ProposeError, Replica, ReplicaError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A change of a person's waits so long for its outcome.
const CHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// A linearizable read waits so long.
const READ_DEADLINE: Duration = Duration::from_secs(2);
/// A leader that a majority answered within this will most likely have its next write answered too.
const HEARD: Duration = Duration::from_millis(500);

/// `ClusterState` under replication.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Store(pub ClusterState);

impl Machine for Store {
    type Command = Entry;
    type Outcome = Outcome;

    const COMMAND_SCHEMA: u16 = SCHEMA;
    const STATE_SCHEMA: u16 = SCHEMA;

    fn stamp(command: &mut Entry) {
        command.at = clock::stamp();
    }

    fn apply(&mut self, index: u64, entry: &Entry) -> Outcome {
        clock::applied(entry.at);
        self.0.apply(index, entry)
    }
}

/// A running member; clones are handles to the same one.
#[derive(Clone)]
pub struct Cluster {
    /// The replicated store.
    pub replica: Replica<Store>,
    /// The engine; it is stepped by the driver only.
    pub engine: Arc<Mutex<Engine>>,
    /// Who this is.
    pub me: Me,
    /// The OCF resource agents of this host, for what they say of themselves.
    pub agents: Arc<Agents>,
    /// Beats of hosts with a watchdog.
    pub beats: Arc<Beats>,
    /// What this host's feeder says of its disks with slots.
    pub disks: Disks,
    /// The units of this host, likewise.
    pub systemd: Arc<Systemd>,
}

/// What only the leader knows, beside the replicated state; sent as JSON to members that are asked for a view.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaderLive {
    /// What waits, and for what.
    pub report: Report,
    /// Who hears each node now.
    pub hearers: BTreeMap<NodeId, Vec<NodeId>>,
    /// Nodes whose power read on when it was last read, and by which device.
    pub reads_on: BTreeMap<NodeId, ResourceId>,
    /// The last error of each fence device.
    pub device_errors: BTreeMap<ResourceId, String>,
    /// For how many ms silent nodes are still waited for, that were not heard since a majority returned.
    #[serde(default)]
    pub waits_ms: BTreeMap<NodeId, u64>,
    /// Where the store of each member stands.
    pub stores: BTreeMap<NodeId, StoreView>,
    /// When a majority last answered the leader, ms ago.
    pub since_quorum_ms: Option<u64>,
    /// By how many ms this member's wall clock is ahead of the log's time.
    #[serde(default)]
    pub clock_ahead_ms: i64,
    /// What each host says of itself.
    #[serde(default)]
    pub first_hand: BTreeMap<NodeId, FirstHand>,
}

impl Cluster {
    /// Looks at the applied state. Keep it short: nothing is applied meanwhile.
    pub fn state<T>(&self, look: impl FnOnce(&ClusterState) -> T) -> T {
        self.replica.read(|store, _| look(&store.0))
    }

    /// Whether this member leads and a majority answered it a moment ago. No proof that it leads now: a change may be
    /// proposed on it, nothing may be read.
    pub fn is_heard_as_leader(&self) -> bool {
        let status = self.replica.status();
        let status = status.borrow();
        status.established && status.since_quorum().is_some_and(|since| since < HEARD)
    }

    /// Brings a command into the log, here or at the leader, and waits until it is applied here too.
    pub async fn change(&self, request: Option<RequestId>, command: Command) -> Result<(u64, Outcome), ProposeError> {
        let entry = Entry { at: wall_clock(), request, command };
        let (index, outcome) = self.replica.propose_anywhere(Importance::Ordinary, &entry, CHANGE_DEADLINE).await?;
        self.applied(index).await;
        Ok((index, outcome))
    }

    /// Waits until the entry is applied here; gives up quietly when this member lags far behind.
    pub async fn applied(&self, index: u64) {
        let mut applied = self.replica.applied();
        let caught_up = applied.wait_for(|at| at.is_some_and(|at| at >= index));
        match tokio::time::timeout(READ_DEADLINE, caught_up).await {
            // An entry that was asked for here just now: leader stamps.
            Ok(_) => clock::answered(),
            Err(_) => tracing::debug!(index, "this member lags behind"),
        }
    }

    /// Makes sure that what `state` shows from here on is no older than this call; asks the leader where needed.
    pub async fn fresh(&self) -> Result<(), ReplicaError> {
        match self.replica.linearizable_read(READ_DEADLINE).await {
            Ok(_) => Ok(()),
            Err(ReplicaError::NotLeader { leader: Some(leader) }) if leader != self.replica.id() => {
                let answer = self.replica.call(leader, "read-index", Vec::new(), READ_DEADLINE).await;
                let bytes = answer.map_err(|error| ReplicaError::Refused(error.to_string()))?;
                let index = <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_be_bytes);
                let index =
                    index.map_err(|_| ReplicaError::Refused("the leader's answer is not an index".to_owned()))?;
                let mut applied = self.replica.applied();
                let caught_up = applied.wait_for(|at| at.is_some_and(|at| at >= index));
                match tokio::time::timeout(READ_DEADLINE, caught_up).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(_)) => Err(ReplicaError::Stopped("the replica is gone".to_owned())),
                    Err(_) => Err(ReplicaError::Timeout(READ_DEADLINE)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What the leader knows beside the state: asked of it, where this member is not the leader.
    pub async fn leader_live(&self) -> Result<LeaderLive, CallError> {
        match self.replica.leader() {
            Some(leader) if leader != self.replica.id() => {
                let answer = self.replica.call(leader, "live", Vec::new(), READ_DEADLINE).await?;
                serde_json::from_slice(&answer).map_err(|error| CallError::Refused {
                    to: Node { name: format!("member {leader}"), address: String::new() },
                    why: format!("its answer is not understood: {error}"),
                })
            }
            _ => Ok(self.own_live()),
        }
    }

    /// The same, of this member itself.
    pub fn own_live(&self) -> LeaderLive {
        let sessions: Vec<(NodeId, SessionId)> = self.state(|state| {
            let session = |(node, at): (&NodeId, &quorate_core::state::NodeState)| {
                Some((node.clone(), at.session.as_ref()?.id.clone()))
            };
            state.nodes.iter().filter_map(session).collect()
        });
        let known = self.replica.stores();
        let stores = self.state(|state| {
            let store = |member: &quorate_core::state::Member| {
                let store = known.get(&member.raft_id.0)?;
                let view = StoreView {
                    last: store.last.unwrap_or(0),
                    applied: store.applied.unwrap_or(0),
                    snapshot: store.snapshot,
                    log_begins_after: store.purged,
                    disk_percent: store.disk_percent,
                    is_full: store.full,
                };
                Some((member.name.clone(), view))
            };
            state.members.values().filter_map(store).collect()
        });
        let now = boot_time();
        let engine = self.engine();
        let reads_on =
            sessions.iter().filter_map(|(node, _)| Some((node.clone(), engine.reads_on(node)?.clone()))).collect();
        LeaderLive {
            report: engine.report().clone(),
            hearers: sessions
                .into_iter()
                .map(|(node, session)| (node.clone(), engine.hearers(&node, &session, now)))
                .collect(),
            reads_on,
            device_errors: engine.device_errors().clone(),
            clock_ahead_ms: clock::ahead_ms(),
            first_hand: engine.first_hand(now),
            waits_ms: engine.waits(now).into_iter().map(|(node, wait)| (node, millis(wait))).collect(),
            stores,
            since_quorum_ms: self
                .replica
                .status()
                .borrow()
                .since_quorum()
                .map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// removal: that this member was removed from its cluster, by a peer's word or by its own state.
    pub fn removed(&self) -> Option<String> {
        let by_state = self.state(|state| {
            let old = state.removed.get(&RaftId(self.replica.id()))?;
            Some(format!("{} was removed from this cluster, by {}", old.name, old.by))
        });
        by_state.or_else(|| self.engine().cast_out().map(str::to_owned))
    }

    /// The engine, for a short look or a step.
    pub fn engine(&self) -> std::sync::MutexGuard<'_, Engine> {
        // A step that panicked ends the process: see `member`.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
