//! A store made that of a cluster of one: what is left when a majority is lost for good.
//!
//! It is changed while nobody has it open. Whether that is right is not for this crate to say: those who are left out may
//! live, and would be a second cluster.

use std::collections::BTreeMap;
use std::path::Path;

use crate::belongs;
use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::snapshot::SnapshotFiles;
use crate::types::{Entry, LogId, MemberId, Membership, Node, Payload, Vote, log_id};

/// Makes `id` the only member, and has `command` follow that at once: both are committed together, before this member
/// leads. All that its log has is kept, committed or not. The store belongs to `cluster` from then on. Answers the index
/// of the command.
///
/// # Errors
/// When the store cannot be read or written.
pub fn recover<M: Machine>(
    dir: &Path,
    (id, node): (MemberId, Node),
    (cluster, store_id): (&str, &str),
    command: &M::Command,
) -> Result<u64, StoreError> {
    let path = dir.join("log");
    if !path.exists() {
        return Err(StoreError::damaged(dir, "the log of this member is gone"));
    }
    let (_, snapshot) = SnapshotFiles::open(&dir.join("snapshots"))?;
    let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id);
    let (store, found) = LogStore::open(&path)?;
    let in_log: Option<LogId> = found.entries.last().map(|entry| entry.log_id).max(found.purged);
    let last = in_log.max(snapshot);
    let (last_term, last_index) = last.map_or((0, 0), |id| (id.leader_id.term, id.index));
    let term = found.vote.map_or(0, |vote| vote.leader_id.term).max(last_term) + 1;
    let unwritten = |error: crate::error::StoreFailed| StoreError::io("write to", dir, std::io::Error::other(error));
    let whole = |why: String| StoreError::io("write to", dir, std::io::Error::other(why));

    let alone = Membership::new(vec![[id].into()], BTreeMap::from([(id, node)])).map_err(|e| whole(e.to_string()))?;
    let bytes = codec::encode(Kind::Command, M::COMMAND_SCHEMA, command).map_err(|e| whole(e.to_string()))?;
    let entries = [Payload::Membership(alone), Payload::Normal(bytes.into())];
    // A snapshot that is newer than the log stands for what was before it.
    if let Some(snapshot) = snapshot.filter(|_| snapshot > in_log) {
        store.put_purged(&snapshot).map_err(unwritten)?;
    }
    store.put_vote(&Vote::new(term, id)).map_err(unwritten)?;
    let mut index = last_index;
    for payload in entries {
        index += 1;
        store.put_entry(&Entry { log_id: log_id(term, index), payload }).map_err(unwritten)?;
    }
    store.sync().map_err(unwritten)?;
    belongs::hand_on(dir, cluster, store_id)?;
    Ok(index)
}
