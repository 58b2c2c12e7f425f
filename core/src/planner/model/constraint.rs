//! Colocations and orders; locations are in the scores.

use super::super::location::promotion_locations;
use super::super::survey::Survey;
use super::Sketch;
use super::bond::Bond;
use super::together::leader;
use crate::config::shorthand::whole;
use crate::config::{InRole, OrderKind, OrderTask, Primitive};
use crate::id::ResourceId;
use crate::scheduler::{Colocation, Location, Order, OrderEnd, OrderForce, Role, Task};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::{BTreeMap, BTreeSet};

impl Sketch {
    pub(super) fn add_constraints(&mut self, state: &Survey<'_>, bonds: &[Bond<'_>]) {
        let stops = Stops::of(state, bonds);
        for bond in bonds {
            // Which instance of a group is promoted its first member says, whoever stands for the group.
            let of_role = |id, role: Option<InRole>| if role.is_some() { leader(state, id) } else { id };
            let (resource, with) = (of_role(bond.resource, bond.role), of_role(bond.with, bond.with_role));
            let ends = (self.resources.get(resource), self.resources.get(with));
            let (Some(&resource), Some(&with)) = ends else { continue };
            let is_wish = !bond.score.forbids() && bond.score != Score::INFINITY;
            let place = self.model.colocations.len();
            self.model.colocations.push(Colocation {
                id: bond.id.to_owned(),
                score: bond.score,
                resource,
                with,
                role: bond.role.map(role),
                with_role: bond.with_role.map(role),
                attribute: None,
                influence: !is_wish || !stops.with(bond.resource, bond.with),
            });
            self.model.resources[resource].follows.push(place);
            self.model.resources[with].followed.push(place);
        }
        for (id, order) in &state.config.orders {
            let ends = (self.resources.get(&order.first), self.resources.get(&order.then));
            let (Some(&first), Some(&then)) = ends else { continue };
            self.model.orders.push(Order {
                // What is any of the same is known by that.
                id: if order.requires_all { id.clone() } else { whole(id).to_owned() },
                first: OrderEnd { resource: first, task: task(order.first_task) },
                then: OrderEnd { resource: then, task: task(order.then_task) },
                force: match order.kind {
                    OrderKind::Mandatory => OrderForce::Mandatory,
                    OrderKind::Optional => OrderForce::Optional,
                    OrderKind::Serialize => OrderForce::Serialize,
                },
                is_symmetrical: order.symmetrical,
                requires_all: order.requires_all,
            });
        }
        self.add_role_locations(state);
    }

    /// What draws the promoted instance; whatever role it is in, a location is in the scores.
    fn add_role_locations(&mut self, state: &Survey<'_>) {
        for (id, &resource) in &self.resources {
            if state.config.primitives.get(id).is_some_and(Primitive::is_promotable) && leader(state, id) == id {
                let parts = state.config.shorthand.promoted_together(id).unwrap_or(std::slice::from_ref(id));
                for (place, node) in self.nodes.iter().enumerate() {
                    let of_role = parts.iter().flat_map(|part| promotion_locations(state, part, node));
                    let location = |(_, score)| Location { resource, node: place, score, role: Role::Promoted };
                    self.model.locations.extend(of_role.map(location));
                }
            }
        }
    }
}

fn role(role: InRole) -> Role {
    match role {
        InRole::Promoted => Role::Promoted,
        InRole::Unpromoted => Role::Unpromoted,
    }
}

fn task(task: OrderTask) -> Task {
    match task {
        OrderTask::Start => Task::Start,
        OrderTask::Stop => Task::Stop,
        OrderTask::Promote => Task::Promote,
        OrderTask::Demote => Task::Demote,
    }
}

/// Who stops when another moves: what must not be beside it, and what is started after either, be it through others, with
/// all that must be together. A wish to be where the other is not must not call the other: it would stop for that, its wish
/// with it, and the other would stay after all.
struct Stops<'s> {
    /// Whose stop or move stops or moves each.
    by: BTreeMap<&'s ResourceId, Vec<&'s ResourceId>>,
    apart: BTreeSet<(&'s ResourceId, &'s ResourceId)>,
}

impl<'s> Stops<'s> {
    fn of(state: &'s ClusterState, bonds: &[Bond<'s>]) -> Self {
        let binds = |order: &&crate::config::Order| order.kind == OrderKind::Mandatory && order.requires_all;
        let after = state.config.orders.values().filter(binds).map(|order| (&order.then, &order.first));
        let together =
            bonds.iter().filter(|bond| bond.score == Score::INFINITY && bond.role.or(bond.with_role).is_none());
        let together = together.flat_map(|bond| [(bond.resource, bond.with), (bond.with, bond.resource)]);
        let mut by: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
        after.chain(together).for_each(|(one, other)| by.entry(one).or_default().push(other));
        let apart = bonds.iter().filter(|bond| bond.score.forbids()).map(|bond| (bond.resource, bond.with)).collect();
        Self { by, apart }
    }

    /// Whether one stops when the other moves.
    fn with(&self, one: &'s ResourceId, other: &'s ResourceId) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![one]);
        while let Some(at) = open.pop() {
            if at == other || self.apart.contains(&(at, other)) {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.by.get(at).into_iter().flatten());
            }
        }
        false
    }
}
