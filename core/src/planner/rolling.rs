//! Instances of a clone one after another: their starts where the clone is ordered, and always the restarts that a changed
//! parameter asks for. The instance of a group that is cloned is all of its members on one node.

use super::Blocked;
use super::actions::Draft;
use crate::config::Primitive;
use crate::id::{NodeId, ResourceId};
use crate::state::{ActionKind, ClusterState, NodeState};
use std::collections::{BTreeMap, BTreeSet};

/// An instance that has to be restarted, and why.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    pub(super) resource: ResourceId,
    pub(super) node: NodeId,
    pub(super) why: String,
}

/// What an instance of the clone of this one is made of.
fn instance<'s>(state: &'s ClusterState, id: &'s ResourceId) -> &'s [ResourceId] {
    state.config.shorthand.instance_of(id).unwrap_or(std::slice::from_ref(id))
}

impl Draft<'_> {
    /// Of an ordered clone the instance on one node starts when that on the one before has.
    pub(super) fn start_in_turn(&mut self) {
        let state = self.state;
        let is_ordered = |(_, it): &(&ResourceId, &Primitive)| it.clone_spec().is_some_and(|spec| spec.ordered);
        let ordered = state.config.primitives.iter().filter(is_ordered).map(|(id, _)| id);
        let leads = |id: &&ResourceId| instance(state, id).first() == Some(*id);
        for first in ordered.filter(leads) {
            let mut starts: BTreeMap<NodeId, Vec<u32>> = BTreeMap::new();
            for start in instance(state, first).iter().flat_map(|id| self.find(ActionKind::Start, id)) {
                if !self.left_out.contains(&start) {
                    let node = self.actions[start as usize].node.clone();
                    starts.entry(node).or_default().push(start);
                }
            }
            let each: Vec<Vec<u32>> = starts.into_values().collect();
            for pair in each.windows(2) {
                for later in &pair[1] {
                    self.actions[*later as usize].after_new.extend(&pair[0]);
                }
            }
        }
    }

    /// Restarts for changed parameters: one node of a clone at a time, the next when all is well again. Where the first did
    /// not start the others go on as they are.
    pub(super) fn roll(&mut self) -> Vec<Blocked> {
        let (state, mut all) = (self.state, std::mem::take(&mut self.renewals));
        all.sort_by(|a, b| a.node.cmp(&b.node));
        let (mut blocked, mut done) = (Vec::new(), BTreeSet::new());
        for renewal in &all {
            let parts = instance(state, &renewal.resource);
            // What is begun on a node is ended there.
            if done.contains(&parts.first()) || self.is_worked_on_elsewhere(parts, &renewal.node) {
                continue;
            }
            done.insert(parts.first());
            if let Some((part, node)) = not_started(state, parts) {
                let why = format!("{}: it waits, for {part} could not be started on {node}", renewal.why);
                let mend = Some(format!("when the cause is mended: qrm resource cleanup {part}"));
                blocked.push(Blocked { resource: renewal.resource.clone(), why, mend });
                continue;
            }
            for Renewal { resource, node, why } in
                all.iter().filter(|other| other.node == renewal.node && parts.contains(&other.resource))
            {
                let stop = self.add(ActionKind::Stop, resource, node, why.clone(), Vec::new());
                self.add(ActionKind::Start, resource, node, why.clone(), vec![stop]);
            }
        }
        blocked
    }

    fn is_worked_on_elsewhere(&self, parts: &[ResourceId], here: &NodeId) -> bool {
        let is_claimed = |part: &ResourceId| {
            let nodes = self.state.resources.get(part).into_iter().flatten();
            nodes.filter(|(node, _)| *node != here).any(|(_, activity)| activity.claim.is_some())
        };
        let mut drafted = self.actions.iter().filter(|action| action.node != *here);
        drafted.any(|action| parts.contains(&action.resource)) || parts.iter().any(is_claimed)
    }
}

/// Where a start failed, and it does not run since.
fn not_started<'s>(state: &'s ClusterState, parts: &'s [ResourceId]) -> Option<(&'s ResourceId, &'s NodeId)> {
    parts.iter().find_map(|part| {
        let nodes = state.resources.get(part)?.iter();
        let failed = nodes.filter(|(_, activity)| {
            let failure = activity.last_failure.as_ref();
            failure.is_some_and(|failure| failure.operation == ActionKind::Start.word()) && !activity.seen.is_running()
        });
        let mut there = failed.filter(|(node, _)| state.nodes.get(*node).is_some_and(NodeState::is_online));
        there.next().map(|(node, _)| (part, node))
    })
}
