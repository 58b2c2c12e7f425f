//! **one-disk** beyond the configuration: what a VM was started with, it has until it is stopped, whatever is
//! configured by now. `config::validate` sees only what is configured together.

use super::edit::{Base, names};
use quorate_core::config::validate::Problem;
use quorate_core::config::{AgentClass, Config, Primitive, ResourceMeta, TargetRole};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::vmdef;
use std::collections::BTreeSet;

/// New or changed VMs that claim what another one has, or could have before the change is entered.
pub(super) fn conflicts(base: &Base, new: &Config) -> Vec<Problem> {
    let changed = new.primitives.iter().filter(|(id, primitive)| base.config.primitives.get(*id) != Some(*primitive));
    let owners = owners(base);
    let mut problems = BTreeSet::new();
    for (id, primitive) in changed {
        let claims = claims(primitive);
        for owner in owners.iter().filter(|owner| owner.id != id) {
            problems.extend(owner.claims.intersection(&claims).map(|what| owner.problem(id, what)));
        }
    }
    problems.into_iter().collect()
}

struct Owner<'b> {
    id: &'b ResourceId,
    places: Vec<NodeId>,
    claims: BTreeSet<String>,
}

fn owners(base: &Base) -> Vec<Owner<'_>> {
    let started = base.started.iter().map(|(id, node, definition)| Owner {
        id,
        places: vec![node.clone()],
        claims: claims(definition),
    });
    let configured = base.config.primitives.iter().filter_map(|(id, primitive)| {
        let places = base.held.get(id).cloned().unwrap_or_default();
        let (meta, _) = ResourceMeta::read(id, primitive, &base.config.rsc_defaults);
        // One that should run may be started between this look and the entry.
        let may_run = meta.target_role == TargetRole::Started || !places.is_empty();
        may_run.then(|| Owner { id, places, claims: claims(primitive) })
    });
    started.chain(configured).collect()
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

impl Owner<'_> {
    fn problem(&self, id: &ResourceId, what: &str) -> Problem {
        let owner = self.id;
        let where_ = match self.places.is_empty() {
            true => "which may be started with it at any moment".to_owned(),
            false => format!("which is or may be active with it on {}", names(&self.places)),
        };
        Problem {
            object: id.to_string(),
            what: format!("{what} is that of '{owner}', {where_}"),
            mend: format!("make sure that '{owner}' is stopped first (`qrm resource stop {owner}`, then `qrm status`)"),
        }
    }
}
