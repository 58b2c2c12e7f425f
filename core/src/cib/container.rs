//! Resources that run in a container resource, by their meta attribute `container`: they are where it is and after it, and
//! what fails in it is mended by a new start of the container.

use super::Reader;
use crate::scheduler::{Colocation, Kind, NodeIx, Order, OrderEnd, OrderForce, RscIx, Task};
use crate::score::Score;

impl Reader<'_> {
    /// What a primitive runs in.
    pub(super) fn container(&self, rsc: RscIx) -> Option<RscIx> {
        let is_primitive = |rsc: RscIx| self.model.resources[rsc].kind == Kind::Primitive;
        let name = self.meta.get(&rsc)?.get("container")?;
        let container = self.resources.get(name).copied()?;
        // A group hands the attribute down to the container that is in it, too.
        (container != rsc && is_primitive(rsc) && is_primitive(container)).then_some(container)
    }

    /// Binds what is in a container to it.
    pub(super) fn bind_to_containers(&mut self) {
        for resource in 0..self.model.resources.len() {
            let Some(container) = self.container(resource) else { continue };
            if let Some(node) = self.guest_for(resource, container) {
                self.keep_to(resource, node);
                continue;
            }
            self.colocate(Colocation {
                id: WITHIN.to_owned(),
                score: if self.model.bundles.replica_of(resource).is_some() {
                    Score::new(BESIDE)
                } else {
                    Score::INFINITY
                },
                resource,
                with: container,
                role: None,
                with_role: None,
                attribute: None,
                influence: true,
            });
            self.model.orders.push(in_container(container, resource));
        }
    }

    /// The guest or remote node that a resource is to run on by its `container`: it needs no place beside the container.
    fn guest_for(&self, resource: RscIx, container: RscIx) -> Option<NodeIx> {
        let remotes = &self.model.remotes;
        let is_connection = remotes.nodes.contains_key(&resource);
        let node = remotes.nodes.get(&container).copied().or_else(|| self.model.guest_of(container));
        node.filter(|_| !is_connection)
    }

    fn keep_to(&mut self, resource: RscIx, node: NodeIx) {
        let scores = &mut self.model.resources[resource].scores;
        for other in (0..self.model.nodes.len()).filter(|other| *other != node) {
            if scores.get(other).is_some() {
                scores.set(other, Score::NEG_INFINITY);
            }
        }
    }

    /// Something failed in a container: it is started anew.
    pub(super) fn restart_container(&mut self, rsc: RscIx) {
        let Some(container) = self.container(rsc) else { return };
        let container = &mut self.model.resources[container];
        (container.is_failed, container.must_stop) = (true, true);
    }
}

/// How much the connection to a bundle's container is drawn to it: a container may be where no connection can.
const BESIDE: i64 = 10_000;
const WITHIN: &str = "#within-container";

/// What is in a container runs after it, and stops before it.
pub(super) fn in_container(container: RscIx, resource: RscIx) -> Order {
    let end = |resource| OrderEnd { resource, task: Task::Start };
    Order {
        id: WITHIN.to_owned(),
        first: end(container),
        then: end(resource),
        force: OrderForce::Mandatory,
        is_symmetrical: true,
        requires_all: true,
    }
}
