//! Failure counts, and what they forbid.

use super::Reader;
use super::status::count;
use crate::scheduler::{Kind, NodeIx, OnFail, Role, RscIx};
use crate::score::Score;

impl Reader<'_> {
    /// Bans resources from nodes where they failed too often, and makes what runs want to stay.
    pub(super) fn read_failures(&mut self) {
        let counts = |name: &String| name.starts_with("fail-count-");
        let nodes = self.model.nodes.iter().enumerate();
        let failed: Vec<NodeIx> =
            nodes.filter(|(_, node)| node.attributes.keys().any(counts)).map(|(node, _)| node).collect();
        for rsc in 0..self.model.resources.len() {
            if self.model.resources[rsc].kind != Kind::Primitive {
                continue;
            }
            for node in &failed {
                self.judge_failures(rsc, *node);
            }
            self.stay(rsc);
        }
    }

    fn judge_failures(&mut self, rsc: RscIx, node: NodeIx) {
        let resource = &self.model.resources[rsc];
        let threshold = resource.migration_threshold;
        if threshold == 0 || !resource.is_managed || resource.is_orphan || resource.is_failure_ignored {
            return;
        }
        let (count, last) = self.failures(rsc, node);
        if count == 0 {
            return;
        }
        let is_forgotten = resource.failure_timeout > 0
            && last > 0
            && self.model.options.now >= last + resource.failure_timeout
            && !self.is_held_by_a_block(rsc);
        if !is_forgotten && count >= threshold {
            let banned = self.ban_target(rsc);
            self.score(banned, node, Score::NEG_INFINITY);
        }
    }

    fn is_held_by_a_block(&self, rsc: RscIx) -> bool {
        let resource = &self.model.resources[rsc];
        resource
            .operations
            .iter()
            .any(|op| self.consequence(rsc, &op.name, op.interval, Role::Started) == OnFail::Block)
            && resource.is_blocked
    }

    /// Whether failures are counted by operation (`fail-count-vm1#monitor_10000`), as since feature set 3.0.13; before, by resource.
    fn counts_by_operation(&self) -> bool {
        let version = self.root.attribute("crm_feature_set").unwrap_or_default();
        let parts: Vec<u32> = version.split('.').map(count).collect();
        parts.as_slice() >= &[3, 0, 13]
    }

    /// How often it failed there, and when last.
    fn failures(&self, rsc: RscIx, node: NodeIx) -> (u32, i64) {
        let resource = &self.model.resources[rsc];
        let is_unique = self.model.clone_of(rsc).is_some_and(|(_, spec)| spec.is_unique);
        let name = if is_unique { &resource.id } else { &resource.base };
        let (mut total, mut last) = (0_u32, 0);
        let by_operation = self.counts_by_operation();
        let about = |attribute: &str, prefix: &str| {
            let rest = attribute.strip_prefix(prefix)?.strip_prefix('-')?;
            let of = if by_operation { rest.split_once('#')?.0 } else { rest };
            let of = if is_unique { of } else { of.split(':').next().unwrap_or(of) };
            (of == name).then_some(())
        };
        for (attribute, value) in &self.model.nodes[node].attributes {
            if about(attribute, "fail-count").is_some() {
                total = total.saturating_add(count(value)).min(1_000_000);
            } else if about(attribute, "last-failure").is_some() {
                last = last.max(value.parse().unwrap_or(0));
            }
        }
        (total, last)
    }

    /// What runs wants to stay as much as its stickiness says.
    fn stay(&mut self, rsc: RscIx) {
        let resource = &self.model.resources[rsc];
        let stickiness = resource.stickiness;
        let [node] = resource.active_on[..] else { return };
        let is_considered = self.model.options.is_symmetric || resource.scores.get(node).is_some();
        // A resource that would rather leave is not driven away.
        if resource.is_managed && stickiness > Score::ZERO && is_considered {
            self.model.resources[rsc].scores.add(node, stickiness);
        }
    }
}
