//! The log store without Raft over it, for the power-loss test. Not part of the interface.

use std::io;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use crate::error::{StoreError, StoreFailed};
use crate::log::Log;
use crate::types::{Entry, Payload, TypeConfig, Vote, log_id};

/// An entry: term, index, payload.
pub type Item = (u64, u64, Vec<u8>);

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Term and node voted for.
    pub vote: Option<(u64, u64)>,
    /// The last purged index.
    pub purged: Option<u64>,
    /// All entries, in order.
    pub entries: Vec<Item>,
}

/// An open log store. A failure of the store ends the process.
pub struct Probe {
    log: Log,
}

impl Probe {
    /// Opens it, with all its checks.
    pub async fn open(dir: &Path) -> Result<(Self, Contents), StoreError> {
        let on_failed = Arc::new(|failed: &StoreFailed| {
            // Whatever was being recorded is worthless now.
            let _ = io::Write::write_all(&mut io::stderr(), format!("{failed}\n").as_bytes());
            std::process::abort();
        });
        let mut probe = Self { log: Log::open(dir, on_failed)? };
        let contents = probe.contents().await.map_err(|e| StoreError::io("read", dir, e))?;
        Ok((probe, contents))
    }

    async fn contents(&mut self) -> Result<Contents, io::Error> {
        let state = self.log.get_log_state().await?;
        let mut reader = self.log.get_log_reader().await;
        let vote = reader.read_vote().await?;
        let entries = reader.try_get_log_entries(..).await?;
        let item = |entry: Entry| {
            let payload = match entry.payload {
                Payload::Normal(bytes) => bytes.as_ref().to_vec(),
                Payload::Blank | Payload::Membership(_) => Vec::new(),
            };
            (entry.log_id.leader_id.term, entry.log_id.index, payload)
        };
        Ok(Contents {
            vote: vote.map(|v| (v.leader_id.term, v.leader_id.voted_for)),
            purged: state.last_purged_log_id.map(|id| id.index),
            entries: entries.into_iter().map(item).collect(),
        })
    }

    /// Appends; the answer comes when the entries are acknowledged as durable.
    pub async fn append(
        &mut self,
        items: Vec<Item>,
    ) -> Result<impl Future<Output = Result<(), io::Error>> + use<>, io::Error> {
        let entries = items.into_iter().map(|(term, index, payload)| Entry {
            log_id: log_id(term, index),
            payload: Payload::Normal(payload.into()),
        });
        let (tx, rx) = TypeConfig::oneshot();
        self.log.append(entries, IOFlushed::signal(tx)).await?;
        Ok(async move { rx.await.map_err(io::Error::other)? })
    }

    /// Saves a vote and returns when it is acknowledged as durable.
    pub async fn save_vote(&mut self, term: u64, node: u64) -> Result<(), io::Error> {
        self.log.save_vote(&Vote::new(term, node)).await
    }

    /// Removes everything after an entry.
    pub async fn truncate_after(&mut self, last: Option<(u64, u64)>) -> Result<(), io::Error> {
        self.log.truncate_after(last.map(|(term, index)| log_id(term, index))).await
    }

    /// Removes everything up to an entry.
    pub async fn purge(&mut self, term: u64, index: u64) -> Result<(), io::Error> {
        self.log.purge(log_id(term, index)).await
    }
}
