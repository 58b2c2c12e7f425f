//! Live migrations in the history: half done, done, failed. A migration's records on both nodes are read together, and
//! each counts only as long as nothing newer says how it is on its node.

use super::Reader;
use super::history::Finding;
use super::status::Op;
use crate::scheduler::{NodeIx, Role, RscIx};
use std::cmp::Ordering;

impl<'a> Reader<'a> {
    fn named_node(&self, name: &str) -> Option<NodeIx> {
        self.nodes.get(name).copied()
    }

    fn on(&self, rsc: RscIx, node: NodeIx) -> Vec<Op<'a>> {
        self.ops_of(&self.model.resources[rsc].base, node)
    }

    /// Whether something was done on a node after an operation, which was there too or elsewhere.
    fn is_acted_on_since(&self, rsc: RscIx, node: NodeIx, op: &Op<'a>, is_same_node: bool) -> bool {
        let is_act = |later: &Op<'a>| matches!(later.task, "start" | "stop" | "migrate_to" | "migrate_from");
        self.on(rsc, node).iter().any(|later| is_act(later) && is_newer(later, op, is_same_node))
    }

    /// Whether something newer than the migration says how it is on this node: an act, or a look that found nothing.
    fn is_known_since(&self, rsc: RscIx, node: NodeIx, op: &Op<'a>, is_same_node: bool) -> bool {
        let found_nothing = |later: &Op<'a>| later.task == "monitor" && later.status == 0 && later.code == 7;
        self.is_acted_on_since(rsc, node, op, is_same_node)
            || self.on(rsc, node).iter().any(|later| found_nothing(later) && is_newer(later, op, is_same_node))
    }

    /// Nothing is recorded of it there: it will be looked for.
    fn is_unknown_on(&self, rsc: RscIx, node: NodeIx) -> bool {
        self.on(rsc, node).iter().all(|op| op.code == 193)
    }

    /// The other half of a migration, by its node and the node it names.
    fn half(&self, rsc: RscIx, at: NodeIx, task: &str, other: &str) -> Option<Op<'a>> {
        let names = |op: &&Op<'a>| if task == "migrate_from" { op.source == other } else { op.target == other };
        self.on(rsc, at).iter().find(|op| op.task == task && names(op)).copied()
    }

    /// It is to be stopped and started, whatever else is to be done with it.
    fn must_recover(&mut self, rsc: RscIx) {
        let resource = &mut self.model.resources[rsc];
        (resource.is_failed, resource.must_stop, resource.can_migrate) = (true, true, false);
    }

    /// The source has let it go; what the target says of it decides.
    pub(super) fn migrated_away(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        let (rsc, source) = (found.rsc, found.node);
        let is_past = self.is_acted_on_since(rsc, source, op, true);
        let target = self.named_node(op.target);
        let arrival = target.and_then(|target| self.half(rsc, target, "migrate_from", op.source));
        if arrival.is_some() && is_past {
            return;
        }
        let is_known = target
            .is_some_and(|target| self.is_known_since(rsc, target, arrival.as_ref().unwrap_or(op), arrival.is_some()));
        if is_past && is_known {
            return;
        }
        if arrival.is_some_and(|arrival| arrival.status == 0 && arrival.code == 0) {
            // Both halves are done; the source is to be cleaned up.
            found.role = Role::Stopped;
            self.model.resources[rsc].dangling.push(source);
            return;
        }
        found.role = Role::Started;
        let there = target.filter(|target| self.model.nodes[*target].is_online);
        let active = there.filter(|_| !is_known);
        if arrival.is_some_and(|arrival| arrival.status != Op::PENDING) {
            // The target failed; it may be active there all the same.
            match active {
                Some(target) => self.add_running(rsc, target),
                None => self.must_recover(rsc),
            }
        } else if there.is_some_and(|target| self.is_unknown_on(rsc, target)) {
            // Its record was cleaned up: it is looked for.
        } else if let Some(target) = active {
            self.add_running(rsc, target);
            if self.model.nodes[source].is_online {
                self.model.resources[rsc].migrating = Some((source, target));
            }
        } else if !is_past {
            self.must_recover(rsc);
        }
    }

    pub(super) fn migration_pending(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        found.role = Role::Started;
        let Some(target) = self.named_node(op.target) else { return };
        // The source is lost in the middle: whatever is at the target is to be stopped too.
        if self.model.nodes[found.node].is_unclean {
            self.model.resources[found.rsc].active_on.push(target);
            self.model.resources[found.rsc].is_failed = true;
            self.model.resources[found.rsc].must_stop = true;
        }
    }

    /// It is at the source still, and may be at the target.
    pub(super) fn migration_failed_at_source(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        found.role = Role::Started;
        let (rsc, source) = (found.rsc, found.node);
        let Some(target) = self.named_node(op.target) else { return };
        let arrival = self.half(rsc, target, "migrate_from", op.source);
        let arrival = arrival.filter(|arrival| arrival.status == 0 && arrival.code == 0);
        let since = arrival.as_ref().unwrap_or(op);
        if !self.is_unknown_on(rsc, target) && !self.is_known_since(rsc, target, since, arrival.is_some()) {
            if self.model.nodes[target].is_online {
                self.add_running(rsc, target);
            }
        } else if !self.is_acted_on_since(rsc, source, op, true) {
            self.model.resources[rsc].dangling.push(source);
        }
    }

    /// It is at the target, failed, and may be at the source.
    pub(super) fn migration_failed_at_target(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        found.role = Role::Started;
        let rsc = found.rsc;
        let Some(source) = self.named_node(op.source) else { return };
        let departure = self.half(rsc, source, "migrate_to", op.target);
        let departure = departure.filter(|departure| departure.status == 0 && departure.code == 0);
        let since = departure.as_ref().unwrap_or(op);
        let is_known = self.is_known_since(rsc, source, since, departure.is_some());
        if !self.is_unknown_on(rsc, source) && !is_known && self.model.nodes[source].is_online {
            self.add_running(rsc, source);
        }
    }
}

/// Calls are counted by each node for itself; across nodes only the time says which is newer.
fn is_newer(later: &Op<'_>, op: &Op<'_>, is_same_node: bool) -> bool {
    if is_same_node { later.order(op) == Ordering::Greater } else { op.changed > 0 && later.changed > op.changed }
}
