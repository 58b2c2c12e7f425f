//! Where each resource has been since anything changed but by the cluster's own work: so that what comes to no rest by
//! itself is brought to rest.
//!
//! A plan looks at one moment. Of constraints that contradict each other it may make one move, and of what that leads to the
//! move back: nothing in either moment says that it was all there before. The trail says it. What the cluster's own work
//! changes adds to it; whatever else changes, a person's word, a failure, a lapse, a node, ends it.

use super::release::TRAIL_LEVEL;
use super::{ClusterState, Command};
use crate::id::{NodeId, ResourceId};

/// So often it comes to one node before it clings to where it runs.
const MANY_RETURNS: usize = 4;
/// So often it comes to one node before it is started no more.
const MOST_RETURNS: usize = 8;
/// So often it comes to any; no trail is longer.
const MOST_ARRIVALS: usize = 20;

impl ClusterState {
    /// Where it was since anything else changed, in turn.
    pub(crate) fn was_on(&self, id: &ResourceId) -> &[NodeId] {
        self.trails.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether it was there more than once since anything else changed: whatever calls it there again will not keep it.
    pub(crate) fn came_back_to(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.was_on(id).iter().filter(|at| *at == node).count() > 1
    }

    /// Whether it came and went so often since anything else changed that no wish calls it away any more.
    pub(crate) fn is_restless(&self, id: &ResourceId) -> bool {
        self.came_most(id) >= MANY_RETURNS
    }

    /// Whether it came and went so often since anything else changed that it is started no more.
    pub(crate) fn is_worn_out(&self, id: &ResourceId) -> bool {
        self.was_on(id).len() >= MOST_ARRIVALS || self.came_most(id) >= MOST_RETURNS
    }

    fn came_most(&self, id: &ResourceId) -> usize {
        let trail = self.was_on(id);
        let came = |node| trail.iter().filter(|at| *at == node).count();
        trail.iter().map(came).max().unwrap_or(0)
    }

    /// It is being brought there.
    pub(super) fn comes_to(&mut self, id: &ResourceId, node: &NodeId) {
        if self.has_trail(id) {
            let trail = self.trails.entry(id.clone()).or_default();
            if trail.len() < MOST_ARRIVALS {
                trail.push(node.clone());
            }
        }
    }

    /// It is being taken away from there.
    pub(super) fn goes_from(&mut self, id: &ResourceId, node: &NodeId) {
        if self.has_trail(id) {
            self.trails.entry(id.clone()).or_insert_with(|| vec![node.clone()]);
        }
    }

    /// Instances of clones go nowhere.
    fn has_trail(&self, id: &ResourceId) -> bool {
        let primitive = self.config.primitives.get(id);
        self.level >= TRAIL_LEVEL && primitive.is_some_and(|it| it.clone_spec().is_none())
    }

    /// Something else has changed.
    pub(super) fn end_trails(&mut self) {
        self.trails.clear();
    }
}

impl Command {
    /// Whether it only tells of what the plan itself brought about.
    pub(super) fn is_own_work(&self) -> bool {
        matches!(
            self,
            // A result that is not as it was meant ends the trails itself.
            Self::Plan { .. } | Self::Claim { .. } | Self::Result { .. } | Self::Gone { .. } | Self::EndPreferences(_)
            | Self::Notices(_) | Self::Noticed(_)
            // Nothing of these is for the planner.
            | Self::CreateToken { .. } | Self::Report { .. }
        )
    }
}
