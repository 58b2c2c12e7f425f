//! What a member found when it read a fence device before it is needed.

use super::stale;
use crate::planted::{Mistake, planted};
use crate::state::{ClusterState, DrillWord, EventKind, Outcome, Refusal};
use crate::text::limited;

impl ClusterState {
    pub(super) fn drill(&mut self, word: &DrillWord) -> Result<Outcome, Refusal> {
        let DrillWord { by, node, device, revision, outcome } = word;
        let now = self.now;
        let was_armed = self.is_armed(node);
        let known = self.nodes.get_mut(node).and_then(|at| at.drilled.get_mut(device));
        let Some(known) = known.filter(|known| known.revision <= *revision || planted(Mistake::DrillOfAnother)) else {
            return stale(format!("{device} was changed since it was read, or nobody asked for a drill of it"));
        };
        let text = match (outcome, &known.passed, &known.failing) {
            (Ok(()), Some(_), None) | (Err(_), _, Some(_)) => return Ok(Outcome::Done),
            (Ok(()), None, _) => {
                (known.passed, known.failing) = (Some(now), None);
                format!("{device} has passed its first drill, read by {by}")
            }
            (Ok(()), Some(_), Some(_)) => {
                known.failing = None;
                format!("{device} passes its drill again, read by {by}")
            }
            (Err(error), _, None) => {
                known.failing = Some((now, limited(error)));
                format!("{device} fails its drill for {node}, read by {by}: {error}")
            }
        };
        let is_armed = self.is_armed(node);
        let armed = if is_armed && !was_armed { format!("; {node} is armed") } else { String::new() };
        self.record(EventKind::Drilled, Some(node), None, limited(format!("{text}{armed}")));
        Ok(Outcome::Done)
    }
}
