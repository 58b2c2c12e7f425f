//! What one action may have, processes and memory: does it want more, and who says so?
//!
//! The kernel's controllers hold an action back where there are any, of cgroup v2 or v1: then its forks fail, or a
//! process of it is killed, and the controller has counted that. Where there is none the action is measured here,
//! again and again. Either way an action that ran into a limit is ended at once and believed in nothing: a shell that
//! cannot fork, or whose child was killed, answers with any code. (`RLIMIT_NPROC` would not do: it does not bind
//! root. `RLIMIT_AS` would not either: it counts what is only reserved, process by process.) This file measures; it
//! kills nothing.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::controller::{Controller, Hold, Kind};

/// Processes and threads that one action may have.
pub const PROCESSES_MOST: u32 = 4096;
/// What a start brings up may be a service of many threads, or a database: it may have so many times as much.
const START_FACTOR: u32 = 4;
/// One action may have this part of the host's memory; a start four of them, which leaves the host one.
const MEMORY_PART: u64 = 5;
/// So much it may have on the smallest host.
const MEMORY_LEAST: u64 = 512 << 20;
/// So often an action is asked whether it ran into a limit.
pub(super) const LOOKED_AT: Duration = Duration::from_millis(100);
/// An agent may make cgroups of its own; no deeper than this they are looked into.
const DEPTH_MOST: u32 = 8;

/// What an action may have no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many processes and threads.
    Processes(u32),
    /// So many bytes of memory.
    Memory(u64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes(most) => write!(f, "limit of {most} processes"),
            Self::Memory(most) => write!(f, "limit of {} MiB of memory", most >> 20),
        }
    }
}

impl Bound {
    fn times(self, factor: u32) -> Self {
        match self {
            Self::Processes(most) => Self::Processes(most.saturating_mul(factor)),
            Self::Memory(most) => Self::Memory(most.saturating_mul(factor.into())),
        }
    }

    fn most(self) -> u64 {
        match self {
            Self::Processes(most) => most.into(),
            Self::Memory(most) => most,
        }
    }

    /// Whether what is in a cgroup is more than this.
    fn is_passed(self, cgroup: &Path) -> bool {
        match self {
            Self::Processes(_) => processes(cgroup, 0).len() as u64 > self.most(),
            Self::Memory(_) => {
                let all = processes(cgroup, 0);
                let sum = |of: fn(&str) -> Option<u64>| all.iter().filter_map(|process| of(process)).sum::<u64>();
                // What they share counts once for each in the first, which costs little to ask for.
                sum(resident) > self.most() && sum(proportional) > self.most()
            }
        }
    }
}

/// The limits of every action, and what can hold it to them.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    all: [(Controller, Bound); 2],
}

impl Limits {
    /// For the actions below `base`.
    pub(super) fn new(base: &Path) -> Self {
        let of = |kind, bound| (Controller::new(kind, base), bound);
        let memory = (host_memory() / MEMORY_PART).max(MEMORY_LEAST);
        Self { all: [of(Kind::Processes, Bound::Processes(PROCESSES_MOST)), of(Kind::Memory, Bound::Memory(memory))] }
    }

    /// With another limit of its kind.
    pub(super) fn with(mut self, bound: Bound) -> Self {
        let is_its_kind = |its: &Bound| std::mem::discriminant(its) == std::mem::discriminant(&bound);
        self.all.iter_mut().filter(|(_, its)| is_its_kind(its)).for_each(|(_, its)| *its = bound);
        self
    }

    /// As on a host whose kernel counts nothing.
    pub(super) fn uncounted(self) -> Self {
        Self { all: self.all.map(|(controller, bound)| (controller.uncounted(), bound)) }
    }

    /// Those of one action, set where the kernel holds it to them.
    pub(super) fn of(&self, action: &Path, starts: bool) -> Vec<Limit> {
        let each = self.all.iter().map(|(controller, bound)| {
            let bound = bound.times(if starts { START_FACTOR } else { 1 });
            Limit { bound, hold: controller.hold(action, bound.most()), action: action.to_owned() }
        });
        each.collect()
    }

    /// Removes what a daemon that was killed left.
    pub(super) fn clear(&self) {
        self.all.iter().for_each(|(controller, _)| controller.clear());
    }
}

/// A limit of one action.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) bound: Bound,
    pub(super) hold: Option<Hold>,
    action: PathBuf,
}

impl Limit {
    /// Whether the action ran into it.
    pub(super) fn is_reached(&self) -> bool {
        match &self.hold {
            Some(hold) => hold.is_reached(),
            None => self.bound.is_passed(&self.action),
        }
    }
}

fn processes(cgroup: &Path, depth: u32) -> Vec<String> {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<String> = own.lines().map(str::to_owned).collect();
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    let below = below.filter(|entry| depth < DEPTH_MOST && entry.file_type().is_ok_and(|kind| kind.is_dir()));
    all.extend(below.flat_map(|entry| processes(&entry.path(), depth + 1)));
    all
}

/// The bytes of memory that a process has, shared ones too.
fn resident(process: &str) -> Option<u64> {
    kib(&fs::read_to_string(format!("/proc/{process}/status")).ok()?, "VmRSS:")
}

/// The same, of what is shared its part.
fn proportional(process: &str) -> Option<u64> {
    kib(&fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?, "Pss:")
}

fn host_memory() -> u64 {
    fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemTotal:")).unwrap_or(0)
}

fn kib(text: &str, word: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(word))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_inside_an_actions_count_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).expect("made");
        fs::write(dir.path().join("cgroup.procs"), "1\n2\n").expect("written");
        fs::write(inner.join("cgroup.procs"), "3\n4\n5\n").expect("written");
        for (most, wanted) in [(6, false), (5, false), (4, true)] {
            let limit = Limit { bound: Bound::Processes(most), hold: None, action: dir.path().to_owned() };
            assert_eq!(limit.is_reached(), wanted, "{most}");
        }
    }

    #[test]
    fn the_memory_of_processes_is_read_in_bytes() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("cgroup.procs"), format!("{}\n", std::process::id())).expect("written");
        for (most, wanted) in [(1 << 10, true), (1 << 50, false)] {
            assert_eq!(Bound::Memory(most).is_passed(dir.path()), wanted, "{most}");
        }
        assert_eq!(kib("MemFree:  1 kB\nMemTotal:       2048 kB\n", "MemTotal:"), Some(2 << 20));
        assert_eq!((kib("MemTotal: many kB", "MemTotal:"), kib("", "MemTotal:")), (None, None));
        assert!(host_memory() > 1 << 20);
    }
}
