//! The Debian packages of the bed, and of building the daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{as_root, in_ci};
use crate::command::run;

const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "busybox-static",
    "cpio",
    "libvirt-daemon-system",
    "libvirt-clients",
    "libvirt-dev",
    "libc6-dev",
    "iptables",
    "nftables",
    "pkg-config",
    "iproute2",
    "ipmitool",
    // Another BMC than ipmi_sim, for the client.
    "python3-pyghmi",
    "openipmi",
    "resource-agents",
    // Only agents: it needs nothing of Pacemaker's.
    "pacemaker-resource-agents",
    "fence-agents",
    // For those that log in; this server comes without a service that would listen.
    "openssh-client",
    "dropbear-bin",
    // Reads and writes the slots that ours does.
    "sbd",
    // A bus for the stand-in of systemd, and the real one, which boots a machine.
    "dbus-daemon",
    "dbus",
    "systemd",
    // What those agents call, and what they are tried with.
    "apache2-bin",
    "curl",
    "e2fsprogs",
    "iputils-ping",
    "kmod",
    "procps",
    "redis-server",
    "psmisc",
    "strace",
    "zstd",
    "lz4",
    "xz-utils",
];

/// What may be done to the machine's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packages {
    /// Installed packages may be replaced by older versions. In CI they may anyway.
    pub allow_downgrades: bool,
}

/// The packages that are not installed.
///
/// # Errors
/// When this is no Debian.
pub fn missing() -> Result<Vec<String>> {
    let installed = installed(PACKAGES)?;
    Ok(PACKAGES.iter().filter(|name| !installed.contains_key(**name)).map(|name| (*name).to_owned()).collect())
}

/// Installed packages with their versions.
fn installed(names: &[&str]) -> Result<BTreeMap<String, String>> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${Package}\\t${db:Status-Abbrev}\\t${Version}\\n"]).args(names);
    let output = run(&mut query, Duration::from_secs(60)).context("the bed needs Debian (dpkg-query does not run)")?;
    // It exits with 1 when it knows nothing of a name; what it knows it has printed.
    let mut found = BTreeMap::new();
    for line in output.stdout.lines() {
        if let [name, "ii ", version] = line.split('\t').collect::<Vec<_>>()[..] {
            found.insert(name.to_owned(), version.to_owned());
        }
    }
    Ok(found)
}

/// Installs what is missing.
pub(super) fn ensure(options: Packages) -> Result<()> {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        bail!("the bed runs on Debian: dpkg-query is not here");
    }
    // Only these are named to apt: naming the others would upgrade them unasked.
    let mut missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("packages are missing: {}. Run:\n\n    {}\n", missing.join(" "), as_root());
    }
    eprintln!("installing: {}", missing.join(" "));
    apt(&["update", "-q"])?;
    let downgrade = qemu_utils_that_fits(&missing)?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    if let Some(version) = downgrade {
        if !(options.allow_downgrades || in_ci()) {
            bail!(
                "qemu-utils is newer here than the qemu-system-x86 that Debian offers, and the two do not go together. \
                 To replace it by {version}, run:\n\n    {} --allow-downgrades\n",
                as_root()
            );
        }
        arguments.push("--allow-downgrades");
        missing.push(format!("qemu-utils={version}"));
    }
    arguments.extend(missing.iter().map(String::as_str));
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        // Somebody else may be installing: wait for the lock.
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        // Our standard output belongs to whoever reads our results.
        .stdout(std::io::stderr())
        .status()
        .context("run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status}): its words are above", arguments.join(" "));
    }
    Ok(())
}

/// A backported qemu-utils breaks the stable qemu-system-x86; installed alone, the latter would throw it out. Returns the
/// version that fits, if the installed one has to be replaced by an older.
fn qemu_utils_that_fits(missing: &[String]) -> Result<Option<String>> {
    if !missing.iter().any(|name| name == "qemu-system-x86") {
        return Ok(None);
    }
    let Some(here) = installed(&["qemu-utils"])?.remove("qemu-utils") else {
        return Ok(None);
    };
    let policy = run(Command::new("apt-cache").args(["policy", "qemu-system-x86"]), Duration::from_secs(60))?.ok()?;
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    let offered = candidate.map(str::to_owned).filter(|version| version != "(none)");
    let offered = offered.context("apt offers no qemu-system-x86: check /etc/apt/sources.list")?;
    let newer =
        Command::new("dpkg").args(["--compare-versions", &here, "gt", &offered]).status().context("run dpkg")?;
    Ok(newer.success().then_some(offered))
}
