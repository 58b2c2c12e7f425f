//! How many VMs each node has, as far as that sways where others go.
//!
//! What runs counts from the start only where no other decision can move it. What follows or avoids another counts
//! once it is decided itself: else the one would be placed by the other, and they would chase each other.

use super::placement::runs_on;
use crate::config::ResourceMeta;
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Load<'a> {
    on: BTreeMap<&'a NodeId, BTreeSet<&'a ResourceId>>,
}

impl<'a> Load<'a> {
    /// Of what runs and stays by itself.
    pub(super) fn now(state: &'a ClusterState) -> Self {
        let mut load = Self { on: BTreeMap::new() };
        let is_bound = |id: &ResourceId| state.config.colocations.values().any(|colocation| colocation.resource == *id);
        let stays = |id: &ResourceId| {
            let primitive = state.config.primitives.get(id);
            primitive.is_none_or(|primitive| {
                ResourceMeta::read(id, primitive, &state.config.rsc_defaults).0.stickiness > Score::ZERO
            })
        };
        for id in state.resources.keys().filter(|id| !is_bound(id) && stays(id)) {
            load.put_where_it_runs(state, id);
        }
        load
    }

    /// It is decided on anew.
    pub(super) fn take(&mut self, id: &ResourceId) {
        for ids in self.on.values_mut() {
            ids.remove(id);
        }
    }

    pub(super) fn put(&mut self, node: &'a NodeId, id: &'a ResourceId) {
        self.on.entry(node).or_default().insert(id);
    }

    pub(super) fn put_where_it_runs(&mut self, state: &'a ClusterState, id: &'a ResourceId) {
        for node in state.nodes.keys().filter(|node| runs_on(state, id, node)) {
            self.put(node, id);
        }
    }

    pub(super) fn of(&self, node: &NodeId) -> usize {
        self.on.get(node).map_or(0, BTreeSet::len)
    }
}
