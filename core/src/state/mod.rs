//! `ClusterState`: the configuration and everything observed, as every member has it after the same log entry.
//!
//! `apply` is the only way it changes. Everything the planner reads is in here.

mod activity;
mod apply;
mod command;
mod dog;
mod drilled;
mod event;
mod fence;
mod fence_delay;
mod health;
pub mod invariant;
mod lapse;
mod node;
mod notice;
pub mod one_disk;
mod outcome;
mod places;
mod preference;
mod query;
mod release;
mod ruled;
mod standing;
mod ticket;
mod trail;
mod unfence;

pub use activity::{
    Action, ActionKind, Activity, AgentError, Claim, Failure, FailureCount, Migration, Moved, Reload, Seen, Severity,
};
pub use apply::power_on::{POWER_ON_TRIES, PowerOn};
pub use command::{Command, Entry, Grant, NewAction, Speaker, Verdict};
pub use dog::{Armed, Dog, GonePill};
pub use drilled::{Arming, DrillWord, Drilled};
pub use event::{Event, EventKind};
pub use fence::{
    Attempt, AttemptEnd, FailedLevel, FenceCause, FenceEnd, FenceIntent, FenceRecord, Proof, Spent, TRIES_KEPT,
};
pub use fence_delay::{FenceDelay, FenceWait};
pub use health::{HealthSign, SIGNS_KEPT, SensorHealth, SensorSign, SensorWord, are_same};
pub use node::{Founding, Intent, Liveness, Member, NodeState, Removed, Session, SessionState};
pub use notice::{Changes, Notice, NoticeStep, Noticed, Notices, PHASES, Roles, Round};
pub use outcome::{Outcome, Refusal};
pub use places::Places;
pub use preference::{Ended, Preference, Wish};
pub(crate) use query::Fenced;
pub use query::Standing;
pub use release::{
    AGENTS_MIGRATE_LEVEL, ARMING_LEVEL, FEATURE_LEVEL, HEALTH_LEVEL, NOTIFY_LEVEL, PILL_LEVEL, RELOAD_LEVEL, Release,
    SCHEMA, WATCHDOG_LEVEL,
};
pub use standing::{Asked, Breath, Distrust, Flapping, Matter, Quarantine, Recovery, Trouble};
pub use ticket::{Ticket, TicketChange, TicketHold};
pub use unfence::{Unfenced, Unfencing};

use crate::config::Config;
use crate::id::{ActionId, NodeId, RaftId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// So many events are kept.
pub const EVENTS_KEPT: usize = 1000;
/// So many ended fences are kept.
pub const FENCES_KEPT: usize = 200;
/// So many configuration revisions are kept.
pub const REVISIONS_KEPT: usize = 100;
/// So many clients' last answers are kept.
pub const CLIENTS_KEPT: usize = 256;

/// So many removed members are remembered by more than their raft id.
pub const REMOVED_KEPT: usize = 200;

/// Everything the cluster agrees on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// The last applied log index.
    pub index: u64,
    /// The last one that may have changed anything a plan or a judgement looks at.
    pub moved: u64,
    /// The time of the last entry; never goes back.
    pub now: Timestamp,
    /// Who this cluster is; `None` before the first entry.
    pub identity: Option<Identity>,
    /// How often a survivor of a lost majority went on alone; what is of an earlier one counts no more.
    pub generation: u64,
    /// Members by name, with what was pinned when they joined.
    pub members: BTreeMap<NodeId, Member>,
    /// Members that were removed, by the raft id that they had.
    pub removed: BTreeMap<RaftId, Removed>,
    /// What every member understands: entries of a higher feature level are refused.
    pub level: u16,
    /// The raft id the next member gets; ids are never used again.
    pub next_raft_id: RaftId,
    /// Join tokens by hash.
    pub tokens: BTreeMap<String, Token>,
    /// What is wanted.
    pub config: Config,
    /// Rises with each change of configuration.
    pub revision: u64,
    /// The last changes.
    pub revisions: VecDeque<Revision>,
    /// What is observed of each member.
    pub nodes: BTreeMap<NodeId, NodeState>,
    /// What is observed of each resource on each node.
    pub resources: BTreeMap<ResourceId, Places>,
    /// Where people asked resources to go, or not to.
    pub preferences: BTreeMap<ResourceId, BTreeMap<NodeId, Preference>>,
    /// The current transition.
    pub actions: BTreeMap<ActionId, Action>,
    /// The number of the next action.
    pub next_action: ActionId,
    /// Sessions to be proven dead.
    pub intents: BTreeMap<NodeId, FenceIntent>,
    /// Fence devices whose word proves nothing until a person trusts them again.
    #[serde(default)]
    pub distrusted: BTreeMap<ResourceId, Distrust>,
    /// When nodes were last lost together, which is held against none of them.
    #[serde(default)]
    pub lost_together: Option<Timestamp>,
    /// Fences that ended.
    pub fences: VecDeque<FenceRecord>,
    /// Nodes that are to be switched on again, after their proof.
    pub power_on: BTreeMap<NodeId, PowerOn>,
    /// What happened.
    pub events: VecDeque<Event>,
    /// The number of the next event.
    pub next_event: u64,
    /// What was said of each node, for as long as its session lasts.
    pub attributes: BTreeMap<NodeId, BTreeMap<String, String>>,
    /// Tickets that somebody spoke of, by name.
    pub tickets: BTreeMap<String, Ticket>,
    /// The last answer to each client, so that a retry is not repeated.
    pub clients: BTreeMap<String, Answered>,
    /// What instances of clones are to be told.
    pub notices: BTreeMap<ResourceId, Notices>,
    /// Where each resource has been since anything changed but by the cluster's own work, in turn.
    pub trails: BTreeMap<ResourceId, Vec<NodeId>>,
}

/// Who a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// A random id.
    pub cluster_id: String,
    /// Its name.
    pub name: String,
    /// The CA's certificate, PEM.
    pub ca_certificate: String,
    /// The CA's private key, PEM.
    pub ca_key: String,
}

/// A join token; its secret is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// When it stops being good.
    pub expires: Timestamp,
    /// The node that joined by it.
    pub used_by: Option<NodeId>,
}

/// One change of configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number.
    pub number: u64,
    /// Who.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What, in the grammar's words.
    pub diff: String,
}

/// The last answer to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// To which of its requests.
    pub serial: u64,
    /// The log index of that.
    pub index: u64,
    /// The answer.
    pub outcome: Outcome,
}
