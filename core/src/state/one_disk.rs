//! **one-disk** beyond the configuration: what a VM was started with, it has until it is stopped, whatever is
//! configured by now. `config::validate` sees only what is configured together; this is asked by whoever makes a change,
//! and again by `apply` at the entry's index.

use super::{ClusterState, Standing};
use crate::config::validate::{self, Problem};
use crate::config::{AgentClass, Config, Primitive, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::vmdef;
use std::collections::BTreeSet;

/// A VM that has something alone, or may have it before the next change.
#[derive(Clone, Debug)]
pub struct Owner {
    id: ResourceId,
    places: Vec<NodeId>,
    definition: Primitive,
}

impl ClusterState {
    /// Everything that may have a disk, a name or a UUID now.
    pub fn owners(&self) -> Vec<Owner> {
        let started = self.resources.iter().flat_map(|(id, nodes)| nodes.iter().map(move |(node, it)| (id, node, it)));
        let started = started.filter_map(|(id, node, activity)| {
            Some(Owner { id: id.clone(), places: vec![node.clone()], definition: activity.definition.clone()? })
        });
        let configured = self.config.primitives.iter().filter_map(|(id, primitive)| {
            let held = self
                .nodes
                .keys()
                .filter(|node| self.activity(id, node).is_some() && self.standing(id, node) != Standing::NotActive);
            let places: Vec<NodeId> = held.cloned().collect();
            let meta = self.meta(id, primitive);
            // One that should run may be started between a look and the entry.
            let may_run = meta.target_role == TargetRole::Started || !places.is_empty();
            may_run.then(|| Owner { id: id.clone(), places, definition: primitive.clone() })
        });
        started.chain(configured).collect()
    }

    /// What stands against this configuration at this index: two VMs with one UUID, name or disk.
    pub(super) fn one_disk(&self, new: &Config) -> Vec<Problem> {
        if changed(&self.config, new).all(|(_, primitive)| claims(primitive).is_empty()) {
            return Vec::new();
        }
        let mut problems = validate::one_disk(new);
        problems.extend(conflicts(&self.config, &self.owners(), new));
        problems
    }
}

/// New or changed VMs that claim what another one has, or could have before the change is entered.
pub fn conflicts(old: &Config, owners: &[Owner], new: &Config) -> Vec<Problem> {
    let mut problems = BTreeSet::new();
    let changed: Vec<(&ResourceId, BTreeSet<String>)> = changed(old, new)
        .map(|(id, primitive)| (id, claims(primitive)))
        .filter(|(_, claims)| !claims.is_empty())
        .collect();
    if changed.is_empty() {
        return Vec::new();
    }
    let owned: Vec<(&Owner, BTreeSet<String>)> =
        owners.iter().map(|owner| (owner, claims(&owner.definition))).collect();
    for (id, claims) in changed {
        for (owner, owned) in owned.iter().filter(|(owner, _)| owner.id != *id) {
            problems.extend(owned.intersection(&claims).map(|what| owner.problem(id, what)));
        }
    }
    problems.into_iter().collect()
}

fn changed<'c>(old: &'c Config, new: &'c Config) -> impl Iterator<Item = (&'c ResourceId, &'c Primitive)> {
    new.primitives.iter().filter(|(id, primitive)| old.primitives.get(*id) != Some(*primitive))
}

/// What must be one VM's alone.
fn claims(primitive: &Primitive) -> BTreeSet<String> {
    let xml = primitive.params.get("xml").filter(|_| primitive.agent.class == AgentClass::Vm);
    let Some(definition) = xml.and_then(|xml| vmdef::parse(xml).ok()) else {
        return BTreeSet::new();
    };
    let identity = [format!("the UUID {}", definition.uuid), format!("the domain name '{}'", definition.name)];
    let disks = definition.disks.into_iter().map(|disk| format!("the writable disk {}", disk.source));
    identity.into_iter().chain(disks).collect()
}

impl Owner {
    fn problem(&self, id: &ResourceId, what: &str) -> Problem {
        let owner = &self.id;
        let where_ = match self.places.is_empty() {
            true => "which may be started with it at any moment".to_owned(),
            false => format!(
                "which is or may be active with it on {}",
                self.places.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        Problem {
            object: id.to_string(),
            what: format!("{what} is that of '{owner}', {where_}"),
            mend: format!("make sure that '{owner}' is stopped first (`qrm resource stop {owner}`, then `qrm status`)"),
        }
    }
}
