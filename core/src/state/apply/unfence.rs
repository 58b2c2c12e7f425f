//! What a node says of its own unfencing, by each device that has to let it in.

use super::stale;
use crate::state::{ClusterState, EventKind, Outcome, Refusal, Unfenced, Unfencing};
use crate::text::limited;

impl ClusterState {
    pub(super) fn unfenced(&mut self, it: &Unfencing) -> Result<Outcome, Refusal> {
        let node = &it.speaker.node;
        if !self.is_current(&it.speaker) {
            return stale(format!("{node} has another current daemon, or is in another session"));
        }
        if !self.to_unfence(node).contains(&it.device) {
            return stale(format!("nobody wants {node} to be unfenced by {}", it.device));
        }
        let error = it.outcome.clone().err().map(limited);
        let text = match &error {
            None => format!("{node} is unfenced by {}", it.device),
            Some(error) => format!("{node} could not be unfenced by {}: {error}", it.device),
        };
        let last = Unfenced { at: self.now, error };
        if let Some(state) = self.nodes.get_mut(node) {
            state.unfenced.insert(it.device.clone(), last);
        }
        self.record(EventKind::Unfenced, Some(node), None, text);
        Ok(Outcome::Done)
    }
}
