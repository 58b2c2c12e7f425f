//! **inventory**: what is on this host is compared with what the cluster knows, from the daemon's start on and ever again.
//!
//! A VM of ours that nobody of us started is looked at at once, and so enters the log as active. What would start one
//! behind the cluster's back (autostart, saved images, libvirt-guests, another domain with its name) is named where
//! people see it. Nothing is changed here.

use super::cluster::Cluster;
use super::driver::definitions;
use super::executor::Executor;
use super::sleep;
use crate::engine::Event;
use crate::pace::{SURVEY_EVERY, SURVEY_SOON};
use quorate_agents::vm::{Entry, Inventory, Seen as VmSeen};
use quorate_core::config::AgentClass;
use quorate_core::id::ResourceId;
use quorate_core::vmdef;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many findings are told.
const MOST_FINDINGS: usize = 20;
/// Exists where systemd runs; it starts libvirt-guests at boot where the other exists.
const SYSTEMD: &str = "/run/systemd/system";
const LIBVIRT_GUESTS: &str = "/etc/systemd/system/multi-user.target.wants/libvirt-guests.service";

/// Surveys the host as long as the daemon runs.
pub(super) async fn watch(executor: Executor, cluster: Cluster, events: mpsc::Sender<Event>) {
    let mut ours = Ours::default();
    let mut told = Vec::new();
    loop {
        ours.refresh(&cluster);
        let mut pause = SURVEY_EVERY;
        if let Some(found) = executor.survey(Instant::now() + PATIENCE).await {
            let mut findings =
                ours.findings(&found, [SYSTEMD, LIBVIRT_GUESTS].iter().all(|path| Path::new(path).exists()));
            findings.extend(sleep::finding(Path::new("/")));
            findings.extend(cluster.disks.findings());
            if findings != told {
                findings.iter().for_each(|finding| tracing::warn!(finding, "found on this host"));
                told.clone_from(&findings);
            }
            if ours.is_unclear(&found) {
                pause = SURVEY_SOON;
            }
            if events.send(Event::Surveyed { present: ours.present(&found), findings }).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// What is ours, by UUID and by name.
#[derive(Debug, Default)]
struct Ours {
    /// The revision and the number of resources it was read from.
    of: (u64, usize),
    by_uuid: BTreeMap<String, ResourceId>,
    by_name: BTreeMap<String, ResourceId>,
}

impl Ours {
    fn refresh(&mut self, cluster: &Cluster) {
        cluster.state(|state| {
            let of = (state.revision, state.resources.len());
            if self.of == of {
                return;
            }
            *self = Self { of, ..Self::default() };
            for (id, primitive) in definitions(state).filter(|(_, primitive)| primitive.agent.class == AgentClass::Vm) {
                let Some(Ok(read)) = primitive.params.get("xml").map(|xml| vmdef::parse(xml)) else { continue };
                self.by_uuid.insert(read.uuid, id.clone());
                self.by_name.insert(read.name, id.clone());
            }
        });
    }

    /// Those of ours that are there.
    fn present(&self, found: &Inventory) -> BTreeSet<ResourceId> {
        let is_there = |entry: &&Entry| !matches!(entry.seen, VmSeen::Stopped | VmSeen::Unknown { .. });
        found.entries.iter().filter(is_there).filter_map(|entry| self.by_uuid.get(&entry.uuid)).cloned().collect()
    }

    /// Something of ours is there, and could not be looked at.
    fn is_unclear(&self, found: &Inventory) -> bool {
        let mut unknown = found.entries.iter().filter(|entry| matches!(entry.seen, VmSeen::Unknown { .. }));
        unknown.any(|entry| self.by_uuid.contains_key(&entry.uuid))
    }

    /// What could start one of ours beside the cluster, or keeps it from starting.
    fn findings(&self, found: &Inventory, libvirt_guests: bool) -> Vec<String> {
        let mut findings = Vec::new();
        for entry in &found.entries {
            let name = &entry.name;
            match (self.by_uuid.get(&entry.uuid), self.by_name.get(name)) {
                (Some(id), _) => {
                    if entry.autostart {
                        findings.push(format!(
                            "libvirt starts {id} at boot, beside the cluster: virsh autostart --disable {name}"
                        ));
                    }
                    if entry.managed_save {
                        findings.push(format!(
                            "libvirt keeps a saved memory image of {id}, older than its disks: virsh managedsave-remove {name}"
                        ));
                    }
                }
                (None, Some(id)) => findings.push(format!(
                    "a domain with the name of {id} and another UUID, {}, keeps {id} from starting here: virsh undefine {name}, or rename it",
                    entry.uuid
                )),
                (None, None) => {}
            }
        }
        if libvirt_guests && !self.by_uuid.is_empty() {
            findings.push(
                "libvirt-guests stops and starts VMs beside the cluster: systemctl disable --now libvirt-guests"
                    .to_owned(),
            );
        }
        findings.truncate(MOST_FINDINGS);
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uuid: &str, name: &str) -> Entry {
        Entry {
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            seen: VmSeen::Stopped,
            persistent: true,
            autostart: false,
            managed_save: false,
        }
    }

    fn ours() -> Ours {
        let id = || ResourceId::from("vm1");
        Ours {
            of: (1, 1),
            by_uuid: BTreeMap::from([("u1".to_owned(), id())]),
            by_name: BTreeMap::from([("web".to_owned(), id())]),
        }
    }

    #[test]
    fn what_could_start_a_vm_beside_the_cluster_is_named_with_what_to_type() {
        let check = |entry: Entry, guests: bool, wanted: &[&str]| {
            let findings = ours().findings(&Inventory { entries: vec![entry], incomplete: None }, guests);
            assert_eq!(findings.len(), wanted.len(), "{findings:?}");
            for (finding, part) in findings.iter().zip(wanted) {
                assert!(finding.contains(part), "{part:?} is not in {finding:?}");
            }
        };
        check(entry("u1", "web"), false, &[]);
        check(Entry { autostart: true, ..entry("u1", "web") }, false, &["virsh autostart --disable web"]);
        check(Entry { managed_save: true, ..entry("u1", "web") }, false, &["virsh managedsave-remove web"]);
        check(entry("u2", "web"), false, &["keeps vm1 from starting"]);
        check(entry("u2", "other"), true, &["libvirt-guests"]);
        check(Entry { autostart: true, ..entry("u2", "other") }, false, &[]);
    }

    #[test]
    fn only_what_is_plainly_there_is_present() {
        let process = quorate_agents::vm::ProcessId { pid: 7, started: 1 };
        let check = |seen: VmSeen, wanted: usize| {
            let found = Inventory { entries: vec![Entry { seen, ..entry("u1", "web") }], incomplete: None };
            assert_eq!(ours().present(&found).len(), wanted);
        };
        check(VmSeen::Running { process }, 1);
        check(VmSeen::Paused { process, reason: "by a user".to_owned() }, 1);
        check(VmSeen::Stopped, 0);
        check(VmSeen::Unknown { why: "no answer".to_owned() }, 0);
    }

    #[test]
    fn what_is_there_and_cannot_be_looked_at_is_looked_at_again_soon() {
        let check = |seen: VmSeen, uuid: &str, wanted: bool| {
            let found = Inventory { entries: vec![Entry { seen, ..entry(uuid, "web") }], incomplete: None };
            assert_eq!(ours().is_unclear(&found), wanted);
        };
        let unknown = || VmSeen::Unknown { why: "its process exists".to_owned() };
        check(unknown(), "u1", true);
        check(unknown(), "u2", false);
        check(VmSeen::Stopped, "u1", false);
    }
}
