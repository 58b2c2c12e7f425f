//! VM definitions, and **one-disk**: UUID, name and every writable disk that is not shareable belong to one VM alone.

use super::{Problem, Report, nearest};
use crate::config::{AgentClass, Config, MIGRATION_PARAMETERS, MigrationOptions, Primitive};
use crate::id::ResourceId;
use crate::vmdef::{self, VmDefinition};
use std::collections::BTreeMap;

const LIBVIRT: &[&str] = &["xml"];

pub(super) fn check(config: &Config, report: &mut Report) {
    let mut owners = Owners::default();
    let vms = config.primitives.iter().filter(|(_, primitive)| primitive.agent.class == AgentClass::Vm);
    for (id, vm) in vms {
        agent(report, id, vm);
        let Some(xml) = vm.params.get("xml") else {
            continue;
        };
        match vmdef::parse(xml) {
            Ok(definition) => owners.claim_all(report, id, definition),
            Err(error) => report.error(id, format!("its xml is refused: {error}"), ""),
        }
    }
}

/// What two VMs of one configuration would share, and nothing else that may be wrong with it.
pub fn one_disk(config: &Config) -> Vec<Problem> {
    let (mut owners, mut report) = (Owners::default(), Report::default());
    for (id, vm) in config.primitives.iter().filter(|(_, primitive)| primitive.agent.class == AgentClass::Vm) {
        if let Some(Ok(definition)) = vm.params.get("xml").map(|xml| vmdef::parse(xml)) {
            owners.claim_all(&mut report, id, definition);
        }
    }
    report.errors
}

fn agent(report: &mut Report, id: &ResourceId, vm: &Primitive) {
    match vm.agent.kind.as_str() {
        "fake" => {}
        // Its template is missing, which is told where it is named.
        "" => {}
        "libvirt" => {
            if !vm.params.contains_key("xml") {
                let mend = "add `params xml=@FILE` with what `virsh dumpxml` prints";
                report.error(id, "vm:libvirt needs the parameter 'xml', the domain's definition", mend);
            }
            let known: Vec<&str> = LIBVIRT.iter().chain(MIGRATION_PARAMETERS).copied().collect();
            if let Err((_, why)) = MigrationOptions::read(&vm.params) {
                report.error(id, why, "");
            }
            for name in vm.params.keys().filter(|name| !known.contains(&name.as_str())) {
                let mend = match nearest(name, &known) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "what the domain is like stands in its xml".to_owned(),
                };
                report.error(id, format!("vm:libvirt has no parameter '{name}'"), mend);
            }
        }
        kind => {
            let what = format!("there is no VM agent 'vm:{kind}'");
            report.error(id, what, "use vm:libvirt");
        }
    }
}

/// What each VM has alone.
#[derive(Default)]
struct Owners<'c> {
    of: BTreeMap<String, &'c ResourceId>,
}

impl<'c> Owners<'c> {
    fn claim_all(&mut self, report: &mut Report, id: &'c ResourceId, definition: VmDefinition) {
        self.claim(report, id, format!("the UUID {}", definition.uuid));
        self.claim(report, id, format!("the domain name '{}'", definition.name));
        for disk in definition.disks {
            self.claim(report, id, format!("the writable disk {}", disk.source));
        }
    }

    fn claim(&mut self, report: &mut Report, id: &'c ResourceId, what: String) {
        let Some(other) = self.of.insert(what.clone(), id) else {
            return;
        };
        let mend = match what.starts_with("the writable disk") {
            true => "give each VM its own, or mark it <readonly/> or <shareable/> in both where it is meant so",
            false => "give each VM its own",
        };
        match other == id {
            true => report.error(id, format!("its xml names {what} twice"), mend),
            false => report.error(id, format!("{what} is that of '{other}' too"), mend),
        }
    }
}
