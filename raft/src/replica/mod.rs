//! One member of the replicated store: the crate's face.
//!
//! It opens the store, runs openraft over it, and says what the cluster agreed on. It makes no
//! decision of its own about membership or leadership.

mod options;
mod propose;
mod space;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::{ChangeMembers, Instant as _, Raft, ReadPolicy};
use tokio::sync::{Semaphore, watch};

use crate::belongs;
use crate::error::{OnStoreFailed, StoreError};
use crate::log::Log;
use crate::machine::Machine;
use crate::network::{CallError, Dial, Network, Peers};
use crate::snapshot::SnapshotFiles;
use crate::standing::record::{Standing, StoreFault, StoreStanding};
use crate::standing::roll::Roll;
use crate::standing::task::{self, Work};
use crate::standing::{TellReplyV1, TellV1};
use crate::state::{Shared, StateHash, StateMachine};
use crate::types::{MemberId, Node, Snapshot, TypeConfig};

pub use options::Options;
pub use propose::{Importance, ProposeError};
pub(crate) use space::Space;
pub use status::{Member, Role, Status};

/// Why a replica did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting that cannot work.
    #[error("raft settings: {0}")]
    Options(String),
    /// openraft would not start from what is stored.
    #[error("raft does not start: {0}")]
    Start(String),
}

/// Why a change of members, a read or a transfer did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// Only the leader can do this.
    #[error("not the leader{}", leader_text(*.leader))]
    NotLeader {
        /// Who is, as far as this member knows.
        leader: Option<MemberId>,
    },
    /// Leadership could not be confirmed by a majority.
    #[error("no majority answered")]
    NoMajority,
    /// Not within the deadline; a change may still come into force.
    #[error("no result within {0:?}")]
    Timeout(Duration),
    /// openraft refused.
    #[error("{0}")]
    Refused(String),
    /// The replica has stopped.
    #[error("this member has stopped: {0}")]
    Stopped(String),
}

pub(crate) fn leader_text(leader: Option<MemberId>) -> String {
    match leader {
        Some(id) => format!("; member {id} is"),
        None => "; none is known".to_owned(),
    }
}

pub(crate) type OpenRaft<M> = Raft<TypeConfig, StateMachine<M>>;

/// A member of the replicated store. Clones are handles to the same one.
pub struct Replica<M: Machine> {
    inner: Arc<Inner<M>>,
}

impl<M: Machine> Clone for Replica<M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<M: Machine> {
    id: MemberId,
    raft: OpenRaft<M>,
    shared: Arc<Shared<M>>,
    peers: Arc<Peers>,
    status: watch::Receiver<Status>,
    ordinary: Semaphore,
    vital: Semaphore,
    work: Arc<Work<M>>,
    tasks: [tokio::task::JoinHandle<()>; 4],
}

impl<M: Machine> Drop for Inner<M> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl<M: Machine> Replica<M> {
    /// Opens the store and starts the member. It takes part in nothing before it was made a
    /// member: by [`Self::initialize`], or by the leader of a cluster.
    pub async fn open(options: Options, dial: Dial, on_failed: OnStoreFailed) -> Result<Self, OpenError> {
        let config = options.config().map_err(OpenError::Options)?;
        if !options.may_begin && !options.dir.join("log").exists() {
            return Err(StoreError::damaged(&options.dir, "the log of this member is gone").into());
        }
        let written_by = belongs::check(&options.dir, &options.cluster, &options.store)?;
        let (log, files, current) =
            read(&options.dir, &on_failed).map_err(|error| belongs::explain(error, written_by.as_deref()))?;
        let (view, opened) = (log.view(), log.opened());
        let standing = Standing::open(options.dir.clone(), options.store.clone(), opened)?;
        let space = Arc::new(Space::new(&options.dir, options.full_percent));
        let shared = Arc::new(Shared::new(options.hash_every));
        let machine = StateMachine::new(shared.clone(), files, current);
        let peers = Peers::new(options.id, options.cluster.clone(), dial, Arc::new(standing), space.clone());
        let peers = Arc::new(peers);
        let network = Network { peers: peers.clone() };
        let raft = Raft::new(options.id, Arc::new(config), network, log, machine)
            .await
            .map_err(|e| OpenError::Start(e.to_string()))?;
        let (follower, status) = status::follow(options.id, raft.metrics());
        let space = space::watch(space, peers.standing.clone(), raft.clone(), status.clone());
        let (work_raft, work_status) = (raft.clone(), status.clone());
        let work = Work {
            raft: work_raft,
            shared: shared.clone(),
            peers: peers.clone(),
            status: work_status,
            log: view,
            on_failed,
        };
        let work = Arc::new(work);
        let (show, tell) = (tokio::spawn(task::show(work.clone())), tokio::spawn(task::tell(work.clone())));
        let inner = Inner {
            id: options.id,
            raft,
            shared,
            peers,
            status,
            ordinary: Semaphore::new(options.in_flight),
            vital: Semaphore::new(options.in_flight),
            work,
            tasks: [follower, space, show, tell],
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn raft(&self) -> &OpenRaft<M> {
        &self.inner.raft
    }

    /// The connections to the other members.
    #[must_use]
    pub fn peers(&self) -> &Arc<Peers> {
        &self.inner.peers
    }

    /// This member's raft id.
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.inner.id
    }

    /// Makes this pristine member a cluster of one.
    pub async fn initialize(&self, node: Node) -> Result<(), ReplicaError> {
        let members: BTreeMap<_, _> = [(self.inner.id, node)].into();
        let initialized = self.raft().initialize(members).await;
        initialized.map_err(|e| match e.fatal() {
            Some(fatal) => ReplicaError::Stopped(fatal.to_string()),
            None => ReplicaError::Refused(format!("this store already belongs to a cluster: {e}")),
        })?;
        // It is the only member there is: nobody is to be asked about its store.
        self.peers().standing.set_open();
        Ok(())
    }

    /// Whether this store has ever been part of a cluster.
    pub async fn is_initialized(&self) -> Result<bool, ReplicaError> {
        let answer = self.raft().is_initialized().await;
        answer.map_err(|e| ReplicaError::Stopped(e.to_string()))
    }

    /// Follows term, leader, membership and progress.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// For how long each of the others has answered this leader nothing; without those that never did, and empty where
    /// this member does not lead.
    #[must_use]
    pub fn silences(&self) -> BTreeMap<MemberId, Duration> {
        let metrics = self.raft().metrics();
        let heard = metrics.borrow_watched().heartbeat.clone().unwrap_or_default();
        heard.into_iter().filter_map(|(id, at)| Some((id, at?.elapsed()))).collect()
    }

    /// Follows the index of the last applied entry.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Option<u64>> {
        self.inner.shared.index()
    }

    /// Follows the state's hash, taken after every so many entries at the same indices on
    /// every member.
    #[must_use]
    pub fn state_hash(&self) -> watch::Receiver<Option<StateHash>> {
        self.inner.shared.hash()
    }

    /// Looks at the machine and the index it stands at. Keep it short: nothing is applied
    /// meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&M, Option<u64>) -> T) -> T {
        let applied = self.inner.shared.read();
        look(&applied.machine, applied.last.as_ref().map(|id| id.index))
    }

    /// Whether this member believes to lead. Decide nothing that matters on it: see
    /// [`Self::linearizable_read`].
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.inner.status.borrow().role == Role::Leader
    }

    /// Who leads, as far as this member knows.
    #[must_use]
    pub fn leader(&self) -> Option<MemberId> {
        self.inner.status.borrow().leader
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.inner.status.borrow().term
    }

    /// Confirms with a majority that this member leads, and waits until all that was committed
    /// before is applied here: what [`Self::read`] sees then is no older than this call.
    /// Answers the applied index. Never by a lease.
    pub async fn linearizable_read(&self, deadline: Duration) -> Result<u64, ReplicaError> {
        use openraft::errors::LinearizableReadError as Refused;
        let confirmed = self.raft().ensure_linearizable(ReadPolicy::ReadIndex);
        let confirmed = tokio::time::timeout(deadline, confirmed).await;
        match confirmed.map_err(|_| ReplicaError::Timeout(deadline))? {
            Ok(_) => Ok(self.read(|_, index| index.unwrap_or(0))),
            Err(e) => Err(match (e.api_error(), e.fatal()) {
                (Some(Refused::ForwardToLeader(to)), _) => ReplicaError::NotLeader { leader: to.leader_id },
                (Some(Refused::QuorumNotEnough(_)), _) => ReplicaError::NoMajority,
                (None, fatal) => ReplicaError::Stopped(format!("{fatal:?}")),
            }),
        }
    }

    /// Follows whether this store may be used at all: once it is told why not, nothing of Raft is sent or answered, and
    /// the embedder has to set the store aside.
    #[must_use]
    pub fn fault(&self) -> watch::Receiver<Option<StoreFault>> {
        self.peers().standing.fault()
    }

    /// Whether the peers have taken this store, so that this member takes part.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.peers().standing.is_open()
    }

    /// Follows, on the leader, who has a state that is not that of the majority: by name, after which entry.
    #[must_use]
    pub fn differing(&self) -> watch::Receiver<BTreeMap<String, u64>> {
        self.peers().standing.differing()
    }

    /// Where the members' stores stand; only the leader knows of the others'.
    #[must_use]
    pub fn stores(&self) -> BTreeMap<MemberId, StoreStanding> {
        let mut stores = self.peers().standing.stores().clone();
        stores.insert(self.id(), task::own(&self.inner.work).into());
        stores
    }

    pub(crate) fn note_roll(&self, roll: Roll) {
        task::note_roll(&self.inner.work, roll);
    }

    pub(crate) fn told(&self, tell: TellV1) -> TellReplyV1 {
        task::told(&self.inner.work, tell)
    }

    /// Adds a member without a vote, and waits until it has caught up.
    pub async fn add_learner(&self, id: MemberId, node: Node, deadline: Duration) -> Result<u64, ReplicaError> {
        changed(deadline, self.raft().add_learner(id, node, true)).await
    }

    /// The same, without waiting: [`Status::members`] shows how far it is.
    pub async fn enlist(&self, id: MemberId, node: Node, deadline: Duration) -> Result<u64, ReplicaError> {
        changed(deadline, self.raft().add_learner(id, node, false)).await
    }

    /// Makes exactly these members the voters; who was one and is not listed stays as learner.
    pub async fn change_voters(&self, voters: BTreeSet<MemberId>, deadline: Duration) -> Result<u64, ReplicaError> {
        let change = ChangeMembers::ReplaceAllVoters(voters);
        changed(deadline, self.raft().change_membership(change, true)).await
    }

    /// Removes members that are no voters.
    pub async fn remove_learners(&self, learners: BTreeSet<MemberId>, deadline: Duration) -> Result<u64, ReplicaError> {
        let change = ChangeMembers::RemoveNodes(learners);
        changed(deadline, self.raft().change_membership(change, true)).await
    }

    /// Asks another voter to lead. It is a request: watch [`Self::status`] for what comes of it.
    pub async fn transfer_leader(&self, to: MemberId) -> Result<(), ReplicaError> {
        let asked = self.raft().trigger().transfer_leader(to).await;
        asked.map_err(|e| ReplicaError::Stopped(e.to_string()))
    }

    /// Takes a snapshot now.
    pub async fn snapshot(&self) -> Result<(), ReplicaError> {
        let asked = self.raft().trigger().snapshot().await;
        asked.map_err(|e| ReplicaError::Stopped(e.to_string()))
    }

    /// The address of a member, by the membership this one knows.
    #[must_use]
    pub fn node(&self, id: MemberId) -> Option<Node> {
        let status = self.inner.status.borrow();
        status.members.get(&id).map(|m| m.node.clone())
    }

    /// Asks a member something of the embedder's own.
    pub async fn call(
        &self,
        to: MemberId,
        kind: &str,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let node = self.node(to).ok_or_else(|| CallError::Unreachable {
            to: Node { name: format!("member {to}"), address: String::new() },
            why: "it is no member of the cluster".to_owned(),
        })?;
        self.peers().call(to, &node, kind, body, deadline).await
    }

    /// Stops taking part. What was acknowledged is on disk already.
    pub async fn shutdown(&self) {
        // The task's own panic is not ours to report; it is stopped either way.
        let _ = self.raft().shutdown().await;
    }
}

/// Log and snapshot, as they lie on the disk, and that they are those of one member.
fn read(dir: &Path, on_failed: &OnStoreFailed) -> Result<(Log, SnapshotFiles, Option<Snapshot>), StoreError> {
    let log = Log::open(&dir.join("log"), on_failed.clone())?;
    let (files, current) = SnapshotFiles::open(&dir.join("snapshots"))?;
    log.fits(current.as_ref().and_then(|c| c.meta.last_log_id)).map_err(|why| StoreError::damaged(dir, why))?;
    Ok((log, files, current))
}

type Changed = Result<
    openraft::raft::ClientWriteResponse<TypeConfig>,
    openraft::errors::RaftError<TypeConfig, openraft::errors::ClientWriteError<TypeConfig>>,
>;

/// Waits for a change of membership and says at which index it stands.
async fn changed(deadline: Duration, change: impl Future<Output = Changed>) -> Result<u64, ReplicaError> {
    use openraft::errors::ClientWriteError as Refused;
    let result = tokio::time::timeout(deadline, change).await;
    match result.map_err(|_| ReplicaError::Timeout(deadline))? {
        Ok(done) => Ok(done.log_id.index),
        Err(e) => Err(match (e.api_error(), e.fatal()) {
            (Some(Refused::ForwardToLeader(to)), _) => ReplicaError::NotLeader { leader: to.leader_id },
            (Some(other), _) => ReplicaError::Refused(other.to_string()),
            (None, fatal) => ReplicaError::Stopped(format!("{fatal:?}")),
        }),
    }
}
