//! Fencing for people: what is being tried and what came of it, and the fences that ended with their proofs.

use super::Document;
use crate::id::{NodeId, ResourceId, SessionId};
use crate::state::{Attempt, ClusterState, FailedLevel, FenceEnd, FenceIntent, FenceRecord, Proof};
use crate::time::{Timestamp, millis};
use serde::{Deserialize, Serialize};

/// All that is known of fencing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fences {
    /// Those under way.
    pub open: Vec<Fencing>,
    /// Those that ended, the last first.
    pub ended: Vec<FenceView>,
}

impl Document for Fences {
    const SCHEMA: &'static str = "fences/1";
}

/// A fence under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fencing {
    /// Which node.
    pub target: NodeId,
    /// Which boot.
    pub session: SessionId,
    /// Why.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
    /// For how long it had been silent when it was judged lost; absent where something else asked for the fence.
    pub silence_ms: Option<u64>,
    /// How much of that went into reading its power.
    pub readings_ms: Option<u64>,
    /// Whether an off may have been sent.
    pub off_sent: bool,
    /// Whether the node was heard again after an off that had no effect, and must reboot.
    pub condemned: bool,
    /// Why nobody tries it now, if so.
    pub held: Option<String>,
    /// Until when its first off waits by a delay that somebody wants, and for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// How long its watchdog is waited for, where one bites.
    #[serde(default)]
    pub watchdog_ms: Option<u64>,
    /// Whether that is since a pill was left for it.
    #[serde(default)]
    pub is_pill: bool,
    /// Whether the session is proven dead already, and only the last try is waited for.
    pub settling: bool,
    /// How often it was tried.
    pub count: u32,
    /// What failed, and how often, by fence level.
    pub failed: Vec<Tried>,
    /// The last tries, oldest first.
    pub tries: Vec<Try>,
}

/// A delay that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Until when, about.
    pub until: Timestamp,
    /// What for.
    pub why: String,
}

/// Devices that did not prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// All of one level.
    pub devices: Vec<ResourceId>,
    /// How often.
    pub times: u32,
    /// The last error.
    pub error: String,
}

/// One try to switch a node off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Who tried.
    pub by: NodeId,
    /// With which devices.
    pub devices: Vec<ResourceId>,
    /// When it began.
    pub at: Timestamp,
    /// Whether it is under way.
    pub open: bool,
    /// How long the devices took to answer, in all, once it has ended.
    pub took_ms: Option<u64>,
    /// What went wrong, if it did.
    pub error: Option<String>,
}

/// A fence that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceView {
    /// Which node.
    pub target: NodeId,
    /// Which boot.
    pub session: SessionId,
    /// Why.
    pub cause: String,
    /// When it was asked for.
    pub since: Timestamp,
    /// For how long it had been silent when it was judged lost; absent where something else asked for the fence.
    pub silence_ms: Option<u64>,
    /// How much of that went into reading its power.
    pub readings_ms: Option<u64>,
    /// When it ended.
    pub at: Timestamp,
    /// `power-off`, `watchdog`, `pill`, `reborn`, `confirmed` or `called-off`.
    pub outcome: String,
    /// The proof in words; of a called-off fence, why.
    pub proof: String,
    /// Since when the proof is known to be false: the node lived, and what was started by it may have run twice.
    pub false_since: Option<Timestamp>,
    /// How often it was tried.
    pub count: u32,
    /// The last tries, oldest first.
    pub tries: Vec<Try>,
}

/// Fences under way and those that ended.
pub fn fences(state: &ClusterState) -> Fences {
    Fences { open: open(state), ended: ended(state).collect() }
}

pub(super) fn open(state: &ClusterState) -> Vec<Fencing> {
    state.intents.iter().map(|(target, intent)| fencing(state, target, intent)).collect()
}

/// The last first.
pub(super) fn ended(state: &ClusterState) -> impl Iterator<Item = FenceView> {
    state.fences.iter().rev().map(fence_view)
}

fn fencing(state: &ClusterState, target: &NodeId, intent: &FenceIntent) -> Fencing {
    let living = state.nodes.get(target).and_then(|node| node.living_session());
    let settling = living.is_none_or(|living| living.id != intent.session);
    let held = if settling || intent.open_attempt().is_some() { None } else { state.held(target) };
    let waits = if settling || held.is_some() { None } else { state.fence_wait(target) };
    Fencing {
        target: target.clone(),
        session: intent.session.clone(),
        cause: intent.cause.to_string(),
        since: intent.since,
        silence_ms: intent.spent.map(|spent| millis(spent.silence)),
        readings_ms: intent.spent.map(|spent| millis(spent.readings)),
        off_sent: intent.off_sent,
        condemned: intent.condemned,
        waits: waits.map(|wait| Waits { until: wait.until, why: wait.why }),
        held,
        watchdog_ms: state.watchdog_due(target).ok().filter(|_| !settling).map(|armed| millis(armed.terms.wait())),
        is_pill: state.sent_pill(target).is_some(),
        settling,
        count: intent.tries,
        failed: intent.failed.iter().map(tried).collect(),
        tries: intent.attempts.iter().map(attempt).collect(),
    }
}

fn fence_view(record: &FenceRecord) -> FenceView {
    let (outcome, proof) = match &record.end {
        FenceEnd::Proven(proof) => (outcome(proof), proof.words()),
        FenceEnd::CalledOff => ("called-off", "it was heard again, and no off was ever sent".to_owned()),
    };
    FenceView {
        target: record.target.clone(),
        session: record.intent.session.clone(),
        cause: record.intent.cause.to_string(),
        since: record.intent.since,
        silence_ms: record.intent.spent.map(|spent| millis(spent.silence)),
        readings_ms: record.intent.spent.map(|spent| millis(spent.readings)),
        at: record.at,
        false_since: record.false_since,
        outcome: outcome.to_owned(),
        proof,
        count: record.intent.tries,
        tries: record.intent.attempts.iter().map(attempt).collect(),
    }
}

fn outcome(proof: &Proof) -> &'static str {
    match proof {
        Proof::PowerOff { .. } => "power-off",
        Proof::Reborn { .. } => "reborn",
        Proof::Goodbye { .. } => "goodbye",
        Proof::Confirmed { .. } => "confirmed",
        Proof::Watchdog { by_pill: true, .. } => "pill",
        Proof::Watchdog { .. } => "watchdog",
    }
}

fn tried(level: &FailedLevel) -> Tried {
    Tried { devices: level.devices.clone(), times: level.times, error: level.error.clone() }
}

fn attempt(attempt: &Attempt) -> Try {
    let error = attempt.end.as_ref().and_then(|end| end.error()).map(str::to_owned);
    Try {
        by: attempt.executor.clone(),
        devices: attempt.devices.clone(),
        at: attempt.granted,
        open: attempt.end.is_none(),
        took_ms: attempt.end.as_ref().map(|_| millis(attempt.took)),
        error,
    }
}
