//! Edges between actions: what waits for what because of an order constraint.
//!
//! A predecessor may be in the same draft, may be planned or claimed already, or may not come yet: then what must come
//! after it is left out of this plan.

use super::Blocked;
use super::actions::Draft;
use super::placement::{Wanted, runs_on};
use crate::config::{Order, OrderKind};
use crate::id::ResourceId;
use crate::state::ActionKind;
use std::collections::{BTreeMap, BTreeSet};

/// What ends with the resource running where it should. A migration goes on as its handover under the same number.
const ARRIVALS: [ActionKind; 3] = [ActionKind::Start, ActionKind::Migrate, ActionKind::Handover];

impl Draft<'_> {
    /// Starts go in the order's direction, stops against it.
    pub(super) fn constraint_edges(&mut self, wanted: &BTreeMap<ResourceId, Wanted>) -> Vec<Blocked> {
        self.stop_what_cannot_migrate();
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
    fn waits_for(&self, action: u32, other: u32) -> bool {
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
        let runs = self.state.nodes.keys().any(|node| runs_on(self.state, &order.first, node));
        if order.kind == OrderKind::Optional || !is_to_run || runs {
            return None;
        }
        self.left_out.insert(then);
        let is_worked_on = !self.pending(&order.first, &[ActionKind::Probe, ActionKind::Stop]).is_empty()
            || self.actions.iter().any(|action| action.resource == order.first);
        let why = format!("{} has to run before it, and does not yet", order.first);
        (!is_worked_on).then(|| Blocked { resource: order.then.clone(), why, mend: None })
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
