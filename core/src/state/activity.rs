//! What is known of one resource on one node: whether it may be active there, and the claim that is open.

use crate::config::Primitive;
use crate::id::{ActionId, Incarnation, NodeId, Operation, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The same by operation: `start`, `monitor`, `monitor_60000` …; what a person set counts as `set`.
    pub failed: BTreeMap<String, u32>,
    /// The last failure.
    pub last_failure: Option<Failure>,
    /// Crashes here in a row, each soon after the one before.
    pub crashes: u32,
    /// A stop failed: only a fence, a later stop or a person resolves it.
    pub stop_failed: bool,
    /// When `seen` last changed.
    pub since: Timestamp,
    /// What its agent takes over without a restart; known since it was started.
    pub reload: Option<Reload>,
}

/// What an agent takes over while its resource runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The action that does it: `reload-agent` of OCF 1.1, or `reload` of older agents.
    pub action: String,
    /// The parameters that may change by it.
    pub parameters: BTreeSet<String>,
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
    /// There, at least in part, and not working: to be stopped before it is started anywhere.
    Failed(String),
    /// Running, and promoted: of a promotable clone alone.
    Promoted,
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
    /// The other end, where a migration is under way.
    pub migration: Option<Migration>,
    /// What a reload takes over.
    pub definition: Option<Box<Primitive>>,
    /// Which notice an instance is told.
    pub notice: Option<u64>,
}

/// One end of a live migration, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The node at the other end.
    pub peer: NodeId,
    /// At the source: the plan wants it ended.
    pub called_off: bool,
    /// At the target: the migration's own word that it is complete and that the source is gone.
    pub gone: Option<Moved>,
}

/// A migration that is complete: nothing of the VM is at the source, and its copy stands still at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// How long it took at the source, in milliseconds.
    pub took_ms: u64,
    /// For how long the guest stood still when the source told of it, in milliseconds.
    pub paused_ms: u64,
    /// How much was sent, in bytes.
    pub bytes: u64,
    /// When the log heard of it.
    pub at: Timestamp,
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
    /// Send it to another node while it runs.
    Migrate,
    /// A copy comes in from another node. Nobody plans or carries it out: it is the claim that stands at the target.
    Incoming,
    /// Let the copy that came in run.
    Handover,
    /// Take over changed parameters while it runs.
    Reload,
    /// Make a running instance a promoted one.
    Promote,
    /// Make a promoted instance one like the others.
    Demote,
    /// Tell an instance what is, or was, done to its clone.
    Notify,
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
    /// What it means for the next start.
    pub severity: Severity,
}

/// How often a resource is to count as failed on a node; it is not looked at again for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// Who asks.
    pub actor: String,
    /// What.
    pub resource: ResourceId,
    /// Where.
    pub node: NodeId,
    /// How often; 0 forgets its failures there.
    pub count: u32,
}

/// An agent's error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentError {
    /// In the agent's words.
    pub text: String,
    /// What it means for the next start.
    pub severity: Severity,
    /// The interval of the monitor that found it, where that is not the resource's first.
    pub monitor: Option<Duration>,
}

/// What a failure means for the next start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// It may be tried again.
    #[default]
    Soft,
    /// It cannot work on this node until somebody mends it there.
    Hard,
    /// It cannot work on any node as it is configured.
    Fatal,
}

impl From<String> for AgentError {
    fn from(text: String) -> Self {
        Self { text, severity: Severity::Soft, monitor: None }
    }
}

impl From<&str> for AgentError {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
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
    /// Where to, for a migration; where from, for its handover.
    pub peer: Option<NodeId>,
    /// The operation number it was planned on; it is refused when that has moved.
    pub basis: Operation,
    /// What must be done before.
    pub after: Vec<ActionId>,
    /// Why, in words.
    pub reason: String,
    /// Whether it was claimed.
    pub claimed: bool,
}

impl Seen {
    /// Whether it is there and works, in whichever role.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running | Self::Promoted)
    }
}

impl Failure {
    /// Whether a monitor found it: `monitor`, or `monitor_60000` of one that is not the first.
    pub fn is_of_monitor(&self) -> bool {
        self.operation == "monitor" || self.operation.starts_with("monitor_")
    }
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
            failed: BTreeMap::new(),
            last_failure: None,
            crashes: 0,
            stop_failed: false,
            since: now,
            reload: None,
        }
    }

    /// Known to be stopped, with nothing under way.
    pub fn is_stopped(&self) -> bool {
        self.seen == Seen::Stopped && self.claim.is_none()
    }

    /// Whether there is anything about it but that it is known to be stopped.
    pub fn is_touched(&self) -> bool {
        !self.is_stopped() || self.last_failure.is_some() || self.failures > 0 || self.crashes > 0 || self.stop_failed
    }

    /// Nothing is under way that may change it: whoever is told something goes on as it was.
    pub fn is_at_rest(&self) -> bool {
        self.claim.as_ref().is_none_or(|claim| claim.kind == ActionKind::Notify)
    }

    /// Which operation's `on-fail` says what follows, when it is there and does not work.
    pub fn failed_operation(&self) -> &str {
        let counts =
            |last: &&Failure| last.is_of_monitor() || ["start", "promote", "demote"].contains(&last.operation.as_str());
        let last = self.last_failure.as_ref().filter(counts);
        last.map_or("monitor", |last| last.operation.as_str())
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
            self.reload = None;
            self.forget_copies();
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
            Self::Migrate => "migrate_to",
            Self::Incoming => "incoming",
            Self::Handover => "migrate_from",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Reload => "reload",
            Self::Notify => "notify",
        }
    }
}
