//! deadline: the leader acts on claims that nobody ends, though their node takes part.
//!
//! The daemon that has an operation bounds it by itself. This is for the one that says nothing more of it.

use super::{Ctx, Purpose};
use quorate_core::id::{NodeId, Operation, ResourceId};
use quorate_core::state::{ActionKind, Command};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// A claim's deadline is the word of who carries it out; a daemon that is late and not stuck has told by then.
const LATE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// Since when this leader has seen each claim.
    open: BTreeMap<(ResourceId, NodeId), (Operation, BootTime)>,
}

impl Overdue {
    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if !ctx.view.is_leader {
            // A new leader begins to count when it leads.
            return self.open.clear();
        }
        let before = std::mem::take(&mut self.open);
        let state = ctx.view.state;
        let places = state.resources.iter().flat_map(|(id, nodes)| nodes.iter().map(move |(node, at)| (id, node, at)));
        let mut late = Vec::new();
        for (resource, node, activity) in places {
            // Of a silent node it is judged whether it lives; its claims are part of that.
            let takes_part = state.nodes.get(node).is_some_and(|node| node.is_online());
            let claim = activity.claim.as_ref().filter(|claim| takes_part && claim.kind != ActionKind::Incoming);
            let Some(claim) = claim else { continue };
            let key = (resource.clone(), node.clone());
            let same = before.get(&key).filter(|(operation, _)| *operation == activity.operation);
            let since = same.map_or(ctx.now, |(_, since)| *since);
            if ctx.now.since(since) >= claim.deadline.saturating_add(LATE) {
                late.push((key.clone(), activity.operation));
            }
            self.open.insert(key, (activity.operation, since));
        }
        for ((resource, node), operation) in late {
            if !ctx.is_pending(|purpose| *purpose == Purpose::Overdue(resource.clone(), node.clone())) {
                let command = Command::Overdue { node: node.clone(), resource: resource.clone(), operation };
                ctx.propose(Purpose::Overdue(resource, node), command);
            }
        }
    }
}
