//! The difference of two configurations as data: what a log entry carries instead of the whole.

use super::role::HasRoles;
use super::shorthand::{Group, Own, Shorthand, WideColocation, WideLocation, WideOrder, is_part, whole};
use super::{
    AgentClass, Attributes, Colocation, Config, FencingTopology, LevelTarget, Location, LookedFor, NodeConfig, Order,
    OrderTask, Primitive, RuledSet, Section, TicketConstraint, TicketNeed,
};
use crate::id::{NodeId, ResourceId};
use crate::rule::Test;
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
    rsc_rules: Option<Vec<RuledSet>>,
    op_defaults: Option<Attributes>,
    op_rules: Option<Vec<RuledSet>>,
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
    tickets: MapPatch<String, TicketConstraint>,
    needs: MapPatch<ResourceId, Vec<TicketNeed>>,
    looked_for: MapPatch<ResourceId, LookedFor>,
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
            tickets: map_patch(&old.tickets, &new.tickets),
            needs: map_patch(&old.needs, &new.needs),
            looked_for: map_patch(&old.looked_for, &new.looked_for),
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
        patch_map(&mut shorthand.tickets, &self.tickets);
        patch_map(&mut shorthand.needs, &self.needs);
        patch_map(&mut shorthand.looked_for, &self.looked_for);
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
            rsc_rules: whole(&old.rsc_rules, &new.rsc_rules),
            op_defaults: whole(&old.op_defaults, &new.op_defaults),
            op_rules: whole(&old.op_rules, &new.op_rules),
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
        whole(&mut config.rsc_rules, self.rsc_rules.as_ref());
        whole(&mut config.op_defaults, self.op_defaults.as_ref());
        whole(&mut config.op_rules, self.op_rules.as_ref());
        self.shorthand.apply_to(&mut config.shorthand);
    }

    /// Whether it speaks of clones, which older daemons take for groups.
    pub fn has_clones(&self) -> bool {
        self.shorthand.groups.values().flatten().any(Group::is_clone)
    }

    /// Whether it speaks of promotable clones.
    pub fn has_promotable(&self) -> bool {
        self.shorthand.groups.values().flatten().any(Group::is_promotable)
    }

    /// Whether members of a group are promoted one after another by it.
    pub fn has_promoted_together(&self) -> bool {
        let promotes = |order: &Order| order.first_task == OrderTask::Promote && order.then_task == OrderTask::Promote;
        self.orders.iter().any(|(id, order)| {
            let is_of_sets = self.shorthand.orders.contains_key(whole(id));
            is_part(id) && !is_of_sets && order.as_ref().is_some_and(promotes)
        })
    }

    /// Whether it speaks of clones whose instances differ.
    pub fn has_unique(&self) -> bool {
        self.shorthand.groups.values().flatten().any(Group::is_unique)
    }

    /// Whether it speaks of orders after any of several, which older daemons take for orders after all of them.
    pub fn has_any_of(&self) -> bool {
        self.orders.values().flatten().any(|order| !order.requires_all)
    }

    /// Whether it speaks of rules that ask for agents or operations.
    pub fn has_rules_of_defaults(&self) -> bool {
        let asks = |set: &RuledSet| {
            let tests = set.rule.iter().flat_map(|rule| &rule.tests);
            set.section == Section::Operation || tests.into_iter().any(|test| matches!(test, Test::Agent { .. }))
        };
        self.op_rules.iter().chain(&self.rsc_rules).flatten().any(asks)
    }

    /// Whether it speaks of roles in constraints.
    pub fn has_roles(&self) -> bool {
        fn any<V: HasRoles>(map: &MapPatch<String, V>) -> bool {
            map.values().flatten().any(HasRoles::has_roles)
        }
        let wide = &self.shorthand;
        let plain = any(&self.locations) || any(&self.colocations) || any(&self.orders);
        plain || any(&wide.locations) || any(&wide.colocations) || any(&wide.orders)
    }

    /// Whether it speaks of devices that let nodes to their storage.
    pub fn has_unfencing(&self) -> bool {
        self.primitives.values().flatten().any(|device| device.meta.contains_key("provides"))
    }

    /// Whether it speaks of pills, which older daemons take for devices of no kind they know.
    pub fn has_pills(&self) -> bool {
        self.primitives.values().flatten().any(Primitive::is_pill)
    }

    /// Whether it speaks of units of systemd.
    pub fn has_units(&self) -> bool {
        let templates = self.shorthand.templates.values().flatten();
        let mut all = self.primitives.values().flatten().chain(templates);
        all.any(|primitive| primitive.agent.class == AgentClass::Systemd)
    }

    /// Whether it speaks of tickets.
    pub fn has_tickets(&self) -> bool {
        self.shorthand.tickets.values().flatten().next().is_some()
            || self.shorthand.needs.values().flatten().next().is_some()
    }

    /// Whether it says that something is not looked for everywhere.
    pub fn has_discovery(&self) -> bool {
        self.shorthand.looked_for.values().flatten().next().is_some()
    }

    /// Whether it has fence levels by pattern or attribute.
    pub fn has_level_targets(&self) -> bool {
        let is_new = |row: &FencingTopology| !matches!(row.target, LevelTarget::Rest | LevelTarget::Node(_));
        self.fencing_topology.iter().flatten().any(is_new)
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
