//! Edges between actions: what waits for what because of an order constraint.
//!
//! A predecessor may be in the same draft, may be planned or claimed already, or may not come yet: then what must come
//! after it is left out of this plan.

use super::Blocked;
use super::actions::Draft;
use super::placement::{Wanted, runs_on};
use crate::config::{Order, OrderKind};
use crate::id::{NodeId, ResourceId};
use crate::state::{ActionKind, Intent, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// What ends with the resource running where it should. A migration goes on as its handover under the same number.
const ARRIVALS: [ActionKind; 3] = [ActionKind::Start, ActionKind::Migrate, ActionKind::Handover];

impl Draft<'_> {
    /// Starts go in the order's direction, stops against it.
    pub(super) fn constraint_edges(&mut self, wanted: &BTreeMap<ResourceId, Wanted>) -> Vec<Blocked> {
        self.stop_what_cannot_migrate();
        self.restart_what_comes_after(wanted);
        let state = self.state;
        let mut blocked = Vec::new();
        for order in state.config.orders.values().filter(|order| order.kind != OrderKind::Serialize) {
            for then in self.find(ActionKind::Start, &order.then) {
                blocked.extend(self.start_after(order, then, wanted));
            }
            for then in self.find(ActionKind::Migrate, &order.then) {
                // What moves live follows what it runs after, once that runs where it goes.
                let firsts = self.find_any(&ARRIVALS, &order.first);
                self.actions[then as usize].after_new.extend(firsts);
                let pending = self.pending(&order.first, &ARRIVALS);
                self.actions[then as usize].after.extend(pending);
            }
            if order.symmetrical {
                for first in self.find_any(&[ActionKind::Stop, ActionKind::Migrate], &order.first) {
                    self.stop_after(order, first);
                }
            }
        }
        for order in state.config.orders.values().filter(|order| order.kind == OrderKind::Serialize) {
            self.one_by_one(order);
        }
        blocked
    }

    /// What has to run after another that is started now runs already: it stops before, and starts again after. Where the
    /// order says nothing of stops it runs on.
    fn restart_what_comes_after(&mut self, wanted: &BTreeMap<ResourceId, Wanted>) {
        let orders: Vec<&Order> = self.state.config.orders.values().filter(|order| binds_both_ways(order)).collect();
        // What is restarted may in its turn be what another has to run after.
        while let Some((order, node)) = orders.iter().find_map(|order| {
            let starts = self.starts_anew(&order.first, wanted);
            Some((*order, self.runs_undisturbed(&order.then, wanted).filter(|_| starts)?))
        }) {
            let why = format!("{} is started, which has to run before it", order.first);
            let stop = self.add(ActionKind::Stop, &order.then, &node, why.clone(), Vec::new());
            self.add(ActionKind::Start, &order.then, &node, why, vec![stop]);
        }
        for order in orders {
            let stops = self.find(ActionKind::Stop, &order.then);
            let pending = self.pending(&order.then, &[ActionKind::Stop]);
            for start in self.find(ActionKind::Start, &order.first) {
                let start = &mut self.actions[start as usize];
                start.after_new.extend(&stops);
                start.after.extend(&pending);
            }
        }
    }

    /// It is started, or stopped where it is to run: its start comes when it is stopped.
    fn starts_anew(&self, id: &ResourceId, wanted: &BTreeMap<ResourceId, Wanted>) -> bool {
        let target = match wanted.get(id) {
            Some(Wanted::On(node, _)) => Some(node),
            Some(Wanted::Stopped(_) | Wanted::HandsOff) | None => None,
        };
        self.actions.iter().filter(|action| action.resource == *id).any(|action| match action.kind {
            ActionKind::Start => true,
            ActionKind::Stop => target == Some(&action.node),
            _ => false,
        })
    }

    /// Where it runs and is to go on running, when nothing is to be done about it so far and it can be stopped.
    fn runs_undisturbed(&self, id: &ResourceId, wanted: &BTreeMap<ResourceId, Wanted>) -> Option<NodeId> {
        let Some(Wanted::On(node, _)) = wanted.get(id) else { return None };
        let state = self.state;
        let is_drafted = self.actions.iter().any(|action| action.resource == *id);
        let is_ours = state.nodes.get(node).is_some_and(|at| at.is_online() && at.intent != Intent::Maintenance);
        let is_alone = || {
            let mut others = state.nodes.keys().filter(|other| *other != node);
            others.all(|other| !state.stands_against(id, other))
        };
        let runs = state.standing(id, node) == Standing::Active && !self.stop_failed(id, node);
        (!is_drafted && is_ours && runs && is_alone()).then(|| node.clone())
    }

    /// Serialize: what is done to the one and what is done to the other never goes on at once, whichever comes first.
    fn one_by_one(&mut self, order: &Order) {
        const KINDS: [ActionKind; 2] = [ActionKind::Stop, ActionKind::Start];
        let drafted = |draft: &Self, id| KINDS.iter().flat_map(|kind| draft.find(*kind, id)).collect::<Vec<u32>>();
        let (firsts, thens) = (drafted(self, &order.first), drafted(self, &order.then));
        for (mine, other) in [(&firsts, &order.then), (&thens, &order.first)] {
            let pending = self.pending(other, &KINDS);
            for action in mine {
                self.actions[*action as usize].after.extend(pending.iter().copied());
            }
        }
        for then in &thens {
            for first in &firsts {
                let (before, after) = if self.waits_for(*first, *then) { (then, first) } else { (first, then) };
                let waits = &mut self.actions[*after as usize].after_new;
                if !waits.contains(before) {
                    waits.push(*before);
                }
            }
        }
    }

    /// Whether a drafted action comes after another, directly or not.
    pub(super) fn waits_for(&self, action: u32, other: u32) -> bool {
        let mut open = vec![action];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            if seen.insert(next) {
                open.extend(&self.actions[next as usize].after_new);
            }
        }
        false
    }

    fn start_after(&mut self, order: &Order, then: u32, wanted: &BTreeMap<ResourceId, Wanted>) -> Option<Blocked> {
        let firsts = self.find_any(&ARRIVALS, &order.first);
        let pending = self.pending(&order.first, &ARRIVALS);
        if !firsts.is_empty() || !pending.is_empty() {
            self.actions[then as usize].after_new.extend(firsts);
            self.actions[then as usize].after.extend(pending);
            return None;
        }
        let is_to_run = matches!(wanted.get(&order.first), Some(Wanted::On(..)));
        let runs = self.state.nodes.keys().any(|node| self.runs_on(&order.first, node));
        if order.kind == OrderKind::Optional || !is_to_run || runs {
            return None;
        }
        self.left_out.insert(then);
        let is_worked_on = !self.pending(&order.first, &[ActionKind::Probe, ActionKind::Stop]).is_empty()
            || self.actions.iter().any(|action| action.resource == order.first);
        let why = format!("{} has to run before it, and does not yet", order.first);
        (!is_worked_on).then(|| Blocked { resource: order.then.clone(), why, mend: None })
    }

    /// It runs there, and is not about to be stopped.
    fn runs_on(&self, id: &ResourceId, node: &NodeId) -> bool {
        let stops = |kind: ActionKind, of: &ResourceId, at: &NodeId| kind == ActionKind::Stop && of == id && at == node;
        let is_drafted = self.actions.iter().any(|action| stops(action.kind, &action.resource, &action.node));
        let is_claimed = || {
            let mut claimed = self.state.actions.values().filter(|action| action.claimed);
            claimed.any(|action| stops(action.kind, &action.resource, &action.node))
        };
        runs_on(self.state, id, node) && !is_drafted && !is_claimed()
    }

    fn find_any(&self, kinds: &[ActionKind], id: &ResourceId) -> Vec<u32> {
        kinds.iter().flat_map(|kind| self.find(*kind, id)).collect()
    }

    fn stop_after(&mut self, order: &Order, first: u32) {
        let mut thens = self.find(ActionKind::Stop, &order.then);
        thens.extend(self.find(ActionKind::Probe, &order.then));
        let pending = self.pending(&order.then, &[ActionKind::Start, ActionKind::Stop]);
        self.actions[first as usize].after_new.extend(thens);
        self.actions[first as usize].after.extend(pending);
    }
}

/// Stops go against its direction, and what comes after shares the fate of what comes before.
fn binds_both_ways(order: &Order) -> bool {
    order.kind == OrderKind::Mandatory && order.symmetrical
}
