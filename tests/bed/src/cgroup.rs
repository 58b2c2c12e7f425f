//! Reads and drives the cgroups of the bed. A cgroup subtree is the one complete list of what a host runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::wait_for;

/// Every process in the subtree. A cgroup that vanishes meanwhile counts as empty.
pub(crate) fn processes(cgroup: &Path) -> Vec<i32> {
    let mut found: Vec<i32> = fs::read_to_string(cgroup.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for child in children(cgroup) {
        found.extend(processes(&child));
    }
    found
}

fn children(cgroup: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(cgroup) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn event(cgroup: &Path, key: &str) -> bool {
    let events = fs::read_to_string(cgroup.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line.split_once(' ') == Some((key, "1")))
}

/// Whether anything lives in the subtree, in the kernel's own words.
pub(crate) fn populated(cgroup: &Path) -> bool {
    event(cgroup, "populated")
}

/// Stops or resumes the whole subtree, and returns when the kernel says it is done.
pub(crate) fn freeze(cgroup: &Path, frozen: bool) -> Result<()> {
    let value = if frozen { "1" } else { "0" };
    fs::write(cgroup.join("cgroup.freeze"), value).with_context(|| format!("freeze {}", cgroup.display()))?;
    wait_for("cgroup.events to follow cgroup.freeze", Duration::from_secs(10), || Ok(event(cgroup, "frozen") == frozen))
}

/// Whether the subtree is frozen.
pub(crate) fn frozen(cgroup: &Path) -> bool {
    event(cgroup, "frozen")
}

/// Kills the whole subtree and returns when nothing is left in it.
pub(crate) fn kill(cgroup: &Path) -> Result<()> {
    if !cgroup.exists() {
        return Ok(());
    }
    fs::write(cgroup.join("cgroup.kill"), "1").with_context(|| format!("kill {}", cgroup.display()))?;
    wait_for("a killed cgroup to become empty", Duration::from_secs(30), || Ok(!populated(cgroup)))
}

/// Removes an empty subtree, leaves first.
pub(crate) fn remove(cgroup: &Path) -> Result<()> {
    for child in children(cgroup) {
        remove(&child)?;
    }
    if cgroup.exists() {
        // A dying process may hold its cgroup for an instant after it stopped counting.
        wait_for("an empty cgroup to be removable", Duration::from_secs(5), || Ok(fs::remove_dir(cgroup).is_ok()))
            .with_context(|| format!("remove {}", cgroup.display()))?;
    }
    Ok(())
}
