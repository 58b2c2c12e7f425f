//! Every answer that `apply` can give to a log entry.

use crate::id::{Incarnation, NodeId, Operation, RaftId, SessionId};
use serde::{Deserialize, Serialize};

/// What `apply` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Done,
    /// The hello stands: act as this incarnation.
    Welcome(Incarnation),
    /// The action may be carried out, under this number.
    Granted(Operation),
    /// The off may be sent; the number of the try.
    FenceGranted(u32),
    /// So many planned actions were accepted.
    Planned(u32),
    /// The configuration's new revision.
    Revision(u64),
    /// The new member's raft id.
    Joined(RaftId),
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why `apply` changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No such node, resource, action or try; or it is not as the command thinks.
    #[error("{0}")]
    Stale(String),
    /// Safety forbids it.
    #[error("{0}")]
    Unsafe(String),
    /// This session was proven dead: whoever speaks in it must stop its VMs and reboot.
    #[error("the session {0} was proven dead")]
    SessionEnded(SessionId),
    /// This session was judged lost; wait for the leader.
    #[error("the session {0} was judged lost")]
    SessionLost(SessionId),
    /// A grant to switch this node off is not settled; say hello again later.
    #[error("a fence of {0} is not settled yet")]
    FenceUnsettled(NodeId),
    /// Not who was pinned.
    #[error("{0}")]
    Foreign(String),
    /// What a person asked for makes no sense now.
    #[error("{0}")]
    Invalid(String),
}
