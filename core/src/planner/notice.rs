//! Notices to the instances of clones with `notify=true`: one batch of a clone at a time, each told before and after.
//!
//! Demotions come first, then stops, starts and promotions, as in Pacemaker. What does not belong to the batch under way
//! waits. What is owed is the log's to know: here it is only brought about, and told by an action like any other.

use super::actions::Draft;
use super::role_order::Goal;
use super::{Blocked, Plan};
use crate::id::{NodeId, ResourceId};
use crate::state::{
    ActionKind, Changes, ClusterState, Intent, NoticeStep, Notices, PHASES, Roles, Round, Seen, Standing,
};
use std::collections::{BTreeMap, BTreeSet};

impl Draft<'_> {
    /// All that is to be done to each clone whose instances are told of it, by its goal: more than this plan may bring.
    pub(super) fn changes_to_tell(&self, goal: Goal<'_>) -> BTreeMap<ResourceId, Changes> {
        let state = self.state;
        let told = state.config.primitives.keys().filter(|id| state.notifies(id));
        told.map(|id| (id.clone(), self.changes_of(id, goal))).collect()
    }

    fn changes_of(&self, id: &ResourceId, goal: Goal<'_>) -> Changes {
        let state = self.state;
        let Roles { unpromoted, promoted } = state.roles(id);
        let active = &unpromoted | &promoted;
        let is_online = |node: &NodeId| state.nodes.get(node).is_some_and(|at| at.is_online());
        let drafted = |kind: ActionKind| -> BTreeSet<NodeId> {
            self.find(kind, id).into_iter().map(|place| self.actions[place as usize].node.clone()).collect()
        };
        let places = goal.wanted.get(id).map(super::placement::Wanted::places).unwrap_or_default();
        let goals = goal.promoted.get(id).cloned().unwrap_or_default();
        let stop = drafted(ActionKind::Stop);
        let demoted = promoted.iter().filter(|node| stop.contains(*node));
        let demote: BTreeSet<NodeId> = demoted.cloned().chain(drafted(ActionKind::Demote)).collect();
        let comes = |node: &&NodeId| is_online(node) && (!active.contains(*node) || stop.contains(*node));
        let start = places.iter().filter(comes).cloned().collect();
        let rises = |node: &&NodeId| is_online(node) && (!promoted.contains(*node) || demote.contains(*node));
        let promote = goals.iter().filter(rises).cloned().collect();
        Changes { start, stop, promote, demote }
    }

    /// What is told now, and what waits until it was.
    pub(super) fn hold_until_told(&mut self, told: BTreeMap<ResourceId, Changes>, plan: &mut Plan) {
        for (id, todo) in told {
            let notices = self.state.notices.get(&id).cloned().unwrap_or_default();
            let batches = self.batches(&id);
            self.let_through(&id, notices.working());
            let (steps, waits_for) = self.next_steps(&id, &notices, &batches, todo);
            plan.notices.extend(steps);
            if let Some(node) = waits_for {
                let why = format!("its instance on {node}, which is silent, is to be told first");
                plan.report.blocked.push(Blocked { resource: id.clone(), why, mend: None });
            }
            self.tell(&id, &notices);
        }
    }

    /// Where each operation of a clone could be carried out, were nobody to be told: what waits for what cannot come yet
    /// is in none.
    fn batches(&self, id: &ResourceId) -> BTreeMap<ActionKind, BTreeSet<NodeId>> {
        let mut barred = self.left_out.clone();
        loop {
            let bars = |action: &crate::state::NewAction| action.after_new.iter().any(|before| barred.contains(before));
            let more: Vec<u32> = (0_u32..)
                .zip(&self.actions)
                .filter(|(place, action)| !barred.contains(place) && bars(action))
                .map(|(place, _)| place)
                .collect();
            if more.is_empty() {
                break;
            }
            barred.extend(more);
        }
        let mut batches: BTreeMap<ActionKind, BTreeSet<NodeId>> = BTreeMap::new();
        for (place, action) in (0_u32..).zip(&self.actions) {
            if action.resource == *id && PHASES.contains(&action.kind) && !barred.contains(&place) {
                batches.entry(action.kind).or_default().insert(action.node.clone());
            }
        }
        let planned = self.state.actions.values().filter(|it| it.resource == *id && PHASES.contains(&it.kind));
        for action in planned.filter(|action| action.claimed || self.is_kept(action.id)) {
            batches.entry(action.kind).or_default().insert(action.node.clone());
        }
        batches
    }

    /// Of all that could be done to a clone only the batch under way is.
    fn let_through(&mut self, id: &ResourceId, round: Option<&Round>) {
        let is_of = |kind: ActionKind, node: &NodeId| {
            !PHASES.contains(&kind) || round.is_some_and(|it| it.operation == kind && it.nodes.contains(node))
        };
        let held = (0_u32..).zip(&self.actions);
        let held = held.filter(|(_, action)| action.resource == *id && !is_of(action.kind, &action.node));
        self.left_out.extend(held.map(|(place, _)| place));
        let state = self.state;
        self.kept.retain(|kept| {
            let action = state.actions.get(kept);
            action.is_none_or(|action| action.resource != *id || is_of(action.kind, &action.node))
        });
    }

    /// What of its notices has to change, and for which silent node that waits.
    fn next_steps(
        &self,
        id: &ResourceId,
        notices: &Notices,
        batches: &BTreeMap<ActionKind, BTreeSet<NodeId>>,
        todo: Changes,
    ) -> (Vec<NoticeStep>, Option<NodeId>) {
        let resource = id.clone();
        if !notices.fenced.is_empty() {
            return (vec![NoticeStep::Fenced { resource, todo }], None);
        }
        if let Some(round) = &notices.round {
            let is_wanted = batches.get(&round.operation).is_some_and(|nodes| !nodes.is_disjoint(&round.nodes));
            if !is_wanted {
                return (vec![NoticeStep::Close { resource, number: round.number }], None);
            }
            let before = notices.owed.iter().filter(|notice| !notice.is_post);
            let silent = before.flat_map(|notice| notice.to.keys()).find(|node| !self.may_be_told(id, node));
            return (Vec::new(), silent.cloned());
        }
        if notices.owed.iter().flat_map(|notice| notice.to.keys()).any(|node| self.may_be_told(id, node)) {
            return (Vec::new(), None);
        }
        let next = PHASES.into_iter().find_map(|phase| Some((phase, batches.get(&phase)?.clone())));
        let step = match next {
            // Begun before anybody was to be told of it: that ends first.
            Some((operation, _)) if self.is_claimed(id, operation) => None,
            Some((operation, nodes)) => Some(NoticeStep::Open { resource, operation, nodes, todo }),
            None if notices.before.is_some() && todo.is_empty() => Some(NoticeStep::Rest { resource }),
            None => None,
        };
        (step.into_iter().collect(), None)
    }

    fn is_claimed(&self, id: &ResourceId, kind: ActionKind) -> bool {
        self.state.actions.values().any(|action| action.claimed && action.resource == *id && action.kind == kind)
    }

    /// Its host hears, and what it has there is known to be there.
    fn may_be_told(&self, id: &ResourceId, node: &NodeId) -> bool {
        let at = self.state.nodes.get(node);
        at.is_some_and(|at| at.is_online() && at.intent != Intent::Maintenance) && is_known(self.state, id, node)
    }

    /// Each node is told the oldest thing that it is owed.
    fn tell(&mut self, id: &ResourceId, notices: &Notices) {
        let state = self.state;
        if state.config.is_hands_off(id) {
            return;
        }
        let owed = notices.owed.iter().flat_map(|notice| notice.to.keys());
        let hear: BTreeSet<&NodeId> = owed.filter(|node| self.may_be_told(id, node)).collect();
        for node in hear {
            let Some(notice) = notices.next_for(node) else { continue };
            let when = if notice.is_post { "after" } else { "before" };
            let why = format!("it is told {when} the {} of its clone", notice.operation.word());
            self.add(ActionKind::Notify, id, node, why, Vec::new());
        }
    }
}

fn is_known(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    let seen = state.activity(id, node).map(|activity| &activity.seen);
    matches!(seen, Some(Seen::Running | Seen::Promoted | Seen::Failed(_))) && state.standing(id, node) != Standing::Busy
}
