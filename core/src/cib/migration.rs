//! Live migrations in the history: half done, done, failed.

use super::Reader;
use super::history::Finding;
use super::status::Op;
use crate::scheduler::{NodeIx, Role, RscIx};

impl<'a> Reader<'a> {
    fn named_node(&self, name: &str) -> Option<NodeIx> {
        self.nodes.get(name).copied()
    }

    fn base(&self, rsc: RscIx) -> String {
        self.model.resources[rsc].base.clone()
    }

    /// Whether something newer than the migration says how it is on this node.
    fn is_known_since(&self, rsc: RscIx, node: NodeIx, op: &Op<'a>) -> bool {
        let ops = self.ops_of(&self.base(rsc), node);
        ops.iter().any(|later| {
            let says = matches!(later.task, "stop" | "start") || (later.is_probe() && later.code == 7);
            says && op.changed > 0 && later.changed > op.changed
        })
    }

    /// The source has let it go; what the target says of it decides.
    pub(super) fn migrated_away(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        let (rsc, source) = (found.rsc, found.node);
        found.role = Role::Started;
        let Some(target) = self.named_node(op.target) else { return };
        let arrivals = self.ops_of(&self.base(rsc), target);
        let arrival =
            arrivals.iter().filter(|arrival| arrival.task == "migrate_from").max_by(|a, b| a.order(b)).copied();
        match arrival {
            Some(arrival) if arrival.status == 0 && arrival.code == 0 => {
                // Both halves are done; the source is to be cleaned up.
                found.role = Role::Stopped;
                let is_stopped = self
                    .ops_of(&self.base(rsc), source)
                    .iter()
                    .any(|later| later.task == "stop" && later.order(op).is_gt());
                if !is_stopped {
                    self.model.resources[rsc].dangling.push(source);
                }
            }
            Some(arrival) if arrival.status != Op::PENDING => {
                // The target failed; it may be active there all the same.
                if self.model.nodes[target].is_online && !self.is_known_since(rsc, target, op) {
                    self.add_running(rsc, target);
                }
            }
            _ if self.is_known_since(rsc, target, op) => {}
            _ if self.model.nodes[target].is_online => {
                if self.model.resources[rsc].can_migrate {
                    self.model.resources[rsc].migrating = Some((source, target));
                }
                self.add_running(rsc, target);
            }
            _ => {
                let resource = &mut self.model.resources[rsc];
                (resource.is_failed, resource.must_stop, resource.can_migrate) = (true, true, false);
            }
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
        let Some(target) = self.named_node(op.target) else { return };
        let ops = self.ops_of(&self.base(found.rsc), target);
        let is_settled = ops.iter().any(|later| later.task == "stop" && later.changed >= op.changed);
        if !is_settled && self.model.nodes[target].is_online && !self.is_known_since(found.rsc, target, op) {
            self.add_running(found.rsc, target);
        }
    }

    /// It is at the target, failed, and may be at the source.
    pub(super) fn migration_failed_at_target(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        found.role = Role::Started;
        let Some(source) = self.named_node(op.source) else { return };
        let ops = self.ops_of(&self.base(found.rsc), source);
        let is_settled = ops.iter().any(|later| matches!(later.task, "stop" | "start") && later.changed >= op.changed);
        if !is_settled && self.model.nodes[source].is_online {
            self.add_running(found.rsc, source);
        }
    }
}
