//! What people ask of one resource's place: a move or a ban. It is recorded with who asked and how it ends, and is no
//! part of the configuration: nothing of it is left behind when it has ended.
//!
//! A ban, and all that was asked for with a lifetime, ends by `clear` or in its time. A move without one also ends by
//! itself: once the resource stays where it was moved to, or cannot run there.

use crate::id::{NodeId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One wish about one resource and one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference {
    /// What is wished.
    pub wish: Wish,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it ends by its lifetime, if it has one.
    pub until: Option<Timestamp>,
}

/// What is wished of a resource and a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It runs there, where it may.
    Move,
    /// It runs elsewhere, where it may.
    Leave,
    /// It does not run there.
    Ban,
}

/// A preference that has done what it was for, as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Whose.
    pub resource: ResourceId,
    /// About which node.
    pub node: NodeId,
    /// When it was asked for: what was asked again meanwhile is another.
    pub at: Timestamp,
    /// Why it has ended, in words.
    pub why: String,
}

impl Preference {
    /// Whether its lifetime is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// `move to n2`
    pub fn words(&self, node: &NodeId) -> String {
        match self.wish {
            Wish::Move => format!("move to {node}"),
            Wish::Leave => format!("move away from {node}"),
            Wish::Ban => format!("ban from {node}"),
        }
    }
}
