//! Colocations and orders; locations are in the scores.

use super::Sketch;
use super::bond::Bond;
use crate::config::OrderKind;
use crate::id::ResourceId;
use crate::scheduler::{Colocation, Order, OrderEnd, OrderForce, Task};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::BTreeSet;

impl Sketch {
    pub(super) fn add_constraints(&mut self, state: &ClusterState, bonds: &[Bond<'_>]) {
        let stops_for_it = stopped_by_the_other(state, bonds);
        for bond in bonds {
            let ends = (self.resources.get(bond.resource), self.resources.get(bond.with));
            let (Some(&resource), Some(&with)) = ends else { continue };
            let is_wish = !bond.score.forbids() && bond.score != Score::INFINITY;
            let place = self.model.colocations.len();
            self.model.colocations.push(Colocation {
                id: bond.id.to_owned(),
                score: bond.score,
                resource,
                with,
                role: None,
                with_role: None,
                attribute: None,
                influence: !is_wish || !stops_for_it.contains(&(bond.resource, bond.with)),
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

/// Who stops when another moves, after which it is started, or beside which it must not be. A wish to be where the other is
/// not must not call the other: it would stop for that, its wish with it, and the other would stay after all.
fn stopped_by_the_other<'s>(state: &'s ClusterState, bonds: &[Bond<'s>]) -> BTreeSet<(&'s ResourceId, &'s ResourceId)> {
    let binding = state.config.orders.values().filter(|order| order.kind == OrderKind::Mandatory);
    let apart = bonds.iter().filter(|bond| bond.score.forbids());
    binding.map(|order| (&order.then, &order.first)).chain(apart.map(|bond| (bond.resource, bond.with))).collect()
}
