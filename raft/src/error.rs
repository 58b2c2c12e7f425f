//! What can go wrong with the store on disk, and who is told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("{path} is in use by another process; one daemon per store")]
    InUse {
        /// The store's directory.
        path: PathBuf,
    },
    /// What is there is not what was written. Never come back as the old member from here.
    #[error("{path} is damaged: {why}; set the directory aside and rejoin this node as a new member")]
    Damaged {
        /// What is damaged.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It is a store, of somebody else. Its owner's votes are in it: never to be used as this member's.
    #[error("{path} is not this member's store: {why}")]
    Foreign {
        /// The store's directory.
        path: PathBuf,
        /// Whose it is.
        why: String,
    },
    /// The program was linked so that its writes are not made durable.
    #[error("writes to {path} are not synced: this program was linked without its sync_file_range")]
    NotDurable {
        /// The store's directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self::Damaged { path: path.into(), why: why.to_string() }
    }
}

/// A write or sync that failed while the member was running. What is on disk is unknown from
/// here on, so nothing is retried: the process has to end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log store failed to {action}: {why}; the process ends and must not retry")]
pub struct StoreFailed {
    /// What was being done.
    pub action: &'static str,
    /// Why it failed.
    pub why: String,
}

/// What the embedder does about a failed store: end the process. It should not return.
pub type OnStoreFailed = Arc<dyn Fn(&StoreFailed) + Send + Sync>;
