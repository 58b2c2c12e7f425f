//! The one thread that writes the log: in order, many calls to one sync, and no
//! acknowledgement before that sync.
//!
//! Its queue is bounded by what openraft has in flight, which is bounded by the proposals a
//! leader admits. After a failure it writes nothing more and answers every call with an error.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::cache::Cache;
use super::to_io;
use crate::error::{OnStoreFailed, StoreFailed};
use crate::log_store::LogStore;
use crate::types::{Entry, LogId, Vote};

/// Told when the call's data is durable, or never will be.
pub(super) type Done = Box<dyn FnOnce(Result<(), io::Error>) + Send>;

/// One call.
pub(super) enum Op {
    Append(Vec<Entry>, Done),
    Truncate(Range<u64>, Done),
    Purge(LogId, Range<u64>, Done),
    Vote(Vote, Done),
    /// A hint for the next start; rides along with the next sync.
    Committed(LogId),
}

/// Entries removed in one turn: few, so that a large purge delays no append, and as many as a
/// busy turn appends, so that it keeps up.
const REMOVED_AT_ONCE: u64 = 128;
/// How much is written before those who wait are answered.
const BATCH_BYTES: usize = 256 * 1024;
/// What removing an entry is taken to write.
const REMOVAL_BYTES: usize = 1024;

/// The handle; dropping it writes what is queued and ends the thread.
pub(super) struct Writer {
    queue: Option<Sender<Op>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        store: Arc<LogStore>,
        cache: Arc<Mutex<Cache>>,
        leftover: Range<u64>,
        on_failed: OnStoreFailed,
    ) -> Result<Self, io::Error> {
        let (queue, calls) = channel();
        let work =
            Work { store, cache, written: 0, waiting: Vec::new(), end: None, committed: None, purging: leftover };
        let thread =
            std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || work.run(&calls, &on_failed))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a call. When the thread is gone, `Done` is dropped, which its owner notices.
    pub(super) fn send(&self, op: Op) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(op);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    store: Arc<LogStore>,
    cache: Arc<Mutex<Cache>>,
    /// Bytes since the last sync.
    written: usize,
    /// Who waits for the next sync.
    waiting: Vec<Done>,
    /// Where the log will durably end with the next sync.
    end: Option<u64>,
    committed: Option<LogId>,
    /// Entries below the purge mark still to be removed.
    purging: Range<u64>,
}

impl Work {
    fn run(mut self, calls: &Receiver<Op>, on_failed: &OnStoreFailed) {
        // The embedded store asserts on what it does not expect; a thread that died silently
        // would leave everybody waiting.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(calls)));
        let failed = match served {
            Ok(Ok(())) => return,
            Ok(Err(failed)) => failed,
            Err(_) => StoreFailed { action: "write", why: "it panicked".to_owned() },
        };
        tracing::error!(%failed, "log store failed");
        on_failed(&failed);
        // The embedder should not have returned; refuse everything from here on.
        for done in self.waiting.drain(..) {
            done(Err(to_io(failed.clone())));
        }
        while let Ok(op) = calls.recv() {
            match op {
                Op::Append(_, done) | Op::Truncate(_, done) | Op::Purge(_, _, done) | Op::Vote(_, done) => {
                    done(Err(to_io(failed.clone())))
                }
                Op::Committed(_) => {}
            }
        }
    }

    fn serve(&mut self, calls: &Receiver<Op>) -> Result<(), StoreFailed> {
        loop {
            let next = if self.purging.is_empty() {
                calls.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                // The mark they are below is durable: every turn ends with a sync.
                self.purge_some()?;
                calls.try_recv()
            };
            match next {
                Ok(op) => self.write(op)?,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return self.sync(),
            }
            while self.written < BATCH_BYTES {
                let Ok(op) = calls.try_recv() else { break };
                self.write(op)?;
            }
            if !self.waiting.is_empty() || self.written > 0 {
                self.sync()?;
            }
        }
    }

    fn write(&mut self, op: Op) -> Result<(), StoreFailed> {
        match op {
            Op::Append(entries, done) => {
                for entry in &entries {
                    self.written += self.store.put_entry(entry)?;
                    self.end = Some(entry.log_id.index + 1);
                }
                self.waiting.push(done);
            }
            Op::Truncate(removed, done) => {
                self.end = self.end.map(|end| end.min(removed.start));
                for index in removed.rev() {
                    self.store.remove_entry(index)?;
                    self.written += REMOVAL_BYTES;
                }
                self.waiting.push(done);
            }
            Op::Purge(upto, removed, done) => {
                self.store.put_purged(&upto)?;
                self.purging = if self.purging.is_empty() { removed } else { self.purging.start..removed.end };
                self.waiting.push(done);
            }
            Op::Vote(vote, done) => {
                self.store.put_vote(&vote)?;
                self.waiting.push(done);
            }
            Op::Committed(id) => self.committed = Some(id),
        }
        Ok(())
    }

    fn purge_some(&mut self) -> Result<(), StoreFailed> {
        let end = self.purging.end.min(self.purging.start + REMOVED_AT_ONCE);
        for index in self.purging.start..end {
            self.store.remove_entry(index)?;
            self.written += REMOVAL_BYTES;
        }
        self.purging.start = end;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreFailed> {
        if let Some(id) = self.committed.take() {
            self.store.put_committed(&id)?;
        }
        self.store.sync()?;
        self.written = 0;
        if let Some(end) = self.end.take() {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.set_durable(end);
        }
        for done in self.waiting.drain(..) {
            done(Ok(()));
        }
        Ok(())
    }
}
