//! Gives every resource its node: most important first, what it follows before it, with the wishes of what follows it.

mod best;
mod bundle;
pub(super) mod capacity;
mod clone;
mod colocation;
mod group;
mod merge;
mod primitive;
mod promote;
mod sequence;

pub(super) use primitive::counts_room;

use super::packing::Before;
use super::{Kind, Model, NoQuorum, NodeIx, NodeKind, Placement, Resource, Role, Room, RscIx};
use crate::score::Score;

/// What holds before anything is assigned; answers what is to be kept of it for `packing`.
pub(super) fn begin(model: &mut Model) -> Option<Before> {
    lose_quorum(model);
    model.room = Room::of(model);
    discover_exclusively(model);
    Before::of(model)
}

/// Assigns all.
pub(super) fn assign(model: &mut Model) {
    sequence::sort_colocations(model);
    if model.options.placement != Placement::Default && model.options.sorts_by_scores {
        sequence::sort_top(model);
    }
    // A node that is reached through a resource can be used when that has its place.
    let connections = model.top.iter().copied().filter(|rsc| model.remotes.nodes.contains_key(rsc));
    for rsc in connections.collect::<Vec<_>>() {
        let prefer = model.resources[rsc].migrating.map(|(_, to)| to);
        assign_one(model, rsc, prefer);
    }
    for rsc in model.top.clone() {
        assign_one(model, rsc, None);
    }
}

/// Assigns one resource with all that is in it, once; answers its node.
fn assign_one(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    if model.resources[rsc].is_assigned || model.resources[rsc].is_assigning {
        return model.resources[rsc].assigned;
    }
    match model.resources[rsc].kind {
        Kind::Primitive => {
            // What is in something is assigned by it, for it may have limits.
            if let Some(parent) = model.resources[rsc].parent
                && !model.resources[parent].is_assigning
                && !model.resources[parent].is_assigned
            {
                let upper = model.uppermost(rsc);
                assign_one(model, upper, None);
                return model.resources[rsc].assigned;
            }
            primitive::assign(model, rsc, prefer)
        }
        Kind::Group(_) => match model.bundles.replicas.get(&rsc).map(|replica| replica.container) {
            Some(container) => bundle::assign_replica(model, rsc, container, prefer),
            None => group::assign(model, rsc, prefer),
        },
        Kind::Clone(_) => clone::assign(model, rsc, prefer),
    }
}

/// Without a majority nothing is started, and by policy what runs is stopped or its partition fenced.
fn lose_quorum(model: &mut Model) {
    if model.options.is_quorate || model.options.no_quorum != NoQuorum::Suicide || !model.options.fences {
        return;
    }
    for node in 0..model.nodes.len() {
        if model.nodes[node].kind == NodeKind::Member && model.nodes[node].is_online {
            model.nodes[node].is_unclean = true;
            let reason = "its partition has no majority and is to end itself".to_owned();
            model.fence.entry(node).or_insert(super::FenceWish { reason });
        }
    }
}

/// Where discovery is exclusive, only the nodes named count.
fn discover_exclusively(model: &mut Model) {
    for rsc in 0..model.resources.len() {
        let Some(named) = model.resources[rsc].discovered_on.clone() else { continue };
        let parts = model.placed_parts(rsc).into_iter().chain([rsc]).collect::<Vec<_>>();
        for part in parts {
            for node in (0..model.nodes.len()).filter(|node| !named.contains(node)) {
                if model.resources[part].scores.get(node).is_some() {
                    model.resources[part].scores.set(node, Score::NEG_INFINITY);
                }
            }
        }
    }
}

/// Takes back where a primitive was put, as if it had not been assigned.
fn take_back(model: &mut Model, before: (RscIx, Resource)) {
    let (rsc, before) = before;
    if let (Kind::Primitive, Some(node)) = (&model.resources[rsc].kind, model.resources[rsc].assigned) {
        model.nodes[node].assigned -= 1;
        capacity::give_back(model, rsc, node);
    }
    if let (None, Some(node)) = (model.resources[rsc].counted_on, before.counted_on) {
        model.nodes[node].assigned += 1;
    }
    model.resources[rsc] = before;
}

/// Puts a resource on a node, or nowhere. Without `force`, a node that cannot take it counts as none.
fn put(model: &mut Model, rsc: RscIx, node: Option<NodeIx>, force: bool, stop_if_none: bool) -> Option<NodeIx> {
    let is_fit = |node: &NodeIx| force || model.is_available(*node, model.resources[rsc].scores.get(*node));
    let chosen = node.filter(is_fit);
    let resource = &mut model.resources[rsc];
    if node.is_some() && chosen.is_none() && stop_if_none {
        resource.next = Role::Stopped;
    }
    resource.is_assigned = true;
    resource.assigned = chosen;
    match chosen {
        None => resource.next = Role::Stopped,
        Some(node) => {
            model.nodes[node].assigned += 1;
            capacity::consume(model, rsc, node);
        }
    }
    chosen
}
