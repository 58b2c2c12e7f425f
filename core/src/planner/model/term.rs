//! What draws a resource to a node or away from it, before others have a say: the parts of its score.

use super::super::eligible::{Rejection, unfit};
use super::super::location::locations;
use super::super::placement::belongs_on;
use super::super::preference::moves_to;
use super::super::survey::Survey;
use crate::config::Primitive;
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use serde::{Deserialize, Serialize};

/// The rule of what wants to stay where it runs.
pub(super) const STICKINESS: &str = "resource-stickiness";

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Which rule: `location l1`, `stickiness`, `move`, or a rejection in words.
    pub rule: String,
    /// How much.
    pub score: Score,
}

/// The parts of what a resource scores on a node.
pub(in crate::planner) fn terms(
    state: &Survey<'_>,
    id: &ResourceId,
    primitive: &Primitive,
    node: &NodeId,
    with_wishes: bool,
) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut add = |rule: String, score: Score| terms.push(Term { rule, score });
    match unfit(state, id, primitive, node) {
        // It is among the locations below.
        None | Some(Rejection::Location(_)) => {}
        Some(rejection) => add(rejection.to_string(), Score::NEG_INFINITY),
    }
    for (name, score) in locations(state, id, node) {
        add(format!("location {name}"), score);
    }
    // Where it forbids, it is a rejection, or the node a last resort.
    if let Some((score, why)) = state.health(id, node).filter(|(score, _)| !score.forbids()) {
        add(format!("node health ({why})"), score);
    }
    if with_wishes && moves_to(state, id, node) {
        add("somebody asked for it to move there".to_owned(), Score::INFINITY);
    }
    if belongs_on(state, id, node) {
        let meta = state.meta(id, primitive);
        add(STICKINESS.to_owned(), meta.stickiness);
    }
    terms
}
