//! Everything that can become a log entry.
//!
//! Claims, results, observations, hellos and proofs are sent by somebody and may arrive late and in any
//! order. The other entries are the leader's own and are committed at once. A message carries what its
//! sender knew; it never carries what the log should conclude.

use crate::state::{BootId, Grant, NodeId, Number, Process, ResourceId};

/// Who speaks: a process of a boot of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// The node it speaks for.
    pub node: NodeId,
    /// Its host's boot.
    pub boot: BootId,
    /// Its daemon's start.
    pub process: Process,
}

/// What a claim asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Start it here.
    Start,
    /// Stop it here, or destroy a paused copy.
    Stop,
    /// Send it to another node.
    Migrate {
        /// The target.
        to: NodeId,
    },
    /// Resume the copy that arrived under this number.
    Handover {
        /// The incoming operation number.
        number: Number,
    },
}

/// What an operation or a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// No domain and no QEMU process.
    Nothing,
    /// It runs, or the source of a migration may still go on.
    Running,
    /// A paused or incoming domain: `Unknown` until resumed or destroyed.
    Copy,
    /// The migration's own word: handed over, and gone here.
    Moved,
}

impl Found {
    /// Whether the resource counts as active after this was found.
    pub fn active(self) -> bool {
        match self {
            Found::Nothing | Found::Moved => false,
            Found::Running | Found::Copy => true,
        }
    }
}

/// Which machine a hello comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hardware {
    /// The one pinned at join.
    Pinned,
    /// Another one under the same node id.
    Other,
}

/// A log entry, proposed or committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// May I?
    Claim {
        /// Who asks.
        from: Sender,
        /// For which resource.
        resource: ResourceId,
        /// To do what.
        kind: Kind,
    },
    /// The outcome of a granted claim.
    Result {
        /// Who ran it.
        from: Sender,
        /// On which resource.
        resource: ResourceId,
        /// Under which operation number.
        number: Number,
        /// What is there now.
        found: Found,
    },
    /// The outcome of a look.
    Observation {
        /// Who looked.
        from: Sender,
        /// For which resource.
        resource: ResourceId,
        /// The number in force when the look began.
        number: Number,
        /// What was there.
        found: Found,
    },
    /// A daemon introduces itself.
    Hello {
        /// Who it is.
        from: Sender,
        /// The incarnation it read after it started.
        follows: Process,
        /// Where it comes from.
        hardware: Hardware,
    },
    /// The power of a host was read as off.
    PowerOff {
        /// Which host.
        target: NodeId,
        /// The session whose intent was applied before the reading began; `None`: read before any.
        session: Option<BootId>,
    },
    /// A person says that the host is off.
    ConfirmOff {
        /// Which node.
        target: NodeId,
        /// The session the question was about.
        session: BootId,
    },
    /// A majority does not hear the node: its session is lost, and shall be fenced.
    Lost {
        /// Which node.
        target: NodeId,
    },
    /// A member may send `off`.
    Grant(Grant),
    /// The executor says that it never sent `off` under this grant and never will.
    Withdraw(Grant),
    /// The deadline of a grant has passed.
    Expire(Grant),
    /// The lost session came back: do not fence it after all.
    CallOff {
        /// Which node.
        target: NodeId,
    },
}
