//! Removes a bed, complete or not, its own or one whose maker crashed. Needs no state but the bed's name and directory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cgroup;
use crate::command::{must, run};
use crate::layout::{Layout, MAX_HOSTS, cgroup2_mount, target};
use crate::stuck;

/// Kills everything of the bed and removes its cgroups and networks; its files stay.
pub(crate) fn end_processes(layout: &Layout) -> Result<()> {
    let cgroup = layout.cgroup()?;
    for host in layout.names() {
        stuck::release(layout, &host)?;
    }
    cgroup::kill(&cgroup)?;
    cgroup::remove(&cgroup)?;
    let prefix = format!("{}-", layout.netns());
    let Ok(namespaces) = fs::read_dir("/run/netns") else {
        return Ok(());
    };
    for name in namespaces.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if name.starts_with(&prefix) {
            must("ip", &["netns", "del", &name])?;
        }
    }
    Ok(())
}

/// Removes the bed with its files.
pub(crate) fn remove_all(layout: &Layout) -> Result<()> {
    end_processes(layout)?;
    if layout.dir.exists() {
        // Not over mounts: should a host's mount ever leak, nothing behind it is deleted.
        let output =
            run(Command::new("rm").args(["-rf", "--one-file-system", "--"]).arg(&layout.dir), Duration::from_secs(60))?;
        output.ok().with_context(|| format!("remove {}", layout.dir.display()))?;
    }
    Ok(())
}

/// Removes test beds whose process is gone: one killed before it could clean up.
pub(crate) fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(cgroup2_mount()?) else {
        return Ok(());
    };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(id) = name.strip_prefix("quorate-bed-t") else {
            continue;
        };
        let Some(pid) = id.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let id = format!("t{id}");
            let dir = target().join("bed-tests").join(&id);
            remove_all(&Layout { id, dir, hosts: MAX_HOSTS })?;
        }
    }
    Ok(())
}
