//! Nodes that are fenced because a ticket was lost: what needs it may not run on until its stop has come to an end.

use super::survey::Survey;
use super::{Blocked, Plan, WantedFence};
use crate::state::{FenceCause, Intent, SessionState};

/// Every node with what needs a lost ticket by `loss-policy=fence`. Where nobody may fence, it is stopped.
pub(super) fn fences(state: &Survey<'_>, plan: &mut Plan) {
    let properties = state.properties();
    if !properties.stonith_enabled {
        return;
    }
    for (node, resource, ticket) in state.fenced_for_tickets() {
        let Some(at) = state.nodes.get(node) else { continue };
        let Some(session) = at.living_session().filter(|session| session.state == SessionState::Open) else { continue };
        if properties.maintenance_mode || at.intent == Intent::Maintenance || state.config.is_hands_off(resource) {
            let why = format!("ticket {ticket} was revoked, and it may be active on {node}, which nobody touches");
            let mend = Some(format!("stop it there by hand, or fence the node: qrm fence {node}"));
            plan.report.blocked.push(Blocked { resource: resource.clone(), why, mend });
        } else if state.can_be_fenced(node) && !plan.fence.iter().any(|wanted| wanted.target == *node) {
            let cause = FenceCause::TicketLost { ticket: ticket.to_owned(), resource: resource.clone() };
            plan.fence.push(WantedFence { target: node.clone(), session: session.id.clone(), cause });
        }
    }
}
