//! Where agent actions are contained: one cgroup (v2) per action, named by the action's id.
//!
//! A process cannot leave its cgroup by forking, `setsid` or double forks, and `cgroup.kill` takes all of them
//! at once, so "empty" is a fact here and not a guess. This file makes, empties and removes cgroups; it starts
//! nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use tokio::time::Instant;

use super::ProcessError;
use super::controller::Hold;
use super::limit::{Bound, Limit, Limits};

/// How long killed processes get to disappear. Longer means one hangs in the kernel.
pub(super) const EMPTYING: Duration = Duration::from_secs(5);

/// How long what was killed before gets once more.
const DYING: Duration = Duration::from_secs(1);

/// Below the base: where what a successful start left running goes on, in a cgroup for each service.
const SERVICES: &str = "services";

/// So often what keeps forking is followed; then it is left to be killed.
const MOVES_MOST: u32 = 50;

/// The directory under which each action gets its cgroup.
#[derive(Debug, Clone)]
pub struct CgroupBase {
    path: PathBuf,
    limits: Limits,
}

impl CgroupBase {
    /// Uses `path`, making it if it is not there.
    ///
    /// # Errors
    /// When it is not on a cgroup v2 file system, cannot be made, or the kernel has no `cgroup.kill` (before 5.14).
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, ProcessError> {
        let path = path.into();
        let refuse = |why: String| ProcessError::NoCgroup { path: path.clone(), why };
        match std::fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(refuse(e.to_string()));
            }
            _ => {}
        }
        match statfs(&path) {
            Ok(fs) if fs.filesystem_type() == CGROUP2_SUPER_MAGIC => {}
            Ok(_) => return Err(refuse("it is not on a cgroup v2 file system".to_owned())),
            Err(e) => return Err(refuse(e.to_string())),
        }
        if !path.join("cgroup.kill").exists() {
            return Err(refuse("it has no cgroup.kill (kernel before 5.14, or the root cgroup)".to_owned()));
        }
        let limits = Limits::new(&path);
        Ok(Self { path, limits })
    }

    /// With another limit for one action; what starts something may have four times as much.
    #[must_use]
    pub fn with(self, bound: Bound) -> Self {
        Self { limits: self.limits.with(bound), ..self }
    }

    /// As on a host whose kernel has no controllers for us; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn without_controllers(self) -> Self {
        Self { limits: self.limits.uncounted(), ..self }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new cgroup for one action; one that `starts` something may have more.
    pub(super) fn create(&self, action: &str, starts: bool) -> Result<Cgroup, ProcessError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        let bad = action.is_empty() || action.len() > 120 || action.starts_with('.');
        if bad || !action.chars().all(fits) || action.starts_with("cgroup.") || action == SERVICES {
            return Err(ProcessError::BadActionId { action: action.to_owned() });
        }
        let path = self.path.join(action);
        match std::fs::create_dir(&path) {
            Ok(()) => {
                let limits = self.limits.of(&path, starts);
                Ok(Cgroup { path, limits })
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(ProcessError::AlreadyRunning { action: action.to_owned() })
            }
            Err(e) => Err(ProcessError::NoCgroup { path, why: e.to_string() }),
        }
    }

    /// The action that this process belongs to now, as the kernel says it; `None` of a service's and of everybody else's.
    pub(super) fn action_of(&self, process: u32) -> Option<String> {
        let (entries, process) = (std::fs::read_dir(&self.path).ok()?, process.to_string());
        let mut actions = entries.flatten().filter(|entry| entry.file_name() != SERVICES);
        let action = actions.find(|entry| {
            let all = std::fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default();
            all.lines().any(|line| line == process)
        })?;
        action.file_name().into_string().ok()
    }

    /// Those of the earlier actions that `is_meant` of which something still lives: it was killed, and here is killed again.
    pub(super) async fn survivors(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut found = Vec::new();
        let until = Instant::now() + DYING;
        for name in names.filter(|name| is_meant(name)) {
            let cgroup = Cgroup { path: self.path.join(&name), limits: Vec::new() };
            if !cgroup.is_empty() && !cgroup.wait_empty(until).await {
                found.push(name);
            }
        }
        found
    }

    /// Lets everything in an action's cgroup go on in that of a service. Whether all of it could be moved; what could
    /// not is still in the action's.
    pub(super) async fn adopt(&self, action: &Cgroup, service: &str) -> bool {
        let home = self.service(service);
        for _ in 0..MOVES_MOST {
            if action.is_empty() {
                return true;
            }
            if let Err(error) = std::fs::create_dir_all(&home.path) {
                tracing::warn!(cgroup = %home.path.display(), %error, "no cgroup for what goes on running");
                return false;
            }
            let processes = std::fs::read_to_string(action.path.join("cgroup.procs")).unwrap_or_default();
            for process in processes.lines() {
                action.holds().for_each(|hold| hold.release(process));
                // One that ended meanwhile cannot be moved, and need not.
                let _ = std::fs::write(home.path.join("cgroup.procs"), process);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        action.is_empty()
    }

    /// Kills what is left of a service; whether nothing is.
    pub(super) async fn end_service(&self, service: &str) -> bool {
        let home = self.service(service);
        if !home.path.exists() {
            return true;
        }
        if !home.is_empty() {
            tracing::warn!(service, "it was stopped and left processes behind: they are killed");
            home.kill();
        }
        let is_gone = home.wait_empty(Instant::now() + EMPTYING).await;
        if is_gone {
            home.remove();
        }
        is_gone
    }

    /// Kills every service at once, for a session that has ended.
    pub(super) fn kill_services(&self) {
        let all = Cgroup { path: self.path.join(SERVICES), limits: Vec::new() };
        if all.path.exists() {
            all.kill();
        }
    }

    fn service(&self, service: &str) -> Cgroup {
        Cgroup { path: self.path.join(SERVICES).join(service), limits: Vec::new() }
    }

    /// Kills whatever earlier actions left and sees it gone, before the first action of a daemon's life.
    ///
    /// # Errors
    /// When the directory cannot be read. What could not be emptied is named in the answer instead.
    pub async fn kill_leftovers(&self) -> Result<Leftovers, ProcessError> {
        let refuse = |e: io::Error| ProcessError::NoCgroup { path: self.path.clone(), why: e.to_string() };
        let mut left = Leftovers::default();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(refuse)? {
            let entry = entry.map_err(refuse)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != SERVICES && entry.file_type().is_ok_and(|t| t.is_dir()) {
                found.push((name, Cgroup { path: entry.path(), limits: Vec::new() }));
            }
        }
        for (_, cgroup) in &found {
            cgroup.kill();
        }
        let deadline = Instant::now() + EMPTYING;
        for (name, cgroup) in found {
            if cgroup.wait_empty(deadline).await {
                cgroup.remove();
                left.killed.push(name);
            } else {
                left.stuck.push(name);
            }
        }
        self.limits.clear();
        left.killed.sort();
        left.stuck.sort();
        Ok(left)
    }
}

/// What [`CgroupBase::kill_leftovers`] met, by action id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Killed and seen empty (or found empty).
    pub killed: Vec<String>,
    /// Survived: their actions' outcome is unknown for good until the host reboots.
    pub stuck: Vec<String>,
}

/// The cgroup this process is in, when the host has cgroup v2: the natural parent for a [`CgroupBase`].
pub fn own_cgroup2() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mount = mounts.lines().find_map(cgroup2_mount)?;
    let own = own.lines().find_map(|l| l.strip_prefix("0::"))?;
    // Outside the visible tree (a cgroup namespace that does not show it): the top is the best there is.
    let inside = if own.contains("..") { "" } else { own.trim_start_matches('/') };
    let path = mount.join(inside);
    Some(if path.is_dir() { path } else { mount })
}

fn cgroup2_mount(line: &str) -> Option<PathBuf> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    right.starts_with("cgroup2 ").then(|| PathBuf::from(point.replace("\\040", " ")))
}

/// One action's cgroup.
#[derive(Debug)]
pub(super) struct Cgroup {
    pub(super) path: PathBuf,
    /// What may be in it; of an action's only.
    pub(super) limits: Vec<Limit>,
}

impl Cgroup {
    /// What the kernel holds it to.
    pub(super) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.limits.iter().filter_map(|limit| limit.hold.as_ref())
    }

    /// Asks the kernel to SIGKILL everything in it, frozen processes included.
    pub(super) fn kill(&self) {
        if let Err(e) = std::fs::write(self.path.join("cgroup.kill"), "1") {
            tracing::warn!(cgroup = %self.path.display(), error = %e, "cgroup.kill refused");
        }
    }

    /// Whether no living process is in it or below it. A cgroup that cannot be read counts as not empty.
    pub(super) fn is_empty(&self) -> bool {
        match std::fs::read_to_string(self.path.join("cgroup.events")) {
            Ok(text) => text.lines().any(|l| l == "populated 0"),
            Err(e) => e.kind() == io::ErrorKind::NotFound && !self.path.exists(),
        }
    }

    /// Kills again and again until it is empty or the deadline passes.
    pub(super) async fn wait_empty(&self, deadline: Instant) -> bool {
        let mut pause = Duration::from_millis(1);
        loop {
            if self.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
            self.kill();
        }
    }

    /// Removes it and the cgroups an agent made inside, deepest first.
    pub(super) fn remove(&self) {
        fn remove_below(path: &Path, depth: u32) -> io::Result<()> {
            if depth < 16 {
                for entry in std::fs::read_dir(path)?.flatten() {
                    if entry.file_type().is_ok_and(|t| t.is_dir()) {
                        remove_below(&entry.path(), depth + 1)?;
                    }
                }
            }
            std::fs::remove_dir(path)
        }
        if let Err(e) = remove_below(&self.path, 0)
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(cgroup = %self.path.display(), error = %e, "an empty cgroup stays behind");
        }
        self.holds().for_each(Hold::remove);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup2_mount_is_found_among_others() {
        let rows = [
            ("42 32 0:39 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup/unified")),
            ("42 32 0:39 / /a\\040b rw shared:9 master:1 - cgroup2 none rw", Some("/a b")),
            ("30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", None),
            ("garbage", None),
            ("", None),
        ];
        for (line, want) in rows {
            assert_eq!(cgroup2_mount(line).as_deref(), want.map(Path::new), "{line}");
        }
    }

    #[test]
    fn a_directory_that_is_no_cgroup_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = CgroupBase::at(dir.path()).expect_err("not a cgroup").to_string();
        assert!(error.contains("not on a cgroup v2 file system"), "{error}");
    }
}
