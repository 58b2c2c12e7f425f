//! Where guests really run: the QEMU processes of every host, read from /proc, whatever libvirt or a daemon believes.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use crate::cgroup;
use crate::layout::Layout;

/// A QEMU process that exists, running or paused.
#[derive(Debug, Clone)]
pub struct VmProcess {
    /// The host whose process it is.
    pub host: String,
    /// The guest's name.
    pub vm: String,
    /// The guest's UUID.
    pub uuid: String,
    /// Its process id, as seen from outside the host.
    pub pid: i32,
    /// When the process was started, within some hundredths of a second.
    pub started: SystemTime,
    /// Whether it was started to receive a migration.
    pub incoming: bool,
}

/// Every QEMU process with a guest on every host, by host and name.
pub(crate) fn vms(layout: &Layout) -> Result<Vec<VmProcess>> {
    let mut found = Vec::new();
    for host in layout.names() {
        for pid in cgroup::processes(&layout.host_cgroup(&host)?) {
            found.extend(vm_process(&host, pid));
        }
    }
    found.sort_by(|a, b| (&a.host, &a.vm, a.pid).cmp(&(&b.host, &b.vm, b.pid)));
    Ok(found)
}

/// `None` for any other process, and for one that ended meanwhile.
fn vm_process(host: &str, pid: i32) -> Option<VmProcess> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments: Vec<&str> = raw.split(|b| *b == 0).filter_map(|part| std::str::from_utf8(part).ok()).collect();
    if !Path::new(arguments.first()?).file_name()?.to_str()?.starts_with("qemu") {
        return None;
    }
    let value = |flag: &str| arguments.iter().skip_while(|a| **a != flag).nth(1).copied();
    let vm = value("-name")?.split(',').find_map(|part| part.strip_prefix("guest="))?;
    Some(VmProcess {
        host: host.to_owned(),
        vm: vm.to_owned(),
        uuid: value("-uuid")?.to_owned(),
        pid,
        started: process_started(pid)?,
        incoming: value("-incoming").is_some(),
    })
}

/// When a process was started, within some hundredths of a second: from its age on the boot-time clock.
#[must_use]
pub fn process_started(pid: i32) -> Option<SystemTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces: count fields after it. Field 22 is the start in clock ticks since boot.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let age = Duration::from(now).saturating_sub(Duration::from_millis(ticks * 1000 / per_second));
    SystemTime::now().checked_sub(age)
}

/// Process 1 of a host as seen from outside; `None` when the host is off.
pub(crate) fn init_pid(layout: &Layout, host: &str) -> Result<Option<i32>> {
    let cgroup = layout.host_cgroup(host)?.join("init");
    Ok(cgroup::processes(&cgroup).into_iter().find(|pid| inner_pid(*pid) == Some(1)))
}

/// The pid a process has inside its own pid namespace.
pub(crate) fn inner_pid(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let mut pids = line.split_whitespace();
    // A process in the outermost namespace has one number only, and its 1 is the machine's own.
    let _outer = pids.next()?;
    pids.next_back()?.parse().ok()
}

/// The short name of a process.
pub(crate) fn process_name(pid: i32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())
}

/// Whether SIGSTOP has taken effect.
pub(crate) fn is_stopped(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tT"))
}
