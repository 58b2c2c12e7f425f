//! Rule quarantine of SAFETY.md: a node that is lost again and again gets nothing new. Placement alone is changed:
//! neither votes nor what runs there. What several nodes suffer together is the network's fault and nobody's own.

use crate::id::NodeId;
use crate::state::{ClusterState, EventKind, Outcome, Quarantine, Refusal};
use crate::time::Timestamp;
use std::time::Duration;

/// Losses that begin within this come together.
const TOGETHER: Duration = Duration::from_secs(5);

impl ClusterState {
    /// A node was lost, or was silent for more than a moment; since when.
    pub(super) fn note_loss(&mut self, node: &NodeId, began: Timestamp) {
        let properties = self.properties();
        let now = self.now;
        let is_near = |at: Timestamp| began.since(at).max(at.since(began)) <= TOGETHER;
        if properties.quarantine_after == 0 {
            return;
        }
        if self.lost_together.is_some_and(is_near) || self.take_back_near(node, is_near) {
            self.lost_together = Some(began);
            return;
        }
        let Some(state) = self.nodes.get_mut(node) else { return };
        let flapping = &mut state.flapping;
        flapping.losses.retain(|at| now.since(*at) <= properties.quarantine_window && !is_near(*at));
        flapping.losses.push(began);
        let count = flapping.losses.len();
        if count < usize::try_from(properties.quarantine_after).unwrap_or(usize::MAX) || flapping.quarantine.is_some() {
            return;
        }
        let window = properties.quarantine_window.as_secs();
        let why = format!("it was lost {count} times within {window} s");
        flapping.quarantine = Some(Quarantine { since: now, why: why.clone() });
        let text = format!("{node} is in quarantine: {why}; nothing new is placed there while there is another place");
        self.record(EventKind::Quarantine, Some(node), None, text);
    }

    /// Losses of others that began at the same time are not held against them either; whether there were any.
    fn take_back_near(&mut self, node: &NodeId, is_near: impl Fn(Timestamp) -> bool) -> bool {
        let mut released = Vec::new();
        let mut any = false;
        for (other, state) in self.nodes.iter_mut().filter(|(other, _)| *other != node) {
            let flapping = &mut state.flapping;
            if flapping.losses.last().is_some_and(|at| is_near(*at)) {
                any = true;
                flapping.losses.pop();
                if flapping.quarantine.take_if(|quarantine| is_near(quarantine.since)).is_some() {
                    released.push(other.clone());
                }
            }
        }
        for other in released {
            let text = format!("{other} is out of quarantine: it was lost together with {node}");
            self.record(EventKind::Quarantine, Some(&other), None, text);
        }
        any
    }

    pub(super) fn release(&mut self, actor: Option<&str>, node: &NodeId) -> Result<Outcome, Refusal> {
        let Some(state) = self.nodes.get_mut(node) else {
            return Err(Refusal::Invalid(format!("there is no node {node}")));
        };
        let was_quarantined = state.flapping.quarantine.take().is_some();
        let was_disarmed = actor.is_some() && state.disarmed.take().is_some();
        if !was_quarantined && !was_disarmed {
            return Err(Refusal::Invalid(format!("{node} is neither in quarantine nor disarmed")));
        }
        state.flapping.losses.clear();
        let who = actor.map_or_else(|| "it has been steady".to_owned(), |actor| format!("{actor} released it"));
        let from = match (was_quarantined, was_disarmed) {
            (true, true) => "quarantine and gets resources again",
            (true, false) => "quarantine",
            (false, _) => "its disarming and gets resources again",
        };
        self.record(EventKind::Quarantine, Some(node), None, format!("{node} is out of {from}: {who}"));
        Ok(Outcome::Done)
    }
}
