//! Hard rules: where a resource may not run, and which rule says so.

use super::location::locations;
use super::survey::{Needs, Survey, Touched};
use crate::config::{Discovery, Primitive};
use crate::id::{NodeId, ResourceId};
use crate::planted::{Mistake, planted};
use crate::score::Score;
use crate::state::{ActionKind, Arming, Failure, Intent, Liveness, Severity, Wish};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The rule that keeps a resource from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// It does not take part now.
    NotOnline(Liveness),
    /// People want nothing to run there.
    NotActive(Intent),
    /// It votes and runs nothing.
    Witness,
    /// Its host shuts down.
    Leaving,
    /// Nothing could prove it dead.
    Unarmed,
    /// It was not found yet that its devices could: why.
    Untested(String),
    /// A device keeps it from its storage.
    NotUnfenced(String),
    /// A proof of its death was false.
    Disarmed,
    /// The node is not well: what says so.
    Unhealthy(String),
    /// A location constraint forbids it.
    Location(String),
    /// It is not looked for there, by this location, which says never, or exclusive of others.
    NotLookedFor(String, Discovery),
    /// Somebody banned it from there.
    Banned(String),
    /// It failed there too often.
    TooManyFailures(u32),
    /// It could not be started there.
    StartFailed(String),
    /// Its agent said that it cannot work there, or nowhere as it is configured.
    CannotWork(String),
    /// What it must run with is elsewhere or nowhere, or what it must not run with is there.
    Colocation,
    /// So many instances of its clone are there, and no more may be.
    Instances(usize),
    /// It scores less than 0 there.
    Score(Score),
    /// There is no room for it.
    Room {
        /// Where.
        node: NodeId,
        /// Of what.
        name: String,
        /// It needs so much.
        need: i64,
        /// So much is free when all is placed.
        free: i64,
        /// It would find room if it were not for what must run with it.
        with_others: bool,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnline(liveness) => write!(f, "the node is {liveness}"),
            Self::NotActive(intent) => write!(f, "the node is in {}", intent.word()),
            Self::Witness => f.write_str("it is a witness and runs nothing"),
            Self::Leaving => f.write_str("its host shuts down"),
            Self::Disarmed => f.write_str("it was proven dead and lived, and nobody has released it since"),
            Self::NotUnfenced(why) => write!(f, "the node is not unfenced: {why}"),
            Self::Unarmed => f.write_str("the node has no fence device, and no armed watchdog that proves anything"),
            Self::Unhealthy(why) => write!(f, "the node is not well ({why})"),
            Self::Untested(why) => write!(f, "the node is not armed: {why}"),
            Self::Location(id) => write!(f, "location {id} forbids it"),
            Self::NotLookedFor(id, Discovery::Exclusive) => {
                write!(f, "it is not looked for there: location {id} is exclusive (resource-discovery)")
            }
            Self::NotLookedFor(id, _) => {
                write!(f, "it is not looked for there, by location {id} (resource-discovery=never)")
            }
            Self::Banned(by) => write!(f, "{by} banned it from there"),
            Self::TooManyFailures(count) => write!(f, "it failed there {count} times"),
            Self::StartFailed(error) => write!(f, "its start failed there: {error}"),
            Self::CannotWork(error) => write!(f, "it cannot work there: {error}"),
            Self::Colocation => f.write_str("a colocation forbids it"),
            Self::Instances(many) => write!(f, "{many} of its clone are there, and no more may be (clone-node-max)"),
            Self::Score(score) => write!(f, "it scores {score} there, less than 0"),
            Self::Room { node, name, need, free, with_others } => {
                let who = if *with_others { "it and what must run with it need" } else { "it needs" };
                write!(f, "{who} {need} {name}, and {node} has {free} free")
            }
        }
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Joining => "joining",
            Self::Online => "online",
            Self::Suspect => "suspect",
            Self::DaemonGone => "without its daemon",
            Self::Away => "away",
            Self::Lost => "lost",
            Self::Off => "off",
        })
    }
}

/// The first rule that keeps `resource` from `node`, or `None` where it may run.
pub(super) fn unfit(
    state: &Survey<'_>,
    resource: &ResourceId,
    primitive: &Primitive,
    node: &NodeId,
) -> Option<Rejection> {
    if state.node(node).is_none() && !state.is_witness(node) {
        return None;
    }
    let runs = super::placement::runs_on(state, resource, node);
    match shut(state, node, state.needs(resource), runs) {
        // What died there is started there again: it was there before the device was changed.
        Some(Rejection::Untested(_)) if super::placement::belongs_on(state, resource, node) => {}
        None => {}
        rule => return rule,
    }
    let looked_for = state.config.shorthand.looked_for.get(resource);
    if let Some((id, said)) = looked_for.and_then(|looked_for| looked_for.forbids(node)) {
        return Some(Rejection::NotLookedFor(id.to_owned(), said));
    }
    if let Some((id, _)) = locations(state, resource, node).into_iter().find(|(_, score)| score.forbids()) {
        return Some(Rejection::Location(id.to_owned()));
    }
    if let Some(failure) = never_again(state, resource, node) {
        return Some(Rejection::CannotWork(failure.error.clone()));
    }
    let ban = super::preference::of(state, resource, node).filter(|wish| wish.wish == Wish::Ban);
    if let Some(ban) = ban.filter(|_| !planted(Mistake::IgnoreBan)) {
        return Some(Rejection::Banned(ban.by.clone()));
    }
    let meta = state.meta(resource, primitive);
    let activity = state.touched_on(resource, node)?.activity?;
    let is_forgotten = |failure: &Failure| state.now.since(failure.at) >= meta.failure_timeout;
    if !meta.failure_timeout.is_zero() && activity.last_failure.as_ref().is_some_and(is_forgotten) {
        return None;
    }
    if meta.migration_threshold > 0 && activity.failures >= meta.migration_threshold {
        return Some(Rejection::TooManyFailures(activity.failures));
    }
    activity
        .last_failure
        .as_ref()
        .filter(|failure| failure.operation == ActionKind::Start.word())
        .map(|failure| Rejection::StartFailed(failure.error.clone()))
}

/// What of the node itself keeps everything from it that needs so much, but for what runs there in part.
pub(super) fn shut(state: &Survey<'_>, node: &NodeId, needs: Needs, runs: bool) -> Option<Rejection> {
    if state.is_witness(node) {
        return Some(Rejection::Witness);
    }
    let at = state.node(node)?;
    if !at.is_online() {
        return Some(Rejection::NotOnline(at.liveness));
    }
    // What has no other place stays on a node that is drained: a drain stops nothing.
    let stays = at.intent == Intent::Drain && runs;
    if at.intent != Intent::Active && !stays {
        return Some(Rejection::NotActive(at.intent));
    }
    if at.leaving {
        return Some(Rejection::Leaving);
    }
    if at.disarmed.is_some() {
        return Some(Rejection::Disarmed);
    }
    // What has no other place stays, as where a node is drained.
    if !runs && let Some(why) = state.unhealthy_for(needs, node) {
        return Some(Rejection::Unhealthy(why));
    }
    let arming = if needs.proof { state.arming(node) } else { Arming::Armed };
    if arming == Arming::NoDevice {
        return Some(Rejection::Unarmed);
    }
    if needs.unfencing
        && !runs
        && let Some(why) = state.not_unfenced(node)
    {
        return Some(Rejection::NotUnfenced(why));
    }
    match arming {
        Arming::Untested(why) if !runs && !planted(Mistake::StartUntested) => Some(Rejection::Untested(why)),
        Arming::Untested(_) | Arming::Armed | Arming::Failing(_) | Arming::NoDevice => None,
    }
}

/// An error that no other try would mend: of this node, or of the resource wherever it was met.
pub(super) fn never_again<'a>(state: &'a Survey<'_>, resource: &ResourceId, node: &NodeId) -> Option<&'a Failure> {
    let failures = state.touched(resource).iter().filter_map(Touched::failure);
    let is_final = |(at, failure): &(&NodeId, &Failure)| match failure.severity {
        Severity::Soft => false,
        Severity::Hard => *at == node,
        Severity::Fatal => true,
    };
    failures.into_iter().find(is_final).map(|(_, failure)| failure)
}
