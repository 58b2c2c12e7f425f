//! Edges between actions: what waits for what because of an order constraint.
//!
//! A predecessor may be in the same draft, may be planned or claimed already, or may not come yet: then what must come
//! after it is left out of this plan.

use super::Blocked;
use super::actions::Draft;
use super::any::any_of;
use super::placement::{Wanted, runs_on};
use super::role_order::Goal;
use crate::config::{Order, OrderKind, OrderTask};
use crate::id::{ActionId, NodeId, ResourceId};
use crate::state::{ActionKind, Intent, NewAction, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// What ends with the resource running where it should. A migration goes on as its handover under the same number.
pub(super) const ARRIVALS: [ActionKind; 3] = [ActionKind::Start, ActionKind::Migrate, ActionKind::Handover];

impl<'s> Draft<'s> {
    /// Starts go in the order's direction, stops against it.
    pub(super) fn constraint_edges(&mut self, goal: Goal<'_>) -> Vec<Blocked> {
        let wanted = goal.wanted;
        self.stop_what_cannot_migrate();
        while self.restart_what_comes_after(wanted) | self.withdraw_what_needs_roles(goal) {}
        let state = self.state;
        let any = any_of(state);
        while any.iter().any(|any| self.restart_after_any(any, wanted)) {
            while self.restart_what_comes_after(wanted) | self.withdraw_what_needs_roles(goal) {}
        }
        self.stop_before_starts(wanted);
        let mut blocked = self.role_edges(goal);
        blocked.extend(any.iter().filter_map(|any| self.after_any(any, wanted)));
        let is_edge = |it: &&Order| it.kind != OrderKind::Serialize && it.requires_all && it.is_of_starts();
        for order in state.config.orders.values().filter(is_edge) {
            for then in self.find(ActionKind::Start, &order.then) {
                blocked.extend(self.start_after(order, then, wanted));
            }
            for then in self.find(ActionKind::Migrate, &order.then) {
                // What moves live follows what it runs after, once that runs where it goes.
                let target = self.actions[then as usize].peer.clone();
                let firsts = self.find_any(&ARRIVALS, &order.first);
                let firsts = self.concerned(order, firsts, target.as_ref(), wanted);
                self.actions[then as usize].after_new.extend(firsts);
                let pending = self.pending(&order.first, &ARRIVALS);
                self.actions[then as usize].after.extend(pending);
            }
            if order.symmetrical {
                for first in self.find_any(&[ActionKind::Stop, ActionKind::Migrate], &order.first) {
                    self.stop_after(order, first, wanted);
                }
            }
        }
        for order in state.config.orders.values().filter(|order| order.kind == OrderKind::Serialize) {
            self.one_by_one(order);
        }
        blocked
    }

    /// What has to run after another that is started now runs already: it stops before, and starts again after. Where the
    /// order says nothing of stops it runs on. Whether there was any.
    fn restart_what_comes_after(&mut self, wanted: &BTreeMap<ResourceId, Wanted>) -> bool {
        let orders = self.orders_of_restarts();
        let mut has_changed = false;
        // What is restarted may in its turn be what another has to run after.
        while let Some((order, node)) = orders.iter().find_map(|order| {
            // Nothing is done to nearly all of them.
            self.drafts_of(&order.first).next()?;
            let then = self.runs_undisturbed(&order.then, wanted).into_iter();
            Some((*order, then.into_iter().find(|node| self.starts_anew(&order.first, node, wanted))?))
        }) {
            has_changed = true;
            let why = format!("{} is started, which has to run before it", order.first);
            let stop = self.add(ActionKind::Stop, &order.then, &node, why.clone(), Vec::new());
            self.add(ActionKind::Start, &order.then, &node, why, vec![stop]);
        }
        has_changed
    }

    fn orders_of_restarts(&self) -> Vec<&'s Order> {
        let orders = self.state.config.orders.values();
        orders.filter(|order| binds_both_ways(order) && order.is_of_starts()).collect()
    }

    /// What is stopped comes after nothing: it is stopped before the other starts.
    fn stop_before_starts(&mut self, wanted: &BTreeMap<ResourceId, Wanted>) {
        for order in self.orders_of_restarts() {
            let stops = self.find(ActionKind::Stop, &order.then);
            let pending = self.pending(&order.then, &[ActionKind::Stop]);
            for start in self.find(ActionKind::Start, &order.first) {
                let at = self.actions[start as usize].node.clone();
                let of = |stop: &u32| (&at, &self.actions[*stop as usize].node);
                let stops: Vec<u32> =
                    stops.iter().copied().filter(|stop| self.concerns(order, of(stop), wanted)).collect();
                let pending: Vec<_> = pending
                    .iter()
                    .copied()
                    .filter(|stop| {
                        let action = self.state.actions.get(stop);
                        action.is_none_or(|stop| self.concerns(order, (&at, &stop.node), wanted))
                    })
                    .collect();
                let start = &mut self.actions[start as usize];
                start.after_new.extend(&stops);
                start.after.extend(&pending);
            }
        }
    }

    /// It is started, or stopped where it is to run: its start comes when it is stopped. Of a clone with an instance on this
    /// node that one counts: that another node comes back restarts nothing.
    fn starts_anew(&self, id: &ResourceId, near: &NodeId, wanted: &BTreeMap<ResourceId, Wanted>) -> bool {
        let is_target = |node: &NodeId| wanted.get(id).is_some_and(|wanted| wanted.is_on(node));
        let has_near = self.is_clone(id) && is_target(near);
        let counts = |action: &&NewAction| !has_near || action.node == *near;
        self.drafts_of(id).map(|(_, action)| action).filter(counts).any(|action| match action.kind {
            ActionKind::Start => true,
            ActionKind::Stop => is_target(&action.node),
            _ => false,
        })
    }

    /// Where it runs and is to go on running, when nothing is to be done about it so far and it can be stopped.
    pub(super) fn runs_undisturbed(&self, id: &ResourceId, wanted: &BTreeMap<ResourceId, Wanted>) -> Vec<NodeId> {
        let places = wanted.get(id).map(Wanted::places).unwrap_or_default();
        places.into_iter().filter(|node| self.is_undisturbed(id, node)).collect()
    }

    fn is_undisturbed(&self, id: &ResourceId, node: &NodeId) -> bool {
        let (state, is_clone) = (self.state, self.is_clone(id));
        // A promotion is no reason to leave it running: it comes when it runs again.
        let is_its = |action: &NewAction| action.kind != ActionKind::Promote && (!is_clone || action.node == *node);
        let is_drafted = self.drafts_of(id).any(|(_, action)| is_its(action));
        let is_ours = state.nodes.get(node).is_some_and(|at| at.is_online() && at.intent != Intent::Maintenance);
        let is_alone = || {
            let mut others = state.touched(id).iter().filter(|other| other.ix.is_some() && other.node != node);
            is_clone || others.all(|other| !state.stands_against(id, other.node))
        };
        let runs = state.standing(id, node) == Standing::Active && !self.stop_failed(id, node);
        !is_drafted && is_ours && runs && is_alone()
    }

    /// Serialize: what is done to the one and what is done to the other never goes on at once, whichever comes first.
    fn one_by_one(&mut self, order: &Order) {
        let kinds = |task: OrderTask| match task {
            OrderTask::Start | OrderTask::Stop => [ActionKind::Stop, ActionKind::Start],
            OrderTask::Promote | OrderTask::Demote => [ActionKind::Demote, ActionKind::Promote],
        };
        let (of_first, of_then) = (kinds(order.first_task), kinds(order.then_task));
        let (firsts, thens) = (self.find_any(&of_first, &order.first), self.find_any(&of_then, &order.then));
        for (mine, (other, kinds)) in [(&firsts, (&order.then, &of_then)), (&thens, (&order.first, &of_first))] {
            let pending = self.pending(other, kinds);
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
        let at = self.actions[then as usize].node.clone();
        let firsts = self.find_any(&ARRIVALS, &order.first);
        let firsts = self.concerned(order, firsts, Some(&at), wanted);
        let mut pending = self.pending(&order.first, &ARRIVALS);
        pending.retain(|first| {
            let action = self.state.actions.get(first);
            action.is_none_or(|first| self.concerns(order, (&first.node, &at), wanted))
        });
        if !firsts.is_empty() || !pending.is_empty() {
            self.actions[then as usize].after_new.extend(firsts);
            self.actions[then as usize].after.extend(pending);
            return None;
        }
        let is_to_run = wanted.get(&order.first).is_some_and(|first| !first.places().is_empty());
        let mut near = self.state.nodes.keys().filter(|node| self.concerns(order, (node, &at), wanted));
        let runs = near.any(|node| self.runs_on(&order.first, node));
        if order.kind == OrderKind::Optional || !is_to_run || runs {
            return None;
        }
        self.left_out.insert(then);
        let is_worked_on = !self.pending(&order.first, &[ActionKind::Probe, ActionKind::Stop]).is_empty()
            || self.drafts_of(&order.first).next().is_some();
        let why = format!("{} has to run before it, and does not yet", order.first);
        (!is_worked_on).then(|| Blocked { resource: order.then.clone(), why, mend: None })
    }

    /// It runs there, and is not about to be stopped.
    pub(super) fn runs_on(&self, id: &ResourceId, node: &NodeId) -> bool {
        let stops = |kind: ActionKind, of: &ResourceId, at: &NodeId| kind == ActionKind::Stop && of == id && at == node;
        let is_drafted = self.drafts_of(id).any(|(_, action)| stops(action.kind, &action.resource, &action.node));
        let is_claimed = || {
            let mut claimed = self.state.actions.values().filter(|action| action.claimed);
            claimed.any(|action| stops(action.kind, &action.resource, &action.node))
        };
        runs_on(self.state, id, node) && !is_drafted && !is_claimed()
    }

    pub(super) fn find_any(&self, kinds: &[ActionKind], id: &ResourceId) -> Vec<u32> {
        kinds.iter().flat_map(|kind| self.find(*kind, id)).collect()
    }

    /// Of what comes before, what a start or a move to a node has to wait for.
    fn concerned(
        &self,
        order: &Order,
        mut firsts: Vec<u32>,
        at: Option<&NodeId>,
        wanted: &BTreeMap<ResourceId, Wanted>,
    ) -> Vec<u32> {
        let Some(at) = at else { return firsts };
        firsts.retain(|first| self.concerns(order, (&self.actions[*first as usize].node, at), wanted));
        firsts
    }

    pub(super) fn stop_after(&mut self, order: &Order, first: u32, wanted: &BTreeMap<ResourceId, Wanted>) {
        const LEAVES: [ActionKind; 2] = [ActionKind::Migrate, ActionKind::Handover];
        let at = self.actions[first as usize].node.clone();
        let is_clone = self.is_clone(&order.first);
        let mut thens = self.find(ActionKind::Stop, &order.then);
        thens.extend(self.find(ActionKind::Probe, &order.then));
        let mut pending = self.pending(&order.then, &[ActionKind::Start, ActionKind::Stop]);
        if is_clone {
            // What runs elsewhere does not run on the instance that stops; what leaves it live has to be gone.
            thens.extend(self.find(ActionKind::Migrate, &order.then));
            pending.extend(self.pending(&order.then, &LEAVES));
            let is_its = |node: &NodeId| *node == at || self.concerns(order, (&at, node), wanted);
            thens.retain(|then| is_its(&self.actions[*then as usize].node));
            pending.retain(|then| {
                let action = self.state.actions.get(then);
                action.is_none_or(|then| is_its(&then.node) || then.peer.as_ref() == Some(&at))
            });
        }
        let is_start = |id: &ActionId| self.state.actions.get(id).is_some_and(|it| it.kind == ActionKind::Start);
        if pending.iter().any(is_start) {
            // What starts just now has to stop again before: that can be planned only once it runs.
            self.left_out.insert(first);
        }
        self.actions[first as usize].after_new.extend(thens);
        self.actions[first as usize].after.extend(pending);
    }
}

/// Stops go against its direction, and what comes after shares the fate of what comes before.
pub(super) fn binds_both_ways(order: &Order) -> bool {
    order.kind == OrderKind::Mandatory && order.symmetrical && order.requires_all
}
