//! openraft's metrics, condensed to what the embedder acts on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::WatchReceiver;
use openraft::type_config::TypeConfigExt;
use openraft::type_config::alias::{InstantOf, WatchReceiverOf};
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::types::{MemberId, Node, TypeConfig};

/// What a member is in the current term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Without a vote, or not yet a member at all.
    #[default]
    Learner,
    /// A voter that follows.
    Follower,
    /// A voter that stands for election.
    Candidate,
    /// The leader.
    Leader,
}

/// One member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name and address.
    pub node: Node,
    /// Whether it votes.
    pub voter: bool,
    /// Up to which entry the leader knows it to have the log; only the leader knows.
    pub matched: Option<u64>,
}

/// Where a member stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// This member.
    pub id: MemberId,
    /// The current term.
    pub term: u64,
    /// What this member is.
    pub role: Role,
    /// The leader, as far as known.
    pub leader: Option<MemberId>,
    /// This member leads, and its own first entry is applied: what came before it is known.
    pub established: bool,
    /// The last entry in the log.
    pub last_log: Option<u64>,
    /// The last entry applied.
    pub last_applied: Option<u64>,
    /// The entry the current snapshot ends with.
    pub snapshot: Option<u64>,
    /// All members, by the newest membership in the log.
    pub members: BTreeMap<MemberId, Member>,
    /// Two sets of voters have to agree: a change of voters is under way, or was left half done.
    pub changing: bool,
    /// The index of that membership.
    pub membership_index: Option<u64>,
    /// When a majority last answered this leader; nobody is woken when only this moves.
    pub quorum_acked: Option<Instant>,
    /// Why this replica has stopped, if it has.
    pub stopped: Option<String>,
}

impl Status {
    /// For how long no majority has answered; `None` where this member does not lead.
    #[must_use]
    pub fn since_quorum(&self) -> Option<Duration> {
        self.quorum_acked.map(|at| at.elapsed())
    }

    fn of(metrics: &RaftMetrics<TypeConfig>, clock: &Clock) -> Self {
        let membership = &metrics.membership_config;
        let voters: Vec<_> = membership.voter_ids().collect();
        let matched = |id: &MemberId| {
            let at = metrics.replication.as_ref()?.get(id)?.as_ref()?;
            Some(at.index)
        };
        let members = membership.nodes().map(|(id, node)| {
            let member = Member { node: node.clone(), voter: voters.contains(id), matched: matched(id) };
            (*id, member)
        });
        let role = match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Candidate => Role::Candidate,
            ServerState::Follower => Role::Follower,
            ServerState::Learner | ServerState::Shutdown => Role::Learner,
        };
        let applied = metrics.last_applied.as_ref();
        Self {
            id: metrics.id,
            term: metrics.current_term,
            role,
            leader: metrics.current_leader,
            established: role == Role::Leader && applied.is_some_and(|id| id.leader_id.term == metrics.current_term),
            last_log: metrics.last_log_index,
            last_applied: applied.map(|id| id.index),
            snapshot: metrics.snapshot.as_ref().map(|id| id.index),
            members: members.collect(),
            changing: membership.membership().get_joint_config().len() > 1,
            membership_index: membership.log_id().as_ref().map(|id| id.index),
            quorum_acked: metrics.last_quorum_acked.as_ref().map(|at| clock.at(**at)),
            stopped: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }
}

/// openraft's instants as the standard library's; the same one always gives the same.
struct Clock {
    theirs: InstantOf<TypeConfig>,
    ours: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { theirs: TypeConfig::now(), ours: Instant::now() }
    }

    fn at(&self, theirs: InstantOf<TypeConfig>) -> Instant {
        self.ours + (theirs - self.theirs)
    }
}

/// What a status is made of, of the metrics that were last seen.
///
/// openraft tells of every answer to a heartbeat, and a leader of every tick: to compare is cheap, to make a status of
/// many members each time is not.
struct Seen(RaftMetrics<TypeConfig>);

impl Seen {
    /// Whether these say nothing but that a majority was heard again.
    fn is_old(&self, new: &RaftMetrics<TypeConfig>) -> bool {
        let old = &self.0;
        (old.state, old.current_term, old.current_leader) == (new.state, new.current_term, new.current_leader)
            && (old.last_log_index, old.last_applied, old.snapshot)
                == (new.last_log_index, new.last_applied, new.snapshot)
            && old.running_state.is_ok() == new.running_state.is_ok()
            && Arc::ptr_eq(&old.membership_config, &new.membership_config)
            && old.replication == new.replication
    }
}

/// Follows openraft's metrics until it stops.
pub(super) fn follow(
    id: MemberId,
    mut metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
) -> (JoinHandle<()>, watch::Receiver<Status>) {
    let clock = Clock::start();
    let mut seen = Seen(metrics.borrow_watched().clone());
    let (tx, rx) = watch::channel(Status::of(&seen.0, &clock));
    let task = tokio::spawn(async move {
        while metrics.changed().await.is_ok() {
            let status = {
                let new = metrics.borrow_watched();
                if seen.is_old(&new) {
                    let acked = new.last_quorum_acked.as_ref().map(|at| clock.at(**at));
                    // That a majority was heard again is no news: who wants to know since when looks.
                    tx.send_if_modified(|held| {
                        held.quorum_acked = acked;
                        false
                    });
                    continue;
                }
                seen = Seen(new.clone());
                Status::of(&seen.0, &clock)
            };
            tx.send_if_modified(|held| {
                let is_news = Status { quorum_acked: held.quorum_acked, ..status.clone() } != *held;
                *held = status;
                is_news
            });
        }
        tx.send_if_modified(|held| {
            held.id = id;
            held.role = Role::Learner;
            held.established = false;
            held.stopped.get_or_insert_with(|| "raft stopped".to_owned());
            true
        });
    });
    (task, rx)
}
