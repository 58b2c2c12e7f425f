//! What is against what is wanted: probes, stops and starts, and which waits for which.

use super::placement::Wanted;
use super::{Blocked, Plan, WantedFence};
use crate::config::{OnFail, OrderKind};
use crate::id::{ActionId, NodeId, Operation, ResourceId};
use crate::state::{ActionKind, ClusterState, Intent, Liveness, NewAction, SessionState, Standing};
use std::collections::BTreeMap;

/// Nodes that must be fenced for what happened on them: a stop failed, and nothing else can be trusted to stop it.
pub(super) fn fences(state: &ClusterState, plan: &mut Plan) {
    let stonith_enabled = state.properties().stonith_enabled;
    for (resource, nodes) in &state.resources {
        for (node, activity) in nodes.iter().filter(|(_, activity)| activity.stop_failed) {
            let Some(at) = state.nodes.get(node) else { continue };
            let Some(session) = at.living_session().filter(|session| session.state == SessionState::Open) else { continue };
            let consequence = state
                .definition(resource, node)
                .map_or(OnFail::Block, |primitive| primitive.operation("stop", &state.config.op_defaults).consequence(stonith_enabled));
            let error = activity.last_failure.as_ref().map_or("no error was given", |failure| failure.error.as_str());
            if consequence == OnFail::Fence && at.intent != Intent::Maintenance {
                let cause = format!("{resource} could not be stopped there: {error}");
                plan.fence.push(WantedFence { target: node.clone(), session: session.id.clone(), cause });
            } else {
                plan.report.blocked.push(Blocked {
                    resource: resource.clone(),
                    why: format!("it could not be stopped on {node}: {error}"),
                    mend: Some(format!("stop it by hand, then: qrm resource cleanup {resource}")),
                });
            }
        }
    }
}

/// Actions that lead from what is to what is wanted.
pub(super) fn changes(state: &ClusterState, wanted: &BTreeMap<ResourceId, Wanted>, plan: &mut Plan) {
    let orphan = Wanted::Stopped("it is not configured any more".to_owned());
    let mut draft = Draft { state, actions: Vec::new() };
    let configured = wanted.keys();
    let orphans = state.resources.keys().filter(|id| !wanted.contains_key(id));
    let mut all: Vec<&ResourceId> = configured.chain(orphans).collect();
    all.sort();
    for id in all {
        let want = wanted.get(id).unwrap_or(&orphan);
        if let Some(blocked) = draft.resource(id, want) {
            plan.report.blocked.push(blocked);
        }
    }
    draft.constraint_edges();
    draft.settle(plan);
}

struct Draft<'a> {
    state: &'a ClusterState,
    actions: Vec<NewAction>,
}

impl Draft<'_> {
    /// What is to be done for one resource; what it waits for, if it does.
    fn resource(&mut self, id: &ResourceId, want: &Wanted) -> Option<Blocked> {
        if *want == Wanted::HandsOff {
            return None;
        }
        let mut active = Vec::new();
        let mut busy = false;
        let mut waits = None;
        for (node, at) in &self.state.nodes {
            let standing = self.state.standing(id, node);
            if standing == Standing::NotActive {
                continue;
            }
            if !at.is_online() {
                waits = Some(waits_for(self.state, id, node, at.liveness));
                continue;
            }
            match standing {
                Standing::Busy => busy = true,
                Standing::Unknown(_) if at.intent == Intent::Maintenance => busy = true,
                Standing::Unknown(why) => {
                    busy = true;
                    if !self.stop_failed(id, node) {
                        self.add(ActionKind::Probe, id, node, why, Vec::new());
                    }
                }
                Standing::Active => active.push(node),
                Standing::NotActive => {}
            }
        }
        if busy {
            return None;
        }
        self.move_to(id, want, &active, waits)
    }

    fn move_to(&mut self, id: &ResourceId, want: &Wanted, active: &[&NodeId], waits: Option<Blocked>) -> Option<Blocked> {
        let (target, reason) = match want {
            Wanted::On(node, reason) => (Some(node), reason),
            Wanted::Stopped(reason) => (None, reason),
            Wanted::HandsOff => return None,
        };
        let mut stops = Vec::new();
        for node in active.iter().filter(|node| Some(**node) != target) {
            if self.stop_failed(id, node) {
                return None;
            }
            let why = match target {
                Some(target) if active.len() == 1 => format!("it moves to {target}: {reason}"),
                Some(_) => "it is active on more than one node".to_owned(),
                None => reason.clone(),
            };
            stops.push(self.add(ActionKind::Stop, id, node, why, Vec::new()));
        }
        let Some(target) = target.filter(|target| !active.contains(target)) else {
            return waits.filter(|_| active.is_empty() && target.is_none_or(|target| !self.held_at(id, target)));
        };
        if waits.is_some() {
            return waits.filter(|_| !self.held_at(id, target));
        }
        self.add(ActionKind::Start, id, target, format!("it should run, and runs nowhere: {reason}"), stops);
        None
    }

    /// It is where it should be, on a node that is only looked after.
    fn held_at(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.nodes.get(node).is_some_and(|at| at.liveness != Liveness::Lost) && self.state.standing(id, node) != Standing::NotActive
    }

    fn stop_failed(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.activity(id, node).is_some_and(|activity| activity.stop_failed)
    }

    fn add(&mut self, kind: ActionKind, id: &ResourceId, node: &NodeId, reason: String, after_new: Vec<u32>) -> u32 {
        let basis = self.state.activity(id, node).map_or(Operation(0), |activity| activity.operation);
        self.actions.push(NewAction { kind, resource: id.clone(), node: node.clone(), basis, after_new, after: Vec::new(), reason });
        u32::try_from(self.actions.len() - 1).expect("a plan has fewer actions than a u32 counts")
    }

    fn find(&self, kind: ActionKind, id: &ResourceId) -> Vec<u32> {
        let fits = |(place, action): (usize, &NewAction)| {
            (action.kind == kind && action.resource == *id).then(|| u32::try_from(place).expect("a plan has fewer actions than a u32 counts"))
        };
        self.actions.iter().enumerate().filter_map(fits).collect()
    }

    /// Starts go in the order's direction, stops against it.
    fn constraint_edges(&mut self) {
        for order in self.state.config.orders.values() {
            if order.kind == OrderKind::Serialize {
                continue;
            }
            let firsts = self.find(ActionKind::Start, &order.first);
            for then in self.find(ActionKind::Start, &order.then) {
                self.actions[then as usize].after_new.extend(&firsts);
            }
            if order.symmetrical {
                let thens = self.find(ActionKind::Stop, &order.then);
                for first in self.find(ActionKind::Stop, &order.first) {
                    self.actions[first as usize].after_new.extend(&thens);
                }
            }
        }
    }

    /// Keeps what is planned already, cancels what is not wanted any more, adds the rest.
    fn settle(self, plan: &mut Plan) {
        let existing: BTreeMap<(ActionKind, &ResourceId, &NodeId), ActionId> =
            self.state.actions.values().map(|action| ((action.kind, &action.resource, &action.node), action.id)).collect();
        let mut kept = Vec::new();
        let mut place_of: BTreeMap<u32, Result<u32, ActionId>> = BTreeMap::new();
        let mut waiting: Vec<(u32, NewAction)> = (0..).zip(self.actions).collect();
        // What waits for others comes after them; what waits for itself in a circle of orders never comes.
        loop {
            let is_ready = |action: &NewAction| action.after_new.iter().all(|before| place_of.contains_key(before));
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, action)| is_ready(action));
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for (place, action) in ready {
                if let Some(id) = existing.get(&(action.kind, &action.resource, &action.node)) {
                    kept.push(*id);
                    place_of.insert(place, Err(*id));
                    continue;
                }
                let (new, old): (Vec<_>, Vec<_>) = action.after_new.iter().map(|before| place_of[before]).partition(Result::is_ok);
                let after_new = new.into_iter().filter_map(Result::ok).collect();
                let after = old.into_iter().filter_map(Result::err).collect();
                place_of.insert(place, Ok(u32::try_from(plan.add.len()).expect("a plan has fewer actions than a u32 counts")));
                plan.add.push(NewAction { after_new, after, ..action });
            }
        }
        plan.cancel = self.state.actions.values().filter(|action| !action.claimed && !kept.contains(&action.id)).map(|action| action.id).collect();
    }
}

fn waits_for(state: &ClusterState, id: &ResourceId, node: &NodeId, liveness: Liveness) -> Blocked {
    let intent = state.intents.get(node);
    let why = match intent.and_then(|intent| intent.last_error()) {
        Some(error) => format!("it may be active on {node}, which is {liveness} and could not be fenced: {error}"),
        None => format!("it may be active on {node}, which is {liveness}: it waits for the proof that {node} is off"),
    };
    let unfenceable = intent.is_some_and(|intent| intent.last_error().is_some()) || state.fence_levels(node).is_empty();
    let mend = (liveness == Liveness::Lost && unfenceable).then(|| format!("make sure that {node} is off, then: qrm node confirm-off {node}"));
    Blocked { resource: id.clone(), why, mend }
}
