//! The best node for a resource by its scores, the load and the names.

use super::{capacity, put};
use crate::scheduler::{Model, NodeIx, Placement, RscIx, Scores};
use crate::score::Score;
use std::cmp::Ordering;

/// Assigns a primitive to the best node.
pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    let roomiest = capacity::forbid_what_is_full(model, rsc);
    let current = model.current(rsc);
    let roomiest = roomiest.filter(|_| model.options.sorts_by_scores);
    let chosen = choose(model, rsc, prefer.or(roomiest), current);
    put(model, rsc, chosen, false, true)
}

/// The nodes with the best score, one that can take nothing counting as forbidden: no other can be chosen.
pub(super) fn leading(model: &Model, scores: &Scores) -> Vec<NodeIx> {
    let effective = |node: NodeIx, score| if model.room.is_away(node) { Score::NEG_INFINITY } else { score };
    let special = scores.special().filter_map(|(node, score)| Some(effective(node, score?)));
    let best = special.chain(scores.usual().filter(|_| model.room.has_usual(scores))).max();
    match best.filter(|best| !best.forbids()) {
        None => scores.iter().map(|(node, _)| node).collect(),
        Some(best) if scores.usual() == Some(best) => {
            scores.iter().filter(|(node, score)| effective(*node, *score) == best).map(|(node, _)| node).collect()
        }
        Some(best) => {
            let special = scores.special().filter_map(|(node, score)| Some((node, score?)));
            special.filter(|(node, score)| effective(*node, *score) == best).map(|(node, _)| node).collect()
        }
    }
}

fn choose(model: &Model, rsc: RscIx, prefer: Option<NodeIx>, current: Option<NodeIx>) -> Option<NodeIx> {
    let scores = &model.resources[rsc].scores;
    let may = |node: &NodeIx| {
        let score = scores.get(*node);
        score.is_some_and(|score| score >= Score::ZERO)
            && model.is_available(*node, score)
            && !model.room.is_away(*node)
    };
    if let Some(planned) = model.resources[rsc].planned_on.filter(may) {
        return Some(planned);
    }
    let leading = leading(model, scores);
    let best_score = scores.get(*leading.first()?)?;
    if let Some(prefer) = prefer
        && let Some(score) = scores.get(prefer)
        && score >= Score::ZERO
        && score >= best_score
        && model.is_available(prefer, Some(score))
    {
        return Some(prefer);
    }
    let scored = leading.iter().map(|node| (*node, scores.or_never(*node)));
    let (best, best_score) = first(model, scored, current)?;
    let is_instance_of_unique = model.resources[rsc]
        .parent
        .and_then(|_| model.clone_of(rsc))
        .is_some_and(|(clone, spec)| spec.is_unique && model.resources[rsc].parent == Some(clone));
    let counts = best_score > Score::ZERO || model.resources[rsc].stays_among_equals;
    if !is_instance_of_unique && counts && model.is_available(best, Some(best_score)) {
        // Where it runs is as good as the best: it stays.
        let stays = current.filter(|node| scores.get(*node) == Some(best_score) && model.nodes[*node].is_available());
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
fn compare(
    model: &Model,
    (a, a_score): (NodeIx, Score),
    (b, b_score): (NodeIx, Score),
    current: Option<NodeIx>,
) -> Ordering {
    let effective = |node: NodeIx, score| if model.room.is_away(node) { Score::NEG_INFINITY } else { score };
    let by_score = effective(b, b_score).cmp(&effective(a, a_score));
    if by_score.is_ne() {
        return by_score;
    }
    let names = || model.room.by_name(a, b);
    if model.options.placement == Placement::Minimal {
        return names();
    }
    if model.options.placement == Placement::Balanced {
        let by_room = model.room.compare(a, b);
        if by_room.is_ne() {
            return by_room;
        }
    }
    let by_load = model.nodes[a].assigned.cmp(&model.nodes[b].assigned);
    by_load.then_with(|| (current == Some(b)).cmp(&(current == Some(a)))).then_with(names)
}
