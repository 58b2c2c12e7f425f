//! What a resource scores on each node: a value, or no entry at all where an opt-in cluster never named the node.
//!
//! Most nodes score the same for a resource, so what is kept is that score and the nodes that differ: a thousand nodes
//! cost no more than what is said of them.

use super::NodeIx;
use crate::score::Score;

/// One score a node. Without an entry a node is not considered at all, which is less than `-INFINITY`: nothing that
/// is added later brings it in.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// How many nodes there are.
    nodes: u32,
    /// The score of every node that is not among `special`.
    usual: Option<Score>,
    /// Nodes with a score of their own, in their order; it may be the usual one.
    special: Vec<(u32, Option<Score>)>,
}

impl Scores {
    /// No entry for any of so many nodes.
    pub fn none(nodes: usize) -> Self {
        Self { nodes: short(nodes), usual: None, special: Vec::new() }
    }

    /// Zero on each of so many nodes.
    pub fn zero(nodes: usize) -> Self {
        Self { usual: Some(Score::ZERO), ..Self::none(nodes) }
    }

    /// The score there, if the node is considered.
    pub fn get(&self, node: NodeIx) -> Option<Score> {
        let node = u32::try_from(node).ok().filter(|node| *node < self.nodes)?;
        match self.place(node) {
            Ok(at) => self.special[at].1,
            Err(_) => self.usual,
        }
    }

    /// The score there, `-INFINITY` where the node is not considered.
    pub fn or_never(&self, node: NodeIx) -> Score {
        self.get(node).unwrap_or(Score::NEG_INFINITY)
    }

    /// Replaces the score there.
    pub fn set(&mut self, node: NodeIx, score: Score) {
        let node = short(node);
        match self.place(node) {
            Ok(at) => self.special[at].1 = Some(score),
            Err(_) if self.usual == Some(score) => {}
            Err(at) => self.special.insert(at, (node, Some(score))),
        }
    }

    /// Adds to the score there; brings the node in where it was not considered.
    pub fn add(&mut self, node: NodeIx, score: Score) {
        self.set(node, self.get(node).unwrap_or(Score::ZERO) + score);
    }

    /// Adds to every node that is considered.
    pub fn add_to_all(&mut self, score: Score) {
        for entry in self.special.iter_mut().map(|(_, entry)| entry).chain([&mut self.usual]).flatten() {
            *entry = *entry + score;
        }
    }

    /// Changes every node that is considered: `each` says what it scores then, of those that are `special` or already
    /// differ; of all the others, which are alike, `usual` does.
    pub(super) fn change(
        &mut self,
        special: &[NodeIx],
        usual: impl Fn(Score) -> Score,
        mut each: impl FnMut(NodeIx, Score) -> Score,
    ) {
        let mut nodes: Vec<u32> = special.iter().map(|node| short(*node)).collect();
        nodes.extend(self.special.iter().map(|(node, _)| *node));
        nodes.sort_unstable();
        nodes.dedup();
        let new_usual = self.usual.map(usual);
        let mut changed = Vec::with_capacity(nodes.len());
        for node in nodes {
            let old = self.get(node as NodeIx);
            let new = old.map(|old| each(node as NodeIx, old));
            if new != new_usual {
                changed.push((node, new));
            }
        }
        (self.usual, self.special) = (new_usual, changed);
    }

    /// On how many nodes it scores this.
    pub fn count(&self, score: Score) -> usize {
        let alike = if self.usual == Some(score) { self.nodes as usize - self.special.len() } else { 0 };
        alike + self.special.iter().filter(|(_, own)| *own == Some(score)).count()
    }

    /// The nodes that are considered, with their scores, in the nodes' order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIx, Score)> + '_ {
        let mut special = self.special.iter().peekable();
        (0..self.nodes).filter_map(move |node| {
            let own = special.next_if(|(at, _)| *at == node);
            let score = own.map_or(self.usual, |(_, score)| *score);
            Some((node as NodeIx, score?))
        })
    }

    /// The score of all nodes that are not `special`.
    pub(super) fn usual(&self) -> Option<Score> {
        self.usual
    }

    /// Nodes that have, or had, a score of their own; in the nodes' order.
    pub(super) fn special(&self) -> impl ExactSizeIterator<Item = (NodeIx, Option<Score>)> + '_ {
        self.special.iter().map(|(node, score)| (*node as NodeIx, *score))
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes as usize
    }

    /// Whether no node is considered.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn place(&self, node: u32) -> Result<usize, usize> {
        self.special.binary_search_by_key(&node, |(at, _)| *at)
    }
}

impl PartialEq for Scores {
    fn eq(&self, other: &Self) -> bool {
        let is_same = self.usual == other.usual && self.special == other.special;
        self.nodes == other.nodes && (is_same || self.iter().eq(other.iter()))
    }
}

impl Eq for Scores {}

fn short(node: NodeIx) -> u32 {
    u32::try_from(node).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_and_what_is_special_are_told_apart() {
        let mut scores = Scores::zero(4);
        scores.add(2, Score::new(50));
        scores.add(1, Score::NEG_INFINITY);
        scores.add_to_all(Score::new(10));
        let all: Vec<(NodeIx, i64)> = scores.iter().map(|(node, score)| (node, score.value())).collect();
        assert_eq!(all, [(0, 10), (1, -1_000_000), (2, 60), (3, 10)]);
        assert_eq!(scores.get(4), None, "there is no such node");
    }

    #[test]
    fn nothing_brings_in_a_node_that_is_not_considered_but_its_own_score() {
        let mut scores = Scores::none(3);
        scores.add_to_all(Score::INFINITY);
        assert!(scores.is_empty());
        scores.add(1, Score::new(5));
        scores.change(&[0], |_| Score::ZERO, |_, score| score + Score::new(1));
        assert_eq!(scores.iter().collect::<Vec<_>>(), [(1, Score::new(6))]);
    }

    #[test]
    fn changing_reaches_every_node_once() {
        let mut scores = Scores::zero(5);
        scores.set(3, Score::new(7));
        scores.change(&[1, 3], |score| score + Score::new(1), |node, score| score + Score::new(node as i64));
        let all: Vec<i64> = scores.iter().map(|(_, score)| score.value()).collect();
        assert_eq!(all, [1, 1, 1, 10, 1]);
        assert_eq!(scores.special().len(), 1, "what is as usual is not kept apart");
    }

    #[test]
    fn the_same_scores_are_equal_however_they_came_about() {
        let (mut one, mut other) = (Scores::zero(2), Scores::none(2));
        one.set(1, Score::new(3));
        one.set(1, Score::ZERO);
        (0..2).for_each(|node| other.set(node, Score::ZERO));
        assert_eq!(one, other);
        other.set(0, Score::new(1));
        assert_ne!(one, other);
    }
}
