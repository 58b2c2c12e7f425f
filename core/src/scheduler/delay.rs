//! `priority-fencing-delay`: how long a fence waits because what runs on its node is the most important. It changes no
//! step and no order, and is told with the fence's reason.

use super::{Kind, Model, NodeIx, NodeKind, Role};

/// The seconds that a node's fence waits; 0 where it does not.
pub(super) fn seconds(model: &Model, node: NodeIx) -> i64 {
    let delay = model.options.priority_fencing_delay;
    let is_member = |node: &NodeIx| model.nodes[*node].kind == NodeKind::Member;
    if delay <= 0 || !is_member(&node) || model.nodes[node].is_online {
        return 0;
    }
    let members: Vec<NodeIx> = (0..model.nodes.len()).filter(is_member).collect();
    let online = members.iter().filter(|node| model.nodes[**node].is_online).count();
    let sums: Vec<i64> = members.iter().map(|node| sum(model, *node)).collect();
    let (least, most) = (sums.iter().min(), sums.iter().max());
    let waits = online <= members.len() / 2 && least < most && Some(&sum(model, node)) == most;
    if waits { delay } else { 0 }
}

/// The priorities of what runs there; what is promoted counts one more.
fn sum(model: &Model, node: NodeIx) -> i64 {
    let here = model.resources.iter().filter(|it| it.kind == Kind::Primitive && it.active_on.contains(&node));
    let one = |resource: &super::Resource| match (resource.priority.value(), resource.role) {
        (0, _) => 0,
        (priority, Role::Promoted) => priority.saturating_add(1),
        (priority, _) => priority,
    };
    here.filter(|resource| !resource.is_failed).map(one).fold(0, i64::saturating_add)
}
