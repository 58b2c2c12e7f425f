//! How many processes one action may have: does it have too many, and who says so?
//!
//! The kernel's pids controller holds an action back where there is one, of cgroup v2 or v1: then its forks fail, and
//! the controller has counted that. Where there is none its processes are counted here, again and again. Either way
//! an action that ran into its limit is ended at once and believed in nothing: a shell that cannot fork answers with
//! any code. (`RLIMIT_NPROC` would not do: it does not bind root.) This file counts and sets limits; it kills nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Processes and threads that one action may have.
pub const PROCESSES_MOST: u32 = 4096;
/// What a start brings up may be a service of many threads: it may have so many times as many.
const START_FACTOR: u32 = 4;
/// So often an action is asked whether it ran into its limit.
pub(super) const LOOKED_AT: Duration = Duration::from_millis(100);
/// An agent may make cgroups of its own; no deeper than this they are looked into.
const DEPTH_MOST: u32 = 8;

/// The limit of every action, and what can hold it up.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    most: u32,
    /// The directory of the v1 pids controller that this process is in.
    v1: Option<PathBuf>,
    /// Whether cgroup v2 holds the actions to their limit.
    is_v2: bool,
    /// Tells one base's cgroups in `v1` from another's.
    prefix: String,
}

impl Crowd {
    /// For the actions below `base`; enables the v2 controller there where the host offers it.
    pub(super) fn new(base: &Path) -> Self {
        let hash = Sha256::digest(base.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let is_v2 = base.ancestors().take(2).collect::<Vec<_>>().into_iter().rev().all(offer);
        let v1 = if is_v2 { None } else { own_pids_v1() };
        Self { most: PROCESSES_MOST, v1, is_v2, prefix: format!("quorate-{hash}-") }
    }

    pub(super) fn with_most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// As on a host whose kernel counts nothing.
    pub(super) fn uncounted(self) -> Self {
        Self { v1: None, is_v2: false, ..self }
    }

    /// The limit of an action, set where the kernel holds it up.
    pub(super) fn limit(&self, action: &Path, starts: bool) -> Limit {
        let most = if starts { self.most.saturating_mul(START_FACTOR) } else { self.most };
        let set = |directory: &Path| fs::write(directory.join("pids.max"), most.to_string()).is_ok();
        let v1 = self.v1_of(action).filter(|v1| {
            let made = fs::create_dir(v1).is_ok() || v1.is_dir();
            let is_set = made && set(v1);
            if made && !is_set {
                let _ = fs::remove_dir(v1);
            }
            is_set
        });
        let by_v2 = self.is_v2 && set(action);
        let counter = v1.clone().or_else(|| by_v2.then(|| action.to_owned())).map(|of| of.join("pids.events"));
        Limit { most, v1, home: self.v1.clone(), counter, action: action.to_owned() }
    }

    fn v1_of(&self, action: &Path) -> Option<PathBuf> {
        Some(self.v1.as_ref()?.join(format!("{}{}", self.prefix, action.file_name()?.to_string_lossy())))
    }

    /// Removes what a daemon that was killed left in the v1 hierarchy; its processes are gone.
    pub(super) fn clear(&self) {
        let Some(v1) = &self.v1 else { return };
        for entry in fs::read_dir(v1).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Whether what is below `directory` can be limited by cgroup v2.
fn offer(directory: &Path) -> bool {
    let has_pids = |file: &str| {
        fs::read_to_string(directory.join(file)).is_ok_and(|text| text.split_whitespace().any(|word| word == "pids"))
    };
    // Refused where processes are in the directory itself, as the daemon is with a plain `Delegate=yes`.
    has_pids("cgroup.subtree_control")
        || has_pids("cgroup.controllers") && fs::write(directory.join("cgroup.subtree_control"), "+pids").is_ok()
}

/// Where this process is in the v1 pids hierarchy, where there is one that it may write to.
fn own_pids_v1() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mount = mounts.lines().find_map(pids_mount)?;
    let is_pids = |line: &&str| line.split(':').nth(1).is_some_and(|of| of.split(',').any(|word| word == "pids"));
    let inside = own.lines().find(is_pids)?.splitn(3, ':').nth(2)?;
    let path = mount.join(if inside.contains("..") { "" } else { inside.trim_start_matches('/') });
    [path, mount].into_iter().find(|path| path.is_dir())
}

fn pids_mount(line: &str) -> Option<PathBuf> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    let is_pids = right.next() == Some("cgroup") && right.nth(1)?.split(',').any(|option| option == "pids");
    is_pids.then(|| PathBuf::from(point.replace("\\040", " ")))
}

/// The limit of one action.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) most: u32,
    /// Its cgroup in the v1 hierarchy.
    pub(super) v1: Option<PathBuf>,
    home: Option<PathBuf>,
    /// The kernel's count of forks that it refused.
    counter: Option<PathBuf>,
    action: PathBuf,
}

impl Limit {
    /// Whether the action ran into it.
    pub(super) fn is_reached(&self) -> bool {
        match &self.counter {
            Some(counter) => fs::read_to_string(counter).is_ok_and(|text| refused(&text) > 0),
            None => count(&self.action, 0) > self.most as usize,
        }
    }

    /// What goes on as a service is not held to the limit of the action that started it.
    pub(super) fn release(&self, process: &str) {
        if let (Some(_), Some(home)) = (&self.v1, &self.home) {
            let _ = fs::write(home.join("cgroup.procs"), process);
        }
    }

    /// After the action's end.
    pub(super) fn remove(&self) {
        if let Some(v1) = &self.v1
            && let Err(error) = fs::remove_dir(v1)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(cgroup = %v1.display(), %error, "an empty cgroup stays behind");
        }
    }
}

fn refused(events: &str) -> u64 {
    events.lines().find_map(|line| line.strip_prefix("max ")?.trim().parse().ok()).unwrap_or(0)
}

fn count(cgroup: &Path, depth: u32) -> usize {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).map_or(0, |text| text.lines().count());
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    let below = below.filter(|entry| depth < DEPTH_MOST && entry.file_type().is_ok_and(|kind| kind.is_dir()));
    own + below.map(|entry| count(&entry.path(), depth + 1)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v1_controller_is_found_among_mounts_and_its_count_is_read() {
        let rows = [
            ("30 23 0:26 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids", Some("/sys/fs/cgroup/pids")),
            ("30 23 0:26 / /cg/cpu,pids rw shared:3 - cgroup cgroup rw,cpu,pids", Some("/cg/cpu,pids")),
            ("30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", None),
            ("42 32 0:39 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,pids", None),
            ("30 23 0:26 / /pids rw - tmpfs cgroup", None),
            ("", None),
        ];
        for (line, wanted) in rows {
            assert_eq!(pids_mount(line).as_deref(), wanted.map(Path::new), "{line}");
        }
        for (text, wanted) in [("max 0\n", 0), ("max 17\n", 17), ("low 3\nmax 2", 2), ("", 0), ("max many", 0)] {
            assert_eq!(refused(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn cgroups_inside_an_actions_count_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).expect("made");
        fs::write(dir.path().join("cgroup.procs"), "1\n2\n").expect("written");
        fs::write(inner.join("cgroup.procs"), "3\n4\n5\n").expect("written");
        for (most, wanted) in [(6, false), (5, false), (4, true)] {
            let limit = Limit { most, v1: None, home: None, counter: None, action: dir.path().to_owned() };
            assert_eq!(limit.is_reached(), wanted, "{most}");
        }
    }
}
