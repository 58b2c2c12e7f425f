//! The guest's root: busybox, some drivers, and the program that writes the evidence, packed into an initrd.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kernel::{Kernel, decompress, lock};
use crate::command::run;
use crate::evidence::fnv;
use crate::layout::cache;

const INIT: &str = include_str!("../../assets/guest-init.sh");
const POWER_BUTTON: &str = include_str!("../../assets/guest-power-button.sh");
const TICK: &str = include_str!("../../assets/tick.rs");
const QEMU: &str = include_str!("../../assets/qemu.sh");

const APPLETS: &[&str] = &["sh", "mount", "insmod", "cat", "echo", "sleep", "poweroff", "sync", "acpid", "hostname"];

/// In the order in which they must be loaded. What a kernel has built in is skipped.
const MODULES: &[&str] = &[
    "drivers/acpi/button",
    "drivers/input/evdev",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
];

/// The directory with `vmlinux`, `initrd.img` and `qemu`, named after their content: beds may use old and new side by side.
pub(super) fn ensure(kernel: &Kernel) -> Result<PathBuf> {
    let content = [INIT, POWER_BUTTON, TICK, QEMU, &kernel.vmlinux.to_string_lossy()].concat();
    let dir = cache().join(format!("guest-{:016x}", fnv(content.as_bytes())));
    fs::create_dir_all(cache().join("libvirt"))?;
    if dir.join("initrd.img").exists() {
        return Ok(dir);
    }
    let _lock = lock()?;
    if dir.join("initrd.img").exists() {
        return Ok(dir);
    }
    fs::create_dir_all(&dir)?;
    let work = tempfile::tempdir_in(cache()).context("create a directory in the bed's cache")?;
    let root = work.path().join("root");
    populate(&root, kernel)?;
    program(&dir.join("qemu"), QEMU)?;
    let _ = fs::remove_file(dir.join("vmlinux"));
    fs::hard_link(&kernel.vmlinux, dir.join("vmlinux")).context("link the kernel")?;
    pack(&root)?;
    fs::rename(work.path().join("initrd.img"), dir.join("initrd.img"))?;
    Ok(dir)
}

pub(crate) fn program(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn populate(root: &Path, kernel: &Kernel) -> Result<()> {
    skeleton(root, &["tmp", "etc/acpi/PWRF"], APPLETS)?;
    program(&root.join("init"), INIT)?;
    program(&root.join("etc/acpi/PWRF/00000080"), POWER_BUTTON)?;
    load_order(root, &kernel.modules, MODULES)?;
    compile_tick(&root.join("bin/tick"))
}

/// What every root begins with.
pub(super) fn skeleton(root: &Path, directories: &[&str], applets: &[&str]) -> Result<()> {
    for dir in ["bin", "dev", "proc", "sys", "m"].iter().chain(directories) {
        fs::create_dir_all(root.join(dir))?;
    }
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    fs::copy(busybox.context("busybox-static is not installed")?, root.join("bin/busybox"))?;
    for applet in applets {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// Takes these drivers along, as far as the kernel has not built them in, and the order they are loaded in.
pub(super) fn load_order(root: &Path, modules: &Path, wanted: &[&str]) -> Result<()> {
    let mut order = String::new();
    for module in wanted {
        let name = format!("{}.ko", module.rsplit('/').next().unwrap_or(module));
        if let Some(bytes) = read_module(&modules.join("kernel").join(module))? {
            fs::write(root.join("m").join(&name), bytes)?;
            order.push_str(&name);
            order.push('\n');
        }
    }
    fs::write(root.join("m/order"), order).context("write the order of the drivers")
}

/// Packs a root; the initrd lies beside it.
pub(super) fn pack(root: &Path) -> Result<()> {
    let pack = "find . | cpio -o -H newc --quiet >../initrd.img";
    run(Command::new("sh").args(["-c", pack]).current_dir(root), Duration::from_secs(60))?
        .ok()
        .map(drop)
        .context("pack the initrd")
}

fn read_module(path: &Path) -> Result<Option<Vec<u8>>> {
    let plain = path.with_extension("ko");
    if plain.exists() {
        return Ok(Some(fs::read(plain)?));
    }
    // Newer kernels ship them compressed; the little insmod of busybox takes only plain ones.
    let packed = path.with_extension("ko.xz");
    if packed.exists() {
        return Ok(Some(decompress(&["xz", "-dc"], &fs::read(packed)?)?));
    }
    Ok(None)
}

/// Static, so that it needs nothing in the guest.
fn compile_tick(program: &Path) -> Result<()> {
    let source = program.with_extension("rs");
    fs::write(&source, TICK)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args([
        "--edition=2024",
        "--crate-name=tick",
        "-O",
        "-Cstrip=symbols",
        "-Cpanic=abort",
        "-Ctarget-feature=+crt-static",
        "-o",
    ]);
    command.arg(program).arg(&source);
    run(&mut command, Duration::from_secs(120))?.ok().context("compile the guest's program")?;
    fs::remove_file(&source)?;
    if !program.exists() {
        bail!("rustc made no {}", program.display());
    }
    Ok(())
}
