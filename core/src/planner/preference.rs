//! Moves and bans in the plan: what they prefer, and when a move has done what it was for.

use crate::config::Primitive;
use crate::id::{NodeId, ResourceId};
use crate::state::{ClusterState, Ended, Intent, Liveness, Preference, Standing, Wish};

use super::eligible::{Rejection, unfit};
use super::placement::runs_on;
use super::survey::Survey;

/// What is wished of this resource on this node, unless its lifetime is over.
pub(super) fn of<'s>(state: &'s ClusterState, id: &ResourceId, node: &NodeId) -> Option<&'s Preference> {
    state.preferences.get(id)?.get(node).filter(|preference| !preference.is_over(state.now))
}

/// Whether its move prefers this node.
pub(super) fn moves_to(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    of(state, id, node).is_some_and(|preference| preference.wish == Wish::Move)
}

/// Whether its move leads away from this node.
pub(super) fn leaves(state: &ClusterState, id: &ResourceId, node: &NodeId) -> bool {
    of(state, id, node).is_some_and(|preference| preference.wish == Wish::Leave)
}

pub(super) fn is_drained(state: &ClusterState, node: &NodeId) -> bool {
    state.nodes.get(node).is_some_and(|at| at.intent == Intent::Drain)
}

/// Why what runs on a node should leave it, and stays only where it has no other place.
pub(super) fn drained(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> Option<String> {
    match state.node(node).is_some_and(|at| at.intent == Intent::Drain) {
        true => Some("drained".to_owned()),
        false => state.unhealthy(id, node).map(|why| format!("not well ({why})")),
    }
}

/// The move of a resource that is under way, if there is one.
pub(super) fn moving<'s>(state: &'s ClusterState, id: &ResourceId) -> Option<(&'s NodeId, &'s Preference)> {
    let wishes = state.preferences.get(id)?.iter();
    wishes.filter(|(_, wish)| !wish.is_over(state.now)).find(|(_, wish)| wish.wish != Wish::Ban)
}

/// Whether a move has ended: `stays` says where the resource would be without it.
pub(super) fn ended(
    state: &Survey<'_>,
    id: &ResourceId,
    primitive: &Primitive,
    stays: impl FnOnce() -> Option<NodeId>,
) -> Option<Ended> {
    let (node, preference) = moving(state, id).filter(|(_, preference)| preference.until.is_none())?;
    let end = |why| Some(Ended { resource: id.clone(), node: node.clone(), at: preference.at, why });
    if preference.wish == Wish::Move
        && let Some(why) = hopeless(state, id, primitive, node)
    {
        return end(format!("it cannot run there ({why})"));
    }
    let mut places = state.nodes.keys().filter(|at| state.standing(id, at) != Standing::NotActive);
    let (Some(place), None) = (places.next(), places.next()) else { return None };
    let is_there = (place == node) == (preference.wish == Wish::Move);
    if !is_there || !runs_on(state, id, place) {
        return None;
    }
    if stays().as_ref() == Some(place) { end(format!("it runs on {place} and stays there")) } else { None }
}

/// Why a move to this node does not come about before something else changes; a node that is silent for a moment is
/// waited for.
fn hopeless(state: &Survey<'_>, id: &ResourceId, primitive: &Primitive, node: &NodeId) -> Option<Rejection> {
    unfit(state, id, primitive, node).filter(|why| match why {
        Rejection::NotOnline(Liveness::Suspect | Liveness::DaemonGone) | Rejection::Banned(_) => false,
        Rejection::NotActive(_) => !runs_on(state, id, node),
        _ => true,
    })
}
