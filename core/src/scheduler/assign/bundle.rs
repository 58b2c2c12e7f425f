//! A bundle: its containers like the instances of a clone, then what belongs to each where it is, then what runs in them.

use super::{assign_one, clone};
use crate::scheduler::bundle::Replica;
use crate::scheduler::{Kind, Model, NodeIx, Role, RscIx};
use crate::score::Score;

/// All that is not a container; those have their places.
pub(super) fn fill(model: &mut Model, bundle: RscIx) {
    let Some(contents) = model.bundles.contents.get(&bundle).copied() else { return };
    let replicas: Vec<(RscIx, Replica)> = model
        .children(bundle)
        .iter()
        .filter_map(|rsc| Some((*rsc, model.bundles.replicas.get(rsc)?.clone())))
        .collect();
    for (_, replica) in &replicas {
        if let Some(ip) = replica.ip {
            assign_one(model, ip, None);
        }
        if let Some(connection) = replica.connection {
            beside_its_host(model, replica.container, connection);
            assign_one(model, connection, None);
        }
        if let (Some(content), Some(node)) = (replica.content, replica.node) {
            put_in(model, content, node);
        }
    }
    if let Some(contents) = contents {
        clone::assign(model, contents, None);
    }
    for (rsc, replica) in replicas {
        if let Some(content) = replica.content
            && model.resources[content].next > Role::Started
        {
            model.resources[rsc].next = model.resources[content].next;
        }
    }
}

/// One container, which stands for its replica.
pub(super) fn assign_replica(
    model: &mut Model,
    rsc: RscIx,
    container: RscIx,
    prefer: Option<NodeIx>,
) -> Option<NodeIx> {
    model.resources[rsc].is_assigning = true;
    let node = assign_one(model, container, prefer);
    let next = model.resources[container].next;
    let next = if next == Role::Unknown && node.is_some() { Role::Started } else { next };
    let replica = &mut model.resources[rsc];
    (replica.assigned, replica.next) = (node, next);
    (replica.is_assigning, replica.is_assigned) = (false, true);
    node
}

/// A container on a remote node is reached from where that is connected: one connection goes through the other.
fn beside_its_host(model: &mut Model, container: RscIx, connection: RscIx) {
    let host = model.resources[container].assigned;
    let link = host.and_then(|host| model.connection(host)).map(|link| link.resource);
    let Some(at) = link.map(|link| model.resources[link].assigned) else { return };
    for node in (0..model.nodes.len()).filter(|node| Some(*node) != at) {
        if model.resources[connection].scores.get(node).is_some() {
            model.resources[connection].scores.set(node, Score::NEG_INFINITY);
        }
    }
}

/// What runs in a container is on the node that the container is, and nowhere else.
fn put_in(model: &mut Model, content: RscIx, node: NodeIx) {
    let is_banned = model.resources[content].scores.or_never(node) < Score::ZERO;
    for other in 0..model.nodes.len() {
        let is_known = model.resources[content].scores.get(other).is_some();
        if other == node && !is_banned {
            model.resources[content].scores.set(node, Score::INFINITY);
        } else if is_known {
            model.resources[content].scores.set(other, Score::NEG_INFINITY);
        }
    }
    let clone = model.resources[content].parent;
    let Some(clone) = clone.filter(|clone| matches!(model.resources[*clone].kind, Kind::Clone(_))) else { return };
    model.resources[clone].is_assigning = true;
    assign_one(model, content, Some(node));
    model.resources[clone].is_assigning = false;
}
