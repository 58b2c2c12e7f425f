//! Which places come before others, whatever they score.
//!
//! The scheduler knows of no such order. So a resource is offered its best places alone, and the next only when it has
//! none among them: `Sketch::let_in_one_by_one`.

use super::super::placement::{elder, is_welcome, runs_on};
use super::super::preference::{drained, leaves, moves_to};
use super::super::survey::{Survey, Touched};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{NodeIx, Scores};
use crate::score::Score;
use std::collections::BTreeSet;

/// The places of one resource by rank, and how far down it may go by now.
#[derive(Clone, Debug)]
pub(super) struct Ranks {
    of: Vec<i8>,
    least: i8,
}

/// How a place ranks for a resource: of several copies the first is kept; a node that is drained or should be left is
/// a last resort; one in quarantine, or whose fence device fails, gets nothing new while there is another.
///
/// `bare` is what the nodes are to whoever has nothing to do with them, `special` those with which this one has; `None`
/// where all rank the same.
pub(super) fn ranks(
    state: &Survey<'_>,
    id: &ResourceId,
    (nodes, bare): (&[NodeId], &[i8]),
    special: &BTreeSet<NodeIx>,
    with_wishes: bool,
) -> Option<Vec<i8>> {
    let elder = elder(state, id);
    let own = |ix: &NodeIx| rank(state, id, &nodes[*ix], elder, with_wishes);
    if bare.is_empty() && special.iter().all(|ix| own(ix) == 0) {
        return None;
    }
    let mut ranks = if bare.is_empty() { vec![0; nodes.len()] } else { bare.to_vec() };
    special.iter().for_each(|ix| ranks[*ix] = own(ix));
    Some(ranks)
}

/// How each node ranks for whoever has nothing to do with it; nothing where all rank 0. A node that should be left is shut
/// to all of them, and needs no rank.
pub(super) fn bare_ranks(state: &Survey<'_>) -> Vec<i8> {
    let rank = |node: &NodeId| if state.unwelcome(node).is_some() { -1 } else { 0 };
    let ranks: Vec<i8> = state.nodes.keys().map(rank).collect();
    if ranks.iter().all(|rank| *rank == 0) { Vec::new() } else { ranks }
}

fn rank(state: &Survey<'_>, id: &ResourceId, node: &NodeId, elder: Option<&NodeId>, with_wishes: bool) -> i8 {
    let is_last_resort = drained(state, id, node).is_some() || (with_wishes && leaves(state, id, node));
    let is_welcome = is_welcome(state, id, node) || (with_wishes && moves_to(state, id, node));
    let mut rank = 0;
    rank += if elder == Some(node) { 8 } else { 0 };
    rank -= if is_last_resort { 4 } else { 0 };
    rank -= if is_welcome { 0 } else { 2 };
    rank - if has_left(state, id, node) { 1 } else { 0 }
}

/// Why a node only counts when there is no other, if so.
pub(in crate::planner) fn last_resort(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> Option<String> {
    let copies = elder(state, id).filter(|first| *first != node);
    if let Some(first) = copies {
        return Some(format!("it ran on {first} first"));
    }
    if let Some(why) = drained(state, id, node) {
        return Some(format!("the node is {why}"));
    }
    if leaves(state, id, node) {
        return Some("somebody asked for it to leave this node".to_owned());
    }
    let is_welcome = is_welcome(state, id, node) || moves_to(state, id, node);
    let unwelcome = state.unwelcome(node).filter(|_| !is_welcome);
    unwelcome.or_else(|| {
        has_left(state, id, node).then(|| "it went there and back, and nothing else has changed since".to_owned())
    })
}

/// It went there twice since anything else changed, and runs elsewhere now: whatever called it away would again.
fn has_left(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> bool {
    state.came_back_to(id, node) && !runs_on(state, id, node) && state.touched(id).iter().any(Touched::runs)
}

impl Ranks {
    /// `None` where all places that it may have rank the same.
    pub(super) fn new(of: Vec<i8>, fit: &[NodeIx]) -> Option<Self> {
        let ranks: BTreeSet<i8> = fit.iter().map(|node| of[*node]).collect();
        let least = *ranks.last()?;
        (ranks.len() > 1).then_some(Self { of, least })
    }

    fn next(&self) -> Option<i8> {
        self.of.iter().copied().filter(|rank| *rank < self.least).max()
    }

    /// Whether a lower rank is left out so far.
    pub(super) fn is_narrow(&self) -> bool {
        self.next().is_some()
    }

    /// Lets in the next rank; false where there is none.
    pub(super) fn widen(&mut self) -> bool {
        let next = self.next();
        self.least = next.unwrap_or(self.least);
        next.is_some()
    }

    /// The scores with what ranks too low forbidden.
    pub(super) fn limited(&self, full: &Scores) -> Scores {
        let mut scores = full.clone();
        for (node, _) in full.iter().filter(|(node, _)| self.of[*node] < self.least) {
            scores.set(node, Score::NEG_INFINITY);
        }
        scores
    }
}
