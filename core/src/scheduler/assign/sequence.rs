//! Who comes first: among resources where capacity counts, and among the colocations of one resource.

use super::merge;
use crate::scheduler::{Kind, Model, RscIx, Scores};
use crate::score::Score;
use std::cmp::Reverse;

/// The colocations of each resource, the one with the most important partner first.
pub(super) fn sort_colocations(model: &mut Model) {
    for rsc in 0..model.resources.len() {
        let mut follows = std::mem::take(&mut model.resources[rsc].follows);
        let mut followed = std::mem::take(&mut model.resources[rsc].followed);
        follows.sort_by_key(|ix| key(model, model.colocations[*ix].with, *ix));
        followed.sort_by_key(|ix| key(model, model.colocations[*ix].resource, *ix));
        (model.resources[rsc].follows, model.resources[rsc].followed) = (follows, followed);
    }
}

fn key(model: &Model, other: RscIx, ix: usize) -> (Reverse<Score>, Reverse<u8>, String) {
    let resource = &model.resources[other];
    let rank = match &resource.kind {
        Kind::Primitive => 0,
        Kind::Group(_) => 1,
        Kind::Clone(spec) if spec.promotion.is_none() => 2,
        Kind::Clone(_) => 3,
    };
    (Reverse(resource.priority), Reverse(rank), model.colocations[ix].id.clone())
}

/// Where capacity counts: by priority, then what scores more where it is, then what scores more anywhere.
pub(super) fn sort_top(model: &mut Model) {
    let mut nodes: Vec<usize> = (0..model.nodes.len()).collect();
    let room = |node: usize| Reverse(model.nodes[node].capacity.values().copied().collect::<Vec<i64>>());
    nodes.sort_by_key(|node| (!model.nodes[*node].is_available(), room(*node)));
    let mut keyed: Vec<(RscIx, Scores)> = Vec::new();
    for rsc in model.top.clone() {
        let mut scores = model.resources[rsc].scores.clone();
        merge::add_chain(model, rsc, &mut scores);
        keyed.push((rsc, scores));
    }
    keyed.sort_by(|(a, a_scores), (b, b_scores)| {
        let by_priority = model.resources[*b].priority.cmp(&model.resources[*a].priority);
        let current = |rsc: RscIx| model.current(rsc).or_else(|| model.active_on(rsc).first().copied());
        let here = |rsc: RscIx, scores: &Scores| current(rsc).map_or(Score::NEG_INFINITY, |node| scores.or_never(node));
        let by_current = || here(*b, b_scores).cmp(&here(*a, a_scores));
        let by_nodes = || {
            let mut each = nodes.iter().map(|node| b_scores.or_never(*node).cmp(&a_scores.or_never(*node)));
            each.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        };
        by_priority.then_with(by_current).then_with(by_nodes)
    });
    model.top = keyed.into_iter().map(|(rsc, _)| rsc).collect();
}
