//! The machine in memory, and how far it has come.
//!
//! It is rebuilt at start from the snapshot and the log. An entry that is no command at all is
//! refused by every member alike; one that is intact but unreadable *here* stops this member,
//! because another version may read it and the states would part.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::codec::{self, CodecError, Kind};
use crate::machine::Machine;
use crate::snapshot::SnapshotFiles;
use crate::types::{Bytes, Entry, LogId, Payload, Reply, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};

/// The state after the entry at `index`, in few bytes; equal on every member or something is
/// badly wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateHash {
    /// After which entry.
    pub index: u64,
    /// SHA-256 of the encoded machine.
    pub hash: [u8; 32],
}

/// The machine and its position; they change together.
pub(crate) struct Applied<M> {
    pub(crate) machine: M,
    pub(crate) last: Option<LogId>,
    membership: StoredMembership,
}

/// What readers share with the state machine.
pub(crate) struct Shared<M> {
    applied: RwLock<Applied<M>>,
    index: watch::Sender<Option<u64>>,
    hash: watch::Sender<Option<StateHash>>,
    hash_every: u64,
    /// The last hashes, to be compared with those of others who are ahead or behind.
    hashes: Mutex<VecDeque<(u64, [u8; 32])>>,
    halted: Mutex<Option<String>>,
}

/// So many hashes are kept.
const HASHES: usize = 8;

impl<M: Machine> Shared<M> {
    pub(crate) fn new(hash_every: u64) -> Self {
        Self {
            applied: RwLock::new(Applied {
                machine: M::default(),
                last: None,
                membership: StoredMembership::default(),
            }),
            index: watch::Sender::new(None),
            hash: watch::Sender::new(None),
            hash_every: hash_every.max(1),
            hashes: Mutex::default(),
            halted: Mutex::default(),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Applied<M>> {
        // A machine that panicked stops the member; until then its state may be looked at.
        self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Applied<M>> {
        self.applied.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> watch::Receiver<Option<u64>> {
        self.index.subscribe()
    }

    pub(crate) fn hash(&self) -> watch::Receiver<Option<StateHash>> {
        self.hash.subscribe()
    }

    /// The last hashes.
    pub(crate) fn hashes(&self) -> Vec<(u64, [u8; 32])> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Nothing more is applied here: the next entry stops the member.
    pub(crate) fn halt(&self, why: String) {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    fn encode(&self) -> Result<(SnapshotMeta, Bytes), io::Error> {
        let applied = self.read();
        let state = codec::encode(Kind::State, M::STATE_SCHEMA, &applied.machine);
        let meta = SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership.clone() };
        Ok((meta, state.map_err(io::Error::other)?.into()))
    }

    fn publish(&self, last: Option<&LogId>) {
        self.index.send_replace(last.map(|id| id.index));
    }
}

/// The state machine openraft drives.
pub(crate) struct StateMachine<M> {
    shared: Arc<Shared<M>>,
    files: SnapshotFiles,
    current: Arc<RwLock<Option<Snapshot>>>,
}

impl<M: Machine> StateMachine<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, files: SnapshotFiles, current: Option<Snapshot>) -> Self {
        Self { shared, files, current: Arc::new(RwLock::new(current)) }
    }

    fn apply_one(&self, entry: &Entry) -> Result<Reply, io::Error> {
        if let Some(why) = &*self.shared.halted.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(io::Error::other(why.clone()));
        }
        let mut applied = self.shared.write();
        let index = entry.log_id.index;
        let reply = match &entry.payload {
            Payload::Blank => Reply::Nothing,
            Payload::Membership(membership) => {
                let id = Some(entry.log_id);
                applied.membership = StoredMembership::new(id, membership.clone());
                Reply::Nothing
            }
            Payload::Normal(bytes) => command_reply(&mut applied.machine, index, bytes)?,
        };
        applied.last = Some(entry.log_id);
        drop(applied);
        if index.is_multiple_of(self.shared.hash_every) {
            self.hash(index)?;
        }
        Ok(reply)
    }

    fn hash(&self, index: u64) -> Result<(), io::Error> {
        let (_, state) = self.shared.encode()?;
        let hash = Sha256::digest(&state).into();
        let mut kept = self.shared.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((index, hash));
        if kept.len() > HASHES {
            kept.pop_front();
        }
        drop(kept);
        self.shared.hash.send_replace(Some(StateHash { index, hash }));
        Ok(())
    }
}

fn command_reply<M: Machine>(machine: &mut M, index: u64, bytes: &Bytes) -> Result<Reply, io::Error> {
    let command = match codec::decode::<M::Command>(Kind::Command, M::COMMAND_SCHEMA, bytes.as_ref()) {
        Ok(command) => command,
        Err(e) if e.is_unknown_content() => {
            let why = format!("log entry {index} cannot be applied by this member: {e}");
            return Err(io::Error::other(why));
        }
        Err(e) => {
            return Ok(Reply::Refused(format!("log entry {index} is no command: {e}")));
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| machine.apply(index, &command)))
        .map_err(|_| io::Error::other(format!("the machine panicked on log entry {index}")))?;
    let outcome = codec::encode(Kind::Outcome, M::COMMAND_SCHEMA, &outcome);
    Ok(Reply::Outcome(outcome.map_err(io::Error::other)?.into()))
}

impl<M: Machine> RaftStateMachine<TypeConfig> for StateMachine<M> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.shared.read();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + openraft::OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.apply_one(&entry)?;
            self.shared.publish(Some(&entry.log_id));
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            // Encoded here, where nothing is applied meanwhile: a consistent view.
            state: Some(self.shared.encode()),
            files: self.files.clone(),
            current: self.current.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, state: Bytes) -> Result<(), io::Error> {
        let machine: M = codec::decode(Kind::State, M::STATE_SCHEMA, state.as_ref())
            .map_err(|e: CodecError| io::Error::other(format!("snapshot: {e}")))?;
        save(&self.files, &self.current, meta, &state).await?;
        *self.shared.write() = Applied { machine, last: meta.last_log_id, membership: meta.last_membership.clone() };
        self.shared.publish(meta.last_log_id.as_ref());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Ok(current.clone())
    }
}

/// Saves, unless that very snapshot is the current one, as at every start.
async fn save(
    files: &SnapshotFiles,
    current: &RwLock<Option<Snapshot>>,
    meta: &SnapshotMeta,
    state: &Bytes,
) -> Result<(), io::Error> {
    let same = {
        let current = current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|c| c.meta == *meta)
    };
    if same {
        return Ok(());
    }
    let snapshot = Snapshot { meta: meta.clone(), snapshot: state.clone() };
    let (files, saved) = (files.clone(), snapshot.clone());
    let written = tokio::task::spawn_blocking(move || files.save(&saved.meta, &saved.snapshot));
    written.await.map_err(io::Error::other)??;
    let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
    // A snapshot built meanwhile does not replace a newer one that was installed.
    if current.as_ref().is_none_or(|c| c.meta.last_log_id < meta.last_log_id) {
        *current = Some(snapshot);
    }
    Ok(())
}

/// Writes one snapshot in the background.
pub(crate) struct Builder {
    state: Option<Result<(SnapshotMeta, Bytes), io::Error>>,
    files: SnapshotFiles,
    current: Arc<RwLock<Option<Snapshot>>>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let state = self.state.take();
        let (meta, state) = state.ok_or_else(|| io::Error::other("a builder builds once"))??;
        save(&self.files, &self.current, &meta, &state).await?;
        Ok(Snapshot { meta, snapshot: state })
    }
}
