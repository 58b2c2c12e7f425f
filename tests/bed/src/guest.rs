//! What a guest is: its libvirt domain and its disks. The same XML serves on every host; paths under `/run/quorate-bed`
//! are bound to the right thing in each.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::evidence::EVIDENCE_BYTES;

const DISK_BYTES: u64 = 16 << 20;

/// The UUID of the guest with this name: always the same one, and another for another name.
#[must_use]
pub fn uuid_of(name: &str) -> String {
    // FNV-1a, twice with different starts: stable over builds, which `DefaultHasher` does not promise.
    let hash = |start: u64| name.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let (a, b) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15));
    format!(
        "{:08x}-{:04x}-8{:03x}-8{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        (b >> 48) & 0xfff,
        b & 0xffff_ffff_ffff
    )
}

/// The libvirt domain of a guest, for every host alike. 96 MiB, software emulation, boots in a few seconds.
///
/// vda is an ordinary disk, vdb the shareable disk with the evidence, vdc tells the guest its host.
/// QEMU's image locks are off (see `assets/qemu.sh`), so that nothing but the cluster manager prevents a double run.
#[must_use]
pub fn domain_xml(name: &str) -> String {
    let uuid = uuid_of(name);
    // The name stands alone on its line: ocf:heartbeat:VirtualDomain finds it by line.
    format!(
        r"<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/run/quorate-bed/guest/vmlinux</kernel>
    <initrd>/run/quorate-bed/guest/initrd.img</initrd>
    <cmdline>console=ttyS0 quiet panic=1 nokaslr guest={name}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/run/quorate-bed/guest/qemu</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='threads'/>
      <source file='/run/quorate-bed/shared/{name}.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='writeback'/>
      <source file='/run/quorate-bed/shared/{name}.evidence'/>
      <target dev='vdb' bus='virtio'/>
      <shareable/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='writeback'/>
      <source file='/run/quorate-bed/host.img'/>
      <target dev='vdc' bus='virtio'/>
      <readonly/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='pty'><log file='/var/log/libvirt/{name}-serial.log' append='on'/></serial>
    <console type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
"
    )
}

/// Creates the disks of a guest, new and empty, and its XML file; returns the XML's path.
pub(crate) fn create(shared: &Path, name: &str) -> Result<PathBuf> {
    for (suffix, bytes) in [("img", DISK_BYTES), ("evidence", EVIDENCE_BYTES)] {
        let path = shared.join(format!("{name}.{suffix}"));
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        file.set_len(bytes)?;
        // A disk with a recognisable beginning: whoever formats the wrong one can be found out.
        file.write_all_at(format!("{name} {suffix}\n").as_bytes(), bytes - 512)?;
    }
    let path = shared.join(format!("{name}.xml"));
    fs::write(&path, domain_xml(name)).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_stable_and_different_for_every_name() {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..1000 {
            let uuid = uuid_of(&format!("vm{n}"));
            let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert!(seen.insert(uuid), "vm{n} shares its uuid");
        }
        assert_eq!(uuid_of("vm1"), uuid_of("vm1"));
    }

    #[test]
    fn the_name_stands_alone_on_its_line() {
        assert!(domain_xml("vm7").lines().any(|line| line.trim() == "<name>vm7</name>"));
    }
}
