//! The difference of two configurations as data: what a log entry carries instead of the whole.

use super::shorthand::{Group, Own, Shorthand, WideColocation, WideLocation, WideOrder};
use super::{Attributes, Colocation, Config, FencingTopology, Location, NodeConfig, Order, Primitive};
use crate::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For each key that changes, its new value, or `None` where it goes.
type MapPatch<K, V> = BTreeMap<K, Option<V>>;

/// What turns one configuration into another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigPatch {
    nodes: MapPatch<NodeId, NodeConfig>,
    primitives: MapPatch<ResourceId, Primitive>,
    locations: MapPatch<String, Location>,
    colocations: MapPatch<String, Colocation>,
    orders: MapPatch<String, Order>,
    fencing_topology: Option<Vec<FencingTopology>>,
    properties: Option<Attributes>,
    rsc_defaults: Option<Attributes>,
    op_defaults: Option<Attributes>,
    shorthand: ShorthandPatch,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ShorthandPatch {
    templates: MapPatch<String, Primitive>,
    groups: MapPatch<String, Group>,
    tags: MapPatch<String, Vec<String>>,
    own: MapPatch<ResourceId, Own>,
    locations: MapPatch<String, WideLocation>,
    colocations: MapPatch<String, WideColocation>,
    orders: MapPatch<String, WideOrder>,
    ruled: MapPatch<ResourceId, Vec<String>>,
}

impl ShorthandPatch {
    fn between(old: &Shorthand, new: &Shorthand) -> Self {
        Self {
            templates: map_patch(&old.templates, &new.templates),
            groups: map_patch(&old.groups, &new.groups),
            tags: map_patch(&old.tags, &new.tags),
            own: map_patch(&old.own, &new.own),
            locations: map_patch(&old.locations, &new.locations),
            colocations: map_patch(&old.colocations, &new.colocations),
            orders: map_patch(&old.orders, &new.orders),
            ruled: map_patch(&old.ruled, &new.ruled),
        }
    }

    fn apply_to(&self, shorthand: &mut Shorthand) {
        patch_map(&mut shorthand.templates, &self.templates);
        patch_map(&mut shorthand.groups, &self.groups);
        patch_map(&mut shorthand.tags, &self.tags);
        patch_map(&mut shorthand.own, &self.own);
        patch_map(&mut shorthand.locations, &self.locations);
        patch_map(&mut shorthand.colocations, &self.colocations);
        patch_map(&mut shorthand.orders, &self.orders);
        patch_map(&mut shorthand.ruled, &self.ruled);
    }
}

impl ConfigPatch {
    /// The patch that turns `old` into `new`.
    pub fn between(old: &Config, new: &Config) -> Self {
        fn whole<T: PartialEq + Clone>(old: &T, new: &T) -> Option<T> {
            (old != new).then(|| new.clone())
        }
        Self {
            nodes: map_patch(&old.nodes, &new.nodes),
            primitives: map_patch(&old.primitives, &new.primitives),
            locations: map_patch(&old.locations, &new.locations),
            colocations: map_patch(&old.colocations, &new.colocations),
            orders: map_patch(&old.orders, &new.orders),
            fencing_topology: whole(&old.fencing_topology, &new.fencing_topology),
            properties: whole(&old.properties, &new.properties),
            rsc_defaults: whole(&old.rsc_defaults, &new.rsc_defaults),
            op_defaults: whole(&old.op_defaults, &new.op_defaults),
            shorthand: ShorthandPatch::between(&old.shorthand, &new.shorthand),
        }
    }

    /// Carries the patch out.
    pub fn apply_to(&self, config: &mut Config) {
        fn whole<T: Clone>(target: &mut T, new: Option<&T>) {
            if let Some(new) = new {
                target.clone_from(new);
            }
        }
        patch_map(&mut config.nodes, &self.nodes);
        patch_map(&mut config.primitives, &self.primitives);
        patch_map(&mut config.locations, &self.locations);
        patch_map(&mut config.colocations, &self.colocations);
        patch_map(&mut config.orders, &self.orders);
        whole(&mut config.fencing_topology, self.fencing_topology.as_ref());
        whole(&mut config.properties, self.properties.as_ref());
        whole(&mut config.rsc_defaults, self.rsc_defaults.as_ref());
        whole(&mut config.op_defaults, self.op_defaults.as_ref());
        self.shorthand.apply_to(&mut config.shorthand);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn map_patch<K: Ord + Clone, V: PartialEq + Clone>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> MapPatch<K, V> {
    let gone = old.keys().filter(|key| !new.contains_key(key)).map(|key| (key.clone(), None));
    let put = new
        .iter()
        .filter(|(key, value)| old.get(key) != Some(value))
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    gone.chain(put).collect()
}

fn patch_map<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, patch: &MapPatch<K, V>) {
    for (key, value) in patch {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
