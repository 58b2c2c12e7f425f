//! Which instances of a promotable clone are promoted and demoted: the scheduler says where, by the scores that agents set.
//!
//! A demotion comes before every stop of what is promoted. Nothing is promoted beside what may be promoted elsewhere; `apply`
//! checks that itself.

use super::Blocked;
use super::actions::Draft;
use super::location::promotion_locations;
use super::model::leader;
use super::placement::Wanted;
use super::survey::Survey;
use crate::config::{OnFail, Primitive, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::planted::{Mistake, planted};
use crate::score::Score;
use crate::state::{ActionKind, Activity, ClusterState, Intent, NewAction, NodeState, Seen, Standing, TicketHold};
use std::collections::BTreeSet;

impl Draft<'_> {
    /// What is to be done about the roles of a promotable clone, once its starts and stops are drafted.
    pub(super) fn roles(&mut self, id: &ResourceId, want: &Wanted, promoted: &BTreeSet<NodeId>) -> Vec<Blocked> {
        let state = self.state;
        let Wanted::Each(each) = want else { return Vec::new() };
        let mut blocked = Vec::new();
        for (node, at) in &state.nodes {
            let is_drafted = self.actions.iter().any(|action| action.resource == *id && action.node == *node);
            let stays = each.get(node).is_some_and(|here| here.place().is_some());
            if is_drafted || !stays || !at.is_online() || at.intent == Intent::Maintenance {
                continue;
            }
            let Some(activity) = state.activity(id, node).filter(|activity| activity.is_at_rest()) else { continue };
            match (&activity.seen, promoted.contains(node)) {
                (Seen::Failed(_), _) if self.is_only_demoted(id, node, activity) => {
                    let why = "it failed as the promoted one, and its on-fail is demote".to_owned();
                    self.add(ActionKind::Demote, id, node, why, Vec::new());
                }
                (Seen::Promoted, false) => {
                    let why = why_not(state, id, node);
                    self.add(ActionKind::Demote, id, node, why, Vec::new());
                }
                (Seen::Running, true) if state.standing(id, node) == Standing::Active => {
                    blocked.extend(self.promote(id, node));
                }
                _ => {}
            }
        }
        blocked
    }

    /// Promotes, where nothing is in the way that may be promoted too; what is there and works goes first by itself.
    fn promote(&mut self, id: &ResourceId, node: &NodeId) -> Option<Blocked> {
        let state = self.state;
        let others = state.nodes.keys().filter(|other| *other != node && state.may_be_promoted(id, other));
        let planned = self.find(ActionKind::Promote, id).len();
        let mut others: Vec<&NodeId> = others.collect();
        if others.len() + planned < state.promotions(id) || planted(Mistake::PromoteUnchecked) {
            self.add(ActionKind::Promote, id, node, why(state, id, node), Vec::new());
            return None;
        }
        others.retain(|other| !state.nodes.get(*other).is_some_and(NodeState::is_online));
        let silent = others.first()?;
        let why =
            format!("it may be promoted on {silent}: its promotion on {node} waits for the proof that {silent} is off");
        Some(Blocked { resource: id.clone(), why, mend: None })
    }

    fn is_only_demoted(&self, id: &ResourceId, node: &NodeId, activity: &Activity) -> bool {
        let config = &self.state.config;
        let spec =
            self.state.definition(id, node).map(|it| it.operation(activity.failed_operation(), &config.op_defaults));
        spec.is_some_and(|spec| spec.on_fail == OnFail::Demote)
    }

    /// What is to be stopped is not promoted before.
    pub(super) fn promote_what_stays(&mut self) {
        let is_stopped = |promotion: &NewAction| {
            let stops = self.actions.iter().filter(|action| action.kind == ActionKind::Stop);
            stops.into_iter().any(|stop| stop.resource == promotion.resource && stop.node == promotion.node)
        };
        let promotions = (0_u32..).zip(&self.actions).filter(|(_, action)| action.kind == ActionKind::Promote);
        let late: Vec<u32> = promotions.filter(|(_, it)| is_stopped(it)).map(|(place, _)| place).collect();
        self.left_out.extend(late);
    }

    /// What is promoted is demoted before it is stopped; what waits for its stop comes with the plan after that.
    pub(super) fn demote_before_stops(&mut self) {
        let is_promoted = |id: &ResourceId, node: &NodeId| {
            let activity = self.state.activity(id, node);
            activity.is_some_and(|activity| activity.seen == Seen::Promoted && activity.is_at_rest())
        };
        let turned: Vec<u32> = (0_u32..)
            .zip(&self.actions)
            .filter(|(_, action)| action.kind == ActionKind::Stop && is_promoted(&action.resource, &action.node))
            .map(|(place, _)| place)
            .collect();
        for place in &turned {
            self.actions[*place as usize].kind = ActionKind::Demote;
        }
        let waits = |action: &NewAction| action.after_new.iter().any(|before| turned.contains(before));
        let waiting: Vec<u32> =
            (0_u32..).zip(&self.actions).filter(|(_, it)| waits(it)).map(|(place, _)| place).collect();
        self.left_out.extend(waiting);
    }
}

/// The score that its agent gave an instance for its promotion on a node; of a group all that its members' agents gave.
fn score(state: &ClusterState, id: &ResourceId, node: &NodeId) -> Option<String> {
    let together = state.config.shorthand.promoted_together(id).filter(|parts| parts.len() > 1);
    match together {
        Some(parts) => score_together(state, parts, node).map(|score| score.to_string()),
        None => own_score(state, id, node).map(str::to_owned),
    }
}

/// What these want together.
pub(super) fn score_together(state: &ClusterState, parts: &[ResourceId], node: &NodeId) -> Option<Score> {
    let scores = parts.iter().filter_map(|part| own_score(state, part, node)?.parse::<Score>().ok());
    scores.reduce(|sum, score| sum + score)
}

fn own_score<'s>(state: &'s ClusterState, id: &ResourceId, node: &NodeId) -> Option<&'s str> {
    let of = |name: String| {
        let lasting = || state.config.nodes.get(node).and_then(|config| config.attributes.get(&name));
        let passing = state.attributes.get(node).and_then(|attributes| attributes.get(&name));
        passing.or_else(lasting).map(String::as_str)
    };
    of(format!("master-{id}")).or_else(|| of(format!("promotion-{id}")))
}

fn why(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> String {
    let said = by_location(state, id, node);
    match score(state, id, node) {
        Some(score) => format!("its promotion score there is {score}{said}, and none that may be promoted has more"),
        None => format!("a constraint wants it promoted there{said}"),
    }
}

/// What locations of the promoted role say there.
fn by_location(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> String {
    let said = promotion_locations(state, leader(state, id), node).into_iter();
    said.map(|(name, score)| format!(", with {score} by location {name}")).collect()
}

fn why_not(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> String {
    let primitive = state.config.primitives.get(id);
    let meta = primitive.map(|it| state.meta(id, it));
    if meta.is_some_and(|meta| meta.target_role == TargetRole::Unpromoted) {
        return "its target-role is Unpromoted".to_owned();
    }
    if let TicketHold::Unpromoted(why) = state.ticket_hold(id) {
        return why;
    }
    if let Some((name, _)) =
        promotion_locations(state, leader(state, id), node).into_iter().find(|(_, score)| score.forbids())
    {
        return format!("location {name} forbids it there");
    }
    let said = by_location(state, id, node);
    match score(state, id, node) {
        Some(score) => format!("its promotion score there is {score}{said}, and others have more"),
        None => "it has no promotion score there: its agent does not want it promoted".to_owned(),
    }
}

/// Why an instance is, or is not, to be promoted on a node; for people. Nothing of what is no promotable clone.
pub(super) fn of_role(state: &Survey<'_>, id: &ResourceId, node: &NodeId, is_promoted: bool) -> Option<String> {
    state.config.primitives.get(id).filter(|primitive| Primitive::is_promotable(primitive))?;
    Some(match is_promoted {
        true => format!("promoted: {}", why(state, id, node)),
        false => format!("not promoted: {}", why_not(state, id, node)),
    })
}
