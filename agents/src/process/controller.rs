//! A cgroup controller that holds actions to a limit: of cgroup v2 or v1, where the host has one for us.
//!
//! This file finds it, sets limits and reads what the kernel counted; what the limits are is `limit`'s.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Processes,
    Memory,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Processes => "pids",
            Self::Memory => "memory",
        }
    }

    /// What is written where for a limit. The first has to succeed: without swap there is nothing to be said of it.
    fn settings(self, is_v2: bool, most: u64) -> Vec<(&'static str, String)> {
        let most = most.to_string();
        match (self, is_v2) {
            (Self::Processes, _) => vec![("pids.max", most)],
            // What it has too much of must not go to the host's swap instead; and it is ended whole.
            (Self::Memory, true) => {
                vec![("memory.max", most), ("memory.swap.max", "0".to_owned()), ("memory.oom.group", "1".to_owned())]
            }
            (Self::Memory, false) => {
                vec![("memory.limit_in_bytes", most.clone()), ("memory.memsw.limit_in_bytes", most)]
            }
        }
    }

    /// Where the kernel counts what ran into the limit, and by which word.
    fn counter(self, is_v2: bool) -> (&'static str, &'static str) {
        match (self, is_v2) {
            (Self::Processes, _) => ("pids.events", "max "),
            (Self::Memory, true) => ("memory.events", "oom_kill "),
            (Self::Memory, false) => ("memory.oom_control", "oom_kill "),
        }
    }
}

/// A controller, as this host has it.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    kind: Kind,
    /// The directory of the v1 hierarchy that this process is in.
    v1: Option<PathBuf>,
    /// Whether cgroup v2 holds the actions to their limit.
    is_v2: bool,
    /// Tells one base's cgroups in `v1` from another's.
    prefix: String,
}

impl Controller {
    /// For the actions below `base`; enables the v2 controller there where the host offers it.
    pub(super) fn new(kind: Kind, base: &Path) -> Self {
        let hash = Sha256::digest(base.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let offered = |directory: &Path| offer(directory, kind.name());
        let is_v2 = base.ancestors().take(2).collect::<Vec<_>>().into_iter().rev().all(offered);
        let v1 = if is_v2 { None } else { own_v1(kind.name()) };
        Self { kind, v1, is_v2, prefix: format!("quorate-{hash}-") }
    }

    /// As on a host whose kernel counts nothing.
    pub(super) fn uncounted(self) -> Self {
        Self { v1: None, is_v2: false, ..self }
    }

    /// Has the kernel hold an action to this; `None` where it does not.
    pub(super) fn hold(&self, action: &Path, most: u64) -> Option<Hold> {
        let by_v1 = self.v1_of(action).filter(|v1| {
            let made = fs::create_dir(v1).is_ok() || v1.is_dir();
            let is_set = made && self.set(v1, most);
            if made && !is_set {
                let _ = fs::remove_dir(v1);
            }
            is_set
        });
        let by_v2 = self.is_v2 && self.set(action, most);
        let directory = by_v1.clone().or_else(|| by_v2.then(|| action.to_owned()))?;
        let (file, word) = self.kind.counter(self.is_v2);
        Some(Hold { counter: directory.join(file), word, v1: by_v1, home: self.v1.clone() })
    }

    fn set(&self, directory: &Path, most: u64) -> bool {
        let mut settings = self.kind.settings(self.is_v2, most).into_iter();
        let mut set = |(file, value): (&str, String)| fs::write(directory.join(file), value).is_ok();
        let is_set = settings.next().is_some_and(&mut set);
        settings.for_each(|setting| _ = set(setting));
        is_set
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

/// An action that the kernel holds to a limit.
#[derive(Debug)]
pub(super) struct Hold {
    counter: PathBuf,
    word: &'static str,
    /// Its cgroup in the v1 hierarchy.
    pub(super) v1: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl Hold {
    /// Whether the kernel refused it something.
    pub(super) fn is_reached(&self) -> bool {
        fs::read_to_string(&self.counter).is_ok_and(|text| refused(&text, self.word) > 0)
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

/// Whether what is below `directory` can be limited by cgroup v2.
fn offer(directory: &Path, controller: &str) -> bool {
    let has = |file: &str| {
        fs::read_to_string(directory.join(file))
            .is_ok_and(|text| text.split_whitespace().any(|word| word == controller))
    };
    // Not where processes are in the directory itself, as the daemon is with a plain `Delegate=yes`. Of memory the kernel
    // refuses it there; of processes it does not, and then nothing may enter the cgroups below. The root may have both.
    let is_root = || !directory.join("cgroup.type").exists();
    let is_free = || fs::read_to_string(directory.join("cgroup.procs")).is_ok_and(|text| text.is_empty());
    has("cgroup.subtree_control")
        || has("cgroup.controllers")
            && (is_root() || is_free())
            && fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")).is_ok()
}

/// Where this process is in a v1 hierarchy, where there is one that it may write to.
fn own_v1(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mount = mounts.lines().find_map(|line| v1_mount(line, controller))?;
    let is_its = |line: &&str| line.split(':').nth(1).is_some_and(|of| of.split(',').any(|word| word == controller));
    let inside = own.lines().find(is_its)?.splitn(3, ':').nth(2)?;
    let path = mount.join(if inside.contains("..") { "" } else { inside.trim_start_matches('/') });
    [path, mount].into_iter().find(|path| path.is_dir())
}

fn v1_mount(line: &str, controller: &str) -> Option<PathBuf> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    let is_its = right.next() == Some("cgroup") && right.nth(1)?.split(',').any(|option| option == controller);
    is_its.then(|| PathBuf::from(point.replace("\\040", " ")))
}

fn refused(events: &str, word: &str) -> u64 {
    events.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok()).unwrap_or(0)
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
            assert_eq!(v1_mount(line, "pids").as_deref(), wanted.map(Path::new), "{line}");
        }
        for (text, wanted) in [("max 0\n", 0), ("max 17\n", 17), ("low 3\nmax 2", 2), ("", 0), ("max many", 0)] {
            assert_eq!(refused(text, "max "), wanted, "{text:?}");
        }
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!((refused(v1, "oom_kill "), refused("oom 4\noom_kill 0\n", "oom_kill ")), (3, 0));
    }
}
