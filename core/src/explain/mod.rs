//! Why a resource is where it is, why not elsewhere, and what would change that. Pure.
//!
//! Every change that is named was tried before: it is only told where the placement that it promises came out. It
//! decides nothing, and what is told is not kept.

mod change;
mod live;
mod pacemaker;

pub use live::explain;
pub use pacemaker::explain as explain_model;

use crate::planner::{Blocked, DateRule, Term};
use crate::score::Score;
use crate::time::Timestamp;
use crate::view::Document;
use serde::{Deserialize, Serialize};

/// What `qrm explain` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `explain/1`
    pub schema: String,
    /// What was asked about.
    pub resource: String,
    /// Of each primitive in it; of a VM, one.
    pub reasons: Vec<Reason>,
}

/// Why one primitive is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which.
    pub resource: String,
    /// Where it is active.
    pub runs_on: Vec<String>,
    /// Where it should be; absent: nowhere.
    pub place: Option<String>,
    /// Of a clone, where its instances should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances_on: Vec<String>,
    /// Why there, or why nowhere.
    pub why: String,
    /// What holds it up, and what a person can do.
    pub blocked: Vec<Blocked>,
    /// What would make it run, where it should and has no place.
    pub would_run: Option<Change>,
    /// Every node.
    pub nodes: Vec<NodeReason>,
    /// Rules that ask the time, and when their answer changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<DateRule>,
    /// Why it was started, stopped or moved the last time.
    pub last_move: Option<LastMove>,
}

/// What one node is to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReason {
    /// Which.
    pub node: String,
    /// It should be here.
    pub is_place: bool,
    /// What it scores here in all, ±1000000 being a rule; absent: this node does not count.
    pub score: Option<Score>,
    /// The rule that keeps it away, or what the other has more of.
    pub why: String,
    /// What would bring it here.
    pub change: Option<Change>,
    /// The parts of its own score.
    pub terms: Vec<Term>,
}

/// A change, and where the resource would be then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What would change.
    #[serde(flatten)]
    pub what: What,
    /// Where it would be then.
    pub place: String,
    /// In words.
    pub words: String,
    /// How to do it, where one command does.
    pub command: Option<String>,
    /// Another change that would do as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or: Option<Box<Change>>,
}

impl Change {
    /// All that it says, in words.
    pub fn told(&self) -> String {
        match &self.or {
            None => self.words.clone(),
            Some(or) => format!("{}; or: {}", self.words, or.told()),
        }
    }
}

/// What would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum What {
    /// Its score on that node.
    Score {
        /// By so much.
        by: Score,
    },
    /// What it needs of a node's capacity.
    Need {
        /// Of what.
        name: String,
        /// So much less.
        less: i64,
    },
    /// What its node has of a kind of capacity.
    Capacity {
        /// Of what.
        name: String,
        /// So much more.
        more: i64,
    },
    /// A constraint goes.
    Delete {
        /// Which.
        id: String,
    },
    /// The node takes part again after standby or a drain.
    Online,
    /// The node is managed again after maintenance.
    Ready,
    /// A ban or move is taken back.
    Clear,
    /// Its failures there are forgotten.
    Cleanup,
    /// This cluster is given the tickets that it needs.
    Ticket,
    /// It is to run at all.
    Start,
}

/// The last time that it was started somewhere, stopped or moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMove {
    /// When.
    pub at: Timestamp,
    /// What and why.
    pub why: String,
    /// What had become of it where it was before, where the timeline knows.
    pub before: Option<String>,
}

impl Document for Explanation {
    const SCHEMA: &'static str = "explain/1";
}

impl Explanation {
    fn of(resource: &str, reasons: Vec<Reason>) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), resource: resource.to_owned(), reasons }
    }
}
