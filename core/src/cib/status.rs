//! `<lrm_resource>`: the operations of one resource on one node, in the order they ended.

use super::dom::{named, number, text};
use super::{Element, Reader, value};
use crate::scheduler::{NodeIx, NodeKind};
use std::cmp::Ordering;

/// One `<lrm_rsc_op>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op<'a> {
    pub(super) task: &'a str,
    /// Milliseconds; zero for a probe or an action.
    pub(super) interval: i64,
    /// The agent's exit code.
    pub(super) code: i64,
    /// What had been expected of it.
    pub(super) expected: Option<i64>,
    /// How the execution ended; `PENDING` when it has not.
    pub(super) status: i64,
    pub(super) call: i64,
    /// When the result last changed, seconds.
    pub(super) changed: i64,
    pub(super) source: &'a str,
    pub(super) target: &'a str,
    /// Of the parameters it was done with; empty where none is recorded.
    pub(super) digest: &'a str,
    /// Of the parameters that a restart is needed for, with their names, where the agent can reload the others.
    pub(super) restart: Option<(Option<&'a str>, &'a str)>,
}

impl<'a> Op<'a> {
    pub(super) const PENDING: i64 = -1;

    fn read(element: Element<'a>) -> Self {
        let expected = text(element, "transition-key").split(':').nth(2).and_then(|code| code.parse().ok());
        Self {
            task: text(element, "operation"),
            interval: number(element, "interval").unwrap_or_default(),
            code: number(element, "rc-code").unwrap_or(193),
            expected,
            status: number(element, "op-status").unwrap_or(0),
            call: number(element, "call-id").unwrap_or(-1),
            changed: number(element, "last-rc-change").unwrap_or_default(),
            source: text(element, "migrate_source"),
            target: text(element, "migrate_target"),
            digest: text(element, "op-digest"),
            restart: element
                .attribute("op-restart-digest")
                .map(|digest| (element.attribute("op-force-restart"), digest)),
        }
    }

    pub(super) fn is_probe(&self) -> bool {
        self.task == "monitor" && self.interval == 0
    }

    /// By call; where one has no call yet, by time.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if self.call >= 0 && other.call >= 0 && self.call != other.call {
            return self.call.cmp(&other.call);
        }
        let pending = |op: &Self| op.status == Self::PENDING;
        let by_time =
            if self.changed > 0 && other.changed > 0 { self.changed.cmp(&other.changed) } else { Ordering::Equal };
        by_time.then_with(|| pending(self).cmp(&pending(other)))
    }
}

/// The history of one resource on one node.
#[derive(Clone, Debug)]
pub(super) struct History<'a> {
    pub(super) node: NodeIx,
    pub(super) element: Element<'a>,
    pub(super) ops: Vec<Op<'a>>,
}

impl<'a> Reader<'a> {
    /// Finds all histories, in the file's order.
    pub(super) fn find_histories(&mut self) {
        let mut found = Vec::new();
        let states = self.section(&["status"]).into_iter().flat_map(|status| named(status, "node_state"));
        for state in states {
            let Some(node) = self.node_of(state) else { continue };
            // Without fencing, what a node that is away once ran counts as gone with it.
            let is_member = self.model.nodes[node].kind == NodeKind::Member;
            if is_member && !self.model.nodes[node].is_online && !self.model.options.fences && !self.has_locks() {
                continue;
            }
            let lrm = named(state, "lrm").flat_map(|lrm| named(lrm, "lrm_resources"));
            for element in lrm.flat_map(|resources| named(resources, "lrm_resource")) {
                let mut ops: Vec<Op<'a>> = named(element, "lrm_rsc_op").map(Op::read).collect();
                ops.sort_by(Op::order);
                found.push(History { node, element, ops });
            }
        }
        for (ix, history) in found.iter().enumerate() {
            self.histories_on.entry(history.node).or_default().push(ix);
        }
        self.histories = found.into();
    }

    /// The operations of this resource's base on a node.
    pub(super) fn ops_of(&self, base: &str, node: NodeIx) -> Vec<Op<'a>> {
        let fits = |history: &&History<'a>| {
            let id = text(history.element, "id");
            id == base || id.split(':').next() == Some(base)
        };
        let there = self.histories_on.get(&node).into_iter().flatten().map(|ix| &self.histories[*ix]);
        there.filter(fits).flat_map(|history| history.ops.iter().copied()).collect()
    }
}

/// What a name=value of the CIB says of a count: a number or INFINITY.
pub(super) fn count(text: &str) -> u32 {
    u32::try_from(value::score(text).value().max(0)).unwrap_or(0)
}
