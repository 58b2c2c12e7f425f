//! Shutdown locks: what ran on a node that was shut down cleanly waits for it, and goes nowhere else, until
//! `shutdown-lock-limit` has passed. Clones have none, and fence devices.

use super::dom::number;
use super::{Reader, value};
use crate::scheduler::{Kind, NodeIx, RscIx};
use crate::score::Score;

impl Reader<'_> {
    /// Whether there are locks at all.
    pub(super) fn has_locks(&self) -> bool {
        self.options.get("shutdown-lock").and_then(|text| value::boolean(text)).unwrap_or(false)
    }

    /// Bans what is locked from all nodes but its own.
    pub(super) fn read_locks(&mut self) {
        if !self.has_locks() {
            return;
        }
        for rsc in 0..self.model.resources.len() {
            let resource = &self.model.resources[rsc];
            let may_lock = resource.kind == Kind::Primitive && resource.class != "stonith" && !resource.is_orphan;
            if !may_lock || self.model.clone_of(rsc).is_some() {
                continue;
            }
            let Some(lock) = self.lock(rsc) else { continue };
            for node in (0..self.model.nodes.len()).filter(|node| *node != lock) {
                self.score(rsc, node, Score::NEG_INFINITY);
            }
        }
    }

    /// The node a resource is locked to: the one it runs on and that is shutting down, or the one its history names.
    fn lock(&self, rsc: RscIx) -> Option<NodeIx> {
        let resource = &self.model.resources[rsc];
        let node = |node: NodeIx| &self.model.nodes[node];
        let since = |node: NodeIx| {
            let history = self
                .histories
                .iter()
                .find(|history| history.node == node && history.element.attribute("id") == Some(resource.id.as_str()));
            history.and_then(|history| number(history.element, "shutdown-lock")).filter(|since| *since > 0)
        };
        let (locked, since) = match resource.active_on[..] {
            [at] if node(at).is_shutting_down && !node(at).is_unclean => {
                let shutdown = node(at).attributes.get("shutdown").and_then(|text| text.parse().ok());
                (at, shutdown.unwrap_or(self.model.options.now))
            }
            [] => (0..self.model.nodes.len()).find_map(|node| Some((node, since(node)?)))?,
            _ => return None,
        };
        let limit =
            self.options.get("shutdown-lock-limit").and_then(|text| value::milliseconds(text)).unwrap_or(0) / 1000;
        (limit == 0 || self.model.options.now <= since + limit).then_some(locked)
    }
}
