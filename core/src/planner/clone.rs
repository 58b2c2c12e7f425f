//! What should become of a clone: on each node something for itself.

use super::Blocked;
use super::actions::Draft;
use super::eligible::unfit;
use super::model::Sketch;
use super::placement::Wanted;
use super::preference::drained;
use super::survey::Survey;
use crate::config::{OnFail, Order, Primitive, ResourceMeta, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{Model, RscIx};
use crate::state::{ActionKind, ClusterState, Failure, Intent, Liveness, NodeState, Standing};
use std::collections::BTreeMap;

/// What a clone is to be on every node, or why it has no place at all.
pub(super) fn decide(
    state: &Survey<'_>,
    (id, primitive): (&ResourceId, &Primitive),
    rsc: RscIx,
    (sketch, assigned): (&Sketch, &Model),
) -> Result<Wanted, Blocked> {
    if state.is_left_alone(id) {
        return Ok(Wanted::HandsOff);
    }
    let meta = state.meta(id, primitive);
    if meta.target_role == TargetRole::Stopped {
        return Ok(Wanted::Stopped("its target-role is Stopped".to_owned()));
    }
    if let Some(missing) = sketch.waits_for.get(id) {
        return Err(Blocked { resource: id.clone(), why: missing.clone(), mend: None });
    }
    let places = sketch.places_of(assigned, rsc);
    let without_ticket = state.ticket_hold(id).stops();
    let at = |node: &NodeId| match (places.contains(node), &without_ticket) {
        _ if held_on(state, id, node) => Wanted::On(node.clone(), "it stays while its node is looked after".to_owned()),
        (_, Some(why)) => Wanted::Stopped(why.clone()),
        (true, None) => Wanted::On(node.clone(), "its clone has an instance there".to_owned()),
        (false, None) => Wanted::Stopped(why_not(state, id, primitive, &meta, node)),
    };
    let each: BTreeMap<NodeId, Wanted> = state.nodes.keys().map(|node| (node.clone(), at(node))).collect();
    let max = state.copies(id);
    if max > 0 && without_ticket.is_none() && each.values().all(|wanted| wanted.place().is_none()) {
        let reasons: Vec<String> =
            state.nodes.keys().map(|node| format!("{node}: {}", why_not(state, id, primitive, &meta, node))).collect();
        let why = match reasons.is_empty() {
            true => "there is no node".to_owned(),
            false => format!("no node may run it ({})", reasons.join("; ")),
        };
        return Err(Blocked { resource: id.clone(), why, mend: None });
    }
    Ok(Wanted::Each(each))
}

/// Why there is no instance on a node.
pub(super) fn why_not(
    state: &Survey<'_>,
    id: &ResourceId,
    primitive: &Primitive,
    meta: &ResourceMeta,
    node: &NodeId,
) -> String {
    if let Some(rejection) = unfit(state, id, primitive, node) {
        return rejection.to_string();
    }
    if let Some(failure) = stopped_on(state, id, primitive, meta, node) {
        return format!("its {} failed there, and its on-fail is stop: {}", failure.operation, failure.error);
    }
    if let Some(why) = left_last(state, id, node) {
        return format!("the node is {why}, and nothing else is left there");
    }
    match state.copies(id) {
        max if max < state.nodes.len() => format!("{max} of it may run, and others come first"),
        _ => "a colocation forbids it".to_owned(),
    }
}

/// Why there is, or is no, instance of a clone on a node; for people.
pub(super) fn of_instance(
    state: &Survey<'_>,
    id: &ResourceId,
    primitive: &Primitive,
    node: &NodeId,
    is_place: bool,
) -> String {
    let meta = state.meta(id, primitive);
    match is_place {
        true => "its clone has an instance there".to_owned(),
        false if meta.target_role == TargetRole::Stopped => "its target-role is Stopped".to_owned(),
        false => match state.ticket_hold(id).stops() {
            Some(why) => why,
            None => why_not(state, id, primitive, &meta, node),
        },
    }
}

/// Its node is silent, away or in maintenance: what may be there stays.
pub(super) fn held_on(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> bool {
    let Some(at) = state.nodes.get(node) else { return false };
    let is_silent = at.liveness != Liveness::Lost && !at.is_online();
    let is_known = state.activity(id, node).is_some();
    (is_silent || at.intent == Intent::Maintenance) && is_known && state.standing(id, node) != Standing::NotActive
}

/// A drained node keeps its instance while something else is there, which may need it: a drain stops nothing.
pub(super) fn left_last(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> Option<String> {
    let is_other = |id: &ResourceId| state.config.primitives.get(id).is_none_or(|it| it.clone_spec().is_none());
    let is_left = || {
        !state.resources.keys().any(|id| {
            is_other(id) && matches!(state.standing(id, node), Standing::Active | Standing::Failed(_) | Standing::Busy)
        })
    };
    drained(state, id, node).filter(|_| is_left())
}

/// What failed on this node, and is left stopped there for it (`on-fail=stop`).
pub(super) fn stopped_on<'s>(
    state: &'s ClusterState,
    id: &ResourceId,
    primitive: &Primitive,
    meta: &ResourceMeta,
    node: &NodeId,
) -> Option<&'s Failure> {
    let failure = state.activity(id, node)?.last_failure.as_ref()?;
    let is_forgotten = !meta.failure_timeout.is_zero() && state.now.since(failure.at) >= meta.failure_timeout;
    let on_fail = || primitive.operation(&failure.operation, &state.config.op_defaults).on_fail;
    let counts = failure.operation == "start" || failure.is_of_monitor();
    (counts && !is_forgotten && on_fail() == OnFail::Stop).then_some(failure)
}

impl Draft<'_> {
    /// What is to be done for a clone: on each node as if it were a resource of that node alone, and no more starts than
    /// there may be copies.
    pub(super) fn clone_resource(&mut self, id: &ResourceId, want: &Wanted) -> Vec<Blocked> {
        let state = self.state;
        let mut blocked = Vec::new();
        for (node, at) in &state.nodes {
            let here = match want {
                Wanted::Each(each) => each.get(node).unwrap_or(&Wanted::HandsOff),
                whole => whole,
            };
            let waits = self.resource(id, here, Some(node));
            // That it has no instance on a node that is not there is no wait of its own.
            let is_meant = at.is_online() || !matches!(want, Wanted::Each(_));
            blocked.extend(waits.filter(|_| is_meant));
        }
        let starts = self.find(ActionKind::Start, id);
        let taken: Vec<&NodeId> = state.nodes.keys().filter(|node| state.stands_against(id, node)).collect();
        let room = state.copies(id).saturating_sub(taken.len());
        let silent: Vec<&NodeId> = taken.into_iter().filter(|node| !self.is_there(node)).collect();
        if let (Some(late), Some(node)) = (starts.get(room), silent.first()) {
            let why = format!(
                "an instance may be active on {node}, and no more than {} may run: {} waits",
                state.copies(id),
                self.actions[*late as usize].node
            );
            blocked.push(Blocked { resource: id.clone(), why, mend: None });
        }
        self.left_out.extend(starts.iter().skip(room));
        blocked
    }

    fn is_there(&self, node: &NodeId) -> bool {
        self.state.nodes.get(node).is_some_and(NodeState::is_online)
    }

    /// Whether what an order says of two holds for the one here and the other there: an instance speaks for its own node
    /// where that is enough.
    pub(super) fn concerns(
        &self,
        order: &Order,
        (first_node, then_node): (&NodeId, &NodeId),
        wanted: &BTreeMap<ResourceId, Wanted>,
    ) -> bool {
        let spec = |id: &ResourceId| self.state.config.primitives.get(id).and_then(Primitive::clone_spec);
        let wide = &self.state.config.shorthand;
        let is_one_instance = || wide.instance_of(&order.first).is_some_and(|instance| instance.contains(&order.then));
        let is_near = match (spec(&order.first), spec(&order.then)) {
            (Some(_), Some(_)) if is_one_instance() => true,
            (None, _) => false,
            (Some(_), None) => wanted.get(&order.first).is_some_and(|first| first.is_on(then_node)),
            (Some(_), Some(then)) => then.interleave,
        };
        !is_near || first_node == then_node
    }

    /// Whether it runs there, and nothing is to be done to it.
    pub(super) fn goes_on_at(&self, id: &ResourceId, node: &NodeId) -> bool {
        let is_drafted = self.actions.iter().any(|action| action.resource == *id && action.node == *node);
        self.state.standing(id, node) == Standing::Active && !is_drafted
    }

    /// Whether this is a clone.
    pub(super) fn is_clone(&self, id: &ResourceId) -> bool {
        self.state.config.primitives.get(id).is_some_and(|primitive| primitive.clone_spec().is_some())
    }
}
