//! Utilization: what resources need and nodes have.

use super::best;
use crate::scheduler::room::Need;
use crate::scheduler::{Kind, Model, NodeIx, Placement, RscIx};
use crate::score::Score;

/// Takes what a resource needs from the node it is put on.
pub(in crate::scheduler) fn consume(model: &mut Model, rsc: RscIx, node: NodeIx) {
    model.room.take(rsc, node, 1, &mut model.nodes[node].capacity);
}

/// Gives it back.
pub(in crate::scheduler) fn give_back(model: &mut Model, rsc: RscIx, node: NodeIx) {
    model.room.take(rsc, node, -1, &mut model.nodes[node].capacity);
}

/// Nodes without room for the resource, and for what must be with it, are forbidden to it. Answers the best node with
/// room for all that should be together, if there is a choice.
pub(super) fn forbid_what_is_full(model: &mut Model, rsc: RscIx) -> Option<NodeIx> {
    if model.options.placement == Placement::Default {
        return None;
    }
    let mut all = model.room.nothing();
    for part in together(model, rsc) {
        add(&mut all, &need(model, part));
    }
    let mut full = model.room.full(&all);
    let has_room =
        |(node, score): (NodeIx, Score)| model.is_available(node, Some(score)) && model.room.fits(node, &all);
    if !full.is_empty() && !model.resources[rsc].scores.iter().any(has_room) {
        // Nowhere is there room for all; where there is some for this one, it may go.
        full = model.room.full(&need(model, rsc));
    }
    let roomiest = roomiest(model, rsc, &full);
    for node in full {
        if model.resources[rsc].scores.get(node).is_some() {
            model.resources[rsc].scores.set(node, Score::NEG_INFINITY);
        }
    }
    roomiest
}

/// Whether there is a node that may have it, and has room for it.
pub(super) fn has_place(model: &Model, rsc: RscIx) -> bool {
    let need = need(model, rsc);
    let mut scores = model.resources[rsc].scores.iter();
    scores.any(|(node, score)| model.is_available(node, Some(score)) && model.room.fits(node, &need))
}

/// Whether a node has room for both of two that are not placed yet.
pub(super) fn fit_together(model: &Model, one: RscIx, other: RscIx, node: NodeIx) -> bool {
    let mut both = need(model, one);
    add(&mut both, &need(model, other));
    model.room.fits(node, &both)
}

/// The node with most room, where there is more than one to choose from.
fn roomiest(model: &Model, rsc: RscIx, full: &[NodeIx]) -> Option<NodeIx> {
    let scores = &model.resources[rsc].scores;
    if let [node] = best::leading(model, scores)[..]
        && full.binary_search(&node).is_err()
    {
        return None;
    }
    let available = scores.iter().filter(|(node, score)| model.is_available(*node, Some(*score)));
    available.map(|(node, _)| node).reduce(|a, b| if model.room.compare(b, a).is_lt() { b } else { a })
}

fn add(sum: &mut Need, more: &Need) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = match (*sum, *more) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
    }
}

/// What a resource with all in it that is not assigned yet needs.
fn need(model: &Model, rsc: RscIx) -> Need {
    match &model.resources[rsc].kind {
        Kind::Primitive if model.resources[rsc].is_assigned => model.room.nothing(),
        Kind::Primitive => model.room.need(rsc).to_vec(),
        // One instance stands for a clone: no node takes more than that at a time.
        Kind::Clone(spec) => spec.instances.first().map_or_else(|| model.room.nothing(), |first| need(model, *first)),
        Kind::Group(group) => group.members.iter().fold(model.room.nothing(), |mut sum, member| {
            add(&mut sum, &need(model, *member));
            sum
        }),
    }
}

/// The resource with all that must run where it runs.
fn together(model: &Model, rsc: RscIx) -> Vec<RscIx> {
    let mut found = vec![rsc];
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        next += 1;
        let resource = &model.resources[at];
        let group = resource.parent.filter(|parent| match &model.resources[*parent].kind {
            Kind::Group(group) => group.is_colocated,
            _ => false,
        });
        let members = group.map(|group| model.children(group).to_vec()).unwrap_or_default();
        let bound = |ix: &&usize| model.colocations[**ix].score == Score::INFINITY;
        let lists = [Some(at), group].into_iter().flatten().map(|of| &model.resources[of]);
        let mut more = members;
        for of in lists {
            more.extend(of.follows.iter().filter(bound).map(|ix| model.colocations[*ix].with));
            more.extend(of.followed.iter().filter(bound).map(|ix| model.colocations[*ix].resource));
        }
        for other in more {
            let parts = match model.resources[other].kind {
                Kind::Group(_) => model.children(other).to_vec(),
                _ => vec![other],
            };
            for part in parts {
                if !found.contains(&part) && !model.resources[part].is_assigned {
                    found.push(part);
                }
            }
        }
    }
    found
}
