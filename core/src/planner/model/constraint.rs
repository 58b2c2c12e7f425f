//! Colocations and orders; locations are in the scores.

use super::Sketch;
use super::bond::Bond;
use crate::config::OrderKind;
use crate::scheduler::{Colocation, Order, OrderEnd, OrderForce, Task};
use crate::state::ClusterState;

impl Sketch {
    pub(super) fn add_constraints(&mut self, state: &ClusterState, bonds: &[Bond<'_>]) {
        for bond in bonds {
            let ends = (self.resources.get(bond.resource), self.resources.get(bond.with));
            let (Some(&resource), Some(&with)) = ends else { continue };
            let place = self.model.colocations.len();
            self.model.colocations.push(Colocation {
                id: bond.id.to_owned(),
                score: bond.score,
                resource,
                with,
                role: None,
                with_role: None,
                attribute: None,
                influence: true,
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
