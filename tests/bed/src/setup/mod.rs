//! Makes this machine able to carry a bed: Debian packages, the guest's kernel and initrd, the files of a bed's hosts.
//! Does nothing, quickly, when all is there.

mod files;
mod initrd;
mod kernel;
mod machine;
mod packages;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub(crate) use files::{fill, write_bed_files, write_libvirt_files};
pub(crate) use initrd::program;
pub use packages::{Packages, missing};

/// Installs what is missing and builds the guest.
///
/// # Errors
/// When not root (the message is the one command to run), or when a package cannot be had.
pub fn ensure(packages: Packages) -> Result<()> {
    packages::ensure(packages)?;
    require_root()?;
    guest_files().map(drop)
}

/// The guest's kernel, initrd and emulator; built at the first call, then taken from the cache.
///
/// # Errors
/// When the kernel package cannot be fetched or the initrd cannot be built.
pub fn guest_files() -> Result<PathBuf> {
    let kernel = kernel::ensure()?;
    initrd::ensure(&kernel)
}

/// The kernel and the initrd of machines, likewise.
///
/// # Errors
/// As for [`guest_files`].
pub fn machine_files() -> Result<PathBuf> {
    machine::ensure()
}

/// Only root can make namespaces with real networks and real power.
///
/// # Errors
/// When not root; the message is the command to run instead.
pub fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    bail!("the test bed needs root. Run:\n\n    {}\n", as_root())
}

pub(crate) fn require_packages() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    bail!("packages are missing: {}. `cargo xtask setup` installs them", missing.join(" "))
}

/// The command that does as root what was asked for; cargo and rustup keep their places.
pub(crate) fn as_root() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let program = match std::env::current_exe() {
        Ok(path) if path.file_name().is_some_and(|name| name == "xtask") => "cargo xtask".to_owned(),
        Ok(path) => path.display().to_string(),
        Err(_) => "cargo xtask".to_owned(),
    };
    let command = format!("sudo env \"PATH=$PATH\" \"HOME=$HOME\" {program} {}", arguments.join(" "));
    command.trim_end().to_owned()
}

/// Why this machine cannot carry a bed, in one line; `None` when it can.
#[must_use]
pub fn obstacle() -> Option<String> {
    let check = || -> Result<()> {
        require_root()?;
        require_packages()?;
        crate::layout::cgroup2_mount()?;
        let script = "unshare -p -f -m -u -i -n --mount-proc true";
        let output = crate::command::run(
            std::process::Command::new("sh").args(["-c", script]),
            std::time::Duration::from_secs(10),
        )?;
        output.ok().map(drop)
    };
    check().err().map(|error| format!("{error:#}"))
}

/// Whether this is a CI run, where nothing may be skipped and the machine is ours.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
