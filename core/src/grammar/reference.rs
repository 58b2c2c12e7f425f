//! Who refers to whom by id.

use super::print::{Key, keys};
use crate::config::Config;
use crate::id::{NodeId, ResourceId};

/// What an id names.
pub(super) fn find(config: &Config, id: &str) -> Option<Key> {
    let name = || id.to_owned();
    let is_key = |key: &Key| match key {
        Key::Node(id) => config.nodes.contains_key(id),
        Key::Primitive(id) => config.primitives.contains_key(id),
        Key::Location(id) => config.locations.contains_key(id),
        Key::Colocation(id) => config.colocations.contains_key(id),
        Key::Order(id) => config.orders.contains_key(id),
        Key::FencingTopology => id == key.keyword() && !config.fencing_topology.is_empty(),
        Key::Property => id == key.keyword() && !config.properties.is_empty(),
        Key::RscDefaults => id == key.keyword() && !config.rsc_defaults.is_empty(),
        Key::OpDefaults => id == key.keyword() && !config.op_defaults.is_empty(),
    };
    let candidates = [
        Key::Node(NodeId::from(id)),
        Key::Primitive(ResourceId::from(id)),
        Key::Location(name()),
        Key::Colocation(name()),
        Key::Order(name()),
        Key::FencingTopology,
        Key::Property,
        Key::RscDefaults,
        Key::OpDefaults,
    ];
    candidates.into_iter().find(is_key)
}

/// The objects that refer to this resource.
pub(super) fn referrers(config: &Config, resource: &ResourceId) -> Vec<Key> {
    let refers = |key: &Key| match key {
        Key::Location(id) => config.locations.get(id).is_some_and(|it| it.resource == *resource),
        Key::Colocation(id) => {
            let colocation = config.colocations.get(id);
            colocation.is_some_and(|it| it.resource == *resource || it.with == *resource)
        }
        Key::Order(id) => {
            let order = config.orders.get(id);
            order.is_some_and(|it| it.first == *resource || it.then == *resource)
        }
        Key::FencingTopology => {
            let mut devices = config.fencing_topology.iter().flat_map(|row| row.levels.iter().flatten());
            devices.any(|device| device == resource)
        }
        _ => false,
    };
    keys(config).into_iter().filter(refers).collect()
}

/// Every mention of one resource becomes one of another.
pub(super) fn rename_resource(config: &mut Config, from: &ResourceId, to: &ResourceId) {
    let locations = config.locations.values_mut().map(|it| &mut it.resource);
    let colocations = config.colocations.values_mut().flat_map(|it| [&mut it.resource, &mut it.with]);
    let orders = config.orders.values_mut().flat_map(|it| [&mut it.first, &mut it.then]);
    let topology = config.fencing_topology.iter_mut().flat_map(|row| row.levels.iter_mut().flatten());
    let mentions = locations.chain(colocations).chain(orders).chain(topology);
    mentions.filter(|mention| *mention == from).for_each(|mention| mention.clone_from(to));
}

/// Takes an object out; what refers to it stays.
pub(super) fn remove(config: &mut Config, key: &Key) {
    match key {
        Key::Node(id) => _ = config.nodes.remove(id),
        Key::Primitive(id) => _ = config.primitives.remove(id),
        Key::FencingTopology => config.fencing_topology.clear(),
        Key::Location(id) => _ = config.locations.remove(id),
        Key::Colocation(id) => _ = config.colocations.remove(id),
        Key::Order(id) => _ = config.orders.remove(id),
        Key::Property => config.properties.clear(),
        Key::RscDefaults => config.rsc_defaults.clear(),
        Key::OpDefaults => config.op_defaults.clear(),
    }
}

/// Takes a device out of the fence levels; levels and rows that it leaves empty go too.
pub(super) fn remove_device(config: &mut Config, device: &ResourceId) {
    for row in &mut config.fencing_topology {
        row.levels.iter_mut().for_each(|level| level.retain(|other| other != device));
        row.levels.retain(|level| !level.is_empty());
    }
    config.fencing_topology.retain(|row| !row.levels.is_empty());
}
