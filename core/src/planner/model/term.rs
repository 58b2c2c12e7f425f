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
use std::fmt;

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
    each(state, (id, primitive), node, with_wishes, |rule, score| terms.push(Term { rule: rule.to_string(), score }));
    terms
}

/// What it scores there: the sum of these parts.
pub(super) fn sum(state: &Survey<'_>, of: (&ResourceId, &Primitive), node: &NodeId, with_wishes: bool) -> Score {
    let mut sum = Score::ZERO;
    each(state, of, node, with_wishes, |_, score| sum = sum + score);
    sum
}

/// Tells each part; a rule is put in words only where they are asked for.
fn each(
    state: &Survey<'_>,
    (id, primitive): (&ResourceId, &Primitive),
    node: &NodeId,
    with_wishes: bool,
    mut add: impl FnMut(fmt::Arguments<'_>, Score),
) {
    match unfit(state, id, primitive, node) {
        // It is among the locations below.
        None | Some(Rejection::Location(_)) => {}
        Some(rejection) => add(format_args!("{rejection}"), Score::NEG_INFINITY),
    }
    for (name, score) in locations(state, id, node) {
        add(format_args!("location {name}"), score);
    }
    // Where it forbids, it is a rejection, or the node a last resort.
    if let Some((score, why)) = state.health(id, node).filter(|(score, _)| !score.forbids()) {
        add(format_args!("node health ({why})"), score);
    }
    if with_wishes && moves_to(state, id, node) {
        add(format_args!("somebody asked for it to move there"), Score::INFINITY);
    }
    if belongs_on(state, id, node) {
        let meta = state.meta(id, primitive);
        add(format_args!("{STICKINESS}"), meta.stickiness);
        if state.is_restless(id) {
            add(format_args!("it came and went again and again: no wish calls it away"), Score::INFINITY);
        }
    }
}
