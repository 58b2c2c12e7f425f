//! The second witness: processes in /proc, found by the UUID on their command line, and killed without libvirt.
//!
//! "Gone" means that not one thread is left: a QEMU whose main thread has ended may have another still writing.
//! Reading /proc can block on a process stuck in the kernel, so callers in async code use a thread for it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}

/// A VM's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmProcess {
    /// Which.
    pub id: ProcessId,
    /// The VM's UUID, lower case.
    pub uuid: String,
    /// The VM's name where the process tells it.
    pub name: String,
}

/// What became of processes that were to die.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Gone.
    pub killed: Vec<ProcessId>,
    /// Still there after SIGKILL: their VMs are unknown for good.
    pub survivors: Vec<ProcessId>,
    /// Why the list of processes may be incomplete.
    pub unread: Option<String>,
}

impl KillReport {
    /// Whether all that were to die are certainly gone.
    pub fn is_complete(&self) -> bool {
        self.survivors.is_empty() && self.unread.is_none()
    }
}

/// All QEMU processes that carry a UUID, by UUID.
///
/// # Errors
/// When /proc cannot be listed.
pub fn qemu_processes() -> io::Result<BTreeMap<String, Vec<VmProcess>>> {
    scan(Path::new("/proc"), |dir, stat| {
        let line = command_line(dir, stat)?;
        let (uuid, name) = qemu_identity(&line)?;
        Some((uuid, name))
    })
}

/// Every process `identify` takes for a VM's.
pub(super) fn scan(
    proc: &Path,
    identify: impl Fn(&Path, &Stat) -> Option<(String, String)>,
) -> io::Result<BTreeMap<String, Vec<VmProcess>>> {
    let mut found: BTreeMap<String, Vec<VmProcess>> = BTreeMap::new();
    for entry in std::fs::read_dir(proc)? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        // A process that ends while we look is not there.
        let Some(stat) = stat(&entry.path()) else { continue };
        if let Some((uuid, name)) = identify(&entry.path(), &stat) {
            let id = ProcessId { pid, started: stat.started };
            found.entry(uuid.clone()).or_default().push(VmProcess { id, uuid, name });
        }
    }
    for processes in found.values_mut() {
        processes.sort_by_key(|p| p.id);
    }
    Ok(found)
}

/// The parts of /proc/PID/stat that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) comm: String,
    pub(super) state: char,
    pub(super) threads: u64,
    pub(super) started: u64,
}

pub(super) fn stat(dir: &Path) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&std::fs::read(dir.join("stat")).ok()?))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may contain anything, parentheses included.
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let comm = text.get(open + 1..close)?.to_owned();
    let fields: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
    let number = |field: usize| fields.get(field).and_then(|f| f.parse().ok());
    // Fields 3 (state), 20 (threads) and 22 (start time) of proc(5); the first two are before the parenthesis.
    Some(Stat { comm, state: fields.first()?.chars().next()?, threads: number(17)?, started: number(19)? })
}

/// The arguments of a process. A leader that has ended while other threads live has none: then one of those is asked.
fn command_line(dir: &Path, stat: &Stat) -> Option<Vec<u8>> {
    let own = std::fs::read(dir.join("cmdline")).ok()?;
    if !own.is_empty() || stat.threads < 2 {
        return Some(own);
    }
    let tasks = std::fs::read_dir(dir.join("task")).ok()?.flatten();
    tasks.filter_map(|t| std::fs::read(t.path().join("cmdline")).ok()).find(|line| !line.is_empty())
}

/// UUID and name on a QEMU command line (`-uuid X`, `-name guest=N,…`). Any program with these arguments counts:
/// emulators have many names, and a false witness only makes us careful.
fn qemu_identity(line: &[u8]) -> Option<(String, String)> {
    let arguments: Vec<&[u8]> = line.split(|b| *b == 0).collect();
    let after = |option: &[u8]| {
        let at = arguments.iter().position(|a| *a == option)?;
        arguments.get(at + 1).map(|a| String::from_utf8_lossy(a).into_owned())
    };
    let uuid = after(b"-uuid").or_else(|| after(b"--uuid"))?.to_ascii_lowercase();
    let name = after(b"-name").unwrap_or_default();
    let name = name.strip_prefix("guest=").unwrap_or(&name);
    Some((uuid, name.split(',').next().unwrap_or_default().to_owned()))
}

/// Whether a process is gone with all its threads.
pub fn is_gone(id: ProcessId) -> bool {
    match stat(&Path::new("/proc").join(id.pid.to_string())) {
        None => true,
        // A zombie whose other threads are gone too only waits for its parent.
        Some(s) => s.started != id.started || (matches!(s.state, 'Z' | 'X') && s.threads < 2),
    }
}

/// Sends a signal if the process is still the one meant.
pub(super) fn signal(id: ProcessId, signal: Signal) {
    if !is_gone(id)
        && let Ok(pid) = i32::try_from(id.pid)
        && let Err(e) = kill(Pid::from_raw(pid), signal)
    {
        tracing::warn!(pid, %signal, error = %e, "signal not delivered");
    }
}

/// Ends processes: SIGTERM for `term`, then SIGKILL for `patience`. Blocks for as long.
pub fn end(ids: &[ProcessId], term: Duration, patience: Duration) -> KillReport {
    if !term.is_zero() {
        ids.iter().for_each(|id| signal(*id, Signal::SIGTERM));
        wait_gone(ids, term);
    }
    ids.iter().for_each(|id| signal(*id, Signal::SIGKILL));
    wait_gone(ids, patience);
    let (killed, survivors) = ids.iter().partition(|id| is_gone(**id));
    KillReport { killed, survivors, unread: None }
}

fn wait_gone(ids: &[ProcessId], time: Duration) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline && !ids.iter().all(|id| is_gone(*id)) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// SIGKILL for every process of these VMs, again until a fresh look finds none or the patience ends.
pub(super) fn kill_all(
    uuids: &[String],
    patience: Duration,
    look: impl Fn() -> io::Result<BTreeMap<String, Vec<VmProcess>>>,
) -> KillReport {
    let deadline = Instant::now() + patience;
    let mut report = KillReport::default();
    loop {
        let found = match look() {
            Ok(found) => found,
            Err(e) => {
                report.unread = Some(e.to_string());
                return report;
            }
        };
        let ours = found.iter().filter(|(uuid, _)| uuids.contains(uuid));
        let ids: Vec<ProcessId> = ours.flat_map(|(_, p)| p.iter().map(|p| p.id)).collect();
        if ids.is_empty() {
            report.survivors.clear();
            return report;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let round = end(&ids, Duration::ZERO, left);
        report.killed.extend(round.killed);
        report.survivors = round.survivors;
        if Instant::now() >= deadline {
            return report;
        }
    }
}

#[cfg(test)]
#[path = "process_table_tests.rs"]
mod tests;
