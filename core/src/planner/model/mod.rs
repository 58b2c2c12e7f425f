//! The live cluster as the scheduler's `Model`: what is configured, observed and asked for, in its terms. Pure.
//!
//! What the live cluster knows beyond Pacemaker (a drain, a quarantine, a move without a target, of several copies the
//! first) are places that come before others whatever they score: see `rank`. The scheduler only decides where; what
//! leads there, and when, is `actions`'s to say.

mod bond;
mod clone;
mod constraint;
mod node;
mod rank;
mod resource;
mod term;
mod together;

pub(super) use rank::last_resort;
pub use term::Term;
pub(super) use term::terms;
pub(super) use together::leader;

use super::any::any_of;
use super::survey::{Needs, Survey};
use crate::config::{Order, OrderKind, OrderTask};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{self, Model, NodeIx, Options, OrderForce, Placement, RscIx, Scores, Task};
use crate::score::Score;
use crate::state::{ActionKind, ClusterState};
use rank::Ranks;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How the model is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How<'a> {
    /// As if nobody had asked for this one to move.
    pub(super) without_wishes_of: Option<&'a ResourceId>,
    /// Fences that are decided and not carried out yet count as if the node were lost by now.
    pub(super) ahead: bool,
}

/// The model, and which of its places is what.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// The scheduler's input.
    pub model: Model,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// Its resources.
    pub resources: BTreeMap<ResourceId, RscIx>,
    /// What should run, and must not because of what does not come before it; in words.
    pub waits_for: BTreeMap<ResourceId, String>,
    /// What should be promoted, and must not for the same reason.
    waits_to_promote: BTreeSet<ResourceId>,
    /// What every node scores for whoever needs this of it and has nothing to do with it.
    bare: Vec<(Needs, Scores)>,
    bare_ranks: Vec<i8>,
    /// What each scores, whatever comes before what.
    full: Vec<Scores>,
    ranks: BTreeMap<RscIx, Ranks>,
    /// Where starts are planned or under way.
    starting: BTreeMap<ResourceId, NodeIx>,
}

/// The whole cluster in the scheduler's terms, as it would be asked about a transition from here.
pub fn model(state: &ClusterState) -> Sketch {
    place(&Survey::of(state), How { ahead: true, ..How::default() }).0
}

/// The model in which every place counts that has to, and the same with everything assigned.
pub(super) fn place(state: &Survey<'_>, how: How<'_>) -> (Sketch, Model) {
    let mut sketch = Sketch::new(state, how);
    loop {
        let assigned = scheduler::assign(&sketch.model);
        if sketch.let_in_one_by_one(&assigned) {
            continue;
        }
        if let Some(wider) = sketch.let_in_together(&assigned).or_else(|| sketch.let_stay(&assigned)) {
            sketch = wider;
            continue;
        }
        if !sketch.promote_together(state, &assigned) && !sketch.keep_what_misses_another(state, &assigned) {
            return (sketch, assigned);
        }
    }
}

impl Sketch {
    fn new(state: &Survey<'_>, how: How<'_>) -> Self {
        let properties = state.properties();
        let options = Options {
            fences: properties.stonith_enabled,
            maintenance: properties.maintenance_mode,
            // It would move what runs for a wish that nobody has.
            foes_of_foes_draw: false,
            fences_for_what_is_managed: false,
            // Between its stop and its start one would come in another turn, and find another place than it was stopped for;
            // and `minimal` is to fill one node after another.
            sorts_by_scores: false,
            placement: properties.placement,
            now: i64::try_from(state.now.0 / 1000).unwrap_or(i64::MAX),
            ..Options::default()
        };
        let mut sketch = Self {
            model: Model { options, ..Model::default() },
            nodes: state.nodes.keys().cloned().collect(),
            resources: BTreeMap::new(),
            waits_for: BTreeMap::new(),
            waits_to_promote: BTreeSet::new(),
            bare: Vec::new(),
            bare_ranks: rank::bare_ranks(state),
            full: Vec::new(),
            ranks: BTreeMap::new(),
            starting: BTreeMap::new(),
        };
        let starts = state.actions.values().filter(|action| action.kind == ActionKind::Start);
        sketch.starting =
            starts.filter_map(|start| Some((start.resource.clone(), sketch.node(&start.node)?))).collect();
        sketch.add_nodes(state, how);
        let bonds = bond::bonds(state);
        sketch.add_resources(state, how, &bonds);
        sketch.add_limits(state);
        sketch.add_constraints(state, &bonds);
        sketch.add_scores_together(state);
        sketch.sort_top(state);
        sketch
    }

    fn sort_top(&mut self, state: &Survey<'_>) {
        let depths = self.depths();
        let mut top: Vec<(&ResourceId, RscIx)> = self.resources.iter().map(|(id, rsc)| (id, *rsc)).collect();
        let priority = |id: &ResourceId| state.primitive(id).map_or(0, |it| state.meta(id, it).priority);
        // Where capacity counts, what runs and is to stay has its room before what comes; so does what is about to start.
        let counts = self.model.options.placement != Placement::Default;
        let is_limited = |rsc: RscIx| self.model.limits.iter().any(|limit| limit.members.contains(&rsc));
        let comes = |rsc: RscIx| {
            let resource = &self.model.resources[rsc];
            let runs = || resource.active_on.iter().any(|node| self.model.nodes[*node].is_available());
            (counts || is_limited(rsc)) && !runs() && resource.planned_on.is_none()
        };
        top.sort_by_cached_key(|(id, rsc)| (depths[*rsc], Reverse(priority(id)), comes(*rsc), *id));
        self.model.top = top.into_iter().map(|(_, rsc)| rsc).collect();
    }

    /// How many others must be decided before each: what it follows, and what must run before it. A circle of orders ends
    /// where it was entered.
    fn depths(&self) -> Vec<u32> {
        let mut before: Vec<Vec<RscIx>> = vec![Vec::new(); self.model.resources.len()];
        for bond in &self.model.colocations {
            before[bond.resource].push(bond.with);
        }
        let is_upwards = |order: &&scheduler::Order| {
            [order.first, order.then].iter().all(|end| matches!(end.task, Task::Start | Task::Promote))
        };
        let binding = self.model.orders.iter().filter(|order| order.force == OrderForce::Mandatory);
        for order in binding.filter(is_upwards) {
            before[order.then.resource].push(order.first.resource);
        }
        let mut depths: Vec<Option<u32>> = vec![None; before.len()];
        for rsc in 0..before.len() {
            // Each resource with how many of those before it were looked at.
            let mut way = vec![(rsc, 0)];
            while let Some((at, next)) = way.pop() {
                if let Some(&other) = before[at].get(next) {
                    way.push((at, next + 1));
                    if depths[other].is_none() && way.iter().all(|(on_it, _)| *on_it != other) {
                        way.push((other, 0));
                    }
                    continue;
                }
                let known = before[at].iter().filter_map(|other| depths[*other]);
                depths[at] = Some(known.max().map_or(0, |most| most + 1));
            }
        }
        depths.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Of instances that differ a node may have only so many.
    fn add_limits(&mut self, state: &ClusterState) {
        let wide = &state.config.shorthand;
        for clone in wide.groups.values() {
            let Some((_, node_max)) = clone.instances_that_differ() else { continue };
            let instances = clone.members.iter().filter_map(|member| wide.instances(member)).flatten();
            let members: Vec<RscIx> = instances.filter_map(|id| self.resources.get(&id).copied()).collect();
            self.model.limits.push(scheduler::Limit { members, node_max });
        }
    }

    /// How many others of its kind a node has, where it may have no more of them.
    pub(super) fn has_enough_on(&self, assigned: &Model, rsc: RscIx, node: &NodeId) -> Option<usize> {
        let limit = self.model.limits.iter().find(|limit| limit.members.contains(&rsc))?;
        let ix = self.node(node)?;
        let others = limit.members.iter().filter(|other| **other != rsc);
        let there = others.filter(|other| assigned.resources[**other].assigned == Some(ix)).count();
        (there >= limit.node_max).then_some(there)
    }

    pub(super) fn node(&self, id: &NodeId) -> Option<NodeIx> {
        self.nodes.binary_search(id).ok()
    }

    /// Where a resource of the assigned model is.
    pub(super) fn place_of(&self, assigned: &Model, rsc: RscIx) -> Option<&NodeId> {
        assigned.resources[rsc].assigned.and_then(|node| self.nodes.get(node))
    }

    /// Where a resource of the assigned model is, a clone with all its instances.
    pub(super) fn places_of(&self, assigned: &Model, rsc: RscIx) -> BTreeSet<NodeId> {
        let parts = assigned.primitives(rsc).into_iter();
        parts.filter_map(|part| self.place_of(assigned, part).cloned()).collect()
    }

    /// Where a promotable clone of the assigned model is promoted.
    pub(super) fn promoted_of(&self, assigned: &Model, rsc: RscIx) -> BTreeSet<NodeId> {
        let parts = assigned.primitives(rsc).into_iter();
        let promoted = parts.filter(|part| assigned.resources[*part].next == scheduler::Role::Promoted);
        promoted.filter_map(|part| self.place_of(assigned, part).cloned()).collect()
    }

    /// Whether it should run, and the scheduler has a say in where.
    fn is_to_run(&self, rsc: RscIx) -> bool {
        let resource = &self.model.resources[rsc];
        resource.is_managed && !resource.is_orphan && resource.next != scheduler::Role::Stopped
    }

    /// What has one place and none of it; a clone takes what it gets.
    fn unplaced<'m>(&'m self, assigned: &'m Model) -> impl Iterator<Item = RscIx> + 'm {
        let all = 0..self.model.resources.len();
        let is_alone = |rsc: &RscIx| {
            let resource = &self.model.resources[*rsc];
            resource.kind == scheduler::Kind::Primitive && resource.parent.is_none()
        };
        all.filter(is_alone).filter(|rsc| assigned.resources[*rsc].assigned.is_none() && self.is_to_run(*rsc))
    }

    /// What has no place so far may go where it should only go as a last resort; whether anything may.
    fn let_in_one_by_one(&mut self, assigned: &Model) -> bool {
        let unplaced: Vec<RscIx> = self.unplaced(assigned).collect();
        let mut has_changed = false;
        for rsc in unplaced {
            has_changed |= self.let_in(rsc);
        }
        has_changed
    }

    fn let_in(&mut self, rsc: RscIx) -> bool {
        let Some(ranks) = self.ranks.get_mut(&rsc) else { return false };
        let is_wider = ranks.widen();
        if is_wider {
            self.model.resources[rsc].scores = ranks.limited(&self.full[rsc]);
        }
        is_wider
    }

    /// What has no place because what it must be with goes away from its only one, keeps that there too.
    fn let_in_together(&self, assigned: &Model) -> Option<Self> {
        let unplaced: Vec<RscIx> = self.unplaced(assigned).collect();
        unplaced.into_iter().find_map(|rsc| {
            let is_narrow = |partner: &RscIx| self.ranks.get(partner).is_some_and(Ranks::is_narrow);
            let partners: Vec<RscIx> = self.bound_to(rsc).into_iter().filter(is_narrow).collect();
            if partners.is_empty() {
                return None;
            }
            let mut wider = self.clone();
            for partner in partners {
                wider.let_in(partner);
            }
            let is_placed = scheduler::assign(&wider.model).resources[rsc].assigned.is_some();
            is_placed.then_some(wider)
        })
    }

    /// What leaves a node only because another comes before it stays there, where its way would stop what runs well and is no
    /// less important.
    fn let_stay(&self, assigned: &Model) -> Option<Self> {
        let driven = self.driven(assigned);
        let least = driven.iter().map(|rsc| self.model.resources[*rsc].priority).max()?;
        self.ranks.iter().filter(|(_, ranks)| ranks.is_narrow()).find_map(|(rsc, _)| {
            let home = self.model.current(*rsc)?;
            let goes = assigned.resources[*rsc].assigned != Some(home) && self.model.nodes[home].is_available();
            if !goes || self.model.resources[*rsc].priority > least {
                return None;
            }
            let mut wider = self.clone();
            while wider.model.resources[*rsc].scores.or_never(home) < Score::ZERO {
                if !wider.let_in(*rsc) {
                    return None;
                }
            }
            let fewer = wider.driven(&scheduler::assign(&wider.model));
            (fewer.len() < driven.len()).then_some(wider)
        })
    }

    /// What runs where it may stay, and is stopped for others to have its room.
    fn driven(&self, assigned: &Model) -> Vec<RscIx> {
        let is_driven = |rsc: &RscIx| {
            let (resource, after) = (&self.model.resources[*rsc], &assigned.resources[*rsc]);
            let may_stay = |home: NodeIx| self.model.is_available(home, resource.scores.get(home));
            let is_gone = after.is_displaced && !(resource.can_migrate && after.assigned.is_some());
            is_gone && self.model.current(*rsc).is_some_and(may_stay)
        };
        (0..self.model.resources.len()).filter(is_driven).collect()
    }

    /// What must be where it is, directly or not.
    fn bound_to(&self, rsc: RscIx) -> BTreeSet<RscIx> {
        let (mut found, mut open) = (BTreeSet::new(), vec![rsc]);
        while let Some(at) = open.pop() {
            if found.insert(at) {
                let bonds = self.model.colocations.iter().filter(|bond| bond.score == Score::INFINITY);
                open.extend(bonds.filter(|bond| bond.resource == at).map(|bond| bond.with));
            }
        }
        found
    }

    /// What must come after another that has no place does not run, or is not promoted; whether that is news.
    fn keep_what_misses_another(&mut self, state: &Survey<'_>, assigned: &Model) -> bool {
        let mut has_changed = false;
        let binds = |order: &&Order| order.kind == OrderKind::Mandatory && order.requires_all;
        for order in state.config.orders.values().filter(binds) {
            let (first, then) = (self.resources.get(&order.first), self.resources.get(&order.then));
            let (Some(&first), Some(&then)) = (first, then) else { continue };
            if !self.is_missing(assigned, (&order.first, order.first_task), first) || !self.is_to_run(then) {
                continue;
            }
            match order.then_task {
                OrderTask::Start => {
                    let why = match order.first_task {
                        OrderTask::Promote => format!("{} has to be promoted before it, and is not", order.first),
                        _ => format!("{} has to run before it, and does not", order.first),
                    };
                    self.waits_for.insert(order.then.clone(), why);
                    self.stop(then);
                    has_changed = true;
                }
                OrderTask::Promote if self.waits_to_promote.insert(order.then.clone()) => {
                    self.model.resources[then].target = Some(scheduler::Role::Unpromoted);
                    has_changed = true;
                }
                OrderTask::Promote | OrderTask::Stop | OrderTask::Demote => {}
            }
        }
        for any in any_of(state).iter().filter(|any| any.kind() == OrderKind::Mandatory) {
            let Some(&then) = self.resources.get(any.then()).filter(|then| self.is_to_run(**then)) else { continue };
            let is_missing = |id: &ResourceId| {
                let rsc = self.resources.get(id);
                rsc.is_none_or(|rsc| self.is_missing(assigned, (id, OrderTask::Start), *rsc))
            };
            if any.firsts().all(is_missing) {
                let why = format!("{} has to run before it, and does not", any.words());
                self.waits_for.insert(any.then().clone(), why);
                self.stop(then);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Nothing can come after it.
    fn is_missing(&self, assigned: &Model, (id, task): (&ResourceId, OrderTask), rsc: RscIx) -> bool {
        let is_without = match task {
            OrderTask::Start => self.places_of(assigned, rsc).is_empty(),
            OrderTask::Promote => self.promoted_of(assigned, rsc).is_empty(),
            OrderTask::Stop | OrderTask::Demote => return false,
        };
        is_without && assigned.resources[rsc].is_managed || self.waits_for.contains_key(id)
    }
}
