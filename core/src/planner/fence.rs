//! Nodes that are fenced for what happened on them, and what a person has to do where they cannot be.

use super::survey::{Survey, Touched};
use super::{Blocked, Plan, WantedFence};
use crate::config::OnFail;
use crate::id::{NodeId, ResourceId};
use crate::state::{Activity, FenceCause, Intent, Seen, SessionState};

/// Nodes that must be fenced for what happened on them: a stop failed, and nothing else can be trusted to stop it.
pub(super) fn fences(state: &Survey<'_>, plan: &mut Plan) {
    let properties = state.properties();
    let stonith_enabled = properties.stonith_enabled;
    super::ticket::fences(state, plan);
    for resource in state.all() {
        let known = || state.touched(resource).iter().filter_map(Touched::known);
        for (node, activity) in known() {
            plan.fence.extend(fence_for_failure(state, resource, node, activity));
        }
        for (node, activity) in known().filter(|(_, activity)| activity.stop_failed) {
            let Some(at) = state.node(node) else { continue };
            let Some(session) = at.living_session().filter(|session| session.state == SessionState::Open) else {
                continue;
            };
            let consequence = state.definition(resource, node).map_or(OnFail::Block, |primitive| {
                primitive.operation("stop", &state.config.op_defaults).consequence(stonith_enabled)
            });
            let error = activity.last_failure.as_ref().map_or("no error was given", |failure| failure.error.as_str());
            let hands_off = properties.maintenance_mode || at.intent == Intent::Maintenance;
            let is_fenced = consequence == OnFail::Fence && !hands_off;
            if is_fenced && state.can_be_fenced(node) {
                let cause = FenceCause::StopFailed { resource: resource.clone(), error: error.to_owned() };
                plan.fence.push(WantedFence { target: node.clone(), session: session.id.clone(), cause });
            } else {
                plan.report.blocked.push(could_not_be_stopped(resource, node, error, is_fenced));
            }
        }
    }
}

/// Only a person can go on; or whoever could fence the node, where nobody is there who may.
fn could_not_be_stopped(resource: &ResourceId, node: &NodeId, error: &str, is_fenced: bool) -> Blocked {
    let by_hand = format!("stop it by hand, then: qrm resource cleanup {resource}");
    let (why, mend) = match is_fenced {
        true => (
            format!(", and nobody else is there to fence {node}"),
            format!("start another member, which fences {node}; or {by_hand}"),
        ),
        false => (String::new(), by_hand),
    };
    let why = format!("it could not be stopped on {node}: {error}{why}");
    Blocked { resource: resource.clone(), why, mend: Some(mend) }
}

/// A monitor found it not working, and its on-fail is fence. Where nobody is there to do it, it is started again in its
/// place: that is all that can be done for it.
fn fence_for_failure(
    state: &Survey<'_>,
    resource: &ResourceId,
    node: &NodeId,
    activity: &Activity,
) -> Option<WantedFence> {
    let Seen::Failed(why) = &activity.seen else { return None };
    let (properties, at) = (state.properties(), state.nodes.get(node)?);
    let session = at.living_session().filter(|session| session.state == SessionState::Open)?;
    let spec = state.definition(resource, node)?.operation(activity.failed_operation(), &state.config.op_defaults);
    let hands_off = properties.maintenance_mode
        || at.intent == Intent::Maintenance
        || activity.claim.is_some()
        || state.is_left_alone(resource);
    let wants =
        spec.consequence(properties.stonith_enabled) == OnFail::Fence && !hands_off && state.can_be_fenced(node);
    let cause = FenceCause::Broken { resource: resource.clone(), error: why.clone() };
    wants.then(|| WantedFence { target: node.clone(), session: session.id.clone(), cause })
}
