//! What the cluster holds against a node or a fence device, and what it asks people about.

use crate::id::{NodeId, SessionId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A question that only a person can answer, beside those of fences that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What about.
    pub matter: Matter,
    /// Since when.
    pub since: Timestamp,
}

/// What a person is asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Matter {
    /// Its daemon was stopped in order and did not come back within `away-grace`.
    AwayTooLong,
    /// It fell silent while people worked on it.
    LostInMaintenance,
}

/// Losses of a node that came alone, and what follows from too many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// When each began, the oldest first, within `quarantine-window`.
    pub losses: Vec<Timestamp>,
    /// Nothing new is placed on it, where there is another place.
    pub quarantine: Option<Quarantine>,
}

/// Why nothing new is placed on a node, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub why: String,
}

/// A device whose word proves nothing until a person trusts it again, or a node whose proof was false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distrust {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub why: String,
}

/// That a proof of death was false: the recovery that it allowed broke the promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breath {
    /// Whose.
    pub node: NodeId,
    /// The boot that was proven dead and lives.
    pub session: SessionId,
    /// Who heard it, after the proof: itself, where its own worker learned that it was proven dead.
    pub heard_by: NodeId,
}

/// What can be wrong with a member's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// It is damaged, gone, or older than what its peers have seen of it.
    Store,
    /// Somebody else speaks for this member.
    Copy,
    /// Its state is not that of the others.
    Differs,
    /// There is no room under it.
    Full,
}

/// recover: a person's word that one member goes on alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Who said so.
    pub actor: String,
    /// The member that is left.
    pub survivor: NodeId,
    /// All others: each is off for good.
    pub dead: BTreeSet<NodeId>,
    /// The generation that begins.
    pub generation: u64,
    /// The cluster's id from then on.
    pub cluster_id: String,
}
