//! What a machine boots: Debian's full kernel, and an initrd that makes this machine's own root, read-only, the machine's.
//! So it runs what is installed and built here, and no image of a system has to be made.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::initrd::{load_order, pack, program, skeleton};
use super::kernel::{FULL, fetch, lock};
use crate::evidence::fnv;
use crate::layout::cache;

const INIT: &str = include_str!("../../assets/machine-init.sh");

const APPLETS: &[&str] = &["sh", "mount", "insmod", "cat", "echo", "mkdir", "switch_root"];

/// In the order in which they must be loaded. What a kernel has built in is skipped.
const MODULES: &[&str] = &[
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "net/9p/9pnet",
    "net/9p/9pnet_virtio",
    "fs/netfs/netfs",
    "fs/fscache/fscache",
    "fs/9p/9p",
    "fs/overlayfs/overlay",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/block/virtio_blk",
    "lib/crc16",
    "crypto/crc32c_generic",
    "fs/mbcache",
    "fs/jbd2/jbd2",
    "fs/ext4/ext4",
    "drivers/watchdog/watchdog",
    "drivers/watchdog/i6300esb",
];

/// The directory with `vmlinux` and `initrd.img`, named after what they are made of.
pub(super) fn ensure() -> Result<PathBuf> {
    let content = [INIT, &APPLETS.concat(), &MODULES.concat()].concat();
    let dir = cache().join(format!("machine-{:016x}", fnv(content.as_bytes())));
    // The initrd comes last into its place: where it is, the rest is.
    if dir.join("initrd.img").exists() {
        return Ok(dir);
    }
    let _lock = lock()?;
    if dir.join("initrd.img").exists() {
        return Ok(dir);
    }
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let work = tempfile::tempdir_in(cache()).context("create a directory in the bed's cache")?;
    // Of hundreds of megabytes of drivers some are kept.
    let (elf, modules) = fetch(FULL, work.path())?;
    fs::write(dir.join("vmlinux"), elf).context("keep the kernel")?;
    let root = work.path().join("initrd");
    skeleton(&root, &["layer", "lower", "new"], APPLETS)?;
    program(&root.join("init"), INIT)?;
    load_order(&root, &modules, MODULES)?;
    pack(&root)?;
    fs::rename(work.path().join("initrd.img"), dir.join("initrd.img")).context("keep the initrd")?;
    Ok(dir)
}
