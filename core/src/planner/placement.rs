//! Soft rules: on which of the nodes where it may run a resource should run.
//!
//! Higher priority is placed first; then score (location, stickiness, colocation), then the node with fewer VMs, then
//! the one it is on, then the lowest name: the same everywhere.

use super::eligible::{Rejection, location_score, unfit};
use super::{Blocked, Report};
use crate::config::{OrderKind, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{ClusterState, Intent, Seen, Standing};
use std::cmp::Reverse;
use std::collections::BTreeMap;

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
    if !meta.is_managed || meta.maintenance || state.properties().maintenance_mode {
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
    for node in state.nodes.keys() {
        match unfit(state, id, primitive, node) {
            Some(rejection) => rejections.push((node, rejection)),
            None => {
                let score = score(state, id, meta, wanted, node);
                if !score.forbids() {
                    candidates.push((score, Reverse(load.get(node).copied().unwrap_or(0) - usize::from(runs_on(state, id, node))), runs_on(state, id, node), Reverse(node)));
                }
            }
        }
    }
    let Some(best) = candidates.iter().max() else {
        return Err(nowhere(id, &rejections));
    };
    let why = if candidates.iter().filter(|other| other.0 == best.0).count() > 1 {
        format!("{} by fewest VMs, then name, among equals at {}", best.3.0, best.0)
    } else {
        format!("{} scores {}", best.3.0, best.0)
    };
    Ok(Wanted::On(best.3.0.clone(), why))
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

fn score(state: &ClusterState, id: &ResourceId, meta: &ResourceMeta, wanted: &BTreeMap<ResourceId, Wanted>, node: &NodeId) -> Score {
    let mut score = location_score(state, id, node);
    if runs_on(state, id, node) {
        score = score + meta.stickiness;
    }
    for colocation in state.config.colocations.values().filter(|colocation| colocation.resource == *id) {
        let together = matches!(wanted.get(&colocation.with), Some(Wanted::On(with, _)) if with == node);
        let placed = matches!(wanted.get(&colocation.with), Some(Wanted::On(..)));
        if together {
            score = score + colocation.score;
        } else if colocation.score == Score::INFINITY && (placed || wanted.contains_key(&colocation.with)) {
            score = Score::NEG_INFINITY;
        }
    }
    score
}

fn runs_on(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
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
fn missing_first<'a>(state: &'a ClusterState, id: &ResourceId, wanted: &BTreeMap<ResourceId, Wanted>) -> Option<&'a ResourceId> {
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
    let firsts = state.config.orders.values().filter(|o| o.then == *id && o.kind == OrderKind::Mandatory).map(|o| &o.first);
    leaders.chain(firsts).map(|before| depth(state, before, level + 1)).max().unwrap_or(level)
}

fn nowhere(id: &ResourceId, rejections: &[(&NodeId, Rejection)]) -> Blocked {
    let each: Vec<String> = rejections.iter().map(|(node, why)| format!("{node}: {why}")).collect();
    let unarmed = rejections.iter().find(|(_, why)| *why == Rejection::Unarmed);
    let failed = rejections.iter().any(|(_, why)| matches!(why, Rejection::StartFailed(_) | Rejection::TooManyFailures(_)));
    let mend = match unarmed {
        Some((node, _)) => Some(format!("give {node} a fence device: qrm configure primitive fence-{node} stonith:ipmi params target={node} ip=… username=… password=…")),
        None if failed => Some(format!("when the cause is mended: qrm resource cleanup {id}")),
        None => None,
    };
    let why = if each.is_empty() { "there is no node".to_owned() } else { format!("no node may run it ({})", each.join("; ")) };
    Blocked { resource: id.clone(), why, mend }
}
