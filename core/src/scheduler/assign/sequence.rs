//! Who comes first: among resources where capacity counts, and among the colocations of one resource.

use super::{colocation, merge};
use crate::scheduler::{Kind, Model, NodeIx, RscIx, Scores, by_name};
use crate::score::Score;
use std::cmp::{Ordering, Reverse};

/// The colocations of each resource, the one with the most important partner first.
pub(super) fn sort_colocations(model: &mut Model) {
    for rsc in 0..model.resources.len() {
        let mut follows = std::mem::take(&mut model.resources[rsc].follows);
        let mut followed = std::mem::take(&mut model.resources[rsc].followed);
        let with = |ix: usize| key(model, model.colocations[ix].with, ix);
        let by = |ix: usize| key(model, model.colocations[ix].resource, ix);
        follows.sort_by(|a, b| with(*a).cmp(&with(*b)));
        followed.sort_by(|a, b| by(*a).cmp(&by(*b)));
        (model.resources[rsc].follows, model.resources[rsc].followed) = (follows, followed);
    }
}

fn key(model: &Model, other: RscIx, ix: usize) -> (Reverse<Score>, Reverse<u8>, &str) {
    let resource = &model.resources[other];
    let rank = match &resource.kind {
        Kind::Primitive => 0,
        Kind::Group(_) => 1,
        Kind::Clone(_) if model.bundles.contents.contains_key(&other) => 4,
        Kind::Clone(spec) if spec.promotion.is_none() => 2,
        Kind::Clone(_) => 3,
    };
    (Reverse(resource.priority), Reverse(rank), &model.colocations[ix].id)
}

/// What a resource is sorted by where capacity counts.
struct Rank {
    rsc: RscIx,
    priority: Score,
    /// What it scores where it is.
    here: Score,
    usual: Score,
    /// What it scores where that is not usual, by the nodes' places.
    special: Vec<(u32, Score)>,
    /// The first of these, and whether there are more: for nearly all that are compared this decides, with no look elsewhere.
    first: Option<(u32, Score)>,
    has_more: bool,
    /// Its place by name.
    name: usize,
}

/// Where capacity counts: by priority, then what scores more where it is, then what scores more anywhere.
pub(super) fn sort_top(model: &mut Model) {
    let mut nodes: Vec<NodeIx> = (0..model.nodes.len()).collect();
    let room = |node: usize| Reverse(model.nodes[node].capacity.values().copied().collect::<Vec<i64>>());
    nodes.sort_by_cached_key(|node| (!model.nodes[*node].is_available(), room(*node)));
    let mut places = vec![0; nodes.len()];
    for (place, node) in (0..).zip(nodes) {
        places[node] = place;
    }
    let mut ranks: Vec<Rank> = Vec::with_capacity(model.top.len());
    for (rsc, name) in model.top.clone().into_iter().zip(by_names(model)) {
        if colocation::follows(model, rsc).is_empty() {
            ranks.push(Rank::of(model, (rsc, name), &model.resources[rsc].scores, &places));
            continue;
        }
        let mut scores = model.resources[rsc].scores.clone();
        merge::add_chain(model, rsc, &mut scores);
        ranks.push(Rank::of(model, (rsc, name), &scores, &places));
    }
    ranks.sort_by(|a, b| {
        let by_current = b.here.cmp(&a.here);
        let by_nodes = || by_nodes(a, b, places.len());
        b.priority.cmp(&a.priority).then(by_current).then_with(by_nodes).then(a.name.cmp(&b.name))
    });
    model.top = ranks.into_iter().map(|rank| rank.rsc).collect();
}

/// For each of the top its place by name. They mostly come by name already, which is seen at one look.
fn by_names(model: &Model) -> Vec<usize> {
    let id = |place: usize| model.resources[model.top[place]].id.as_str();
    let mut order: Vec<usize> = (0..model.top.len()).collect();
    order.sort_by(|a, b| by_name(id(*a), id(*b)));
    let mut names = vec![0; order.len()];
    for (name, place) in order.into_iter().enumerate() {
        names[place] = name;
    }
    names
}

impl Rank {
    fn of(model: &Model, (rsc, name): (RscIx, usize), scores: &Scores, places: &[u32]) -> Self {
        let current = model.current(rsc).or_else(|| model.active_on(rsc).first().copied());
        let usual = scores.usual().unwrap_or(Score::NEG_INFINITY);
        let special = scores.special().map(|(node, score)| (places[node], score.unwrap_or(Score::NEG_INFINITY)));
        let mut special: Vec<(u32, Score)> = special.filter(|(_, score)| *score != usual).collect();
        special.sort_unstable();
        let here = current.map_or(Score::NEG_INFINITY, |node| scores.or_never(node));
        Self::new(rsc, name, (model.resources[rsc].priority, here, usual), special)
    }

    fn new(
        rsc: RscIx,
        name: usize,
        (priority, here, usual): (Score, Score, Score),
        special: Vec<(u32, Score)>,
    ) -> Self {
        let (first, has_more) = (special.first().copied(), special.len() > 1);
        Self { rsc, priority, here, usual, special, first, has_more, name }
    }
}

/// The one that scores more on the first node where they differ.
fn by_nodes(a: &Rank, b: &Rank, nodes: usize) -> Ordering {
    if a.usual == b.usual {
        match (a.first, b.first) {
            (None, None) => return Ordering::Equal,
            (Some((_, score)), None) => return b.usual.cmp(&score),
            (None, Some((_, score))) => return score.cmp(&a.usual),
            (Some((at_a, score_a)), Some((at_b, score_b))) => match at_a.cmp(&at_b) {
                Ordering::Less => return b.usual.cmp(&score_a),
                Ordering::Greater => return score_b.cmp(&a.usual),
                Ordering::Equal if score_a != score_b => return score_b.cmp(&score_a),
                Ordering::Equal if !a.has_more && !b.has_more => return Ordering::Equal,
                Ordering::Equal => {}
            },
        }
    }
    let (mut of_a, mut of_b) = (a.special.iter().peekable(), b.special.iter().peekable());
    let mut place = 0;
    loop {
        let next = [of_a.peek(), of_b.peek()].into_iter().flatten().map(|(place, _)| *place).min();
        let has_usual = next.map_or(nodes, |next| next as usize) > place as usize;
        if has_usual && a.usual != b.usual {
            return b.usual.cmp(&a.usual);
        }
        let Some(next) = next else { return Ordering::Equal };
        let here = |(at, _): &&(u32, Score)| *at == next;
        let score_a = of_a.next_if(here).map_or(a.usual, |(_, score)| *score);
        let score_b = of_b.next_if(here).map_or(b.usual, |(_, score)| *score);
        if score_a != score_b {
            return score_b.cmp(&score_a);
        }
        place = next + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(scores: &[i64], usual: i64) -> Rank {
        let score = |value: i64| Score::new(value);
        let special = (0..).zip(scores).filter(|(_, value)| **value != usual);
        let special = special.map(|(place, value)| (place, score(*value))).collect();
        Rank::new(0, 0, (Score::ZERO, Score::ZERO, score(usual)), special)
    }

    #[test]
    fn the_first_node_where_two_differ_decides_whatever_is_usual_for_them() {
        let vectors: Vec<[i64; 3]> = (0..27_i64).map(|code| [code / 9 % 3, code / 3 % 3, code % 3]).collect();
        for a in &vectors {
            for b in &vectors {
                for (usual_a, usual_b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
                    let found = by_nodes(&rank(a, usual_a), &rank(b, usual_b), 3);
                    assert_eq!(found, b.cmp(a), "{a:?} {b:?} {usual_a} {usual_b}");
                }
            }
        }
    }
}
