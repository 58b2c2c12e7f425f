//! Which daemons a cluster is made of, and what all of them understand.
//!
//! A daemon says in its hello up to which feature level it understands the log. The cluster's level is the least of
//! its members', and never falls; an entry of a higher level is refused until every member can read it.

use super::command::Command;
use serde::{Deserialize, Serialize};

/// What this program understands.
///
/// 1: the first log. 2: removal of members, and hosts that say goodbye. 3: overdue claims.
pub const FEATURE_LEVEL: u16 = 3;

/// The program that a daemon runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its version, for people.
    pub version: String,
    /// The highest feature level it takes part in.
    pub level: u16,
}

impl Release {
    /// This program.
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), level: FEATURE_LEVEL }
    }

    /// This program, held back: it takes part in no higher level, so that an older program can take its place again.
    pub fn held_at(level: u16) -> Self {
        Self { level: level.clamp(1, FEATURE_LEVEL), ..Self::this() }
    }
}

impl Command {
    /// The feature level that a reader of this command needs.
    pub fn level(&self) -> u16 {
        match self {
            Self::Remove { .. } | Self::Leave { .. } | Self::Goodbye(_) => 2,
            Self::Overdue { .. } => 3,
            _ => 1,
        }
    }
}
