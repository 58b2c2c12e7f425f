//! What was found active on more nodes than it may be: what is to become of it (`multiple-active`) is kept with what is known of
//! each copy, for when the first of them is stopped nobody would see any more that there were two.

use crate::config::MultipleActive;
use crate::id::{NodeId, ResourceId};
use crate::state::release::TOGETHER_LEVEL;
use crate::state::{Activity, ClusterState, Failure, Severity};

/// As what all copies are stopped, and one is started then.
const STOP_START: &str = "multiple-active=stop_start";
/// As what all copies are stopped, until a person cleans up.
const STOP_ONLY: &str = "multiple-active=stop_only";

impl ClusterState {
    /// Of a clone as many are kept as there may be, whatever it says.
    pub(super) fn mark_copies(&mut self, resource: &ResourceId, nodes: &[NodeId]) {
        let primitive = self.config.primitives.get(resource).filter(|primitive| primitive.clone_spec().is_none());
        let policy = primitive.map(|primitive| self.meta(resource, primitive).multiple_active);
        let operation = match policy {
            Some(MultipleActive::StopStart) => STOP_START,
            Some(MultipleActive::StopOnly) => STOP_ONLY,
            Some(MultipleActive::StopUnexpected | MultipleActive::Block) | None => return,
        };
        if self.level < TOGETHER_LEVEL {
            return;
        }
        let now = self.now;
        let names: Vec<&str> = nodes.iter().map(NodeId::as_str).collect();
        let error = format!("it was active on {} at once", names.join(" and "));
        for node in nodes {
            let (operation, error) = (operation.to_owned(), error.clone());
            self.activity_mut(resource, node).last_failure =
                Some(Failure { operation, error, at: now, severity: Severity::Soft });
        }
    }
}

impl Failure {
    /// It is stopped for having been active elsewhere too, and stays so.
    pub fn is_of_copies_that_stay_stopped(&self) -> bool {
        self.operation == STOP_ONLY
    }
}

impl Activity {
    /// It runs, and is to be stopped for having been active elsewhere too, to be started anew.
    pub fn is_copy_to_restart(&self) -> bool {
        self.last_failure.as_ref().is_some_and(|failure| failure.operation == STOP_START)
    }

    /// What was stopped runs nowhere else by now, or will be stopped there.
    pub(in crate::state) fn forget_copies(&mut self) {
        self.last_failure.take_if(|failure| failure.operation == STOP_START);
    }
}
