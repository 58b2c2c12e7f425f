//! Resources of the live cluster as the scheduler's: what they are, where they are or may be, what they score.

use super::super::eligible::shut;
use super::super::migrate::{can_migrate, under_way};
use super::super::placement::{are_left_alone, elder, held, is_worn_out, left_on, runs_on, stopped_by_failure};
use super::super::room::need;
use super::super::survey::{Needs, Survey, Touched};
use super::bond::Bond;
use super::rank::{Ranks, ranks};
use super::{How, Sketch, term};
use crate::config::{self, OnFail, OrderKind, Primitive, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{Kind, MultipleActive, NodeIx, Requires, Resource, Role, RscIx, Scores};
use crate::score::Score;
use crate::state::{ActionKind, Activity, ClusterState, NodeState, Severity, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Sketch {
    pub(super) fn add_resources(&mut self, state: &Survey<'_>, how: How<'_>, bonds: &[Bond<'_>]) {
        let bound: BTreeSet<&ResourceId> = bonds.iter().map(|bond| bond.resource).collect();
        let tied = tied(state, bonds);
        let configured = state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
        // What comes in order is sorted at one look.
        let mut named = Vec::with_capacity(state.config.primitives.len());
        self.model.resources.reserve(state.config.primitives.len());
        self.full.reserve(state.config.primitives.len());
        for (id, primitive) in configured {
            named.push((id.clone(), self.model.resources.len()));
            if let Some(spec) = primitive.clone_spec() {
                self.add_clone(state, id, primitive, spec);
                continue;
            }
            let rsc = self.add(id);
            self.describe(state, rsc, id, primitive);
            self.locate(state, rsc, id, how);
            self.score(state, rsc, id, primitive, how, bound.contains(id));
            // Its move would move others, whose moves would call it back.
            self.model.resources[rsc].stays_among_equals = tied.contains(id);
        }
        let orphans = state.resources.keys().filter(|id| !state.config.primitives.contains_key(*id));
        for id in orphans {
            let rsc = self.add(id);
            named.push((id.clone(), rsc));
            let resource = &mut self.model.resources[rsc];
            resource.is_orphan = true;
            resource.is_managed = !state.properties().maintenance_mode;
            self.stop(rsc);
            self.locate(state, rsc, id, how);
            if let Some(node) = self.model.resources[rsc].active_on.first() {
                self.model.resources[rsc].utilization = Arc::new(need(state, id, &self.nodes[*node]));
            }
            self.full.push(self.model.resources[rsc].scores.clone());
            for node in self.model.resources[rsc].active_on.clone() {
                self.model.nodes[node].assigned += 1;
            }
        }
        self.resources = named.into_iter().collect();
    }

    pub(super) fn add(&mut self, id: &ResourceId) -> RscIx {
        self.model.resources.push(blank(id, self.nodes.len()));
        self.model.resources.len() - 1
    }

    /// It is to run nowhere, and no instance of it.
    pub(super) fn stop(&mut self, rsc: RscIx) {
        let parts: Vec<RscIx> = self.model.children(rsc).iter().copied().chain([rsc]).collect();
        for part in parts {
            let resource = &mut self.model.resources[part];
            (resource.next, resource.target) = (Role::Stopped, Some(Role::Stopped));
        }
    }

    pub(super) fn describe(&mut self, state: &Survey<'_>, rsc: RscIx, id: &ResourceId, primitive: &Primitive) {
        let meta = state.meta(id, primitive);
        let resource = &mut self.model.resources[rsc];
        resource.can_migrate = can_migrate(state, id, primitive);
        resource.priority = Score::new(meta.priority);
        resource.stickiness = meta.stickiness;
        resource.migration_threshold = meta.migration_threshold;
        resource.failure_timeout = i64::try_from(meta.failure_timeout.as_secs()).unwrap_or(i64::MAX);
        resource.requires = if state.is_proof_waived(id) { Requires::Nothing } else { Requires::Quorum };
        resource.utilization = state.amounts(id);
        let is_cloned = primitive.clone_spec().is_some();
        let is_left_alone = !is_cloned && are_left_alone(state, id, &meta).is_some();
        let is_hands_off = state.is_left_alone(id) || is_left_alone;
        resource.multiple_active = match meta.multiple_active {
            config::MultipleActive::Block => MultipleActive::Block,
            config::MultipleActive::StopOnly => MultipleActive::StopOnly,
            config::MultipleActive::StopStart => MultipleActive::StopStart,
            config::MultipleActive::StopUnexpected => MultipleActive::StopUnexpected,
        };
        // Of a clone each instance is held, or stopped by what failed, for itself.
        let has_failed = || !is_cloned && stopped_by_failure(state, id, primitive, &meta).is_some();
        // Whom nobody touches keeps what it has, whatever ticket is missing.
        let has_no_ticket = || state.ticket_hold(id).stops().is_some() && (is_cloned || held(state, id).is_none());
        let is_stopped =
            meta.target_role == TargetRole::Stopped || has_no_ticket() || has_failed() || is_worn_out(state, id);
        resource.is_managed = !is_hands_off
            && (is_stopped || is_cloned || (held(state, id).is_none() && left_on(state, id, primitive).is_none()));
        if is_stopped && !is_hands_off {
            self.stop(rsc);
        }
    }

    /// Where it is, as far as is known.
    fn locate(&mut self, state: &Survey<'_>, rsc: RscIx, id: &ResourceId, how: How<'_>) {
        let (places, is_start_pending) = places(state, id);
        let active_on: Vec<NodeIx> = places.iter().filter_map(|node| self.node(node)).collect();
        let mut known_on = BTreeSet::new();
        // Only a transition asks where it was looked for.
        if how.ahead {
            known_on.extend(0..self.nodes.len());
            let unknown = state.touched(id).iter().filter(|it| it.may_be_active());
            unknown.filter_map(|it| it.ix).for_each(|ix| _ = known_on.remove(&ix));
        }
        let migrating = under_way(state, id).and_then(|(from, to)| Some((self.node(&from)?, self.node(&to)?)));
        let waits_for_a_person = state.touched(id).iter().any(|it| {
            let is_left = |ix: NodeIx| self.model.nodes[ix].is_unclean && !self.model.fence.contains_key(&ix);
            it.ix.is_some_and(is_left) && state.stands_against(id, it.node)
        });
        let failure = places.iter().find_map(|node| failure(state, id, node));
        let resource = &mut self.model.resources[rsc];
        resource.role = if active_on.is_empty() { Role::Stopped } else { Role::Started };
        (resource.active_on, resource.known_on, resource.migrating) = (active_on, known_on, migrating);
        resource.is_start_pending = is_start_pending;
        let fails = matches!(failure, Some(OnFail::Restart | OnFail::Stop | OnFail::Fence));
        (resource.is_failed, resource.must_stop) = (fails, fails);
        resource.is_blocked = waits_for_a_person || failure == Some(OnFail::Block);
    }

    /// The sum of all terms on each node. On most nodes nothing is said of the two, and what is of the node counts alone.
    fn own_scores(
        &mut self,
        state: &Survey<'_>,
        (id, primitive): (&ResourceId, &Primitive),
        special: &BTreeSet<NodeIx>,
        with_wishes: bool,
    ) -> Scores {
        let mut scores = self.bare_scores(state, state.needs(id)).clone();
        let everywhere = if is_said_everywhere(state, id) { 0..self.nodes.len() } else { 0..0 };
        for ix in everywhere.chain(special.iter().copied()) {
            scores.set(ix, term::sum(state, (id, primitive), &self.nodes[ix], with_wishes));
        }
        scores
    }

    /// What is of each node itself, for whoever needs this of it.
    fn bare_scores(&mut self, state: &Survey<'_>, needs: Needs) -> &Scores {
        let known = self.bare.iter().position(|(of, _)| *of == needs);
        let place = known.unwrap_or_else(|| {
            let mut scores = Scores::zero(self.nodes.len());
            for (ix, node) in self.nodes.iter().enumerate() {
                let health = state.health_for(needs, node).map_or(Score::ZERO, |(score, _)| score);
                let is_shut = shut(state, node, needs, false).is_some();
                scores.set(ix, if is_shut { Score::NEG_INFINITY } else { health });
            }
            self.bare.push((needs, scores));
            self.bare.len() - 1
        });
        &self.bare[place].1
    }

    /// The nodes of which something is said that is about this resource alone.
    fn special(&self, state: &Survey<'_>, id: &ResourceId) -> BTreeSet<NodeIx> {
        let touched = state.touched(id).iter().filter_map(|it| it.ix);
        let located = state.plain_locations(id).iter().filter_map(|(_, location)| self.node(&location.node));
        let wished = state.preferences.get(id).into_iter().flat_map(BTreeMap::keys).filter_map(|node| self.node(node));
        let was = state.was_on(id).iter().filter_map(|node| self.node(node));
        touched.chain(located).chain(wished).chain(was).collect()
    }

    fn score(
        &mut self,
        state: &Survey<'_>,
        rsc: RscIx,
        id: &ResourceId,
        primitive: &Primitive,
        how: How<'_>,
        is_bound: bool,
    ) {
        let with_wishes = how.without_wishes_of != Some(id);
        let special = self.special(state, id);
        let full = self.own_scores(state, (id, primitive), &special, with_wishes);
        let of = ranks(state, id, (&self.nodes, &self.bare_ranks), &special, with_wishes);
        let ranks = of.and_then(|of| {
            let may = |(node, score): &(NodeIx, Score)| !score.forbids() && self.model.nodes[*node].is_available();
            let fit: Vec<NodeIx> = full.iter().filter(may).map(|(node, _)| node).collect();
            Ranks::new(of, &fit)
        });
        let resource = &mut self.model.resources[rsc];
        resource.scores = ranks.as_ref().map_or_else(|| full.clone(), |ranks| ranks.limited(&full));
        // What runs, or is to be started, sways where others go before it is assigned; what follows another does not.
        if !is_bound {
            let runs = |node: &&NodeIx| runs_on(state, id, &self.nodes[**node]);
            let place = resource.active_on.iter().find(runs).copied();
            resource.counted_on = place.or_else(|| self.starting.get(id).copied());
        }
        // Whoever is between its stop and its start goes where it was stopped for: what called it there may be heard of again
        // only when it is there.
        if !state.touched(id).iter().any(Touched::runs) {
            resource.planned_on = self.starting.get(id).copied();
        }
        if let Some(node) = resource.counted_on {
            self.model.nodes[node].assigned += 1;
        }
        self.ranks.extend(ranks.map(|ranks| (rsc, ranks)));
        self.full.push(full);
    }
}

/// Whether something is said of it on nodes that it has nothing to do with: a rule, where it is looked for, or an error that
/// counts everywhere.
fn is_said_everywhere(state: &Survey<'_>, id: &ResourceId) -> bool {
    let mut failures = state.touched(id).iter().filter_map(Touched::failure);
    let wide = &state.config.shorthand;
    let is_wide = wide.ruled.contains_key(id) || wide.looked_for.contains_key(id);
    is_wide || failures.any(|(_, failure)| failure.severity == Severity::Fatal)
}

/// Where it is active or may be, the place that counts first; and whether it is only being started there.
fn places(state: &Survey<'_>, id: &ResourceId) -> (Vec<NodeId>, bool) {
    if let Some(node) = held(state, id) {
        return (vec![node], false);
    }
    if let Some((source, target)) = under_way(state, id) {
        return (vec![target, source], false);
    }
    let elder = elder(state, id);
    let nodes = || state.touched(id).iter().filter(|it| it.ix.is_some());
    let mut running: Vec<NodeId> = nodes().filter(|it| it.runs()).map(|it| it.node.clone()).collect();
    running.sort_by_key(|node| elder != Some(node));
    if !running.is_empty() {
        return (running, false);
    }
    let is_starting = |it: &&Touched<'_>| {
        let claim = it.activity.and_then(|activity| activity.claim.as_ref());
        claim.is_some_and(|claim| claim.kind == ActionKind::Start)
    };
    let starting: Vec<NodeId> = nodes().filter(is_starting).map(|it| it.node.clone()).collect();
    if !starting.is_empty() {
        return (starting, true);
    }
    // Nobody can look there: it counts as active until the node is proven off.
    let is_away = |it: &&Touched<'_>| !it.at.is_some_and(NodeState::is_online);
    let stands = nodes().filter(is_away).filter(|it| state.stands_against(id, it.node));
    (stands.map(|it| it.node.clone()).collect(), false)
}

/// What is at either end of a colocation, or of an order that restarts.
fn tied<'s>(state: &'s ClusterState, bonds: &[Bond<'s>]) -> BTreeSet<&'s ResourceId> {
    let binding = state.config.orders.values().filter(|order| order.kind == OrderKind::Mandatory);
    let ends = binding.flat_map(|order| [&order.first, &order.then]);
    ends.chain(bonds.iter().flat_map(|bond| [bond.resource, bond.with])).collect()
}

/// What is to follow where it is there and does not work, or could not be stopped.
pub(super) fn failure(state: &Survey<'_>, id: &ResourceId, node: &NodeId) -> Option<OnFail> {
    let touched = state.touched_on(id, node)?;
    let activity = touched.activity?;
    let is_broken = matches!(touched.standing(), Standing::Failed(_));
    if !is_broken && !activity.stop_failed {
        return None;
    }
    let operation = if activity.stop_failed { ActionKind::Stop.word() } else { Activity::failed_operation(activity) };
    let spec = state.definition(id, node)?.operation(operation, &state.config.op_defaults);
    Some(spec.consequence(state.properties().stonith_enabled))
}

pub(super) fn blank(id: &ResourceId, nodes: usize) -> Resource {
    Resource {
        id: id.as_str().to_owned(),
        base: id.as_str().to_owned(),
        kind: Kind::Primitive,
        called: None,
        parent: None,
        class: String::new(),
        is_managed: true,
        is_blocked: false,
        is_failed: false,
        must_stop: false,
        is_orphan: false,
        is_failure_ignored: false,
        is_start_pending: false,
        can_migrate: false,
        requires: Requires::Quorum,
        multiple_active: MultipleActive::StopUnexpected,
        priority: Score::ZERO,
        stickiness: Score::ZERO,
        migration_threshold: 0,
        failure_timeout: 0,
        target: None,
        utilization: Arc::default(),
        operations: Vec::new(),
        discovered_on: None,
        counted_on: None,
        planned_on: None,
        stays_among_equals: false,
        role: Role::Stopped,
        active_on: Vec::new(),
        role_on: BTreeMap::new(),
        known_on: BTreeSet::new(),
        migrating: None,
        dangling: Vec::new(),
        changed_on: BTreeMap::new(),
        scores: Scores::zero(nodes),
        follows: Vec::new(),
        followed: Vec::new(),
        assigned: None,
        is_displaced: false,
        turn: None,
        is_assigned: false,
        is_assigning: false,
        is_merging: false,
        next: Role::Unknown,
        promotion: None,
    }
}
