//! Fencing as the log knows it: intents, tries and proofs.
//!
//! An intent belongs to the target's session. Any member may carry it on, one grant at a time; a grant ends by its
//! result or by its deadline.

use super::command::Spent;
use crate::id::{Incarnation, NodeId, ResourceId, SessionId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// That a session is to be proven dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceIntent {
    /// Which boot.
    pub session: SessionId,
    /// Why, in words.
    pub cause: String,
    /// When it was applied.
    pub since: Timestamp,
    /// Where the time before it went, of a node that was judged lost.
    pub spent: Option<Spent>,
    /// Every try so far; the last may be open.
    pub attempts: Vec<Attempt>,
    /// Whether an off may have been sent; then the fence cannot be called off.
    pub off_sent: bool,
    /// The session is heard again after an off that had no effect: it must kill its VMs and reboot.
    pub condemned: bool,
}

/// One grant to send an off to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who.
    pub executor: NodeId,
    /// Its daemon start.
    pub incarnation: Incarnation,
    /// With which devices, all of one level.
    pub devices: Vec<ResourceId>,
    /// When it was granted.
    pub granted: Timestamp,
    /// For how long an off may be sent, on the executor's boot-time clock, from when it asked.
    pub lasts: Duration,
    /// How long its devices took to answer, in all; known when it has ended.
    pub took: Duration,
    /// How it ended, if it did.
    pub end: Option<AttemptEnd>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEnd {
    /// The power reads off, read after the intent.
    Verified,
    /// It did not work, in the device's words.
    Failed(String),
    /// Its deadline passed without a word.
    Expired,
}

/// What proves a session dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// The power read off after the intent, by these devices.
    PowerOff {
        /// All of one level.
        devices: Vec<ResourceId>,
        /// Who read it.
        executor: NodeId,
        /// When it was applied.
        at: Timestamp,
    },
    /// The same hardware said hello with another boot id.
    Reborn {
        /// The boot that proves it.
        session: SessionId,
        /// When it was applied.
        at: Timestamp,
    },
    /// A person said so.
    Confirmed {
        /// Who.
        by: String,
        /// When it was applied.
        at: Timestamp,
    },
}

/// A fence that ended, kept for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRecord {
    /// Which node.
    pub target: NodeId,
    /// The intent with all its tries.
    pub intent: FenceIntent,
    /// How it ended.
    pub end: FenceEnd,
    /// When.
    pub at: Timestamp,
}

/// How a fence ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceEnd {
    /// The session is proven dead.
    Proven(Proof),
    /// The session came back, and no off was ever sent.
    CalledOff,
}

impl FenceIntent {
    /// The try that has no end yet.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.end.is_none())
    }

    /// The last error of a device.
    pub fn last_error(&self) -> Option<&str> {
        self.attempts.iter().rev().find_map(|attempt| match &attempt.end {
            Some(AttemptEnd::Failed(error)) => Some(error.as_str()),
            _ => None,
        })
    }
}

impl Proof {
    /// In words, for status and history.
    pub fn words(&self) -> String {
        match self {
            Self::PowerOff { devices, executor, .. } => {
                let names: Vec<_> = devices.iter().map(ToString::to_string).collect();
                format!("power reads off by {}, read by {executor}", names.join(", "))
            }
            Self::Reborn { session, .. } => format!("the same hardware booted again (boot id {session})"),
            Self::Confirmed { by, .. } => format!("confirmed off by {by}"),
        }
    }
}
