//! What should become of each resource: where the scheduler puts it, unless something else is settled already.
//!
//! Where is `core::scheduler`'s to say, from the model of `model`; here are the reasons to leave it as it is, and the words.

use super::eligible::{Rejection, unfit};
use super::model::{self, How, Sketch};
use super::preference::{drained, ended, is_drained, leaves, moves_to, moving};
use super::room::{Turns, shortage};
use super::survey::{Survey, Touched};
use super::{Blocked, Plan, clone};
use crate::config::{MultipleActive, OnFail, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{Model, RscIx};
use crate::score::Score;
use crate::state::{Activity, Failure, Intent, Liveness, Wish};
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
    /// A clone: each node has its own, here or nowhere.
    Each(BTreeMap<NodeId, Wanted>),
}

impl Wanted {
    /// Where it should run.
    pub(super) fn place(&self) -> Option<NodeId> {
        match self {
            Self::On(node, _) => Some(node.clone()),
            Self::Stopped(_) | Self::HandsOff | Self::Each(_) => None,
        }
    }

    /// Whether it should run on this node.
    pub(super) fn is_on(&self, node: &NodeId) -> bool {
        match self {
            Self::On(place, _) => place == node,
            Self::Each(each) => each.get(node).is_some_and(|wanted| wanted.is_on(node)),
            Self::Stopped(_) | Self::HandsOff => false,
        }
    }

    /// Where it should run, a clone with all its instances.
    pub(super) fn places(&self) -> BTreeSet<NodeId> {
        match self {
            Self::Each(each) => each.values().filter_map(Self::place).collect(),
            other => other.place().into_iter().collect(),
        }
    }
}

/// Decides for every configured resource; with the turns of those that make room for each other.
pub(super) fn place(state: &Survey<'_>, plan: &mut Plan) -> (BTreeMap<ResourceId, Wanted>, Turns) {
    let (sketch, assigned) = model::place(state, How::default());
    // What comes in order makes maps at one look.
    let (mut wanted, mut placement) = (Vec::with_capacity(sketch.resources.len()), Vec::new());
    for (id, &rsc) in &sketch.resources {
        let Some(primitive) = state.primitive(id) else { continue };
        if primitive.clone_spec().is_some() {
            let decision = clone::decide(state, (id, primitive), rsc, (&sketch, &assigned));
            let decision = decision.unwrap_or_else(|blocked| {
                let why = blocked.why.clone();
                plan.report.blocked.push(blocked);
                Wanted::Stopped(why)
            });
            plan.report.clones.insert(id.clone(), decision.places());
            if primitive.is_promotable() {
                plan.report.promoted.insert(id.clone(), sketch.promoted_of(&assigned, rsc));
            }
            wanted.push((id.clone(), decision));
            continue;
        }
        let meta = state.meta(id, primitive);
        let asked = Asked { state, id, primitive, meta: &meta, rsc, sketch: &sketch, assigned: &assigned };
        let decision = asked.decide().unwrap_or_else(|blocked| {
            let why = blocked.why.clone();
            plan.report.blocked.push(blocked);
            Wanted::Stopped(why)
        });
        match ended(state, id, primitive, || asked.place_without_wishes()) {
            Some(ended) => plan.ended.push(ended),
            None => plan.report.blocked.extend(asked.stuck(&decision)),
        }
        if let Wanted::On(node, _) = &decision {
            placement.push((id.clone(), node.clone()));
        }
        wanted.push((id.clone(), decision));
    }
    plan.report.placement = placement.into_iter().collect();
    let turn = |(id, rsc): (&ResourceId, &RscIx)| Some((id.clone(), assigned.resources[*rsc].turn?));
    (wanted.into_iter().collect(), sketch.resources.iter().filter_map(turn).collect())
}

/// One resource, and where the scheduler put it among all others.
struct Asked<'a, 's> {
    state: &'a Survey<'s>,
    id: &'a ResourceId,
    primitive: &'a Primitive,
    meta: &'a ResourceMeta,
    rsc: RscIx,
    sketch: &'a Sketch,
    assigned: &'a Model,
}

impl Asked<'_, '_> {
    fn decide(&self) -> Result<Wanted, Blocked> {
        let Self { state, id, meta, .. } = *self;
        if state.is_left_alone(id) || are_left_alone(state, id, meta).is_some() {
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
        if let Some(why) = state.ticket_hold(id).stops() {
            return Ok(Wanted::Stopped(why));
        }
        if is_worn_out(state, id) {
            let why = "the cluster itself started and stopped it again and again: it is left stopped until anything else changes";
            let mend = Some(format!("change what calls it away, and then: qrm resource cleanup {id}"));
            return Err(Blocked { resource: id.clone(), why: why.to_owned(), mend });
        }
        if let Some(node) = left_on(state, id, self.primitive) {
            let why = "the cluster itself moved it to and fro: it is left here until anything else changes";
            return Ok(Wanted::On(node, why.to_owned()));
        }
        if let Some(missing) = self.sketch.waits_for.get(id) {
            return Err(Blocked { resource: id.clone(), why: missing.clone(), mend: None });
        }
        match self.sketch.place_of(self.assigned, self.rsc) {
            Some(node) => Ok(Wanted::On(node.clone(), self.why(node))),
            None => Err(self.nowhere()),
        }
    }

    /// Why there, and nowhere else.
    fn why(&self, node: &NodeId) -> String {
        let Self { state, id, .. } = *self;
        if moves_to(state, id, node) {
            let by = moving(state, id).map_or("somebody", |(_, wish)| wish.by.as_str());
            return format!("{by} asked for it to move there");
        }
        if state.is_restless(id) && runs_on(state, id, node) {
            return "it came and went again and again: no wish calls it away until anything else changes".to_owned();
        }
        let scores = &self.assigned.resources[self.rsc].scores;
        let of = |node: &NodeId| self.sketch.node(node).map_or(Score::NEG_INFINITY, |ix| scores.or_never(ix));
        let score = of(node);
        let is_equal = |other: &&NodeId| of(other) == score && unfit(state, id, self.primitive, other).is_none();
        let equals = match score.forbids() {
            true => state.nodes.keys().filter(is_equal).count(),
            // Where a rule forbids it, it scores no more than that.
            false => scores.count(score),
        };
        match equals {
            0 | 1 => format!("{node} scores {score}"),
            _ => format!("{node} by fewest resources, then name, among equals at {score}"),
        }
    }

    fn nowhere(&self) -> Blocked {
        let each: Vec<(&NodeId, Rejection)> =
            self.state.nodes.keys().map(|node| (node, self.rejection(node))).collect();
        nowhere(self.id, &each)
    }

    /// What keeps it from a node where it is not put.
    fn rejection(&self, node: &NodeId) -> Rejection {
        let score = || {
            let ix = self.sketch.node(node)?;
            self.assigned.resources[self.rsc].scores.get(ix).filter(|score| !score.forbids() && *score < Score::ZERO)
        };
        let soft = || score().map_or(Rejection::Colocation, Rejection::Score);
        let rule = unfit(self.state, self.id, self.primitive, node);
        let enough = || self.sketch.has_enough_on(self.assigned, self.rsc, node).map(Rejection::Instances);
        rule.or_else(enough).or_else(|| shortage(self.sketch, self.assigned, self.rsc, node)).unwrap_or_else(soft)
    }

    /// Where it would be if nobody had asked for it to move.
    fn place_without_wishes(&self) -> Option<NodeId> {
        let (sketch, assigned) = model::place(self.state, How { without_wishes_of: Some(self.id), ..How::default() });
        let decision = Asked { sketch: &sketch, assigned: &assigned, ..*self }.decide();
        decision.ok().and_then(|wanted| wanted.place())
    }

    /// It runs where it should not be for long, and has no other place.
    fn stuck(&self, decision: &Wanted) -> Option<Blocked> {
        let Self { state, id, .. } = *self;
        if let Some(nodes) = are_left_alone(state, id, self.meta) {
            let why = format!("it is active on {}, and its multiple-active is block", nodes.join(" and "));
            let mend = Some(format!("stop all but one by hand, then: qrm resource cleanup {id}"));
            return Some(Blocked { resource: (*id).clone(), why, mend });
        }
        let place = match decision {
            Wanted::On(node, _) => node,
            // Nobody touches it, so a drain waits for whoever does.
            Wanted::HandsOff => {
                let node = state.nodes.keys().find(|node| is_drained(state, node) && runs_on(state, id, node))?;
                let why = format!("it stays on {node}, which is drained: it is not managed");
                let mend = Some(format!("move it by hand, or have it managed again before {node} is drained"));
                return Some(Blocked { resource: (*id).clone(), why, mend });
            }
            Wanted::Stopped(_) | Wanted::Each(_) => return None,
        };
        let aim = match (drained(state, id, place), leaves(state, id, place)) {
            (Some(why), _) => format!("it stays on {place}, which is {why}"),
            (None, true) => format!("it stays on {place}, which it should leave"),
            (None, false) => return self.not_moved(place),
        };
        let others = state.nodes.keys().filter(|node| *node != place);
        let rejections: Vec<(&NodeId, Rejection)> = others.map(|node| (node, self.rejection(node))).collect();
        let Blocked { resource, why, mend } = nowhere(id, &rejections);
        Some(Blocked { resource, why: format!("{aim}: elsewhere {why}"), mend })
    }

    /// A move that a hard rule, or a silent node, holds up.
    fn not_moved(&self, place: &NodeId) -> Option<Blocked> {
        let Self { state, id, .. } = *self;
        let (node, wish) = moving(state, id).filter(|(node, wish)| wish.wish == Wish::Move && *node != place)?;
        let rule = self.rejection(node);
        let why = format!("{} asked for it to move to {node}, which cannot be: {rule}", wish.by);
        Some(Blocked {
            resource: (*id).clone(),
            why,
            mend: Some(format!("if it is not meant any more: qrm resource clear {id}")),
        })
    }
}

/// quarantine: nothing new comes to such a node while there is another place; what runs there stays.
pub(super) fn is_welcome(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> bool {
    state.unwelcome(node).is_none() || runs_on(state, id, node)
}

/// A failure after which it stays stopped until a person cleans up (`on-fail=stop`).
pub(super) fn stopped_by_failure(
    state: &Survey<'_>,
    id: &ResourceId,
    primitive: &Primitive,
    meta: &ResourceMeta,
) -> Option<String> {
    let failures = || state.touched(id).iter().filter_map(Touched::failure);
    if let Some((_, failure)) = failures().find(|(_, failure)| failure.is_of_copies_that_stay_stopped()) {
        return Some(format!("{}, and its multiple-active is stop_only", failure.error));
    }
    let holds = |(_, failure): &(&NodeId, &Failure)| {
        let is_forgotten = !meta.failure_timeout.is_zero() && state.now.since(failure.at) >= meta.failure_timeout;
        let on_fail = || primitive.operation(&failure.operation, &state.config.op_defaults).on_fail;
        (failure.operation == "start" || failure.is_of_monitor()) && !is_forgotten && on_fail() == OnFail::Stop
    };
    let (node, failure) = failures().find(holds)?;
    Some(format!("its {} failed on {node}, and its on-fail is stop: {}", failure.operation, failure.error))
}

/// A node whose daemon is silent, away or in maintenance keeps what it has; what only may be there calls nothing
/// away from where it runs.
pub(super) fn held(state: &Survey<'_>, id: &ResourceId) -> Option<NodeId> {
    if let Some(target) = super::migrate::held_at_target(state, id) {
        return Some(target);
    }
    let is_held = |it: &&Touched<'_>| {
        it.at.is_some_and(|at| {
            let silent = at.liveness != Liveness::Lost && !at.is_online();
            silent || at.intent == Intent::Maintenance
        })
    };
    let may_have_it = || state.touched(id).iter().filter(|it| it.activity.is_some() && it.may_be_active());
    let runs = may_have_it().any(Touched::runs);
    let mut held = may_have_it().filter(is_held);
    held.find(|it| !runs || it.runs()).map(|it| it.node.clone())
}

/// It came and went too often since anything else changed, and is active nowhere: it is not started again.
pub(super) fn is_worn_out(state: &Survey<'_>, id: &ResourceId) -> bool {
    state.is_worn_out(id) && state.touched(id).iter().all(|it| !it.may_be_active())
}

/// Where it is left, having come and gone too often since anything else changed, while nothing is being done to it and no
/// rule of its own is against it.
pub(super) fn left_on(state: &Survey<'_>, id: &ResourceId, primitive: &Primitive) -> Option<NodeId> {
    if !state.is_worn_out(id) {
        return None;
    }
    let mut runs = state.touched(id).iter().filter(|it| it.runs());
    let (one, None) = (runs.next()?, runs.next()) else { return None };
    let is_calm = one.activity.is_some_and(|activity| activity.claim.is_none());
    (is_calm && unfit(state, id, primitive, one.node).is_none()).then(|| one.node.clone())
}

/// It runs there, or it died there just now and has run nowhere since.
pub(super) fn belongs_on(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> bool {
    // Under way it belongs where it goes: else what it leaves would call it back.
    if let Some((_, target)) = super::migrate::under_way(state, id) {
        return target == *node;
    }
    if runs_on(state, id, node) {
        return true;
    }
    // What died there left a failure behind.
    let Some(here) = state.touched_on(id, node).and_then(|it| it.activity) else { return false };
    let Some(nodes) = state.resources.get(id) else { return false };
    let died = here.last_failure.as_ref().is_some_and(|failure| failure.is_of_monitor() && failure.at == here.since);
    let is_latest = |(other, activity): (&NodeId, &Activity)| other == node || activity.since <= here.since;
    died && here.is_stopped() && nodes.iter().all(is_latest) && nodes.keys().all(|other| !runs_on(state, id, other))
}

/// Where it is active more than once, and nothing is done about it before a person has (`multiple-active=block`).
pub(super) fn are_left_alone<'s>(state: &Survey<'s>, id: &ResourceId, meta: &ResourceMeta) -> Option<Vec<&'s str>> {
    let is_service = || state.primitive(id).is_some_and(Primitive::is_service);
    if meta.multiple_active != MultipleActive::Block || !is_service() {
        return None;
    }
    let nodes = state.touched(id).iter().filter(|it| it.runs());
    let nodes: Vec<&str> = nodes.map(|it| it.node.as_str()).collect();
    (nodes.len() > 1).then_some(nodes)
}

/// Of several copies the first: what came after it was not started by the cluster's word.
pub(super) fn elder<'s>(state: &Survey<'s>, id: &ResourceId) -> Option<&'s NodeId> {
    let copies = state.touched(id).iter().filter(|it| it.runs()).filter_map(Touched::known);
    let mut copies: Vec<_> = copies.map(|(node, activity)| (activity.since, node)).collect();
    copies.sort();
    copies.first().filter(|_| copies.len() > 1).map(|(_, node)| *node)
}

pub(super) fn runs_on(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> bool {
    state.touched_on(id, node).is_some_and(Touched::runs)
}

fn nowhere(id: &ResourceId, rejections: &[(&NodeId, Rejection)]) -> Blocked {
    let each: Vec<String> = rejections.iter().map(|(node, why)| format!("{node}: {why}")).collect();
    let untested = rejections.iter().find(|(_, why)| matches!(why, Rejection::Untested(_)));
    let unarmed = rejections.iter().find(|(_, why)| *why == Rejection::Unarmed);
    let failed =
        rejections.iter().any(|(_, why)| matches!(why, Rejection::StartFailed(_) | Rejection::TooManyFailures(_)));
    let mend = match unarmed {
        Some((node, _)) => Some(format!(
            "give {node} a fence device: qrm configure primitive fence-{node} stonith:ipmi params target={node} ip=… username=… password=…"
        )),
        None if let Some((node, _)) = untested => {
            Some(format!("it is read again and again; now: qrm fence test {node}"))
        }
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
