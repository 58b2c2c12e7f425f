//! Edges of orders that name another action than start: `order o db:promote ip:start`.
//!
//! What has to come after a promotion goes before the demotion, and comes again after the next promotion. A predecessor that
//! cannot come in this plan leaves out what waits for it, as in `order`.

use super::Blocked;
use super::actions::Draft;
use super::order::{ARRIVALS, binds_both_ways};
use super::placement::Wanted;
use crate::config::{Order, OrderKind, OrderTask, Primitive};
use crate::id::{ActionId, NodeId, ResourceId};
use crate::state::{ActionKind, Activity, Intent, NodeState, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Where everything should run, and where of it promoted.
#[derive(Clone, Copy)]
pub(super) struct Goal<'a> {
    pub(super) wanted: &'a BTreeMap<ResourceId, Wanted>,
    pub(super) promoted: &'a BTreeMap<ResourceId, BTreeSet<NodeId>>,
}

impl Goal<'_> {
    fn is_promoted(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.promoted.get(id).is_some_and(|nodes| nodes.contains(node))
    }

    fn has_a_place(&self, id: &ResourceId, task: OrderTask) -> bool {
        match task {
            OrderTask::Promote => self.promoted.get(id).is_some_and(|nodes| !nodes.is_empty()),
            _ => self.wanted.get(id).is_some_and(|wanted| !wanted.places().is_empty()),
        }
    }
}

impl Draft<'_> {
    /// Takes down what is up and has to come after something that is promoted, demoted or started anew; whether there
    /// was any.
    pub(super) fn withdraw_what_needs_roles(&mut self, goal: Goal<'_>) -> bool {
        let orders = self.state.config.orders.values();
        let orders: Vec<&Order> = orders.filter(|it| !it.is_of_starts() && binds_both_ways(it)).collect();
        let mut has_changed = false;
        while let Some((order, node)) = orders.iter().find_map(|order| {
            let up = self.undisturbed(&order.then, order.then_task, goal).into_iter();
            Some((*order, up.into_iter().find(|node| self.comes_anew(order, node, goal))?))
        }) {
            has_changed = true;
            let (first, then) = (&order.first, &order.then);
            if order.then_task == OrderTask::Promote {
                let why = format!("{first} has to {} before it, and is not done with that", order.first_task.word());
                self.add(ActionKind::Demote, then, &node, why, Vec::new());
                continue;
            }
            let why = format!("{first} is promoted or demoted, and it runs only after the promotion");
            let stop = self.add(ActionKind::Stop, then, &node, why.clone(), Vec::new());
            self.add(ActionKind::Start, then, &node, why, vec![stop]);
        }
        for order in orders.iter().filter(|order| order.then_task == OrderTask::Start) {
            // What would move live stands on nothing while its ground moves.
            for migration in self.find(ActionKind::Migrate, &order.then) {
                let from = self.actions[migration as usize].node.clone();
                if self.comes_anew(order, &from, goal) {
                    self.turn_into_stop(migration);
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    /// What waits for what by these orders.
    pub(super) fn role_edges(&mut self, goal: Goal<'_>) -> Vec<Blocked> {
        let mut blocked = Vec::new();
        let state = self.state;
        for order in state.config.orders.values() {
            if order.is_of_starts() || order.kind == OrderKind::Serialize {
                continue;
            }
            for then in self.drafted(&order.then, order.then_task) {
                blocked.extend(self.comes_after(order, then, goal));
            }
            if order.symmetrical {
                for first in self.drafted(&order.first, order.first_task.reverse()) {
                    self.goes_after(order, first, goal);
                }
            }
            if binds_both_ways(order) && order.first_task.is_upwards() {
                // Before it comes again, what comes after it has gone.
                for first in self.drafted(&order.first, order.first_task) {
                    self.goes_after(order, first, goal);
                }
            }
        }
        blocked
    }

    /// In the order's direction.
    fn comes_after(&mut self, order: &Order, then: u32, goal: Goal<'_>) -> Option<Blocked> {
        let at = self.actions[then as usize].node.clone();
        let mut firsts = self.drafted(&order.first, order.first_task);
        firsts.retain(|first| self.relates(order, (&self.actions[*first as usize].node, &at), goal));
        let mut pending = self.under_way(&order.first, order.first_task);
        pending.retain(|(_, node)| self.relates(order, (node, &at), goal));
        if !firsts.is_empty() || !pending.is_empty() {
            let then = &mut self.actions[then as usize];
            then.after_new.extend(firsts);
            then.after.extend(pending.into_iter().map(|(id, _)| id));
            return None;
        }
        let binds = order.kind == OrderKind::Mandatory && order.first_task.is_upwards();
        let mut near = self.state.nodes.keys().filter(|node| self.relates(order, (node, &at), goal));
        let is_there = near.any(|node| self.is_up(&order.first, order.first_task, node));
        if !binds || is_there || !goal.has_a_place(&order.first, order.first_task) {
            return None;
        }
        self.left_out.insert(then);
        let kinds = [ActionKind::Probe, ActionKind::Start, ActionKind::Stop, ActionKind::Demote];
        let is_worked_on =
            !self.pending(&order.first, &kinds).is_empty() || self.drafts_of(&order.first).next().is_some();
        let why = match order.first_task {
            OrderTask::Promote => format!("{} has to be promoted before it, and is not yet", order.first),
            _ => format!("{} has to run before it, and does not yet", order.first),
        };
        (!is_worked_on).then(|| Blocked { resource: order.then.clone(), why, mend: None })
    }

    /// Against its direction.
    fn goes_after(&mut self, order: &Order, first: u32, goal: Goal<'_>) {
        let at = self.actions[first as usize].node.clone();
        let back = order.then_task.reverse();
        let mut thens = self.drafted(&order.then, back);
        if order.then_task == OrderTask::Start {
            thens.extend(self.find(ActionKind::Probe, &order.then));
        }
        thens.retain(|then| self.relates(order, (&at, &self.actions[*then as usize].node), goal));
        let mut pending = self.under_way(&order.then, back);
        pending.retain(|(_, node)| self.relates(order, (&at, node), goal));
        if self.actions[first as usize].kind != kind(order.first_task) {
            // What comes up just now has to go down again before: that can be planned only once it is up.
            let mut comes_up = self.under_way(&order.then, order.then_task).into_iter();
            if comes_up.any(|(_, node)| self.relates(order, (&at, &node), goal)) {
                self.left_out.insert(first);
            }
        }
        let first = &mut self.actions[first as usize];
        first.after_new.extend(thens);
        first.after.extend(pending.into_iter().map(|(id, _)| id));
    }

    /// Whether what the order says holds for the one here and the other there: who runs beside a promoted instance needs
    /// that one alone.
    fn relates(&self, order: &Order, nodes: (&NodeId, &NodeId), goal: Goal<'_>) -> bool {
        let (first_node, then_node) = nodes;
        if !matches!(order.first_task, OrderTask::Promote | OrderTask::Demote) {
            return self.concerns(order, nodes, goal.wanted);
        }
        let spec = self.state.config.primitives.get(&order.then).and_then(Primitive::clone_spec);
        let together = self.state.config.shorthand.promoted_together(&order.first);
        let is_near = match spec {
            Some(_) if together.is_some_and(|parts| parts.contains(&order.then)) => true,
            Some(spec) => spec.interleave,
            None => goal.is_promoted(&order.first, then_node),
        };
        !is_near || first_node == then_node
    }

    /// What comes first is to come up near this node, or to go down there.
    fn comes_anew(&self, order: &Order, near: &NodeId, goal: Goal<'_>) -> bool {
        let upwards = self.drafted(&order.first, order.first_task).into_iter();
        let downwards = self.drafted(&order.first, order.first_task.reverse()).into_iter();
        let at = |action: u32| &self.actions[action as usize].node;
        let is_target = |node: &NodeId| match order.first_task {
            // Who follows the promoted one goes before it is demoted, wherever the next one is.
            OrderTask::Promote => true,
            _ => goal.wanted.get(&order.first).is_some_and(|wanted| wanted.is_on(node)),
        };
        let mut all = upwards.chain(downwards.filter(|action| is_target(at(*action))));
        order.first_task.is_upwards() && all.any(|action| self.relates(order, (at(action), near), goal))
    }

    /// Where it is up, is to stay so, and nothing is to be done about it so far.
    fn undisturbed(&self, id: &ResourceId, task: OrderTask, goal: Goal<'_>) -> Vec<NodeId> {
        match task {
            OrderTask::Start => self.runs_undisturbed(id, goal.wanted),
            OrderTask::Promote => {
                let is_ours = |at: &NodeState| at.is_online() && at.intent != Intent::Maintenance;
                let stays = |node: &&NodeId| {
                    let is_drafted = self.actions.iter().any(|it| it.resource == *id && it.node == **node);
                    let is_free = self.state.activity(id, node).is_some_and(Activity::is_at_rest);
                    !is_drafted && is_free && self.is_up(id, task, node)
                };
                let nodes = self.state.nodes.iter().filter(|(_, at)| is_ours(at)).map(|(node, _)| node);
                nodes.filter(stays).cloned().collect()
            }
            OrderTask::Stop | OrderTask::Demote => Vec::new(),
        }
    }

    /// It is started, or promoted, there, and is not about to lose that.
    fn is_up(&self, id: &ResourceId, task: OrderTask, node: &NodeId) -> bool {
        if task != OrderTask::Promote {
            return self.runs_on(id, node);
        }
        let is_promoted = self.state.activity(id, node).is_some_and(|activity| activity.seen == Seen::Promoted);
        let loses = [ActionKind::Stop, ActionKind::Demote];
        let is_drafted =
            self.actions.iter().any(|it| it.resource == *id && it.node == *node && loses.contains(&it.kind));
        let mut claimed = self.state.actions.values().filter(|action| action.claimed);
        let is_claimed = claimed.any(|it| it.resource == *id && it.node == *node && loses.contains(&it.kind));
        is_promoted && !is_drafted && !is_claimed
    }

    /// Drafted actions that do this; what may be promoted is demoted by its stop.
    fn drafted(&self, id: &ResourceId, task: OrderTask) -> Vec<u32> {
        let mut found = match task {
            OrderTask::Start => self.find_any(&ARRIVALS, id),
            _ => self.find(kind(task), id),
        };
        if task == OrderTask::Demote {
            let stops = self.find(ActionKind::Stop, id).into_iter();
            found.extend(stops.filter(|stop| self.state.may_be_promoted(id, &self.actions[*stop as usize].node)));
        }
        found
    }

    /// The same of what is under way, or planned and kept.
    fn under_way(&self, id: &ResourceId, task: OrderTask) -> Vec<(ActionId, NodeId)> {
        let kinds: &[ActionKind] = match task {
            OrderTask::Start => &ARRIVALS,
            OrderTask::Stop => &[ActionKind::Stop],
            OrderTask::Promote => &[ActionKind::Promote],
            OrderTask::Demote => &[ActionKind::Demote, ActionKind::Stop],
        };
        let pending = self.pending(id, kinds).into_iter();
        pending.filter_map(|action| Some((action, self.state.actions.get(&action)?.node.clone()))).collect()
    }
}

fn kind(task: OrderTask) -> ActionKind {
    match task {
        OrderTask::Start => ActionKind::Start,
        OrderTask::Stop => ActionKind::Stop,
        OrderTask::Promote => ActionKind::Promote,
        OrderTask::Demote => ActionKind::Demote,
    }
}
