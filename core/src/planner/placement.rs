//! Soft rules: on which of the nodes where it may run a resource should run.
//!
//! Higher priority is placed first; then score (location, stickiness, colocation), then the node with fewer VMs, then
//! the one it is on, then the lowest name: the same everywhere.

use super::eligible::{Rejection, location_score, unfit};
use super::load::Load;
use super::preference::{ended, is_drained, leaves, moves_to, moving};
use super::{Blocked, Plan};
use crate::config::{OnFail, OrderKind, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{Activity, ClusterState, Failure, Intent, Liveness, Seen, Standing, Wish};
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

impl Wanted {
    /// Where it should run.
    pub(super) fn place(&self) -> Option<NodeId> {
        match self {
            Self::On(node, _) => Some(node.clone()),
            Self::Stopped(_) | Self::HandsOff => None,
        }
    }
}

/// Decides for every configured resource.
pub(super) fn place(state: &ClusterState, plan: &mut Plan) -> BTreeMap<ResourceId, Wanted> {
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
        let asked = Asked { state, id, primitive, meta: &meta, wanted: &wanted, load: &load };
        let decision = asked.decide(Wishes::Count).unwrap_or_else(|blocked| {
            let why = blocked.why.clone();
            plan.report.blocked.push(blocked);
            Wanted::Stopped(why)
        });
        match ended(state, id, primitive, || asked.place_without_wishes()) {
            Some(ended) => plan.ended.push(ended),
            None => plan.report.blocked.extend(asked.stuck(&decision)),
        }
        match &decision {
            Wanted::On(node, _) => {
                if let Some((node, _)) = state.nodes.get_key_value(node) {
                    load.put(node, id);
                }
                plan.report.placement.insert(id.clone(), node.clone());
            }
            Wanted::HandsOff => load.put_where_it_runs(state, id),
            Wanted::Stopped(_) => {}
        }
        wanted.insert(id.clone(), decision);
    }
    wanted
}

/// Whether moves that people asked for count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wishes {
    Count,
    AsIfNone,
}

/// One resource that is to be placed, and what is decided already.
struct Asked<'a> {
    state: &'a ClusterState,
    id: &'a ResourceId,
    primitive: &'a Primitive,
    meta: &'a ResourceMeta,
    wanted: &'a BTreeMap<ResourceId, Wanted>,
    load: &'a Load<'a>,
}

impl Asked<'_> {
    fn decide(&self, wishes: Wishes) -> Result<Wanted, Blocked> {
        let Self { state, id, meta, wanted, .. } = *self;
        if state.config.is_hands_off(id) {
            return Ok(Wanted::HandsOff);
        }
        if meta.target_role == TargetRole::Stopped {
            return Ok(Wanted::Stopped("its target-role is Stopped".to_owned()));
        }
        if let Some(why) = stopped_by_failure(state, id, self.primitive, meta) {
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
        self.choose(wishes)
    }

    fn choose(&self, wishes: Wishes) -> Result<Wanted, Blocked> {
        let Self { state, id, .. } = *self;
        let mut rejections = Vec::new();
        let mut candidates = Vec::new();
        let elder = elder(state, id);
        for node in state.nodes.keys() {
            if let Some(rejection) = unfit(state, id, self.primitive, node) {
                rejections.push((node, rejection));
                continue;
            }
            let score = self.score(node, wishes);
            if score.forbids() {
                rejections.push((node, Rejection::Colocation));
                continue;
            }
            let is_last_resort = is_drained(state, node) || (wishes == Wishes::Count && leaves(state, id, node));
            let belongs = belongs_on(state, id, node);
            let company = company(state, id, node);
            let load = Reverse(self.load.of(node));
            let is_welcome = is_welcome(state, id, node) || (wishes == Wishes::Count && moves_to(state, id, node));
            let rank = (elder == Some(node), !is_last_resort, is_welcome);
            candidates.push((rank, score, load, belongs, company, Reverse(node)));
        }
        let Some(best) = candidates.iter().max() else {
            return Err(nowhere(id, &rejections));
        };
        let (node, score) = (best.5.0, best.1);
        let why = if wishes == Wishes::Count && moves_to(state, id, node) {
            let by = moving(state, id).map_or("somebody", |(_, wish)| wish.by.as_str());
            format!("{by} asked for it to move there")
        } else if candidates.iter().filter(|other| (other.0, other.1) == (best.0, best.1)).count() > 1 {
            format!("{node} by fewest VMs, then name, among equals at {score}")
        } else {
            format!("{node} scores {score}")
        };
        Ok(Wanted::On(node.clone(), why))
    }

    /// Where it would be if nobody had asked for it to move.
    fn place_without_wishes(&self) -> Option<NodeId> {
        match self.decide(Wishes::AsIfNone) {
            Ok(Wanted::On(node, _)) => Some(node),
            Ok(Wanted::Stopped(_) | Wanted::HandsOff) | Err(_) => None,
        }
    }

    /// It runs where it should not be for long, and has no other place.
    fn stuck(&self, decision: &Wanted) -> Option<Blocked> {
        let Self { state, id, .. } = *self;
        let place = match decision {
            Wanted::On(node, _) => node,
            // Nobody touches it, so a drain waits for whoever does.
            Wanted::HandsOff => {
                let node = state.nodes.keys().find(|node| is_drained(state, node) && runs_on(state, id, node))?;
                let why = format!("it stays on {node}, which is drained: it is not managed");
                let mend = Some(format!("move it by hand, or have it managed again before {node} is drained"));
                return Some(Blocked { resource: (*id).clone(), why, mend });
            }
            Wanted::Stopped(_) => return None,
        };
        let aim = match (is_drained(state, place), leaves(state, id, place)) {
            (true, _) => format!("it stays on {place}, which is drained"),
            (_, true) => format!("it stays on {place}, which it should leave"),
            (false, false) => return self.not_moved(place),
        };
        let others = state.nodes.keys().filter(|node| *node != place);
        let rejections: Vec<(&NodeId, Rejection)> = others
            .map(|node| (node, unfit(state, id, self.primitive, node).unwrap_or(Rejection::Colocation)))
            .collect();
        let Blocked { resource, why, mend } = nowhere(id, &rejections);
        Some(Blocked { resource, why: format!("{aim}: elsewhere {why}"), mend })
    }

    /// A move that a hard rule, or a silent node, holds up.
    fn not_moved(&self, place: &NodeId) -> Option<Blocked> {
        let Self { state, id, .. } = *self;
        let (node, wish) = moving(state, id).filter(|(node, wish)| wish.wish == Wish::Move && *node != place)?;
        let rule = unfit(state, id, self.primitive, node).unwrap_or(Rejection::Colocation);
        let why = format!("{} asked for it to move to {node}, which cannot be: {rule}", wish.by);
        Some(Blocked {
            resource: (*id).clone(),
            why,
            mend: Some(format!("if it is not meant any more: qrm resource clear {id}")),
        })
    }

    fn score(&self, node: &NodeId, wishes: Wishes) -> Score {
        let Self { state, id, meta, wanted, .. } = *self;
        let mut score = location_score(state, id, node);
        if wishes == Wishes::Count && moves_to(state, id, node) {
            score = score + Score::INFINITY;
        }
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
}

/// quarantine: nothing new comes to such a node while there is another place; what runs there stays.
pub(super) fn is_welcome(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    state.nodes.get(node).is_none_or(|at| at.flapping.quarantine.is_none()) || runs_on(state, id, node)
}

/// A failure after which it stays stopped until a person cleans up (`on-fail=stop`).
pub(super) fn stopped_by_failure(
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
pub(super) fn held(state: &ClusterState, id: &ResourceId) -> Option<NodeId> {
    if let Some(target) = super::migrate::held_at_target(state, id) {
        return Some(target);
    }
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

/// How many there want to be with it, less those that want to be apart: they need not move then.
fn company(state: &ClusterState, id: &ResourceId, node: &NodeId) -> i64 {
    let after_it = state.config.colocations.values().filter(|colocation| colocation.with == *id);
    let there = after_it.filter(|colocation| runs_on(state, &colocation.resource, node));
    there.map(|colocation| colocation.score.value().signum()).sum()
}

/// It runs there, or it died there just now and has run nowhere since.
pub(super) fn belongs_on(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    // Under way it belongs where it goes: else what it leaves would call it back.
    if let Some((_, target)) = super::migrate::under_way(state, id) {
        return target == *node;
    }
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

/// Of several copies the first: what came after it was not started by the cluster's word.
pub(super) fn elder<'s>(state: &'s ClusterState, id: &ResourceId) -> Option<&'s NodeId> {
    let copies = state.resources.get(id)?.iter().filter(|(node, _)| runs_on(state, id, node));
    let mut copies: Vec<_> = copies.map(|(node, activity)| (activity.since, node)).collect();
    copies.sort();
    copies.first().filter(|_| copies.len() > 1).map(|(_, node)| *node)
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
pub(super) fn depth(state: &ClusterState, id: &ResourceId, level: u32) -> u32 {
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
