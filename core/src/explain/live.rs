//! The live cluster: the planner's own rules and words, and trials on copies of the state.

use super::change::{Budget, rise};
use super::{Change, Explanation, LastMove, NodeReason, Reason, What};
use crate::config::shorthand::whole;
use crate::config::{Colocation, Discovery, InRole, Location, Primitive};
use crate::id::{NodeId, ResourceId};
use crate::planner::{self, Rejection, Standpoint, unfit};
use crate::score::Score;
use crate::state::{Action, ClusterState, Event, EventKind, Intent, Standing, Ticket};
use std::collections::BTreeSet;

/// Why this VM is where it is; `None` where there is no such VM.
pub fn explain(state: &ClusterState, id: &ResourceId) -> Option<Explanation> {
    let primitive = state.config.primitives.get(id).filter(|primitive| !primitive.is_fence_device())?;
    let standpoint = planner::standpoint(state, id)?;
    let asked = Asked { state, id, primitive, standpoint, budget: Budget::new() };
    Some(Explanation::of(id.as_str(), vec![asked.reason()]))
}

struct Asked<'a> {
    state: &'a ClusterState,
    id: &'a ResourceId,
    primitive: &'a Primitive,
    standpoint: Standpoint,
    budget: Budget,
}

impl Asked<'_> {
    fn reason(&self) -> Reason {
        let Self { state, id, standpoint, .. } = self;
        let nodes: Vec<NodeReason> = state.nodes.keys().map(|node| self.node(node)).collect();
        let runs = state.nodes.keys().filter(|node| matches!(state.standing(id, node), Standing::Active));
        Reason {
            resource: id.as_str().to_owned(),
            runs_on: runs.map(|node| node.as_str().to_owned()).collect(),
            place: standpoint.place.as_ref().map(|node| node.as_str().to_owned()),
            instances_on: standpoint.instances.iter().flatten().map(|node| node.as_str().to_owned()).collect(),
            why: standpoint.why.clone(),
            blocked: standpoint.blocked.clone(),
            would_run: self.would_run(&nodes),
            nodes,
            dates: standpoint.dates.clone(),
            last_move: last_move(state, id),
        }
    }

    fn node(&self, node: &NodeId) -> NodeReason {
        let rule = unfit(self.state, self.id, self.primitive, node);
        let rejection = rule.or_else(|| self.standpoint.shortages.get(node).cloned());
        let is_place = self.is_place(node);
        let score = self.standpoint.scores.get(node).copied();
        let instances = self.standpoint.instances.as_ref();
        let why = match &rejection {
            _ if instances.is_some() => {
                let instance = planner::of_instance(self.state, self.id, self.primitive, node, is_place);
                let is_promoted = self.standpoint.promoted.contains(node);
                let role = planner::of_role(self.state, self.id, node, is_promoted).filter(|_| is_place);
                role.map_or(instance.clone(), |role| format!("{instance}; {role}"))
            }
            _ if is_place => self.standpoint.why.clone(),
            Some(rejection) => rejection.to_string(),
            None => self.less(node, score),
        };
        let change = if is_place || self.standpoint.is_settled { None } else { self.change(node, rejection.as_ref()) };
        let terms = self.standpoint.terms.get(node).cloned().unwrap_or_default();
        NodeReason { node: node.as_str().to_owned(), is_place, score, why, change, terms }
    }

    fn is_place(&self, node: &NodeId) -> bool {
        let of_clone = self.standpoint.instances.as_ref().is_some_and(|instances| instances.contains(node));
        of_clone || self.standpoint.place.as_ref() == Some(node)
    }

    /// Why not on a node where no hard rule forbids it.
    fn less(&self, node: &NodeId, score: Option<Score>) -> String {
        if self.standpoint.is_settled {
            return "it is not looked for a place".to_owned();
        }
        if let Some(last_resort) = self.standpoint.last_resorts.get(node) {
            return format!("only a last resort: {last_resort}");
        }
        let score = score.unwrap_or(Score::NEG_INFINITY);
        if score.forbids() {
            return self.colocation(node).unwrap_or_else(|| "a colocation forbids it".to_owned());
        }
        let best = self.standpoint.place.as_ref();
        let best = best.and_then(|place| Some((place, *self.standpoint.scores.get(place)?)));
        match best {
            Some((place, best)) if best > score => format!("it scores {score}, and {best} on {place}"),
            Some((place, _)) => format!("as good as {place}, which is first by fewest resources, then name"),
            None => format!("it scores {score}"),
        }
    }

    /// The colocation that keeps it from a node.
    fn colocation(&self, node: &NodeId) -> Option<String> {
        let of_it = self.state.config.colocations.iter().filter(|(_, colocation)| colocation.resource == *self.id);
        of_it.into_iter().find_map(|(name, colocation)| {
            if let Some(of_clone) = self.with_a_clone(name, colocation, node) {
                return Some(of_clone);
            }
            let place = self.standpoint.places.get(&colocation.with)?;
            let with = &colocation.with;
            match (colocation.score, place) {
                (Score::INFINITY, Some(place)) if place != node => {
                    Some(format!("colocation {}: it runs with {with}, which is on {place}", whole(name)))
                }
                (Score::INFINITY, None) => {
                    Some(format!("colocation {}: it runs with {with}, which runs nowhere", whole(name)))
                }
                (score, Some(place)) if score.forbids() && place == node => {
                    Some(format!("colocation {}: it does not run with {with}", whole(name)))
                }
                _ => None,
            }
        })
    }

    /// The same, where the other is a clone.
    fn with_a_clone(&self, name: &str, colocation: &Colocation, node: &NodeId) -> Option<String> {
        let with = &colocation.with;
        let (instances, promoted) = self.standpoint.clones.get(with)?;
        let unpromoted: BTreeSet<NodeId> = instances.difference(promoted).cloned().collect();
        let (there, is) = match colocation.with_role {
            None => (instances, "runs"),
            Some(InRole::Promoted) => (promoted, "is promoted"),
            Some(InRole::Unpromoted) => (&unpromoted, "is unpromoted"),
        };
        let all = there.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ");
        let all = if all.is_empty() { "nowhere".to_owned() } else { format!("on {all}") };
        let name = whole(name);
        match (colocation.score, there.contains(node)) {
            (Score::INFINITY, false) => {
                Some(format!("colocation {name}: it must run where {with} {is}, which is {all}"))
            }
            (score, true) if score.forbids() => Some(format!("colocation {name}: it does not run where {with} {is}")),
            _ => None,
        }
    }

    /// What would bring it here: of its score where no rule forbids it, else that the rule goes.
    fn change(&self, node: &NodeId, rejection: Option<&Rejection>) -> Option<Change> {
        let (id, name) = (self.id, node.as_str());
        let Some(rejection) = rejection else {
            let of = |node: &NodeId| self.standpoint.scores.get(node).map_or(0, |score| score.value());
            let behind = self.standpoint.place.as_ref().map_or(0, |place| of(place) - of(node));
            let by = self.budget.rise(behind, |by| self.is_there(node, |state| prefer(state, id, node, by)))?;
            return Some(rise(name, by, Some(format!("qrm configure location {id}-on-{name} {id} {by}: {name}"))));
        };
        if let Rejection::Room { name: of, need, free, .. } = rejection {
            let less = self.need_less(node, of, need - free);
            let more = self.have_more(node, of, (need - free, *need));
            return match less {
                Some(less) => Some(Change { or: more.map(Box::new), ..less }),
                None => more,
            };
        }
        let (what, command) = match rejection {
            Rejection::NotActive(Intent::Standby | Intent::Drain) => (What::Online, format!("qrm node online {name}")),
            Rejection::NotActive(Intent::Maintenance) => (What::Ready, format!("qrm node ready {name}")),
            Rejection::NotLookedFor(rule, Discovery::Never) => {
                (What::Delete { id: rule.clone() }, format!("qrm configure delete {rule}"))
            }
            Rejection::Location(rule) => (What::Delete { id: rule.clone() }, format!("qrm configure delete {rule}")),
            Rejection::Banned(_) => (What::Clear, format!("qrm resource clear {id} {name}")),
            Rejection::TooManyFailures(_) | Rejection::StartFailed(_) | Rejection::CannotWork(_) => {
                (What::Cleanup, format!("qrm resource cleanup {id} {name}"))
            }
            _ => return None,
        };
        let helps = self.budget.spend(|| self.is_there(node, |state| carry_out(state, id, node, &what)));
        let words = format!("{name} would win after: {command}");
        helps.then(|| Change { what, place: name.to_owned(), words, command: Some(command), or: None })
    }

    /// How much less of this it would have to need, to find room here.
    fn need_less(&self, node: &NodeId, name: &str, guess: i64) -> Option<Change> {
        let need: i64 = self.primitive.utilization.get(name)?.trim().parse().ok()?;
        let less = self.budget.least(guess, need, |less| {
            self.is_there(node, |state| {
                if let Some(primitive) = state.config.primitives.get_mut(self.id) {
                    primitive.utilization.insert(name.to_owned(), (need - less).to_string());
                }
                drop_planned(state, |_| true);
            })
        })?;
        let command = format!("qrm configure set {}.{name} {}", self.id, need - less);
        let words = format!("{node} would win if it needed {less} {name} less: {command}");
        let what = What::Need { name: name.to_owned(), less };
        Some(Change { what, place: node.as_str().to_owned(), words, command: Some(command), or: None })
    }

    /// How much more of this the node would have to have; where nothing is said of that, no number is known to be true.
    fn have_more(&self, node: &NodeId, name: &str, (guess, most): (i64, i64)) -> Option<Change> {
        let has: i64 = self.state.config.nodes.get(node)?.utilization.get(name)?.trim().parse().ok()?;
        let more = self.budget.least(guess, most.max(guess), |more| {
            self.is_there(node, |state| {
                if let Some(config) = state.config.nodes.get_mut(node) {
                    config.utilization.insert(name.to_owned(), has.saturating_add(more).to_string());
                }
                drop_planned(state, |_| true);
            })
        })?;
        let command = format!("qrm configure set {node}.{name} {}", has.saturating_add(more));
        let words = format!("{node} would win if it had {more} {name} more: {command}");
        let what = What::Capacity { name: name.to_owned(), more };
        Some(Change { what, place: node.as_str().to_owned(), words, command: Some(command), or: None })
    }

    /// Whether it would be placed here after a change.
    fn is_there(&self, node: &NodeId, change: impl FnOnce(&mut ClusterState)) -> bool {
        let mut state = self.state.clone();
        change(&mut state);
        let report = planner::plan(&state).report;
        let has_instance = || report.clones.get(self.id).is_some_and(|instances| instances.contains(node));
        report.placement.get(self.id) == Some(node) || has_instance()
    }

    /// What would make it run where it does not.
    fn would_run(&self, nodes: &[NodeReason]) -> Option<Change> {
        if self.state.nodes.keys().any(|node| self.is_place(node)) {
            return None;
        }
        if let Some(change) = nodes.iter().find_map(|node| node.change.clone()) {
            return Some(would_run(change));
        }
        let mut state = self.state.clone();
        if state.ticket_hold(self.id).stops().is_some() {
            return self.with_tickets(state.ticket_mend(self.id)?);
        }
        let primitive = state.config.primitives.get_mut(self.id)?;
        primitive.meta.insert("target-role".to_owned(), "Started".to_owned());
        drop_planned(&mut state, |_| true);
        let report = planner::plan(&state).report;
        let first = || report.clones.get(self.id).and_then(|instances| instances.first());
        let place = report.placement.get(self.id).or_else(first)?.as_str().to_owned();
        let command = format!("qrm resource start {}", self.id);
        let words = format!("it would run on {place} after: {command}");
        Some(Change { what: What::Start, place, words, command: Some(command), or: None })
    }

    /// It would run if this cluster held the tickets that it needs.
    fn with_tickets(&self, command: String) -> Option<Change> {
        let mut state = self.state.clone();
        for need in self.state.config.shorthand.needs.get(self.id).into_iter().flatten() {
            state.tickets.insert(need.ticket.clone(), Ticket { granted: true, ..Ticket::default() });
        }
        drop_planned(&mut state, |_| true);
        let report = planner::plan(&state).report;
        let first = || report.clones.get(self.id).and_then(|instances| instances.first());
        let place = report.placement.get(self.id).or_else(first)?.as_str().to_owned();
        let words = format!("it would run on {place} after: {command}");
        Some(Change { what: What::Ticket, place, words, command: Some(command), or: None })
    }
}

/// In words about the resource, which runs nowhere, and not about the node.
fn would_run(change: Change) -> Change {
    let (wins, place) = (format!("{} would win", change.place), &change.place);
    let runs = match change.what {
        What::Capacity { .. } => format!("it would run on {place} if {place} had"),
        _ => "it would run".to_owned(),
    };
    let wins = if matches!(change.what, What::Capacity { .. }) { format!("{wins} if it had") } else { wins };
    let words = change.words.replacen(&wins, &runs, 1);
    Change { words, or: change.or.map(|or| Box::new(would_run(*or))), ..change }
}

/// A location of its own is what raises a score.
fn prefer(state: &mut ClusterState, id: &ResourceId, node: &NodeId, score: Score) {
    let location =
        Location { resource: id.clone(), score, node: node.clone(), role: None, discovery: Discovery::Always };
    // No object has a name with a blank in it.
    state.config.locations.insert("what if".to_owned(), location);
    drop_planned(state, |_| true);
}

/// As the command's entry does: what is planned and not begun goes, for it may have been planned for what is not so any more.
fn drop_planned(state: &mut ClusterState, is_touched: impl Fn(&Action) -> bool) {
    state.actions.retain(|_, action| action.claimed || !is_touched(action));
}

fn carry_out(state: &mut ClusterState, id: &ResourceId, node: &NodeId, what: &What) {
    match what {
        What::Online | What::Ready => {
            if let Some(at) = state.nodes.get_mut(node) {
                at.intent = Intent::Active;
            }
            drop_planned(state, |action| action.node == *node);
        }
        What::Delete { id } => {
            state.config.locations.remove(id);
            state.config.shorthand.locations.remove(id);
            state.config.expand();
            drop_planned(state, |_| true);
        }
        What::Clear => {
            if let Some(preferences) = state.preferences.get_mut(id) {
                preferences.remove(node);
            }
            drop_planned(state, |action| action.resource == *id);
        }
        What::Cleanup => {
            if let Some(mut activity) = state.resources.get_mut(id).and_then(|nodes| nodes.get_mut(node)) {
                (activity.failures, activity.last_failure, activity.crashes) = (0, None, 0);
            }
            drop_planned(state, |action| action.resource == *id);
        }
        What::Score { .. } | What::Need { .. } | What::Capacity { .. } | What::Ticket | What::Start => {}
    }
}

/// From the timeline: its last start, stop or migration, and what had become of it before.
fn last_move(state: &ClusterState, id: &ResourceId) -> Option<LastMove> {
    let is_its = |event: &&Event| event.resource.as_ref() == Some(id);
    let begins = |event: &Event| {
        let verbs = ["start ", "stop ", "migrate_to "];
        event.kind == EventKind::Claimed && verbs.iter().any(|verb| event.text.starts_with(verb))
    };
    let (place, last) = state.events.iter().enumerate().rev().find(|(_, event)| is_its(event) && begins(event))?;
    let earlier = || state.events.iter().take(place).rev();
    let was = earlier().filter(is_its).find(|event| event.kind == EventKind::Started);
    let end = was.and_then(|was| {
        let ends = [EventKind::Fenced, EventKind::Lost, EventKind::Failed, EventKind::Intent];
        let concerns = |event: &Event| event.resource.as_ref().is_none_or(|resource| resource == id);
        let since = || earlier().take_while(|event| event.number > was.number).filter(|event| event.node == was.node);
        // That it is stopped says less than what its stop was for, and is all there is where it stopped by itself.
        let mut causes = since().filter(|event| concerns(event) && (ends.contains(&event.kind) || begins(event)));
        causes.next().or_else(|| since().filter(is_its).find(|event| event.kind == EventKind::Stopped))
    });
    Some(LastMove { at: last.at, why: last.text.clone(), before: end.map(|event| event.text.clone()) })
}
