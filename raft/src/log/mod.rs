//! The replicated log as openraft sees it: what is appended is readable at once, and is
//! acknowledged only when it is durable.
//!
//! Readers are served from memory; one thread ([`writer`]) owns all writing, in the order the
//! calls came. Nothing here retries: a failure ends the process by the embedder's callback.

mod cache;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::oneshot;

use crate::error::{OnStoreFailed, StoreError, StoreFailed};
use crate::log_store::LogStore;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use cache::Cache;
use writer::{Done, Op, Writer};

/// Entries shipped to a follower in one message, in bytes; one larger entry goes alone.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// The log of one member.
pub(crate) struct Log {
    reader: LogReader,
    writer: Writer,
    committed: Option<LogId>,
    opened: u64,
}

/// Reads the log; one per replication stream.
#[derive(Clone)]
pub(crate) struct LogReader {
    cache: Arc<Mutex<Cache>>,
    store: Arc<LogStore>,
}

impl Log {
    /// Opens the store under `dir` and starts its writer.
    pub(crate) fn open(dir: &Path, on_failed: OnStoreFailed) -> Result<Self, StoreError> {
        let (store, found) = LogStore::open(dir)?;
        let (committed, opened) = (found.committed, found.opened);
        let leftover = found.leftover.clone();
        let cache = Arc::new(Mutex::new(Cache::new(found)));
        let store = Arc::new(store);
        let writer = Writer::start(store.clone(), cache.clone(), leftover, on_failed)
            .map_err(|e| StoreError::io("start the writer of", dir, e))?;
        let reader = LogReader { cache, store };
        Ok(Self { reader, writer, committed, opened })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.reader.cache()
    }

    /// How often this store was opened, this time included.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Where it stands, beside openraft.
    pub(crate) fn view(&self) -> LogView {
        LogView { cache: self.reader.cache.clone() }
    }

    /// Whether this log and a snapshot that ends at `snapshot` are those of one member: nothing
    /// that was committed here may be in neither. openraft would begin with an empty state.
    pub(crate) fn fits(&self, snapshot: Option<LogId>) -> Result<(), String> {
        let state = self.cache().state();
        let (purged, last) = (state.last_purged_log_id, state.last_log_id);
        if purged > snapshot {
            return Err(format!("the log begins after {purged:?}, the snapshot ends at {snapshot:?}"));
        }
        if self.committed > last.max(snapshot) {
            let committed = self.committed;
            return Err(format!("{committed:?} was committed, log and snapshot end at {last:?} and {snapshot:?}"));
        }
        let empty = last.is_none() && self.cache().vote.is_none();
        match snapshot {
            Some(_) if empty => Err("there is a snapshot, but the log has never been used".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    async fn run(&self, op: impl FnOnce(Done) -> Op) -> Result<(), io::Error> {
        let (tx, rx) = oneshot::channel();
        self.writer.send(op(Box::new(move |result| {
            // The receiver is gone only when the caller was cancelled.
            let _ = tx.send(result);
        })));
        rx.await.unwrap_or_else(|_| Err(io::Error::other("the log writer has ended")))
    }
}

/// Where the log stands; it does not hold the store open.
#[derive(Clone)]
pub(crate) struct LogView {
    cache: Arc<Mutex<Cache>>,
}

impl LogView {
    /// The vote, the end of the log, and the last entry that was purged.
    pub(crate) fn stands_at(&self) -> (Option<Vote>, Option<LogId>, Option<LogId>) {
        // A panic elsewhere cannot leave the cache half changed.
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let state = cache.state();
        (cache.vote, state.last_log_id, state.last_purged_log_id)
    }
}

impl LogReader {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic elsewhere cannot leave the cache half changed.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries of `range`, as many as fit in `bytes`, one at least.
    fn read(&self, range: impl RangeBounds<u64>, bytes: usize) -> Result<Vec<Entry>, io::Error> {
        let start = match range.start_bound() {
            Bound::Included(n) => *n,
            Bound::Excluded(n) => n.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(n) => n.saturating_add(1),
            Bound::Excluded(n) => *n,
            Bound::Unbounded => u64::MAX,
        };
        let (on_disk, held) = self.cache().split(start, end);
        let mut entries = Vec::new();
        let mut sum = 0;
        // What memory no longer holds: a follower far behind, rare.
        for index in on_disk {
            match self.store.entry(index).map_err(to_io)? {
                Some(entry) => {
                    sum += cache::size(&entry);
                    entries.push(entry);
                }
                // Purged meanwhile; nobody wants what is below that any more.
                None if self.cache().is_purged(index) => entries.clear(),
                None => return Err(io::Error::other(format!("log entry {index} is missing"))),
            }
            if sum > bytes {
                return Ok(entries);
            }
        }
        for entry in held {
            sum += cache::size(&entry);
            if sum > bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

pub(crate) fn to_io(failed: StoreFailed) -> io::Error {
    io::Error::other(failed)
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + openraft::OptionalSend,
    {
        self.read(range, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, MESSAGE_BYTES)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.cache().vote)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        Ok(self.cache().state())
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.run(|done| Op::Vote(*vote, done)).await?;
        self.cache().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.committed = committed;
        if let Some(id) = committed {
            self.writer.send(Op::Committed(id));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + openraft::OptionalSend,
        I::IntoIter: openraft::OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.cache().append(&entries);
        let done: Done = Box::new(move |result| callback.io_completed(result));
        self.writer.send(Op::Append(entries, done));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let removed = self.cache().truncate(last);
        self.run(|done| Op::Truncate(removed, done)).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let removed = self.cache().purge(&upto);
        self.run(|done| Op::Purge(upto, removed, done)).await
    }
}
