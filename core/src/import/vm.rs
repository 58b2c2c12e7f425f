//! `ocf:heartbeat:VirtualDomain`, which is `vm:libvirt` here.

use super::{Element, Fate, Import};
use crate::config::{Attributes, MIGRATION_PARAMETERS, MigrationOptions};
use crate::id::ResourceId;

/// What the other parameters come to here.
const OTHERWISE: &[(&str, &str)] = &[
    ("autoset_utilization_cpu", "what a VM needs is not read from libvirt: write `utilization`"),
    ("autoset_utilization_host_memory", "what a VM needs is not read from libvirt: write `utilization`"),
    ("autoset_utilization_hv_memory", "what a VM needs is not read from libvirt: write `utilization`"),
    ("backingfile", "a disk is not made when a VM starts"),
    ("copyindirs", "the definition is kept in the cluster, and no file is copied"),
    ("migration_network_suffix", "the way a migration takes is libvirt's: see migration_transport"),
    ("migration_user", "the libvirtds reach each other as the host is set up"),
    ("migrateport", "the port is libvirt's choice"),
    ("migrateuri", "the way a migration takes is libvirt's: see migration_transport"),
    ("monitor_scripts", "only libvirt and the process are watched"),
    ("remoteuri", "the way a migration takes is libvirt's: see migration_transport"),
    ("restore_if_exists", "a VM is not saved to a file"),
    ("save_config_on_stop", "the definition is kept in the cluster, and changed by `qrm configure`"),
    ("shutdown_mode", "the guest is shut down as libvirt chooses"),
    ("snapshot", "a VM is not saved to a file when it stops"),
    ("start_resources", "pools and networks are the host's to start"),
    ("stateless", "the definition is kept in the cluster"),
    ("sync_config_on_stop", "the definition is kept in the cluster, and no file is copied"),
];

/// What stands for a file's content until the file is there; no domain definition begins so.
pub(super) fn stand_in(file: &str) -> String {
    format!("\u{E000}{file}")
}

impl<'a> Import<'a, '_> {
    pub(super) fn virtual_domain(
        &mut self,
        id: &str,
        element: Element<'a>,
        params: Vec<(Element<'a>, String, String)>,
        needs_file: bool,
    ) -> Attributes {
        let mut taken = Attributes::new();
        let mut config = None;
        for (at, name, value) in params {
            match name.as_str() {
                "config" => config = Some((at, value)),
                "hypervisor" if ["qemu:///system", ""].contains(&value.as_str()) => {}
                "hypervisor" => {
                    let what = format!("hypervisor={value}: every VM is asked of the host's own libvirtd here");
                    self.tell(Fate::LeftOut, id, at, what, "it is the daemon's choice which libvirtd that is");
                }
                "force_stop" => self.force_stop(id, at, &value),
                name if MIGRATION_PARAMETERS.contains(&name) => {
                    let pair = Attributes::from([(name.to_owned(), value)]);
                    match MigrationOptions::read(&pair) {
                        Ok(_) => taken.extend(pair),
                        Err((_, why)) => self.tell(Fate::LeftOut, id, at, why, ""),
                    }
                }
                name => {
                    let why = OTHERWISE.iter().find(|(known, _)| *known == name).map(|(_, why)| *why);
                    let why = why.unwrap_or("vm:libvirt has no such parameter");
                    self.tell(Fate::LeftOut, id, at, format!("{name}={value}: {why}"), "");
                }
            }
        }
        match config {
            Some((at, path)) => self.definition(id, at, &path, &mut taken),
            None if !needs_file => {}
            None => self.await_file(
                id,
                element,
                &format!("{id}.xml"),
                "it names no config, the file of its definition",
                &mut taken,
            ),
        }
        taken
    }

    fn force_stop(&mut self, id: &str, at: Element<'a>, value: &str) {
        if crate::config::boolean(value) == Some(true) {
            let what = "force_stop: a stop here asks the guest to shut down first, and ends it when time runs short";
            self.tell(Fate::Changed, id, at, what, "give `op stop` a shorter timeout to end it sooner");
        }
    }

    /// The definition itself is part of the configuration.
    fn definition(&mut self, id: &str, at: Element<'a>, path: &str, taken: &mut Attributes) {
        match (self.bring)(path) {
            Ok(xml) => {
                self.tell(
                    Fate::Changed,
                    id,
                    at,
                    format!("config={path}: the definition is kept in the cluster as xml"),
                    "",
                );
                taken.insert("xml".to_owned(), xml);
            }
            Err(why) => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                let is_usable = !name.is_empty() && name.chars().all(is_plain);
                let file = if is_usable { name.to_owned() } else { format!("{id}.xml") };
                self.await_file(id, at, &file, &format!("config={path} cannot be read ({why})"), taken);
            }
        }
    }

    fn await_file(&mut self, id: &str, at: Element<'a>, file: &str, why: &str, taken: &mut Attributes) {
        let mend = format!("put what `virsh dumpxml --inactive` prints of it into {file}, beside what is printed here");
        self.tell(Fate::Changed, id, at, format!("{why}: xml=@{file} stands for its definition"), mend);
        taken.insert("xml".to_owned(), stand_in(file));
        self.missing.insert(ResourceId::from(id), file.to_owned());
    }
}
