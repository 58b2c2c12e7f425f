//! Colocations and orders; locations are in the scores.

use super::Sketch;
use crate::config::OrderKind;
use crate::id::ResourceId;
use crate::scheduler::{Colocation, Order, OrderEnd, OrderForce, Task};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::BTreeSet;

impl Sketch {
    pub(super) fn add_constraints(&mut self, state: &ClusterState) {
        for (id, colocation) in &state.config.colocations {
            let ends = (self.resources.get(&colocation.resource), self.resources.get(&colocation.with));
            let (Some(&resource), Some(&with)) = ends else { continue };
            if colocation.score == Score::ZERO || resource == with {
                continue;
            }
            let place = self.model.colocations.len();
            // What follows in a circle would hear its own wish come back: the two would chase each other.
            let influence = !follows(state, &colocation.with, &colocation.resource);
            self.model.colocations.push(Colocation {
                id: id.clone(),
                score: colocation.score,
                resource,
                with,
                role: None,
                with_role: None,
                attribute: None,
                influence,
            });
            self.model.resources[resource].follows.push(place);
            self.model.resources[with].followed.push(place);
        }
        for (id, order) in &state.config.orders {
            let ends = (self.resources.get(&order.first), self.resources.get(&order.then));
            let (Some(&first), Some(&then)) = ends else { continue };
            self.model.orders.push(Order {
                id: id.clone(),
                first: OrderEnd { resource: first, task: Task::Start },
                then: OrderEnd { resource: then, task: Task::Start },
                force: match order.kind {
                    OrderKind::Mandatory => OrderForce::Mandatory,
                    OrderKind::Optional => OrderForce::Optional,
                    OrderKind::Serialize => OrderForce::Serialize,
                },
                is_symmetrical: order.symmetrical,
                requires_all: true,
            });
        }
    }
}

/// Whether one follows another, directly or not.
fn follows(state: &ClusterState, resource: &ResourceId, with: &ResourceId) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![resource]);
    while let Some(at) = open.pop() {
        if at == with {
            return true;
        }
        if seen.insert(at) {
            let bonds = state.config.colocations.values().filter(|colocation| colocation.resource == *at);
            open.extend(bonds.map(|colocation| &colocation.with));
        }
    }
    false
}
