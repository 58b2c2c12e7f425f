//! The log in memory: where it begins and ends, and its newest entries. No IO.

use std::collections::BTreeMap;
use std::ops::Range;

use openraft::storage::LogState;

use crate::log_store::Found;
use crate::types::{Entry, LogId, Payload, TypeConfig, Vote};

/// How much of the log is kept in memory.
const CAPACITY: usize = 32 * 1024 * 1024;
/// What an entry costs besides its payload.
const OVERHEAD: usize = 128;

/// Bounds and newest entries of the log.
pub(super) struct Cache {
    pub(super) vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The oldest entry there is; raft begins at 0, an entry after a snapshot anywhere.
    first: u64,
    entries: BTreeMap<u64, Entry>,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(found: Found) -> Self {
        let mut cache = Self {
            vote: found.vote,
            last: found.purged,
            purged: found.purged,
            first: found.purged.map_or(0, |id| id.index + 1),
            entries: BTreeMap::new(),
            bytes: 0,
        };
        cache.append(&found.entries);
        cache.set_durable(u64::MAX);
        cache
    }

    pub(super) fn state(&self) -> LogState<TypeConfig> {
        LogState { last_purged_log_id: self.purged, last_log_id: self.last }
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            if self.last == self.purged {
                self.first = entry.log_id.index;
            }
            self.bytes += size(entry);
            self.entries.insert(entry.log_id.index, entry.clone());
            self.last = Some(entry.log_id);
        }
    }

    /// Entries below `end` are durable: memory may be short of them.
    pub(super) fn set_durable(&mut self, end: u64) {
        while self.bytes > CAPACITY {
            match self.entries.first_entry() {
                Some(first) if *first.key() < end => self.bytes -= size(&first.remove()),
                Some(_) | None => break,
            }
        }
    }

    /// Forgets all after `last`; answers which indices that were.
    pub(super) fn truncate(&mut self, last: Option<LogId>) -> Range<u64> {
        let from = last.as_ref().map_or(0, |id| id.index + 1);
        let end = self.end();
        if from >= end {
            return end..end;
        }
        for entry in self.entries.split_off(&from).values() {
            self.bytes -= size(entry);
        }
        self.last = last.or(self.purged);
        from..end
    }

    /// Forgets all up to `upto`; answers which indices that were.
    pub(super) fn purge(&mut self, upto: &LogId) -> Range<u64> {
        let start = self.first;
        let end = self.end().min(upto.index + 1);
        let kept = self.entries.split_off(&(upto.index + 1));
        for entry in self.entries.values() {
            self.bytes -= size(entry);
        }
        self.entries = kept;
        self.purged = Some(*upto);
        self.first = upto.index + 1;
        if self.last.as_ref().is_none_or(|last| last.index <= upto.index) {
            self.last = Some(*upto);
        }
        start..end.max(start)
    }

    pub(super) fn is_purged(&self, index: u64) -> bool {
        self.purged.as_ref().is_some_and(|p| index <= p.index)
    }

    /// The part of `start..end` that is on disk only, and the entries of the rest.
    pub(super) fn split(&self, start: u64, end: u64) -> (Range<u64>, Vec<Entry>) {
        let start = start.max(self.first);
        let end = end.min(self.end());
        if start >= end {
            return (start..start, Vec::new());
        }
        let first = self.entries.keys().next().copied().unwrap_or(end);
        let held = self.entries.range(start..end).map(|(_, e)| e.clone());
        (start..first.clamp(start, end), held.collect())
    }

    fn end(&self) -> u64 {
        self.last.as_ref().map_or(0, |id| id.index + 1)
    }
}

pub(super) fn size(entry: &Entry) -> usize {
    OVERHEAD
        + match &entry.payload {
            Payload::Blank => 0,
            Payload::Normal(bytes) => bytes.as_ref().len(),
            Payload::Membership(m) => m.nodes().count() * OVERHEAD,
        }
}
