//! A guest that hangs, as on storage that is gone or slow: its start does, or its QEMU in the kernel, where no signal ends it, only
//! its host's power.
//!
//! The v1 freezer does the latter: unlike cgroup v2's, what it froze survives SIGKILL until it is thawed. The power switch thaws
//! what it has killed; `nN/stuck` tells it where.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::bed::Bed;
use crate::command::wait_for;
use crate::layout::Layout;

impl Bed {
    /// Lets the start of a guest hang, on whichever host, until it is let go or a minute has passed.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn hold_start(&self, vm: &str) -> Result<()> {
        let hold = self.hold(vm);
        mkfifo(&hold, Mode::S_IRWXU).with_context(|| format!("create {}", hold.display()))
    }

    /// Lets a start go on that hangs, and later ones too.
    ///
    /// # Errors
    /// When none is held up.
    pub fn release_start(&self, vm: &str) -> Result<()> {
        let hold = self.hold(vm);
        let mut held = OpenOptions::new().read(true).write(true).open(&hold).context("no start is held up")?;
        held.write_all(b"go on\n").with_context(|| format!("write to {}", hold.display()))?;
        // What was written is lost with the last who has it open: the start has to read it first.
        wait_for("the start to go on", Duration::from_secs(5), || {
            Ok(self.vms()?.iter().any(|process| process.vm == vm))
        })?;
        fs::remove_file(&hold).with_context(|| format!("remove {}", hold.display()))
    }

    /// `assets/qemu.sh` waits for it.
    fn hold(&self, vm: &str) -> PathBuf {
        self.layout.shared().join(format!("{vm}.hold"))
    }

    /// Lets the QEMU process of a guest hang where no signal reaches it, until its host loses power.
    ///
    /// # Errors
    /// When it does not run there, or the machine has no v1 freezer.
    pub fn stick_vm(&self, host: &str, vm: &str) -> Result<()> {
        let mut found = self.vms()?.into_iter().filter(|process| process.host == host && process.vm == vm);
        let process = found.next().with_context(|| format!("{vm} does not run on {host}"))?;
        let group = freezer()?.join(format!("quorate-bed-{}-{host}", self.layout.id));
        fs::create_dir_all(&group).with_context(|| format!("create {}", group.display()))?;
        fs::write(self.layout.home(host).join("stuck"), format!("{}\n", group.display()))?;
        fs::write(group.join("cgroup.procs"), process.pid.to_string()).context("move the guest into the freezer")?;
        let state = group.join("freezer.state");
        fs::write(&state, "FROZEN").context("freeze the guest")?;
        wait_for("the guest to hang", Duration::from_secs(10), || Ok(fs::read_to_string(&state)?.trim() == "FROZEN"))
    }
}

/// Lets go what hangs on a host, if anything does.
pub(crate) fn release(layout: &Layout, host: &str) -> Result<()> {
    let mark = layout.home(host).join("stuck");
    let Ok(group) = fs::read_to_string(&mark) else { return Ok(()) };
    let group = PathBuf::from(group.trim());
    for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        // Nothing of it may go on for an instant: SIGKILL waits for it when it is let go.
        let pid = pid.parse().context("read the freezer's cgroup.procs")?;
        // One that has ended meanwhile is what is wanted.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    if group.exists() {
        fs::write(group.join("freezer.state"), "THAWED").with_context(|| format!("thaw {}", group.display()))?;
        wait_for("the freezer to become empty", Duration::from_secs(5), || Ok(fs::remove_dir(&group).is_ok()))?;
    }
    fs::remove_file(&mark).with_context(|| format!("remove {}", mark.display()))
}

/// Where the v1 freezer is mounted.
fn freezer() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
    let mounted = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, "cgroup", options, ..] = fields[..] else { return None };
        options.split(',').any(|option| option == "freezer").then(|| PathBuf::from(path))
    });
    mounted.context("no v1 freezer: mkdir /run/freezer && mount -t cgroup -o freezer none /run/freezer")
}
