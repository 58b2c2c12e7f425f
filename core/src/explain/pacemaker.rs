//! A model from a Pacemaker CIB: trials are made on copies of it.

use super::change::{Budget, rise};
use super::{Change, Explanation, NodeReason, Reason, What};
use crate::scheduler::{self, Model, NodeIx, Outcome, Placement, Role, RscIx};
use crate::score::Score;
use std::sync::Arc;

/// Why a resource of the model is where it would be; `None` where there is no such resource.
pub fn explain(model: &Model, id: &str) -> Option<Explanation> {
    let named = |rsc: &RscIx| model.resources[*rsc].id == id || model.resources[*rsc].base == id;
    let rsc = (0..model.resources.len()).find(named)?;
    let parts = match model.clone_of(rsc) {
        // Instances are told together.
        Some((clone, _)) => model.primitives(clone),
        None => model.primitives(rsc),
    };
    let budget = Budget::new();
    let assigned = scheduler::assign(model);
    let outcome = scheduler::schedule(model.clone());
    let reasons =
        parts.into_iter().map(|rsc| Asked { model, rsc, assigned: &assigned, budget: &budget }.reason(&outcome));
    Some(Explanation::of(id, reasons.collect()))
}

struct Asked<'a> {
    model: &'a Model,
    rsc: RscIx,
    assigned: &'a Model,
    budget: &'a Budget,
}

impl Asked<'_> {
    fn reason(&self, outcome: &Outcome) -> Reason {
        let resource = &self.model.resources[self.rsc];
        let place = self.place();
        let nodes: Vec<NodeReason> = (0..self.model.nodes.len()).map(|node| self.node(node)).collect();
        let action = outcome.steps.iter().find(|step| step.instances.contains(&resource.id));
        let why = match place {
            Some(place) => self.why_here(place),
            None => self.why_nowhere(),
        };
        let held = action.map(|step| format!("{} on {}: {}", step.op, step.node, step.reason));
        Reason {
            resource: resource.id.clone(),
            runs_on: resource.active_on.iter().map(|node| self.name(*node)).collect(),
            place: place.map(|node| self.name(node)),
            why: held.map_or(why.clone(), |held| format!("{why}; {held}")),
            would_run: self.would_run(),
            nodes,
            ..Reason::default()
        }
    }

    fn place(&self) -> Option<NodeIx> {
        let resource = &self.assigned.resources[self.rsc];
        resource.assigned.filter(|_| resource.next != Role::Stopped)
    }

    fn name(&self, node: NodeIx) -> String {
        self.model.nodes[node].name.clone()
    }

    fn why_here(&self, place: NodeIx) -> String {
        let (resource, name) = (&self.model.resources[self.rsc], self.name(place));
        if !resource.is_managed {
            return format!("it is not managed, and stays on {name}");
        }
        let score = self.assigned.resources[self.rsc].scores.or_never(place);
        let scores = self.assigned.resources[self.rsc].scores.iter();
        let equals = scores.filter(|(node, other)| *other == score && self.model.nodes[*node].is_available()).count();
        match equals {
            0 | 1 => format!("{name} scores {score}"),
            _ => format!("{name} is first among equals at {score}"),
        }
    }

    fn why_nowhere(&self) -> String {
        let resource = &self.model.resources[self.rsc];
        if resource.is_orphan {
            "it is not configured any more".to_owned()
        } else if resource.target == Some(Role::Stopped) {
            "its target-role is Stopped".to_owned()
        } else if resource.next == Role::Stopped {
            "it is to be stopped after a failure, or a ticket is missing".to_owned()
        } else if self.model.options.stop_all {
            "stop-all-resources is set".to_owned()
        } else if !resource.is_managed {
            "it is not managed".to_owned()
        } else {
            "no node may run it".to_owned()
        }
    }

    fn node(&self, node: NodeIx) -> NodeReason {
        let is_place = self.place() == Some(node);
        let score = self.assigned.resources[self.rsc].scores.get(node);
        let why = if is_place { self.why_here(node) } else { self.why_not(node, score) };
        let change = if is_place || !self.is_open() { None } else { self.change(node, score) };
        NodeReason { node: self.name(node), is_place, score, why, change, terms: Vec::new() }
    }

    /// Whether a place is looked for at all.
    fn is_open(&self) -> bool {
        let resource = &self.model.resources[self.rsc];
        let is_to_run = resource.next != Role::Stopped && resource.target != Some(Role::Stopped);
        resource.is_managed && is_to_run && !resource.is_orphan && !self.model.options.stop_all
    }

    fn why_not(&self, node: NodeIx, score: Option<Score>) -> String {
        let at = &self.model.nodes[node];
        let own = self.model.resources[self.rsc].scores.get(node);
        let rules = [
            (!at.is_online, "the node is offline"),
            (at.is_unclean, "what the node does is not known: it has to be fenced"),
            (at.is_standby, "the node is in standby"),
            (at.is_maintenance, "the node is in maintenance"),
            (at.is_shutting_down, "the node shuts down"),
            (!self.is_open(), "it is not looked for a place"),
            (own.is_none(), "the cluster is opt-in, and no location names it here"),
            (own.is_some_and(Score::forbids), "a location or its failures there forbid it"),
        ];
        if let Some((_, rule)) = rules.iter().find(|(holds, _)| *holds) {
            return (*rule).to_owned();
        }
        let score = score.unwrap_or(Score::NEG_INFINITY);
        if score.forbids() {
            return self.full(node).or_else(|| self.colocation(node)).unwrap_or_else(|| {
                "what it must run with is elsewhere, or what it must not run with is there".to_owned()
            });
        }
        let best = self.place().map(|place| (place, self.assigned.resources[self.rsc].scores.or_never(place)));
        match best {
            _ if score < Score::ZERO => format!("it scores {score}, and runs nowhere where it scores less than 0"),
            Some((place, best)) if best > score => format!("it scores {score}, and {best} on {}", self.name(place)),
            Some((place, _)) => format!("as good as {}, which has less to do or comes first by name", self.name(place)),
            None => format!("it scores {score}"),
        }
    }

    /// What it needs and the node has not, when all is placed.
    fn full(&self, node: NodeIx) -> Option<String> {
        if self.model.options.placement == Placement::Default {
            return None;
        }
        let room = &self.assigned.nodes[node].capacity;
        let mut needs = self.model.resources[self.rsc].utilization.iter();
        needs.find_map(|(name, need)| {
            let free = room.get(name).copied().unwrap_or(0);
            (free < *need).then(|| format!("it needs {need} {name}, and {free} are free"))
        })
    }

    fn colocation(&self, node: NodeIx) -> Option<String> {
        let of_it = self.model.colocations.iter().filter(|colocation| colocation.resource == self.rsc);
        of_it.into_iter().find_map(|colocation| {
            let with = &self.assigned.resources[colocation.with];
            let (name, other) = (&colocation.id, &with.id);
            match with.assigned {
                Some(place) if colocation.score == Score::INFINITY && place != node => {
                    Some(format!("colocation {name}: it runs with {other}, which is on {}", self.name(place)))
                }
                None if colocation.score == Score::INFINITY => {
                    Some(format!("colocation {name}: it runs with {other}, which runs nowhere"))
                }
                Some(place) if colocation.score.forbids() && place == node => {
                    Some(format!("colocation {name}: it does not run with {other}"))
                }
                _ => None,
            }
        })
    }

    /// By how much its score here would have to rise: as one more location of it would.
    fn change(&self, node: NodeIx, score: Option<Score>) -> Option<Change> {
        let own = self.model.resources[self.rsc].scores.get(node)?;
        if own.forbids() || !self.model.nodes[node].is_available() {
            return None;
        }
        let best = self.place().map_or(0, |place| self.assigned.resources[self.rsc].scores.or_never(place).value());
        let behind = best - score.map_or(0, |score| score.value());
        let by = self
            .budget
            .rise(behind, |by| self.tried(|model| model.resources[self.rsc].scores.add(node, by)) == Some(node))?;
        Some(rise(&self.name(node), by, None))
    }

    fn tried(&self, change: impl FnOnce(&mut Model)) -> Option<NodeIx> {
        let mut model = self.model.clone();
        change(&mut model);
        let assigned = scheduler::assign(&model);
        Asked { assigned: &assigned, ..*self }.place()
    }

    /// How much less it would have to need, to find room.
    fn would_run(&self) -> Option<Change> {
        if self.place().is_some() || !self.is_open() || self.model.options.placement == Placement::Default {
            return None;
        }
        let resource = &self.model.resources[self.rsc];
        resource.utilization.iter().filter(|(_, need)| **need > 0).find_map(|(name, need)| {
            let place = |less: i64| {
                self.tried(|model| {
                    _ = Arc::make_mut(&mut model.resources[self.rsc].utilization).insert(name.clone(), need - less)
                })
            };
            let most_free = self.assigned.nodes.iter().filter_map(|node| node.capacity.get(name)).max();
            let less =
                self.budget.least(need - most_free.copied().unwrap_or(0), *need, |less| place(less).is_some())?;
            let place = self.name(place(less)?);
            let words = format!("it would run on {place} if it needed {less} {name} less");
            Some(Change { what: What::Need { name: name.clone(), less }, place, words, command: None, or: None })
        })
    }
}
