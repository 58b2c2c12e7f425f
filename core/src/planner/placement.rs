//! Soft rules: on which of the nodes where it may run a resource should run.
//!
//! Higher priority is placed first; then score (location, stickiness, colocation), then the node with fewer VMs, then
//! the one it is on, then the lowest name: the same everywhere.

use super::eligible::{Rejection, location_score, unfit};
use super::load::Load;
use super::{Blocked, Report};
use crate::config::{OnFail, OrderKind, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{Activity, ClusterState, Failure, Intent, Liveness, Seen, Standing};
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
    let mut load = Load::now(state);
    let mut wanted = BTreeMap::new();
    for (id, primitive, meta) in order {
        load.take(id);
        let decision = decide(state, id, primitive, &meta, &wanted, &load);
        let decision = decision.unwrap_or_else(|blocked| {
            let why = blocked.why.clone();
            report.blocked.push(blocked);
            Wanted::Stopped(why)
        });
        match &decision {
            Wanted::On(node, _) => {
                if let Some((node, _)) = state.nodes.get_key_value(node) {
                    load.put(node, id);
                }
                report.placement.insert(id.clone(), node.clone());
            }
            Wanted::HandsOff => load.put_where_it_runs(state, id),
            Wanted::Stopped(_) => {}
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
    load: &Load<'_>,
) -> Result<Wanted, Blocked> {
    if state.config.is_hands_off(id) {
        return Ok(Wanted::HandsOff);
    }
    if meta.target_role == TargetRole::Stopped {
        return Ok(Wanted::Stopped("its target-role is Stopped".to_owned()));
    }
    if let Some(why) = stopped_by_failure(state, id, primitive, meta) {
        let mend = Some(format!("when the cause is mended: qrm resource cleanup {id}"));
        return Err(Blocked { resource: id.clone(), why, mend });
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
                if score.forbids() {
                    rejections.push((node, Rejection::Colocation));
                    continue;
                }
                let belongs = belongs_on(state, id, node);
                candidates.push((score, Reverse(load.of(node)), belongs, company(state, id, node), Reverse(node)));
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

/// A failure after which it stays stopped until a person cleans up (`on-fail=stop`).
fn stopped_by_failure(
    state: &ClusterState,
    id: &ResourceId,
    primitive: &Primitive,
    meta: &ResourceMeta,
) -> Option<String> {
    let failures = state.resources.get(id)?.iter().filter_map(|(node, it)| Some((node, it.last_failure.as_ref()?)));
    let holds = |(_, failure): &(&NodeId, &Failure)| {
        let is_forgotten = !meta.failure_timeout.is_zero() && state.now.since(failure.at) >= meta.failure_timeout;
        let on_fail = || primitive.operation(&failure.operation, &state.config.op_defaults).on_fail;
        ["start", "monitor"].contains(&failure.operation.as_str()) && !is_forgotten && on_fail() == OnFail::Stop
    };
    let (node, failure) = failures.into_iter().find(holds)?;
    Some(format!("its {} failed on {node}, and its on-fail is stop: {}", failure.operation, failure.error))
}

/// A node whose daemon is silent, away or in maintenance keeps what it has; what only may be there calls nothing
/// away from where it runs.
fn held(state: &ClusterState, id: &ResourceId) -> Option<NodeId> {
    let is_held_by = |node: &&NodeId| {
        state.nodes.get(*node).is_some_and(|at| {
            let silent = at.liveness != Liveness::Lost && !at.is_online();
            silent || at.intent == Intent::Maintenance
        })
    };
    let may_have_it = || {
        let nodes = state.resources.get(id).into_iter().flat_map(BTreeMap::keys);
        nodes.filter(|node| state.standing(id, node) != Standing::NotActive)
    };
    let runs = may_have_it().any(|node| runs_on(state, id, node));
    may_have_it().filter(is_held_by).find(|node| !runs || runs_on(state, id, node)).cloned()
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

/// How many there want to be with it, less those that want to be apart: they need not move then.
fn company(state: &ClusterState, id: &ResourceId, node: &NodeId) -> i64 {
    let after_it = state.config.colocations.values().filter(|colocation| colocation.with == *id);
    let there = after_it.filter(|colocation| runs_on(state, &colocation.resource, node));
    there.map(|colocation| colocation.score.value().signum()).sum()
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
    state.activity(id, node).is_some_and(|activity| matches!(activity.seen, Seen::Running | Seen::Failed(_)))
        && state.standing(id, node) != Standing::NotActive
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
