//! deadline: a claim whose time has passed without a word is closed; what became of it is not known, and is looked at.
//!
//! The leader counts, by its own boot-time clock. What its node says of the operation afterwards is dropped, for its
//! number has moved.

use super::claim::fail;
use super::stale;
use crate::id::{NodeId, Operation, ResourceId};
use crate::state::{ActionKind, Activity, AgentError, ClusterState, Outcome, Refusal, Seen, SessionState};

impl ClusterState {
    pub(super) fn overdue(
        &mut self,
        node: &NodeId,
        resource: &ResourceId,
        operation: Operation,
    ) -> Result<Outcome, Refusal> {
        let session = self.nodes.get(node).and_then(|state| state.session.as_ref());
        if session.is_none_or(|session| session.state != SessionState::Open) {
            return stale(format!("{node} is lost or gone: that is judged, and nothing else"));
        }
        let here = self.activity(resource, node).filter(|activity| activity.operation == operation);
        // What comes in is ended by its source.
        let claim = here.and_then(|activity| activity.claim.clone()).filter(|claim| claim.kind != ActionKind::Incoming);
        let Some(claim) = claim else {
            return stale(format!("operation {operation} of {resource} on {node} is not open"));
        };
        let why = format!("no result of the {} within {} s", claim.kind.word(), claim.deadline.as_secs());
        let (seen, error) = (Seen::Unknown(format!("{why}: to be looked at")), AgentError::from(why));
        let now = self.now;
        let mut activity = self.activity_mut(resource, node);
        activity.operation = activity.operation.next();
        activity.claim = None;
        drop(activity);
        if claim.kind == ActionKind::Migrate {
            return Ok(self.migration_ended(node, resource, &claim, &seen, Some(&error)));
        }
        if claim.kind == ActionKind::Notify {
            // It goes on as it was, and is not told again: whoever is deaf holds nothing up.
            self.finish_action(claim.action, false);
            self.pay(resource, node, claim.notice);
            self.record_deaf(resource, node, &error);
            return Ok(Outcome::Done);
        }
        // It is looked at first. Where that tells nothing either, or the next stop, it is a stop that failed.
        let mut activity = self.activity_mut(resource, node);
        let again = stop_was_overdue(&activity) && matches!(claim.kind, ActionKind::Stop | ActionKind::Probe);
        activity.see(seen.clone(), now);
        fail(&mut activity, claim.kind.word(), &error, now);
        activity.stop_failed |= again;
        drop(activity);
        self.finish_action(claim.action, true);
        self.tell_result(node, resource, claim.kind, &seen, Some(&error));
        self.forget_if_gone(resource);
        Ok(Outcome::Done)
    }
}

fn stop_was_overdue(activity: &Activity) -> bool {
    activity.last_failure.as_ref().is_some_and(|failure| failure.operation == ActionKind::Stop.word())
}
