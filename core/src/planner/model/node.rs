//! Nodes of the live cluster as the scheduler's: who takes part, and who is to be fenced.

use super::super::room::capacity;
use super::super::survey::Survey;
use super::super::{Plan, fence};
use super::{How, Sketch};
use crate::id::NodeId;
use crate::scheduler::{FenceWish, Node, NodeKind};
use crate::state::{Intent, NodeState, SessionState};

impl Sketch {
    pub(super) fn add_nodes(&mut self, state: &Survey<'_>, how: How<'_>) {
        let mut ahead = Plan::default();
        if how.ahead {
            fence::fences(state, &mut ahead);
        }
        for (ix, (id, at)) in state.nodes.iter().enumerate() {
            let mut node = node(state, id, at);
            if let Some(wish) = wish(state, id, at, &ahead).filter(|_| how.ahead) {
                node.is_unclean = true;
                self.model.fence.insert(ix, wish);
            }
            self.model.nodes.push(node);
        }
    }
}

fn node(state: &Survey<'_>, id: &NodeId, at: &NodeState) -> Node {
    Node {
        name: id.as_str().to_owned(),
        id: id.as_str().to_owned(),
        kind: NodeKind::Member,
        is_online: at.is_online(),
        is_unclean: at.living_session().is_some_and(|session| session.state == SessionState::Lost),
        is_pending: false,
        is_unseen: at.session.is_none(),
        // A witness votes and runs nothing.
        is_standby: at.intent == Intent::Standby || state.is_witness(id),
        is_maintenance: at.intent == Intent::Maintenance,
        is_shutting_down: at.leaving,
        attributes: state.attributes_of(id),
        capacity: capacity(state, id),
        assigned: 0,
    }
}

/// Why a node is about to be fenced, if it is and something can.
fn wish(state: &Survey<'_>, id: &NodeId, at: &NodeState, ahead: &Plan) -> Option<FenceWish> {
    at.living_session()?;
    let planned = || Some(ahead.fence.iter().find(|fence| fence.target == *id)?.cause.to_string());
    let reason = state.intents.get(id).map(|intent| intent.cause.to_string()).or_else(planned)?;
    let waits = state.fence_wait(id).map(|wait| format!("; it waits {}", wait.why)).unwrap_or_default();
    state.held(id).is_none().then_some(FenceWish { reason: format!("{reason}{waits}") })
}
