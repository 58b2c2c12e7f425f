//! What the instances of a clone with `notify=true` are told of its starts, stops, promotions and demotions.
//!
//! One batch at a time is under way for a clone: its round. Every active instance is told before it, and every one that is
//! active afterwards is told after it. What is owed is in the log, so that neither a new leader nor a daemon that starts
//! again forgets it.

use super::{ActionKind, AgentError, ClusterState, Intent, Liveness, Seen, Speaker, Standing};
use crate::config::{Attributes, Primitive};
use crate::id::{NodeId, Operation, ResourceId, SessionId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The order in which the batches of one clone follow each other.
pub const PHASES: [ActionKind; 4] = [ActionKind::Demote, ActionKind::Stop, ActionKind::Start, ActionKind::Promote];
/// So many owed notices of one clone are kept; a node that is away for longer misses the oldest.
pub(super) const NOTICES_KEPT: usize = 32;

/// What is to be told about one clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// Where it was when its changes began; `None` while it is at rest.
    pub before: Option<Roles>,
    /// What was done since.
    pub done: Changes,
    /// What is under way, or about to be.
    pub round: Option<Round>,
    /// What a fence ended, and nobody is told of yet.
    pub fenced: Changes,
    /// What instances have yet to be told, oldest first.
    pub owed: Vec<Notice>,
}

/// Where a clone has instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Those that are not promoted.
    pub unpromoted: BTreeSet<NodeId>,
    /// Those that are.
    pub promoted: BTreeSet<NodeId>,
}

/// Where a clone is started, stopped, promoted and demoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Started.
    pub start: BTreeSet<NodeId>,
    /// Stopped.
    pub stop: BTreeSet<NodeId>,
    /// Promoted.
    pub promote: BTreeSet<NodeId>,
    /// Demoted.
    pub demote: BTreeSet<NodeId>,
}

/// A batch: the same operation on some of a clone's instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its number; that of the notices before it too.
    pub number: u64,
    /// Which operation.
    pub operation: ActionKind,
    /// On which nodes.
    pub nodes: BTreeSet<NodeId>,
    /// All that is to be done to the clone, and was.
    pub changes: Changes,
}

/// Something that instances are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Rises with each of a clone.
    pub number: u64,
    /// Whether it is told after the operation.
    pub is_post: bool,
    /// Which operation.
    pub operation: ActionKind,
    /// Where the clone was when its changes began.
    pub before: Roles,
    /// All that is to be done to it, and was.
    pub changes: Changes,
    /// Who has yet to be told, in which session.
    pub to: BTreeMap<NodeId, SessionId>,
}

/// What the planner wants of the notices of a clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeStep {
    /// A batch is to begin: whoever is active is told before.
    Open {
        /// Of which clone.
        resource: ResourceId,
        /// Which operation.
        operation: ActionKind,
        /// On which nodes.
        nodes: BTreeSet<NodeId>,
        /// All that is to be done to the clone.
        todo: Changes,
    },
    /// A batch is over, as far as it comes: whoever is active is told after.
    Close {
        /// Of which clone.
        resource: ResourceId,
        /// Which batch.
        number: u64,
    },
    /// Whoever is active is told of what a fence ended.
    Fenced {
        /// Of which clone.
        resource: ResourceId,
        /// All that is to be done to it.
        todo: Changes,
    },
    /// The clone is as it should be.
    Rest {
        /// Which.
        resource: ResourceId,
    },
}

/// An instance was told, or its agent failed at that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// Who told it.
    pub speaker: Speaker,
    /// An instance of what.
    pub resource: ResourceId,
    /// Under which number.
    pub operation: Operation,
    /// The agent's error, if it failed.
    pub error: Option<AgentError>,
    /// How long the agent took.
    pub took: Duration,
}

impl NoticeStep {
    /// Which clone it is about.
    pub fn resource(&self) -> &ResourceId {
        match self {
            Self::Open { resource, .. }
            | Self::Close { resource, .. }
            | Self::Fenced { resource, .. }
            | Self::Rest { resource } => resource,
        }
    }
}

impl Changes {
    /// Where this operation is done.
    pub fn of(&self, operation: ActionKind) -> Option<&BTreeSet<NodeId>> {
        match operation {
            ActionKind::Start => Some(&self.start),
            ActionKind::Stop => Some(&self.stop),
            ActionKind::Promote => Some(&self.promote),
            ActionKind::Demote => Some(&self.demote),
            ActionKind::Probe
            | ActionKind::Migrate
            | ActionKind::Incoming
            | ActionKind::Handover
            | ActionKind::Reload
            | ActionKind::Notify => None,
        }
    }

    /// The same, to be added to.
    pub fn of_mut(&mut self, operation: ActionKind) -> Option<&mut BTreeSet<NodeId>> {
        match operation {
            ActionKind::Start => Some(&mut self.start),
            ActionKind::Stop => Some(&mut self.stop),
            ActionKind::Promote => Some(&mut self.promote),
            ActionKind::Demote => Some(&mut self.demote),
            ActionKind::Probe
            | ActionKind::Migrate
            | ActionKind::Incoming
            | ActionKind::Handover
            | ActionKind::Reload
            | ActionKind::Notify => None,
        }
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |a: &BTreeSet<NodeId>, b: &BTreeSet<NodeId>| a | b;
        Self {
            start: both(&self.start, &other.start),
            stop: both(&self.stop, &other.stop),
            promote: both(&self.promote, &other.promote),
            demote: both(&self.demote, &other.demote),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        PHASES.iter().all(|phase| self.of(*phase).is_none_or(BTreeSet::is_empty))
    }
}

impl Notices {
    /// The batch whose operations may be carried out: everybody was told before.
    pub fn working(&self) -> Option<&Round> {
        self.round.as_ref().filter(|_| !self.owed.iter().any(|notice| !notice.is_post))
    }

    /// What this node is to be told next.
    pub fn next_for(&self, node: &NodeId) -> Option<&Notice> {
        self.owed.iter().find(|notice| notice.to.contains_key(node))
    }
}

impl ClusterState {
    /// Whether the instances of this are told of what is done to it, and every member knows how.
    pub fn notifies(&self, resource: &ResourceId) -> bool {
        self.level >= super::NOTIFY_LEVEL && self.config.primitives.get(resource).is_some_and(Primitive::notifies)
    }

    /// Where it has instances now.
    pub fn roles(&self, resource: &ResourceId) -> Roles {
        let mut roles = Roles::default();
        for (node, activity) in self.resources.get(resource).into_iter().flatten() {
            if self.standing(resource, node) == Standing::NotActive {
                continue;
            }
            match activity.seen {
                Seen::Promoted => _ = roles.promoted.insert(node.clone()),
                Seen::Running | Seen::Failed(_) => _ = roles.unpromoted.insert(node.clone()),
                Seen::Stopped | Seen::Paused(_) | Seen::Unknown(_) => {}
            }
        }
        roles
    }

    /// Whether a notice that is owed to a node may still come to something there.
    pub(super) fn is_still_owed(&self, resource: &ResourceId, notice: &Notice, node: &NodeId) -> bool {
        let (Some(at), Some(session)) = (self.nodes.get(node), notice.to.get(node)) else { return false };
        let is_its = at.living_session().is_some_and(|living| living.id == *session);
        let seen = self.activity(resource, node).map(|activity| &activity.seen);
        let is_there = match seen {
            None | Some(Seen::Stopped) => false,
            // A batch waits for nobody of whom nothing is known; what is done is told when that is over.
            Some(Seen::Failed(_)) => !notice.is_post,
            Some(Seen::Paused(_) | Seen::Unknown(_)) => notice.is_post,
            Some(Seen::Running | Seen::Promoted) => true,
        };
        // A batch waits for nobody who is away for long, or whom nobody may touch.
        let is_near = matches!(at.liveness, Liveness::Online | Liveness::Suspect | Liveness::DaemonGone);
        is_its && is_there && (notice.is_post || (is_near && at.intent != Intent::Maintenance))
    }

    /// What an agent is told of the changes of its clone, under the names of meta attributes: in a notice all of it, and
    /// in an operation of a batch the lists.
    pub fn notice_attributes(&self, resource: &ResourceId, node: &NodeId, kind: ActionKind) -> Option<Attributes> {
        let notices = self.notices.get(resource)?;
        if kind != ActionKind::Notify {
            let round = notices.working().filter(|round| round.operation == kind && round.nodes.contains(node))?;
            return Some(self.lists(resource, notices.before.as_ref()?, &round.changes));
        }
        let claim = self.activity(resource, node).and_then(|activity| activity.claim.as_ref());
        let claimed = claim.and_then(|claim| claim.notice);
        let of_claim = claimed.and_then(|number| notices.owed.iter().find(|notice| notice.number == number));
        let notice = of_claim.or_else(|| notices.next_for(node))?;
        let mut told = self.lists(resource, &notice.before, &notice.changes);
        let type_ = if notice.is_post { "post" } else { "pre" };
        told.insert("notify_type".to_owned(), type_.to_owned());
        told.insert("notify_operation".to_owned(), notice.operation.word().to_owned());
        Some(told)
    }

    /// The lists of a notice as Pacemaker writes them. An instance is numbered by the place of its node among all.
    fn lists(&self, resource: &ResourceId, before: &Roles, changes: &Changes) -> Attributes {
        let primitive = self.config.primitives.get(resource);
        let is_promotable = primitive.is_some_and(Primitive::is_promotable);
        let number = |node: &NodeId| self.nodes.keys().position(|other| other == node).unwrap_or_default();
        let instances =
            |nodes: &BTreeSet<NodeId>| words(nodes.iter().map(|node| format!("{resource}:{}", number(node))));
        let names = |nodes: &BTreeSet<NodeId>| words(nodes.iter().map(ToString::to_string));
        let hosts: BTreeSet<NodeId> = self.nodes.keys().filter(|node| !self.is_witness(node)).cloned().collect();
        let active: BTreeSet<NodeId> = &before.unpromoted | &before.promoted;
        let room = self.copies(resource).saturating_sub(active.len());
        let inactive: BTreeSet<NodeId> = hosts.difference(&active).take(room).cloned().collect();
        let none = BTreeSet::new();
        let unpromoted = if is_promotable { &before.unpromoted } else { &none };
        let mut told = Attributes::new();
        for (list, nodes) in [
            ("start", &changes.start),
            ("stop", &changes.stop),
            ("promote", &changes.promote),
            ("demote", &changes.demote),
            ("active", &active),
            ("unpromoted", unpromoted),
            ("slave", unpromoted),
            ("promoted", &before.promoted),
            ("master", &before.promoted),
        ] {
            told.insert(format!("notify_{list}_resource"), instances(nodes));
            told.insert(format!("notify_{list}_uname"), names(nodes));
        }
        told.insert("notify_inactive_resource".to_owned(), instances(&inactive));
        told.insert("notify_available_uname".to_owned(), names(&hosts));
        told.insert("notify_all_uname".to_owned(), words(self.nodes.keys().map(ToString::to_string)));
        told
    }
}

/// A list of nothing is one space, as agents know it.
fn words(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { " ".to_owned() } else { words.join(" ") }
}
