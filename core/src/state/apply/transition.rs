//! The transition: planned actions come, are carried out, or go.

use crate::id::{ActionId, NodeId, Operation, ResourceId};
use crate::state::{Action, ActionKind, ClusterState, NewAction, Outcome, Refusal};
use std::collections::BTreeSet;

impl ClusterState {
    /// Takes the plan's changes; an action whose basis has moved is left out, with all that waits for it.
    pub(super) fn plan_changes(&mut self, cancel: &[ActionId], add: &[NewAction]) -> Result<Outcome, Refusal> {
        self.trail_what_stays(cancel, add);
        self.cancel_planned(|action| !action.claimed && cancel.contains(&action.id));
        cancel.iter().for_each(|id| self.call_off_migration(*id));
        let mut given: Vec<Option<ActionId>> = Vec::with_capacity(add.len());
        for new in add {
            let accepted = self.accept(new, &given);
            given.push(accepted);
        }
        let count = given.iter().flatten().count();
        Ok(Outcome::Planned(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    /// What was to leave and is not to any more has been called back: others may have been stopped for it.
    fn trail_what_stays(&mut self, cancel: &[ActionId], add: &[NewAction]) {
        let leaves = |kind| matches!(kind, ActionKind::Stop | ActionKind::Migrate);
        let planned = cancel.iter().filter_map(|id| self.actions.get(id));
        let called_back = planned.filter(|action| leaves(action.kind) && !action.claimed);
        let mut called_back: BTreeSet<(ResourceId, NodeId)> =
            called_back.map(|action| (action.resource.clone(), action.node.clone())).collect();
        for new in add.iter().filter(|new| leaves(new.kind)) {
            called_back.remove(&(new.resource.clone(), new.node.clone()));
        }
        called_back.iter().for_each(|(id, node)| self.comes_to(id, node));
    }

    fn accept(&mut self, new: &NewAction, given: &[Option<ActionId>]) -> Option<ActionId> {
        let current = self.activity(&new.resource, &new.node).map_or(Operation(0), |activity| activity.operation);
        let busy = self.actions.values().any(|action| action.resource == new.resource && action.node == new.node);
        if current != new.basis || busy || !self.nodes.get(&new.node)?.is_online() {
            return None;
        }
        let mut after = new.after.clone();
        for place in &new.after_new {
            after.push(given.get(*place as usize).copied().flatten()?);
        }
        let id = self.next_action;
        self.next_action = id.next();
        self.actions.insert(
            id,
            Action {
                id,
                kind: new.kind,
                resource: new.resource.clone(),
                node: new.node.clone(),
                peer: new.peer.clone(),
                basis: new.basis,
                after,
                reason: new.reason.clone(),
                claimed: false,
            },
        );
        Some(id)
    }

    /// An action has ended; what waited for one that failed goes too.
    pub(super) fn finish_action(&mut self, id: ActionId, failed: bool) {
        self.actions.remove(&id);
        if failed {
            self.cancel_waiting_for(vec![id]);
        }
    }

    /// Removes the actions that fit, and all that waits for them.
    pub(super) fn cancel_planned(&mut self, fits: impl Fn(&Action) -> bool) {
        let gone: Vec<ActionId> = self.actions.values().filter(|action| fits(action)).map(|action| action.id).collect();
        for id in &gone {
            self.actions.remove(id);
        }
        self.cancel_waiting_for(gone);
    }

    fn cancel_waiting_for(&mut self, mut gone: Vec<ActionId>) {
        while let Some(id) = gone.pop() {
            let waiting: Vec<ActionId> = self
                .actions
                .values()
                .filter(|action| !action.claimed && action.after.contains(&id))
                .map(|action| action.id)
                .collect();
            for next in waiting {
                self.actions.remove(&next);
                gone.push(next);
            }
        }
    }

    /// Everything planned for or claimed by a node goes: its daemon is new, or its session is over.
    pub(super) fn cancel_actions_of(&mut self, node: &NodeId) {
        self.cancel_planned(|action| action.node == *node);
    }

    /// What a lost node has not claimed goes; what it has claimed may still happen.
    pub(super) fn cancel_unclaimed_of(&mut self, node: &NodeId) {
        self.cancel_planned(|action| action.node == *node && !action.claimed);
    }

    /// What is planned and not yet claimed for a resource goes, everywhere.
    pub(super) fn cancel_unclaimed_for(&mut self, resource: &ResourceId) {
        self.cancel_planned(|action| action.resource == *resource && !action.claimed);
    }
}
