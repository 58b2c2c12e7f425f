//! What the planner thinks of one resource: where it should be and why, and what each node is to it. For people.

use super::eligible::Rejection;
use super::location::{DateRule, date_rules};
use super::model::{How, Term, last_resort, place, terms};
use super::placement::{self, Wanted};
use super::room::shortage;
use super::survey::Survey;
use super::{Blocked, Plan, plan};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{ClusterState, TicketHold};
use std::collections::{BTreeMap, BTreeSet};

/// One resource, as it was decided on.
#[derive(Clone, Debug)]
pub struct Standpoint {
    /// Where it should be.
    pub place: Option<NodeId>,
    /// Of a clone, every node where it should be.
    pub instances: Option<BTreeSet<NodeId>>,
    /// Of a promotable clone, every node where it should be promoted.
    pub promoted: BTreeSet<NodeId>,
    /// Why there, or why nowhere.
    pub why: String,
    /// What holds it up.
    pub blocked: Vec<Blocked>,
    /// No place is looked for: nobody touches it, it should not run, or its node keeps it.
    pub is_settled: bool,
    /// What it scores, with what others have a say in.
    pub scores: BTreeMap<NodeId, Score>,
    /// The parts of its own score.
    pub terms: BTreeMap<NodeId, Vec<Term>>,
    /// Nodes that only count when there is no other, and why.
    pub last_resorts: BTreeMap<NodeId, String>,
    /// Nodes that have no room for it, when all is placed.
    pub shortages: BTreeMap<NodeId, Rejection>,
    /// Rules that ask the time.
    pub dates: Vec<DateRule>,
    /// Of every clone, where it should be, and where promoted.
    pub clones: BTreeMap<ResourceId, (BTreeSet<NodeId>, BTreeSet<NodeId>)>,
    /// Where every resource should be.
    pub places: BTreeMap<ResourceId, Option<NodeId>>,
}

/// What the planner thinks of a configured resource.
pub fn standpoint(state: &ClusterState, id: &ResourceId) -> Option<Standpoint> {
    let state = &Survey::of(state);
    let primitive = state.config.primitives.get(id)?;
    let mut scratch = Plan::default();
    let (wanted, _) = placement::place(state, &mut scratch);
    let (sketch, assigned) = place(state, How::default());
    let rsc = *sketch.resources.get(id)?;
    let scores = &assigned.resources[rsc].scores;
    let (place, why) = match wanted.get(id)? {
        Wanted::On(node, why) => (Some(node.clone()), why.clone()),
        Wanted::Stopped(why) => (None, why.clone()),
        Wanted::Each(_) => (None, "a clone has an instance wherever it may, up to its clone-max".to_owned()),
        Wanted::HandsOff => match state.ticket_hold(id) {
            TicketHold::Frozen(why) => (None, format!("nobody touches it: {why}, and its loss-policy is freeze")),
            _ => (None, "nobody touches it: it is not managed, or in maintenance".to_owned()),
        },
    };
    let resource = &sketch.model.resources[rsc];
    let is_settled = !resource.is_managed || resource.target.is_some();
    let wanted_none = place.is_none();
    let own = |node: &NodeId| terms(state, id, primitive, node, true);
    Some(Standpoint {
        place,
        promoted: scratch.report.promoted.get(id).cloned().unwrap_or_default(),
        instances: primitive.clone_spec().map(|_| wanted.get(id).map(Wanted::places).unwrap_or_default()),
        why,
        blocked: plan(state).report.blocked.into_iter().filter(|blocked| blocked.resource == *id).collect(),
        is_settled,
        scores: sketch
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(ix, node)| Some((node.clone(), scores.get(ix)?)))
            .collect(),
        shortages: sketch
            .nodes
            .iter()
            .enumerate()
            .filter(|(ix, _)| wanted_none || scores.get(*ix).is_some_and(Score::forbids))
            .filter_map(|(_, node)| Some((node.clone(), shortage(&sketch, &assigned, rsc, node)?)))
            .collect(),
        terms: sketch.nodes.iter().map(|node| (node.clone(), own(node))).collect(),
        last_resorts: sketch
            .nodes
            .iter()
            .filter_map(|node| Some((node.clone(), last_resort(state, id, node)?)))
            .collect(),
        dates: date_rules(state, id),
        clones: wanted
            .iter()
            .filter(|(_, wanted)| matches!(wanted, Wanted::Each(_)))
            .map(|(id, wanted)| {
                (id.clone(), (wanted.places(), scratch.report.promoted.get(id).cloned().unwrap_or_default()))
            })
            .collect(),
        places: wanted
            .into_iter()
            .filter(|(_, wanted)| !matches!(wanted, Wanted::Each(_)))
            .map(|(id, wanted)| (id, wanted.place()))
            .collect(),
    })
}
