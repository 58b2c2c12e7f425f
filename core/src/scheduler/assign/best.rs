//! The best node for a resource by its scores, the load and the names.

use super::{capacity, put};
use crate::scheduler::{Model, NodeIx, Placement, RscIx, by_name};
use crate::score::Score;
use std::cmp::Ordering;

/// Assigns a primitive to the best node.
pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    let roomiest = capacity::forbid_what_is_full(model, rsc);
    let current = model.current(rsc);
    let nodes: Vec<(NodeIx, Score)> = model.resources[rsc].scores.iter().collect();
    let chosen = choose(model, rsc, &nodes, prefer.or(roomiest), current);
    put(model, rsc, chosen, false, true)
}

fn choose(
    model: &Model,
    rsc: RscIx,
    nodes: &[(NodeIx, Score)],
    prefer: Option<NodeIx>,
    current: Option<NodeIx>,
) -> Option<NodeIx> {
    let (best, best_score) = first(model, nodes.iter().copied(), current)?;
    if let Some(prefer) = prefer
        && let Some(score) = model.resources[rsc].scores.get(prefer)
        && score >= Score::ZERO
        && score >= best_score
        && model.is_available(prefer, Some(score))
    {
        return Some(prefer);
    }
    let is_instance_of_unique = model.resources[rsc]
        .parent
        .and_then(|_| model.clone_of(rsc))
        .is_some_and(|(clone, spec)| spec.is_unique && model.resources[rsc].parent == Some(clone));
    if !is_instance_of_unique && best_score > Score::ZERO && model.is_available(best, Some(best_score)) {
        // Where it runs is as good as the best: it stays.
        let equals = nodes.iter().filter(|(_, score)| *score == best_score);
        let stays =
            equals.map(|(node, _)| *node).find(|node| Some(*node) == current && model.nodes[*node].is_available());
        return stays.or(Some(best));
    }
    Some(best)
}

/// The best of some nodes. Room in several kinds of capacity is no total order, so nothing is sorted by it: who comes
/// first in the nodes' order and is beaten by nobody later wins.
pub(super) fn first(
    model: &Model,
    nodes: impl Iterator<Item = (NodeIx, Score)>,
    current: Option<NodeIx>,
) -> Option<(NodeIx, Score)> {
    nodes.reduce(|best, node| if compare(model, node, best, current).is_lt() { node } else { best })
}

/// The better node first.
pub(super) fn compare(
    model: &Model,
    (a, a_score): (NodeIx, Score),
    (b, b_score): (NodeIx, Score),
    current: Option<NodeIx>,
) -> Ordering {
    let effective = |node: NodeIx, score| if model.nodes[node].is_available() { score } else { Score::NEG_INFINITY };
    let by_score = effective(b, b_score).cmp(&effective(a, a_score));
    if by_score.is_ne() {
        return by_score;
    }
    let names = || by_name(&model.nodes[a].name, &model.nodes[b].name);
    if model.options.placement == Placement::Minimal {
        return names();
    }
    if model.options.placement == Placement::Balanced {
        let by_room = capacity::compare(model, a, b);
        if by_room.is_ne() {
            return by_room;
        }
    }
    let by_load = model.nodes[a].assigned.cmp(&model.nodes[b].assigned);
    by_load.then_with(|| (current == Some(b)).cmp(&(current == Some(a)))).then_with(names)
}
