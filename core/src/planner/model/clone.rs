//! A clone of the live cluster as the scheduler's: an instance for each node where it is, and as many as may be beside.
//!
//! In the log there are no instances: there is the resource on each node. They are made here, each standing for one
//! node where there is something, so that the scheduler keeps what runs and places the rest.

use super::super::clone::{held_on, left_last, stopped_on};
use super::super::placement::runs_on;
use super::super::survey::Survey;
use super::resource::{blank, failure};
use super::term::STICKINESS;
use super::{Sketch, terms};
use crate::config::{CloneSpec, OnFail, Primitive, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::{self, Kind, NodeIx, Role, RscIx, Scores};
use crate::score::Score;
use crate::state::TicketHold;
use crate::state::{ActionKind, NodeState, Seen, Standing};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Sketch {
    pub(super) fn add_clone(&mut self, state: &Survey<'_>, id: &ResourceId, primitive: &Primitive, spec: CloneSpec) {
        let clone = self.add(id);
        self.describe(state, clone, id, primitive);
        let scores = self.clone_scores(state, id, primitive);
        // Each member of a group that is cloned is a clone here, beside that of the one before it.
        let alone = state.config.shorthand.group_of(id).filter(|(_, group)| group.is_clone());
        let name = alone.map_or_else(|| id.as_str().to_owned(), |(name, _)| name.clone());
        let resource = &mut self.model.resources[clone];
        (resource.id, resource.base) = (name.clone(), name);
        // Its instances need it, each where it is.
        resource.utilization = Arc::default();
        resource.scores = scores.clone();
        self.full.push(scores.clone());
        let places = self.clone_places(state, id);
        let max = spec.copies(self.nodes.len());
        let known: BTreeSet<NodeIx> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| matches!(state.standing(id, node), Standing::NotActive | Standing::Active))
            .map(|(ix, _)| ix)
            .collect();
        let has_no_ticket = matches!(state.ticket_hold(id), TicketHold::Unpromoted(_));
        if state.meta(id, primitive).target_role == TargetRole::Unpromoted || has_no_ticket {
            self.model.resources[clone].target = Some(Role::Unpromoted);
        }
        let mut instances = Vec::new();
        for number in 0..max.max(places.len()).min(self.nodes.len()) {
            let instance = self.model.resources.len();
            self.model.resources.push(blank(id, self.nodes.len()));
            self.describe(state, instance, id, primitive);
            let resource = &mut self.model.resources[instance];
            (resource.id, resource.parent) = (format!("{id}:{number}"), Some(clone));
            resource.known_on.clone_from(&known);
            resource.scores = scores.clone();
            if let Some(node) = places.get(number) {
                self.locate_instance(state, instance, id, primitive, *node);
            }
            self.full.push(self.model.resources[instance].scores.clone());
            instances.push(instance);
        }
        self.model.resources[clone].kind = Kind::Clone(scheduler::CloneSpec {
            instances,
            max,
            node_max: 1,
            min: 0,
            is_interleaved: spec.interleave,
            is_ordered: spec.ordered,
            is_unique: false,
            notifies: spec.notify,
            promotion: spec.promoted_max.map(|max| scheduler::Promotion { max, node_max: 1 }),
        });
    }

    /// What each instance scores, but for wanting to stay.
    fn clone_scores(&self, state: &Survey<'_>, id: &ResourceId, primitive: &Primitive) -> Scores {
        let meta = state.meta(id, primitive);
        let mut scores = Scores::zero(self.nodes.len());
        for (ix, node) in self.nodes.iter().enumerate() {
            let terms = terms(state, id, primitive, node, true).into_iter();
            for term in terms.filter(|term| term.rule != STICKINESS) {
                scores.add(ix, term.score);
            }
            if left_last(state, id, node).is_some() || stopped_on(state, id, primitive, &meta, node).is_some() {
                scores.set(ix, Score::NEG_INFINITY);
            }
        }
        scores
    }

    /// Where something of it is, or may be on a node that nobody can ask.
    fn clone_places(&self, state: &Survey<'_>, id: &ResourceId) -> Vec<NodeIx> {
        let is_there = |node: &NodeId| {
            let starts = || {
                let claim = state.activity(id, node).and_then(|activity| activity.claim.as_ref());
                claim.is_some_and(|claim| claim.kind == ActionKind::Start)
            };
            let is_away = || !state.nodes.get(node).is_some_and(NodeState::is_online);
            runs_on(state, id, node) || starts() || (is_away() && state.stands_against(id, node))
        };
        self.nodes.iter().enumerate().filter(|(_, node)| is_there(node)).map(|(ix, _)| ix).collect()
    }

    fn locate_instance(
        &mut self,
        state: &Survey<'_>,
        instance: RscIx,
        id: &ResourceId,
        primitive: &Primitive,
        ix: NodeIx,
    ) {
        let node = &self.nodes[ix];
        let meta = state.meta(id, primitive);
        let at = &self.model.nodes[ix];
        let waits_for_a_person = at.is_unclean && !self.model.fence.contains_key(&ix) && state.stands_against(id, node);
        let failure = failure(state, id, node);
        let fails = matches!(failure, Some(OnFail::Restart | OnFail::Stop | OnFail::Fence));
        let runs = runs_on(state, id, node);
        let is_held = held_on(state, id, node);
        let resource = &mut self.model.resources[instance];
        let is_promoted = state.activity(id, node).is_some_and(|activity| activity.seen == Seen::Promoted);
        let role = if is_promoted { Role::Promoted } else { Role::Started };
        (resource.role, resource.active_on) = (role, vec![ix]);
        resource.is_start_pending = !runs && at.is_online;
        (resource.is_failed, resource.must_stop) = (fails, fails);
        resource.is_blocked = waits_for_a_person || failure == Some(OnFail::Block);
        resource.is_managed &= resource.next == Role::Stopped || !is_held;
        resource.scores.add(ix, meta.stickiness);
        resource.counted_on = Some(ix);
        self.model.nodes[ix].assigned += 1;
    }
}
