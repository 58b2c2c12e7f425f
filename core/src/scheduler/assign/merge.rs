//! Adds what others want to a resource's scores: each colocated one as strongly as it is bound, and what is bound to it
//! in turn, weaker and weaker.

use super::colocation;
use crate::scheduler::{Kind, Model, NodeIx, RscIx, Scores};
use crate::score::Score;
use std::collections::BTreeMap;

/// What a factor of one is.
const ONE: i128 = 1_000_000_000_000_000_000;

/// What part of a score counts, in parts of `ONE`: a product of scores over INFINITY.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor(i128);

/// What of another's scores counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// All, unless nothing would be left.
    Active,
    /// Only what does not make a node unfit.
    NonNegative,
}

impl Factor {
    /// That of one colocation.
    pub(super) fn of(model: &Model, ix: usize) -> Self {
        Self(i128::from(model.colocations[ix].score.value()) * (ONE / i128::from(Score::INFINITY.value())))
    }

    /// However weak it becomes, it stays one of its sign.
    fn times(self, other: Self) -> Self {
        match rounded(self.0 * other.0) {
            0 => Self(self.0.signum() * other.0.signum()),
            product => Self(product),
        }
    }

    /// The part of a score, rounded away from zero so that a weak wish is not lost.
    fn part(self, score: Score) -> Score {
        let part = match rounded(self.0 * i128::from(score.value())) {
            0 if score != Score::ZERO => self.0.signum(),
            part => part,
        };
        // A factor is at most one, a score at most INFINITY.
        Score::new(i64::try_from(part).unwrap_or_default())
    }
}

/// A product over `ONE`, to the nearest; halves go away from zero.
fn rounded(product: i128) -> i128 {
    product.signum() * ((product.abs() + ONE / 2) / ONE)
}

/// Adds the scores of `source`, and of what follows it, to `scores`.
pub(super) fn add(
    model: &mut Model,
    source: RscIx,
    scores: &mut Scores,
    colocation: Option<usize>,
    factor: Factor,
    pick: Pick,
) {
    if let Kind::Group(group) = &model.resources[source].kind {
        if let Some(first) = group.members.first().copied() {
            add(model, first, scores, colocation, factor, pick);
        }
        return;
    }
    if model.resources[source].is_merging {
        return;
    }
    model.resources[source].is_merging = true;
    let mut work = scores.clone();
    let mut spared = Vec::new();
    add_own(model, source, &mut work, colocation, factor, pick, &mut spared);
    if model.has_available(&work) {
        for ix in colocation::followed(model, source) {
            if !colocation::has_influence(model, ix) {
                continue;
            }
            let other = model.colocations[ix].resource;
            let own = Factor::of(model, ix);
            if factor.0 < 0 && own.0 < 0 && !model.options.foes_of_foes_draw {
                continue;
            }
            let deeper = factor.times(own);
            add(model, other, &mut work, Some(ix), deeper, pick);
        }
        for node in spared {
            work.set(node, Score::new(1));
        }
        *scores = work;
    } else if pick == Pick::NonNegative {
        *scores = work;
    }
    model.resources[source].is_merging = false;
}

/// Adds what those that `rsc` follows score, along the chain: for comparing resources.
pub(super) fn add_chain(model: &mut Model, rsc: RscIx, scores: &mut Scores) {
    model.resources[rsc].is_merging = true;
    for ix in colocation::follows(model, rsc) {
        let with = model.colocations[ix].with;
        if !model.resources[with].is_merging {
            add(model, with, scores, Some(ix), Factor::of(model, ix), Pick::Active);
        }
    }
    model.resources[rsc].is_merging = false;
}

fn add_own(
    model: &Model,
    source: RscIx,
    work: &mut Scores,
    colocation: Option<usize>,
    factor: Factor,
    pick: Pick,
    spared: &mut Vec<NodeIx>,
) {
    let scores = &model.resources[source].scores;
    let own_or_never = |node: NodeIx| {
        let score = scores.get(node);
        score.filter(|_| model.is_available(node, score)).unwrap_or(Score::NEG_INFINITY)
    };
    let attribute = colocation.and_then(|ix| model.colocations[ix].attribute.as_deref()).unwrap_or("#uname");
    // What a node makes of its score, and whether it only keeps from what is unfit.
    let outcome = |current: Score, offered: Score| {
        // What would not run here anyway draws nobody away from its other places.
        if factor.0 < 0 && offered < Score::ZERO {
            return (current, false);
        }
        let sum = current + factor.part(offered);
        if pick == Pick::NonNegative && sum < Score::ZERO { (current, current > Score::ZERO) } else { (sum, false) }
    };
    let usual_offer = scores.usual().filter(|score| *score >= Score::ZERO).unwrap_or(Score::NEG_INFINITY);
    let is_simple = attribute == "#uname" && model.room.has_own_names();
    let spares_usual = work.usual().is_some_and(|current| outcome(current, usual_offer).1);
    let mut each = |node, current, offered| {
        let (score, is_spared) = outcome(current, offered);
        if is_spared {
            spared.push(node);
        }
        score
    };
    if is_simple && !spares_usual {
        let mut special: Vec<NodeIx> = scores.special().map(|(node, _)| node).collect();
        special.extend(model.room.away());
        let usual = |current| outcome(current, usual_offer).0;
        work.change(&special, usual, |node, current| each(node, current, own_or_never(node)));
        return;
    }
    let value = |node: NodeIx| model.nodes[node].attributes.get(attribute);
    let mut best: BTreeMap<Option<&String>, Score> = BTreeMap::new();
    for node in 0..model.nodes.len() {
        let entry = best.entry(value(node)).or_insert(Score::NEG_INFINITY);
        *entry = (*entry).max(own_or_never(node));
    }
    let nodes: Vec<NodeIx> = (0..model.nodes.len()).collect();
    let offered = |node| best.get(&value(node)).copied().unwrap_or(Score::NEG_INFINITY);
    work.change(&nodes, |current| current, |node, current| each(node, current, offered(node)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_rounded_and_a_weak_wish_is_not_lost() {
        let factor = |score: i64| Factor(i128::from(score) * (ONE / 1_000_000));
        assert_eq!(factor(500_000).part(Score::new(5)), Score::new(3));
        assert_eq!(factor(-500_000).part(Score::new(5)), Score::new(-3));
        assert_eq!(factor(1).part(Score::new(7)), Score::new(1));
        assert_eq!(factor(-1).part(Score::new(7)), Score::new(-1));
        assert_eq!(factor(7).part(Score::ZERO), Score::ZERO);
        assert_eq!(factor(1_000_000).part(Score::INFINITY), Score::INFINITY);
        let chain = (0..20).fold(factor(1), |weak, _| weak.times(factor(-1)));
        assert_eq!(chain.part(Score::new(100)), Score::new(1), "an even number of turns");
        assert_eq!(chain.times(factor(-1)).part(Score::new(100)), Score::new(-1));
    }
}
