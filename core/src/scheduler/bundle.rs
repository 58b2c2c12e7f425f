//! Bundles: replicas of a container, each with its address, the connection to what runs in it, and that itself. To the
//! scheduler a bundle is a clone of containers; what runs in them is a clone of its own, each copy bound to one container's
//! node.

use super::{Model, NodeIx, Role, RscIx};
use std::collections::{BTreeMap, BTreeSet};

/// Every bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundles {
    /// The clone of what runs in a bundle's containers, if anything does; by the bundle.
    pub contents: BTreeMap<RscIx, Option<RscIx>>,
    /// By the resource that stands for all of a replica.
    pub replicas: BTreeMap<RscIx, Replica>,
    /// Which replica a resource is a part of.
    pub parts: BTreeMap<RscIx, RscIx>,
}

/// One of a bundle's containers, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The container.
    pub container: RscIx,
    /// Its address.
    pub ip: Option<RscIx>,
    /// The connection to the node that the container is.
    pub connection: Option<RscIx>,
    /// That node.
    pub node: Option<NodeIx>,
    /// What runs in it.
    pub content: Option<RscIx>,
    /// What its content says of its node is said of the container's host.
    pub speaks_of_host: bool,
}

impl Bundles {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// The replica that a resource is a part of.
    pub fn replica_of(&self, rsc: RscIx) -> Option<&Replica> {
        self.replicas.get(self.parts.get(&rsc)?)
    }

    /// Whether a resource is in a replica and is not its container: what is said of the bundle is not said of it.
    pub(super) fn is_inner(&self, rsc: RscIx) -> bool {
        self.replica_of(rsc).is_some_and(|replica| replica.container != rsc)
    }

    /// Whether this is what runs in a bundle's containers, as a whole.
    pub(super) fn is_contents(&self, rsc: RscIx) -> bool {
        self.contents.values().any(|contents| *contents == Some(rsc))
    }
}

impl Model {
    /// What of a resource is placed by what is said of it: of a bundle its containers and addresses.
    pub(crate) fn placed_parts(&self, rsc: RscIx) -> Vec<RscIx> {
        if self.bundles.is_empty() {
            return self.primitives(rsc);
        }
        let is_placed = |part: &RscIx| {
            let replica = self.bundles.replica_of(*part);
            *part == rsc || replica.is_none_or(|replica| replica.container == *part || replica.ip == Some(*part))
        };
        self.primitives(rsc).into_iter().filter(is_placed).collect()
    }

    /// What of a resource says where it is: of a bundle its containers.
    pub(super) fn leading_parts(&self, rsc: RscIx) -> Vec<RscIx> {
        if self.bundles.is_empty() {
            return self.primitives(rsc);
        }
        let leads = |part: &RscIx| *part == rsc || !self.bundles.is_inner(*part) || self.bundles.is_contents(rsc);
        self.primitives(rsc).into_iter().filter(leads).collect()
    }

    /// The node whose attributes say what an instance wants on a node.
    pub(super) fn spoken_of(&self, rsc: RscIx, node: NodeIx) -> Option<NodeIx> {
        match self.bundles.replica_of(rsc) {
            Some(replica) if replica.speaks_of_host => self.resources[replica.container].active_on.first().copied(),
            _ => Some(node),
        }
    }

    /// The bundle whose containers run this clone; the clone itself if none.
    pub(super) fn bundle_of(&self, clone: RscIx) -> RscIx {
        if self.bundles.is_contents(clone) { self.resources[clone].parent.unwrap_or(clone) } else { clone }
    }

    /// Where the container is that a node is; the node itself if it is no container.
    pub(super) fn host_of(&self, node: NodeIx) -> NodeIx {
        let replica = self.bundles.replicas.values().find(|replica| replica.node == Some(node));
        replica.and_then(|replica| self.resources[replica.container].assigned).unwrap_or(node)
    }

    /// What a resource will be; a container is what runs in it.
    pub(super) fn next_of(&self, rsc: RscIx) -> Role {
        let replica = self.bundles.parts.get(&rsc).filter(|_| !self.bundles.is_inner(rsc));
        self.resources[replica.copied().unwrap_or(rsc)].next
    }

    /// Where a bundle's resources may not be: on the nodes that its own and others' containers are.
    pub fn replica_nodes(&self) -> BTreeSet<NodeIx> {
        self.bundles.replicas.values().filter_map(|replica| replica.node).collect()
    }
}
