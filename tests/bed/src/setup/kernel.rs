//! Debian's kernels: the cloud kernel for guests, the full one for machines with a watchdog. Fetched as packages without
//! installing them, and unpacked to the bare ELF image, which an emulated CPU boots without decompressing anything.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::command::run;
use crate::layout::cache;

/// Small, for guests.
const CLOUD: &str = "cloud-amd64";
/// With every driver.
pub(super) const FULL: &str = "amd64";

/// A kernel with the directory of its modules.
pub(super) struct Kernel {
    pub(super) vmlinux: PathBuf,
    pub(super) modules: PathBuf,
}

/// Only one process at a time fills the cache.
pub(super) fn lock() -> Result<Flock<fs::File>> {
    let dir = cache();
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let file = fs::File::create(dir.join("lock")).context("create the lock of the bed's cache")?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("lock the bed's cache")
}

pub(super) fn ensure() -> Result<Kernel> {
    let dir = cache().join("kernel");
    let kernel = || Kernel { vmlinux: dir.join("vmlinux"), modules: dir.join("modules") };
    // vmlinux comes last into its place: where it is, the rest is.
    if dir.join("vmlinux").exists() {
        return Ok(kernel());
    }
    let _lock = lock()?;
    if dir.join("vmlinux").exists() {
        return Ok(kernel());
    }
    let work = tempfile::tempdir_in(cache()).context("create a directory in the bed's cache")?;
    let (elf, modules) = fetch(CLOUD, work.path())?;
    fs::create_dir_all(&dir)?;
    let _ = fs::remove_dir_all(dir.join("modules"));
    fs::rename(modules, dir.join("modules")).context("keep the kernel's modules")?;
    fs::write(dir.join("vmlinux.new"), elf)?;
    fs::rename(dir.join("vmlinux.new"), dir.join("vmlinux"))?;
    Ok(kernel())
}

/// The bare image of a kernel, and the directory below `work` that its modules were unpacked to.
pub(super) fn fetch(flavour: &str, work: &Path) -> Result<(Vec<u8>, PathBuf)> {
    let package = package_name(flavour)?;
    eprintln!("fetching a kernel: {package}");
    shell(work, &format!("apt-get -q download '{package}' && dpkg-deb -x ./*.deb root"))?;
    let root = work.join("root");
    let modules = only_entry(&[root.join("lib/modules"), root.join("usr/lib/modules")])?;
    let image = fs::read_dir(root.join("boot"))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")))
        .context("the kernel package holds no boot/vmlinuz")?;
    Ok((extract(&fs::read(&image)?)?, modules))
}

/// The package that the ever-current name stands for now.
fn package_name(flavour: &str) -> Result<String> {
    let current = format!("linux-image-{flavour}");
    let ask = || -> Result<Option<String>> {
        let output = run(Command::new("apt-cache").args(["depends", &current]), Duration::from_secs(60))?;
        let mut lines = output.stdout.lines();
        Ok(lines
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .map(|name| format!("linux-image-{name}")))
    };
    if let Some(name) = ask()? {
        return Ok(name);
    }
    shell(Path::new("/"), "apt-get -q -o DPkg::Lock::Timeout=300 update")?;
    ask()?.with_context(|| format!("apt knows no {current}: the bed needs Debian's kernels for amd64"))
}

fn shell(directory: &Path, script: &str) -> Result<()> {
    let output = run(Command::new("sh").args(["-c", script]).current_dir(directory), Duration::from_secs(600))?;
    output.ok().map(drop).with_context(|| script.to_owned())
}

fn only_entry(candidates: &[PathBuf]) -> Result<PathBuf> {
    for candidate in candidates {
        if let Some(entry) = fs::read_dir(candidate).ok().and_then(|mut entries| entries.next()) {
            return Ok(entry?.path());
        }
    }
    bail!("the kernel package holds no modules")
}

/// Finds the compressed kernel inside a bzImage by its magic bytes and unpacks it.
fn extract(image: &[u8]) -> Result<Vec<u8>> {
    let formats: [(&[u8], &[&str]); 4] = [
        (b"\xfd7zXZ\0", &["xz", "-dc", "--single-stream"]),
        (b"\x28\xb5\x2f\xfd", &["zstd", "-dc"]),
        (b"\x1f\x8b\x08", &["gzip", "-dc"]),
        (b"\x02\x21\x4c\x18", &["lz4", "-dc"]),
    ];
    for (magic, command) in formats {
        for at in (0..image.len().saturating_sub(magic.len())).filter(|at| image[*at..].starts_with(magic)) {
            let unpacked = decompress(command, &image[at..])?;
            if unpacked.starts_with(b"\x7fELF") {
                return Ok(unpacked);
            }
        }
    }
    bail!("no kernel found inside the boot image: is it compressed in a way unknown here?")
}

/// What the program makes of the data. Garbage behind the end makes it fail after it has put out everything, so only the
/// output counts.
pub(super) fn decompress(command: &[&str], data: &[u8]) -> Result<Vec<u8>> {
    let [program, arguments @ ..] = command else { bail!("no program to decompress with") };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("run {program}"))?;
    let mut stdin = child.stdin.take().context("stdin was piped")?;
    let data = data.to_vec();
    // It may stop reading early: a broken pipe is no error.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&data)));
    let output = child.wait_with_output()?;
    let _ = feeder.join();
    Ok(output.stdout)
}
