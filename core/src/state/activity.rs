//! What is known of one resource on one node: whether it may be active there, and the claim that is open.

use crate::config::Primitive;
use crate::id::{ActionId, Incarnation, NodeId, Operation, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One resource on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Rises at every grant, accepted result, accepted observation and hello.
    pub operation: Operation,
    /// What was last seen.
    pub seen: Seen,
    /// The operation that runs now, if one does. While it is open the resource may be active.
    pub claim: Option<Claim>,
    /// What it was started with; stop and probe use this, whatever the configuration says by now.
    pub definition: Option<Primitive>,
    /// Failures on this node since the last cleanup.
    pub failures: u32,
    /// The last failure.
    pub last_failure: Option<Failure>,
    /// A stop failed: only a fence, a later stop or a person resolves it.
    pub stop_failed: bool,
    /// When `seen` last changed.
    pub since: Timestamp,
}

/// What a look at a resource on a node found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// Not known: it may be active. Never read as stopped.
    Unknown(String),
    /// Known not to be there.
    Stopped,
    /// Running.
    Running,
    /// There, but its CPUs stand still.
    Paused(String),
}

/// An operation that was granted and has no result yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What is done.
    pub kind: ActionKind,
    /// The planned action it carries out.
    pub action: ActionId,
    /// Who does it.
    pub incarnation: Incarnation,
    /// When it was granted.
    pub granted: Timestamp,
    /// How long it may take.
    pub deadline: Duration,
}

/// What can be done to a resource on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ActionKind {
    /// Look.
    Probe,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
}

/// Why something failed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The operation, or `monitor`.
    pub operation: String,
    /// In the agent's words.
    pub error: String,
    /// When the log heard of it.
    pub at: Timestamp,
}

/// An action of the current transition: so exact that carrying it out leaves no choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its number.
    pub id: ActionId,
    /// What it does.
    pub kind: ActionKind,
    /// To what.
    pub resource: ResourceId,
    /// Where.
    pub node: NodeId,
    /// The operation number it was planned on; it is refused when that has moved.
    pub basis: Operation,
    /// What must be done before.
    pub after: Vec<ActionId>,
    /// Why, in words.
    pub reason: String,
    /// Whether it was claimed.
    pub claimed: bool,
}

impl Activity {
    /// Nothing is known yet.
    pub fn unknown(why: impl Into<String>, now: Timestamp) -> Self {
        Self {
            operation: Operation(0),
            seen: Seen::Unknown(why.into()),
            claim: None,
            definition: None,
            failures: 0,
            last_failure: None,
            stop_failed: false,
            since: now,
        }
    }

    /// Known to be stopped, with nothing under way.
    pub fn is_stopped(&self) -> bool {
        self.seen == Seen::Stopped && self.claim.is_none()
    }

    /// Sets what was seen, and when it changed.
    pub(super) fn see(&mut self, seen: Seen, now: Timestamp) {
        // Another reason why it is unknown is no change.
        if std::mem::discriminant(&self.seen) != std::mem::discriminant(&seen) {
            self.since = now;
        }
        if seen == Seen::Stopped {
            self.stop_failed = false;
            self.definition = None;
        }
        self.seen = seen;
    }
}

impl ActionKind {
    /// The word of the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}
