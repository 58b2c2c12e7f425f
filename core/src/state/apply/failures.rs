//! Failure counts that people set: a node may take a resource again, or not, and nothing is looked at or touched for it.

use super::stale;
use crate::id::{NodeId, ResourceId};
use crate::state::{ClusterState, EventKind, Failure, Outcome, Refusal, Severity};

impl ClusterState {
    pub(super) fn set_failures(
        &mut self,
        actor: &str,
        resource: &ResourceId,
        node: &NodeId,
        count: u32,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let Some(mut activity) = self.resources.get_mut(resource).and_then(|nodes| nodes.get_mut(node)) else {
            return stale(format!("nothing is known of {resource} on {node}"));
        };
        if count == 0 {
            activity.forget_failures();
        } else {
            activity.failures = count;
            activity.failed = [("set".to_owned(), count)].into();
            // By its time the count is forgotten (`failure-timeout`); what really went wrong last stays known.
            activity.last_failure.get_or_insert_with(|| Failure {
                operation: "set".to_owned(),
                error: format!("{actor} set the count"),
                at: now,
                severity: Severity::Soft,
            });
        }
        drop(activity);
        let text = match count {
            0 => format!("{actor} had the failures of {resource} on {node} forgotten"),
            _ => format!("{actor} set the failures of {resource} on {node} to {count}"),
        };
        self.record(EventKind::Configured, Some(node), Some(resource), text);
        Ok(Outcome::Done)
    }
}
