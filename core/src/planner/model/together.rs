//! Promotable clones of groups: the members of an instance are promoted together. Its first member speaks for all of them: how
//! much the instance wants promotion, and which constraints on the role there are. The others are promoted where that one is.

use super::super::promotion::score_together;
use super::Sketch;
use crate::config::Primitive;
use crate::id::ResourceId;
use crate::scheduler::{Location, Model, NodeIx, Role, RscIx};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::BTreeSet;

/// Who says where this one is promoted: the first member of its group, where that is what is cloned.
pub(in crate::planner) fn leader<'s>(state: &'s ClusterState, id: &'s ResourceId) -> &'s ResourceId {
    let together = state.config.shorthand.promoted_together(id);
    together.and_then(<[ResourceId]>::first).unwrap_or(id)
}

impl Sketch {
    /// What an instance wants is what its members want, all in all.
    pub(super) fn add_scores_together(&mut self, state: &ClusterState) {
        for id in self.resources.keys().filter(|id| leader(state, id) == *id) {
            let Some(parts) = state.config.shorthand.promoted_together(id).filter(|parts| parts.len() > 1) else {
                continue;
            };
            for (node, at) in self.nodes.iter().zip(&mut self.model.nodes) {
                if let Some(score) = score_together(state, parts, node) {
                    at.attributes.insert(format!("master-{id}"), score.to_string());
                }
            }
        }
    }

    /// No instance is promoted that is not whole, and of one that is every member; whether that is news.
    pub(super) fn promote_together(&mut self, state: &ClusterState, assigned: &Model) -> bool {
        let mut has_changed = false;
        let is_promotable = |id: &&ResourceId| state.config.primitives.get(*id).is_some_and(Primitive::is_promotable);
        let followers: Vec<&ResourceId> =
            state.config.primitives.keys().filter(is_promotable).filter(|id| leader(state, id) != *id).collect();
        for id in followers {
            let ends = (self.resources.get(id), self.resources.get(leader(state, id)));
            let (Some(&rsc), Some(&lead)) = ends else { continue };
            let places = self.indices(assigned, rsc, None);
            let promoted = self.indices(assigned, lead, Some(Role::Promoted));
            for node in promoted.difference(&places).copied() {
                let location = Location { resource: lead, node, score: Score::NEG_INFINITY, role: Role::Promoted };
                if !self.model.locations.contains(&location) {
                    self.model.locations.push(location);
                    has_changed = true;
                }
            }
            let all = 0..self.nodes.len();
            let at = |node: NodeIx| if promoted.contains(&node) { Score::INFINITY } else { Score::NEG_INFINITY };
            let wanted: Vec<Location> =
                all.map(|node| Location { resource: rsc, node, score: at(node), role: Role::Promoted }).collect();
            let is_its = |location: &&Location| location.resource == rsc;
            if !self.model.locations.iter().filter(is_its).eq(&wanted) {
                self.model.locations.retain(|location| location.resource != rsc);
                self.model.locations.extend(wanted);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Where instances are, in this role if one is asked for.
    fn indices(&self, assigned: &Model, rsc: RscIx, role: Option<Role>) -> BTreeSet<NodeIx> {
        let parts = assigned.primitives(rsc).into_iter().map(|part| &assigned.resources[part]);
        parts.filter(|part| role.is_none_or(|role| part.next == role)).filter_map(|part| part.assigned).collect()
    }
}
