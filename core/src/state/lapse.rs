//! What ends by time alone: lifetimes of preferences, and failures that are old enough to be forgotten.
//!
//! Time enters by entries only. The leader proposes a `Wake` when something here, or in the plan, is due; a quiet
//! cluster in which nothing lapses writes nothing.

use super::{Activity, ClusterState};
use crate::id::{NodeId, ResourceId};
use crate::time::{Timestamp, millis};
use std::time::Duration;

/// A guest that ran for so long before it died did not die of its start: its crashes are counted anew.
const CALM: Duration = Duration::from_secs(600);
/// The longest pause before a guest that crashes again and again is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl ClusterState {
    /// Failures that `failure-timeout` forgets, and when.
    pub(super) fn failures_that_lapse(&self) -> Vec<(ResourceId, NodeId, Timestamp)> {
        self.failures_that_lapse_of(self.resources.keys())
    }

    fn failures_that_lapse_of<'r>(
        &self,
        ids: impl Iterator<Item = &'r ResourceId>,
    ) -> Vec<(ResourceId, NodeId, Timestamp)> {
        let mut found = Vec::new();
        for (id, nodes) in ids.filter_map(|id| self.resources.get_key_value(id)) {
            let failed =
                nodes.touched().filter(|(_, activity)| activity.last_failure.is_some() && !activity.stop_failed);
            let mut failed = failed.peekable();
            let Some(primitive) = self.config.primitives.get(id).filter(|_| failed.peek().is_some()) else { continue };
            let meta = self.meta(id, primitive);
            if meta.failure_timeout.is_zero() {
                continue;
            }
            for (node, activity) in failed {
                let Some(failure) = &activity.last_failure else { continue };
                found.push((id.clone(), node.clone(), failure.at.after(meta.failure_timeout)));
            }
        }
        found
    }

    /// The next moment at which time alone changes something; in the past where it is due already.
    pub fn next_lapse(&self) -> Option<Timestamp> {
        self.next_lapse_of(self.resources.keys())
    }

    /// The same where it is known that of all resources only these have failed.
    pub(crate) fn next_lapse_of<'r>(&self, failed: impl Iterator<Item = &'r ResourceId>) -> Option<Timestamp> {
        let lifetimes = self.preferences.values().flat_map(|nodes| nodes.values()).filter_map(|one| one.until);
        let failures = self.failures_that_lapse_of(failed).into_iter().map(|(_, _, at)| at);
        lifetimes.chain(failures).min()
    }
}

impl Activity {
    /// A crash is counted: one more in a row, or the first of a new one where it had run calmly.
    pub(super) fn count_crash(&mut self, ran_since: Timestamp, now: Timestamp) {
        self.crashes = if now.since(ran_since) < CALM { self.crashes.saturating_add(1) } else { 1 };
    }

    /// Forgets what went wrong; a stop that failed is not forgotten by this.
    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
        self.failed.clear();
        self.last_failure = None;
        self.crashes = 0;
    }

    /// Before this it is not started here again: the first crash is answered at once, the next ones after a pause that
    /// doubles.
    pub fn rests_until(&self) -> Option<Timestamp> {
        let last = self.last_failure.as_ref().filter(|failure| failure.operation == "monitor")?;
        let doublings = self.crashes.checked_sub(2)?;
        let pause = Duration::from_secs(2_u64.saturating_pow(doublings.saturating_add(1)));
        Some(last.at.after(pause.min(LONGEST_PAUSE)))
    }
}

impl Timestamp {
    /// This moment and so long after it.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }
}
