//! Soft rules: on which of the nodes where it may run a resource should run.
//!
//! Higher priority is placed first; then score (location, stickiness, colocation), then the node with fewer VMs, then
//! the one it is on, then the lowest name: the same everywhere.

use super::eligible::{Rejection, location_score, unfit};
use super::{Blocked, Report};
use crate::config::{OrderKind, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{Activity, ClusterState, Intent, Seen, Standing};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What should become of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nobody touches it.
    HandsOff,
    /// It runs nowhere; why.
    Stopped(String),
    /// It runs here; why.
    On(NodeId, String),
}

/// Decides for every configured resource.
pub(super) fn place(state: &ClusterState, report: &mut Report) -> BTreeMap<ResourceId, Wanted> {
    let mut order: Vec<(&ResourceId, &Primitive, ResourceMeta)> = state
        .config
        .primitives
        .iter()
        .filter(|(_, primitive)| !primitive.is_fence_device())
        .map(|(id, primitive)| (id, primitive, ResourceMeta::read(id, primitive, &state.config.rsc_defaults).0))
        .collect();
    order.sort_by_key(|(id, _, meta)| (depth(state, id, 0), Reverse(meta.priority), (*id).clone()));
    let mut load = current_load(state);
    let mut wanted = BTreeMap::new();
    for (id, primitive, meta) in order {
        let decision = decide(state, id, primitive, &meta, &wanted, &load);
        let decision = decision.unwrap_or_else(|blocked| {
            let why = blocked.why.clone();
            report.blocked.push(blocked);
            Wanted::Stopped(why)
        });
        if let Wanted::On(node, _) = &decision {
            if !runs_on(state, id, node) {
                *load.entry(node.clone()).or_default() += 1;
            }
            report.placement.insert(id.clone(), node.clone());
        }
        wanted.insert(id.clone(), decision);
    }
    wanted
}

fn decide(
    state: &ClusterState,
    id: &ResourceId,
    primitive: &Primitive,
    meta: &ResourceMeta,
    wanted: &BTreeMap<ResourceId, Wanted>,
    load: &BTreeMap<NodeId, usize>,
) -> Result<Wanted, Blocked> {
    if state.config.is_hands_off(id) {
        return Ok(Wanted::HandsOff);
    }
    if meta.target_role == TargetRole::Stopped {
        return Ok(Wanted::Stopped("its target-role is Stopped".to_owned()));
    }
    if let Some(node) = held(state, id) {
        return Ok(Wanted::On(node, "it stays while its node is looked after".to_owned()));
    }
    if let Some(missing) = missing_first(state, id, wanted) {
        let why = format!("{missing} has to run before it, and does not");
        return Err(Blocked { resource: id.clone(), why, mend: None });
    }
    let mut rejections = Vec::new();
    let mut candidates = Vec::new();
    let followers = followers(state, id);
    for node in state.nodes.keys() {
        match unfit(state, id, primitive, node) {
            Some(rejection) => rejections.push((node, rejection)),
            None => {
                let score = score(state, id, meta, wanted, node);
                if score.forbids() {
                    rejections.push((node, Rejection::Colocation));
                    continue;
                }
                // What follows it is no reason to go elsewhere: they would chase each other.
                let following = followers.iter().filter(|follower| runs_on(state, follower, node)).count();
                let others = load
                    .get(node)
                    .copied()
                    .unwrap_or(0)
                    .saturating_sub(following + usize::from(runs_on(state, id, node)));
                candidates.push((score, Reverse(others), belongs_on(state, id, node), following, Reverse(node)));
            }
        }
    }
    let Some(best) = candidates.iter().max() else {
        return Err(nowhere(id, &rejections));
    };
    let why = if candidates.iter().filter(|other| other.0 == best.0).count() > 1 {
        format!("{} by fewest VMs, then name, among equals at {}", best.4.0, best.0)
    } else {
        format!("{} scores {}", best.4.0, best.0)
    };
    Ok(Wanted::On(best.4.0.clone(), why))
}

/// A node whose daemon is silent, away or in maintenance keeps what it has.
fn held(state: &ClusterState, id: &ResourceId) -> Option<NodeId> {
    let nodes = state.resources.get(id)?;
    nodes
        .keys()
        .find(|node| {
            let may_be_active = state.standing(id, node) != Standing::NotActive;
            let at = state.nodes.get(*node);
            let waits = at.is_some_and(|at| {
                let silent = at.liveness != crate::state::Liveness::Lost && !at.is_online();
                silent || at.intent == Intent::Maintenance
            });
            may_be_active && waits
        })
        .cloned()
}

fn score(
    state: &ClusterState,
    id: &ResourceId,
    meta: &ResourceMeta,
    wanted: &BTreeMap<ResourceId, Wanted>,
    node: &NodeId,
) -> Score {
    let mut score = location_score(state, id, node);
    if belongs_on(state, id, node) {
        score = score + meta.stickiness;
    }
    for colocation in state.config.colocations.values().filter(|colocation| colocation.resource == *id) {
        let together = match wanted.get(&colocation.with) {
            Some(Wanted::On(with, _)) => with == node,
            // Nobody moves it: where it runs is where it will be.
            Some(Wanted::HandsOff) => runs_on(state, &colocation.with, node),
            Some(Wanted::Stopped(_)) | None => false,
        };
        if together {
            score = score + colocation.score;
        } else if colocation.score == Score::INFINITY && wanted.contains_key(&colocation.with) {
            score = Score::NEG_INFINITY;
        }
    }
    score
}

/// Whatever goes where this one goes, and what follows that in turn.
fn followers<'a>(state: &'a ClusterState, id: &ResourceId) -> BTreeSet<&'a ResourceId> {
    let mut found: BTreeSet<&ResourceId> = BTreeSet::new();
    let mut of = vec![id];
    while let Some(leader) = of.pop() {
        for colocation in state.config.colocations.values().filter(|c| c.with == *leader && c.score > Score::ZERO) {
            if colocation.resource != *id && found.insert(&colocation.resource) {
                of.push(&colocation.resource);
            }
        }
    }
    found
}

/// It runs there, or it died there just now and has run nowhere since.
fn belongs_on(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    if runs_on(state, id, node) {
        return true;
    }
    let Some(nodes) = state.resources.get(id) else { return false };
    let Some(here) = nodes.get(node) else { return false };
    let died =
        here.last_failure.as_ref().is_some_and(|failure| failure.operation == "monitor" && failure.at == here.since);
    let is_latest = |(other, activity): (&NodeId, &Activity)| other == node || activity.since <= here.since;
    died && here.is_stopped() && nodes.iter().all(is_latest) && nodes.keys().all(|other| !runs_on(state, id, other))
}

pub(super) fn runs_on(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    state.activity(id, node).is_some_and(|activity| activity.seen == Seen::Running)
        && state.standing(id, node) != Standing::NotActive
}

fn current_load(state: &ClusterState) -> BTreeMap<NodeId, usize> {
    let mut load = BTreeMap::new();
    for id in state.resources.keys() {
        for node in state.nodes.keys().filter(|node| runs_on(state, id, node)) {
            *load.entry(node.clone()).or_default() += 1;
        }
    }
    load
}

/// The mandatory predecessor that is not going to run, if there is one.
fn missing_first<'a>(
    state: &'a ClusterState,
    id: &ResourceId,
    wanted: &BTreeMap<ResourceId, Wanted>,
) -> Option<&'a ResourceId> {
    state
        .config
        .orders
        .values()
        .filter(|order| order.kind == OrderKind::Mandatory && order.then == *id)
        .map(|order| &order.first)
        .find(|first| matches!(wanted.get(first), Some(Wanted::Stopped(_))))
}

/// How many others must be decided before this one; bounded, so that a loop in the constraints ends.
fn depth(state: &ClusterState, id: &ResourceId, level: u32) -> u32 {
    if level >= 16 {
        return level;
    }
    let leaders = state.config.colocations.values().filter(|c| c.resource == *id).map(|c| &c.with);
    let firsts =
        state.config.orders.values().filter(|o| o.then == *id && o.kind == OrderKind::Mandatory).map(|o| &o.first);
    leaders.chain(firsts).map(|before| depth(state, before, level + 1)).max().unwrap_or(level)
}

fn nowhere(id: &ResourceId, rejections: &[(&NodeId, Rejection)]) -> Blocked {
    let each: Vec<String> = rejections.iter().map(|(node, why)| format!("{node}: {why}")).collect();
    let unarmed = rejections.iter().find(|(_, why)| *why == Rejection::Unarmed);
    let failed =
        rejections.iter().any(|(_, why)| matches!(why, Rejection::StartFailed(_) | Rejection::TooManyFailures(_)));
    let mend = match unarmed {
        Some((node, _)) => Some(format!(
            "give {node} a fence device: qrm configure primitive fence-{node} stonith:ipmi params target={node} ip=… username=… password=…"
        )),
        None if failed => Some(format!("when the cause is mended: qrm resource cleanup {id}")),
        None => None,
    };
    let why = if each.is_empty() {
        "there is no node".to_owned()
    } else {
        format!("no node may run it ({})", each.join("; "))
    };
    Blocked { resource: id.clone(), why, mend }
}
