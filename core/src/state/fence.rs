//! Fencing as the log knows it: intents, tries and proofs.
//!
//! An intent belongs to the target's session. Any member may carry it on, one grant at a time; a grant ends by its
//! result or by its deadline.

use crate::config::FenceAction;
use crate::id::{Incarnation, NodeId, ResourceId, SessionId};
use crate::pill::SentPill;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// So many of an intent's last tries are kept; of the others only how often which devices failed.
pub const TRIES_KEPT: usize = 16;
/// So many fence levels' failures are counted; the levels of one node may change while it is being fenced.
const LEVELS_COUNTED: usize = 16;

/// That a session is to be proven dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceIntent {
    /// Which boot.
    pub session: SessionId,
    /// Why.
    pub cause: FenceCause,
    /// What follows the proof.
    pub action: FenceAction,
    /// When it was applied.
    pub since: Timestamp,
    /// Where the time before it went, of a node that was judged lost.
    pub spent: Option<Spent>,
    /// How often it was tried.
    pub tries: u32,
    /// The last tries, at most [`TRIES_KEPT`]; the last may be open.
    pub attempts: VecDeque<Attempt>,
    /// What failed, by fence level.
    pub failed: Vec<FailedLevel>,
    /// Whether an off may have been sent; then the fence cannot be called off.
    pub off_sent: bool,
    /// The session is heard again after an off that had no effect: it must kill its VMs and reboot.
    pub condemned: bool,
    /// The pill that was left for it, and read back.
    pub pill: Option<SentPill>,
}

/// Where the time before a judgement went, by the leader's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Since when the node was silent: until it was judged.
    pub silence: Duration,
    /// How much of that went into reading its power.
    pub readings: Duration,
}

/// Why a session is to be proven dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceCause {
    /// It was judged lost: what was seen, in words.
    Lost(String),
    /// A resource could not be stopped there, and nothing else can be trusted to stop it.
    StopFailed {
        /// Which.
        resource: ResourceId,
        /// The agent's error.
        error: String,
    },
    /// A resource does not work there, and its on-fail is fence.
    Broken {
        /// Which.
        resource: ResourceId,
        /// What its monitor found.
        error: String,
    },
    /// A ticket was lost that a resource needs which is active there, and its loss-policy is fence.
    TicketLost {
        /// Which ticket.
        ticket: String,
        /// Which resource.
        resource: ResourceId,
    },
    /// It was proven dead and lives: it has to kill its VMs and reboot, or be proven dead again.
    FalseProof,
    /// A person wants it.
    Asked {
        /// Who.
        by: String,
    },
}

/// How often the devices of one level did not prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLevel {
    /// All of the level.
    pub devices: Vec<ResourceId>,
    /// How often.
    pub times: u32,
    /// The last error.
    pub error: String,
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
    /// The pill that is to be left, where that is what its devices do.
    pub pill: Option<SentPill>,
    /// How long its devices took to answer, in all; known when it has ended.
    pub took: Duration,
    /// How it ended, if it did.
    pub end: Option<AttemptEnd>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEnd {
    /// The power reads off, read after the intent; or a pill is in its slot, read after it was written.
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
    /// Everything in it was seen stopped, and it said goodbye before its host went down.
    Goodbye {
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
    /// Nobody fed its watchdog for so long that it has reset the host.
    Watchdog {
        /// Which.
        device: ResourceId,
        /// Who waited.
        leader: NodeId,
        /// For how long.
        waited: Duration,
        /// Whether it was waited for from when a pill was in the host's slot.
        by_pill: bool,
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
    /// Resources that might have been active there, and were not any more by this proof.
    #[serde(default)]
    pub released: Vec<ResourceId>,
    /// Since when the proof is known to be false.
    #[serde(default)]
    pub false_since: Option<Timestamp>,
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
    /// A wish that was not tried yet.
    pub fn new(session: SessionId, cause: FenceCause, action: FenceAction, since: Timestamp) -> Self {
        Self {
            session,
            cause,
            action,
            since,
            spent: None,
            tries: 0,
            attempts: VecDeque::new(),
            failed: Vec::new(),
            off_sent: false,
            condemned: false,
            pill: None,
        }
    }

    /// The try that has no end yet.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempts.back().filter(|attempt| attempt.end.is_none())
    }

    /// The last error of a device.
    pub fn last_error(&self) -> Option<&str> {
        self.attempts.iter().rev().find_map(|attempt| match &attempt.end {
            Some(AttemptEnd::Failed(error)) => Some(error.as_str()),
            _ => None,
        })
    }

    /// Opens a try; its number, counted from 1.
    pub(super) fn open(&mut self, attempt: Attempt) -> u32 {
        self.tries = self.tries.saturating_add(1);
        self.attempts.push_back(attempt);
        while self.attempts.len() > TRIES_KEPT {
            self.attempts.pop_front();
        }
        self.tries
    }

    /// The open try, if it has this number.
    pub(super) fn open_mut(&mut self, number: u32) -> Option<&mut Attempt> {
        let is_last = self.tries == number;
        self.attempts.back_mut().filter(|attempt| is_last && attempt.end.is_none())
    }

    /// Ends the open try, and counts it where it failed.
    pub(super) fn end_open(&mut self, end: AttemptEnd) {
        let Some(attempt) = self.attempts.back_mut().filter(|attempt| attempt.end.is_none()) else { return };
        let devices = attempt.devices.clone();
        let error = end.error().map(str::to_owned);
        attempt.end = Some(end);
        let Some(error) = error else { return };
        match self.failed.iter_mut().find(|failed| failed.devices == devices) {
            Some(failed) => (failed.times, failed.error) = (failed.times.saturating_add(1), error),
            None => self.failed.push(FailedLevel { devices, times: 1, error }),
        }
        if self.failed.len() > LEVELS_COUNTED {
            self.failed.remove(0);
        }
    }
}

impl AttemptEnd {
    /// What went wrong, if it did.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Expired => Some("it never answered"),
            Self::Verified => None,
        }
    }
}

impl fmt::Display for FenceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(evidence) => f.write_str(evidence),
            Self::StopFailed { resource, error } => write!(f, "{resource} could not be stopped there: {error}"),
            Self::Broken { resource, error } => {
                write!(f, "{resource} does not work there, and its on-fail is fence: {error}")
            }
            Self::TicketLost { ticket, resource } => {
                write!(f, "{resource} is active there, and its loss-policy is fence: ticket {ticket} was revoked")
            }
            Self::FalseProof => f.write_str("it was proven dead and lives"),
            Self::Asked { by } => write!(f, "asked by {by}"),
        }
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
            Self::Goodbye { .. } => "its host was shut down in order, with nothing left on it".to_owned(),
            Self::Confirmed { by, .. } => format!("confirmed off by {by}"),
            Self::Watchdog { device, leader, waited, by_pill: true, .. } => {
                format!("{leader} waited {} s for the pill that {device} had left for it", waited.as_secs())
            }
            Self::Watchdog { device, leader, waited, .. } => {
                format!("{leader} waited {} s for its watchdog {device}, which nobody fed", waited.as_secs())
            }
        }
    }
}
