//! Who refers to whom by id.

use super::print::{Key, keys};
use crate::config::Config;
use crate::config::shorthand::{Group, ResourceSet, Who, is_instance};
use crate::id::{NodeId, ResourceId};

/// What an id names.
pub(super) fn find(config: &Config, id: &str) -> Option<Key> {
    let name = || id.to_owned();
    let is_key = |key: &Key| match key {
        Key::Node(id) => config.nodes.contains_key(id),
        Key::Template(id) => config.shorthand.templates.contains_key(id),
        Key::Primitive(id) => !is_instance(id) && config.written(id).is_some(),
        Key::Group(id) => config.shorthand.groups.get(id).is_some_and(|it| !it.is_clone()),
        Key::Clone(id) => config.shorthand.groups.get(id).is_some_and(Group::is_clone),
        Key::Tag(id) => config.shorthand.tags.contains_key(id),
        Key::Location(id) => config.locations.contains_key(id) || config.shorthand.locations.contains_key(id),
        Key::Colocation(id) => config.colocations.contains_key(id) || config.shorthand.colocations.contains_key(id),
        Key::Order(id) => config.orders.contains_key(id) || config.shorthand.orders.contains_key(id),
        Key::Ticket(id) => config.shorthand.tickets.contains_key(id),
        Key::FencingTopology => id == key.keyword() && !config.fencing_topology.is_empty(),
        Key::Property => id == key.keyword() && !config.properties.is_empty(),
        Key::RscDefaults => id == key.keyword() && !(config.rsc_defaults.is_empty() && config.rsc_rules.is_empty()),
        Key::OpDefaults => id == key.keyword() && !(config.op_defaults.is_empty() && config.op_rules.is_empty()),
    };
    let candidates = [
        Key::Node(NodeId::from(id)),
        Key::Template(name()),
        Key::Primitive(ResourceId::from(id)),
        Key::Group(name()),
        Key::Clone(name()),
        Key::Tag(name()),
        Key::Location(name()),
        Key::Colocation(name()),
        Key::Order(name()),
        Key::Ticket(name()),
        Key::FencingTopology,
        Key::Property,
        Key::RscDefaults,
        Key::OpDefaults,
    ];
    candidates.into_iter().find(is_key)
}

/// Every place in which an object names resources, groups, templates or tags.
pub(super) fn names_in(config: &Config, key: &Key) -> Vec<String> {
    let wide = &config.shorthand;
    let mut names: Vec<String> = Vec::new();
    let of_sets = |sets: &[ResourceSet]| sets.iter().flat_map(|set| set.members.clone()).collect::<Vec<_>>();
    match key {
        Key::Primitive(id) => names.extend(wide.own.get(id).and_then(|own| own.template.clone())),
        Key::Group(id) | Key::Clone(id) => {
            names.extend(wide.groups.get(id).into_iter().flat_map(|it| ids(&it.members)))
        }
        Key::Tag(id) => names.extend(wide.tags.get(id).cloned().unwrap_or_default()),
        Key::Location(id) => {
            names.extend(config.locations.get(id).map(|it| it.resource.to_string()));
            match wide.locations.get(id).map(|it| &it.who) {
                Some(Who::One(name)) => names.push(name.clone()),
                Some(Who::Set(members)) => names.extend(members.clone()),
                Some(Who::Pattern(_)) | None => {}
            }
        }
        Key::Colocation(id) => {
            names.extend(config.colocations.get(id).into_iter().flat_map(|it| [&it.resource, &it.with]).map(text));
            names.extend(wide.colocations.get(id).into_iter().flat_map(|it| of_sets(&it.sets)));
        }
        Key::Order(id) => {
            names.extend(config.orders.get(id).into_iter().flat_map(|it| [&it.first, &it.then]).map(text));
            names.extend(wide.orders.get(id).into_iter().flat_map(|it| of_sets(&it.sets)));
        }
        Key::Ticket(id) => {
            names.extend(wide.tickets.get(id).into_iter().flat_map(|it| &it.resources).map(|(name, _)| text(name)))
        }
        Key::FencingTopology => {
            names.extend(config.fencing_topology.iter().flat_map(|row| row.levels.iter().flat_map(|level| ids(level))));
        }
        Key::Node(_) | Key::Template(_) | Key::Property | Key::RscDefaults | Key::OpDefaults => {}
    }
    names
}

fn text(id: &ResourceId) -> String {
    id.to_string()
}

fn ids(ids: &[ResourceId]) -> Vec<String> {
    ids.iter().map(text).collect()
}

/// The objects that name this resource, group, template or tag.
pub(super) fn referrers(config: &Config, name: &str) -> Vec<Key> {
    keys(config).into_iter().filter(|key| names_in(config, key).iter().any(|other| other == name)).collect()
}

/// Every mention of one name becomes one of another.
pub(super) fn rename_mentions(config: &mut Config, from: &str, to: &str) {
    let plain = |mention: &mut ResourceId| {
        if mention.as_str() == from {
            *mention = ResourceId::from(to);
        }
    };
    let wide = |mention: &mut String| {
        if mention == from {
            to.clone_into(mention);
        }
    };
    config.locations.values_mut().for_each(|it| plain(&mut it.resource));
    config.colocations.values_mut().flat_map(|it| [&mut it.resource, &mut it.with]).for_each(plain);
    config.orders.values_mut().flat_map(|it| [&mut it.first, &mut it.then]).for_each(plain);
    config.fencing_topology.iter_mut().flat_map(|row| row.levels.iter_mut().flatten()).for_each(plain);
    let shorthand = &mut config.shorthand;
    shorthand.tickets.values_mut().flat_map(|it| &mut it.resources).map(|(name, _)| name).for_each(plain);
    shorthand.groups.values_mut().flat_map(|it| &mut it.members).for_each(plain);
    shorthand.tags.values_mut().flatten().for_each(wide);
    shorthand.own.values_mut().filter_map(|it| it.template.as_mut()).for_each(wide);
    for location in shorthand.locations.values_mut() {
        match &mut location.who {
            Who::One(name) => wide(name),
            Who::Set(members) => members.iter_mut().for_each(wide),
            Who::Pattern(_) => {}
        }
    }
    let colocations = shorthand.colocations.values_mut().flat_map(|it| &mut it.sets);
    let orders = shorthand.orders.values_mut().flat_map(|it| &mut it.sets);
    colocations.chain(orders).flat_map(|set| &mut set.members).for_each(wide);
}

/// Takes an object out; what refers to it stays.
pub(super) fn remove(config: &mut Config, key: &Key) {
    match key {
        Key::Node(id) => _ = config.nodes.remove(id),
        Key::Template(id) => _ = config.shorthand.templates.remove(id),
        Key::Primitive(id) => {
            config.primitives.remove(id);
            config.shorthand.own.remove(id);
        }
        Key::Group(id) | Key::Clone(id) => _ = config.shorthand.groups.remove(id),
        Key::Tag(id) => _ = config.shorthand.tags.remove(id),
        Key::FencingTopology => config.fencing_topology.clear(),
        Key::Location(id) => {
            config.locations.remove(id);
            config.shorthand.locations.remove(id);
        }
        Key::Colocation(id) => {
            config.colocations.remove(id);
            config.shorthand.colocations.remove(id);
        }
        Key::Order(id) => {
            config.orders.remove(id);
            config.shorthand.orders.remove(id);
        }
        Key::Ticket(id) => _ = config.shorthand.tickets.remove(id),
        Key::Property => config.properties.clear(),
        Key::RscDefaults => {
            config.rsc_defaults.clear();
            config.rsc_rules.clear();
        }
        Key::OpDefaults => {
            config.op_defaults.clear();
            config.op_rules.clear();
        }
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

/// Takes a name out of an object that can do without it; whether the object is nothing without it.
pub(super) fn remove_mention(config: &mut Config, key: &Key, name: &str) -> bool {
    let shorthand = &mut config.shorthand;
    match key {
        Key::FencingTopology => {
            remove_device(config, &ResourceId::from(name));
            false
        }
        Key::Group(id) | Key::Clone(id) => shorthand.groups.get_mut(id).is_none_or(|it| {
            it.members.retain(|member| member.as_str() != name);
            it.members.is_empty()
        }),
        Key::Tag(id) => shorthand.tags.get_mut(id).is_none_or(|members| {
            members.retain(|member| member != name);
            members.is_empty()
        }),
        Key::Ticket(id) => shorthand.tickets.get_mut(id).is_none_or(|it| {
            it.resources.retain(|(resource, _)| resource.as_str() != name);
            it.resources.is_empty()
        }),
        Key::Location(id) => match shorthand.locations.get_mut(id).map(|it| &mut it.who) {
            Some(Who::Set(members)) => {
                members.retain(|member| member != name);
                members.is_empty()
            }
            _ => true,
        },
        _ => true,
    }
}
