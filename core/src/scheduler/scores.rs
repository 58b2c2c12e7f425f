//! What a resource scores on each node: a value, or no entry at all where an opt-in cluster never named the node.

use super::NodeIx;
use crate::score::Score;

/// One score a node. Without an entry a node is not considered at all, which is less than `-INFINITY`: nothing that
/// is added later brings it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores(Vec<Option<Score>>);

impl Scores {
    /// No entry for any of so many nodes.
    pub fn none(nodes: usize) -> Self {
        Self(vec![None; nodes])
    }

    /// Zero on each of so many nodes.
    pub fn zero(nodes: usize) -> Self {
        Self(vec![Some(Score::ZERO); nodes])
    }

    /// The score there, if the node is considered.
    pub fn get(&self, node: NodeIx) -> Option<Score> {
        self.0.get(node).copied().flatten()
    }

    /// The score there, `-INFINITY` where the node is not considered.
    pub fn or_never(&self, node: NodeIx) -> Score {
        self.get(node).unwrap_or(Score::NEG_INFINITY)
    }

    /// Replaces the score there.
    pub fn set(&mut self, node: NodeIx, score: Score) {
        self.0[node] = Some(score);
    }

    /// Adds to the score there; brings the node in where it was not considered.
    pub fn add(&mut self, node: NodeIx, score: Score) {
        self.0[node] = Some(self.0[node].unwrap_or(Score::ZERO) + score);
    }

    /// Adds to every node that is considered.
    pub fn add_to_all(&mut self, score: Score) {
        for entry in self.0.iter_mut().flatten() {
            *entry = *entry + score;
        }
    }

    /// The nodes that are considered, with their scores, in the nodes' order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIx, Score)> + '_ {
        self.0.iter().enumerate().filter_map(|(node, score)| score.map(|score| (node, score)))
    }

    /// Whether no node is considered.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}
