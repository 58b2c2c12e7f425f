//! Rows about what a member has on its disk: lost, damaged, too old, full, or somebody else's.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::DaemonFault;
use quorate_core::state::EventKind;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// A daemon that comes back with a new store is a voter again within this.
const BACK: Duration = Duration::from_secs(30);

/// Where the daemon of a host keeps itself, as seen from outside.
fn data_dir(stage: &Stage, host: &str) -> PathBuf {
    stage.bed().layout().home(host).join("state")
}

/// The processes of the guests.
fn pids(stage: &Stage) -> Result<Vec<(String, i32)>> {
    Ok(stage.cluster.processes()?.into_iter().map(|(vm, process)| (vm, process.pid)).collect())
}

fn raft_id(stage: &Stage, host: &str) -> Result<u64> {
    let status = stage.cluster.status()?;
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    Ok(node.with_context(|| format!("{host} is no node"))?.raft_id)
}

/// Waits until the host votes under another raft id than this one.
fn wait_new_voter(stage: &Stage, host: &str, old: u64) -> Result<u64> {
    let status = stage.cluster.wait_status(&format!("{host} to vote with a new store"), BACK, |status| {
        let node = status.nodes.iter().find(|node| node.id.as_str() == host);
        node.is_some_and(|node| node.raft_id > old && node.is_voter && node.liveness == "online")
    })?;
    let node = status.nodes.iter().find(|node| node.id.as_str() == host).context("it was just there")?;
    Ok(node.raft_id)
}

/// What is done to a data directory.
type Damage = fn(&Path) -> Result<()>;

/// The store of a follower is damaged in three ways, one after the other, while VMs run on it.
pub(crate) fn damaged(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = pids(stage)?;
    let ways: [(&str, Damage); 3] = [("flipped", flip), ("cut short", cut), ("removed", remove)];
    for (way, damage) in ways {
        let old = raft_id(stage, &victim)?;
        let data = data_dir(stage, &victim);
        stage.bed().daemon(&victim, DaemonFault::Kill)?;
        damage(&data)?;
        stage.bed().daemon_start(&victim)?;
        let new = wait_new_voter(stage, &victim, old)?;
        stage.note(format!("{way}: {victim} votes as member {new} in place of {old}"));
        stage.cluster.configure(&format!("property fence-window={}s", 300 + new))?;
    }
    let events = stage.cluster.events()?;
    let told = events.iter().filter(|event| event.kind == EventKind::Store && event.text.contains("in place of"));
    ensure!(told.clone().count() == 3, "the timeline tells of {:?}", told.collect::<Vec<_>>());
    let after = pids(stage)?;
    ensure!(before == after, "VM processes changed: {before:?}, then {after:?}");
    stage.ensure_no_fence()
}

/// Bits all over the file: what is in use is hit.
fn flip(data: &Path) -> Result<()> {
    let path = data.join("raft/log/db");
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let length = file.metadata()?.len();
    for at in (100..length).step_by(64) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 0x10], at)?;
    }
    Ok(file.sync_all()?)
}

fn cut(data: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).open(data.join("raft/log/db"))?;
    // A young log is small, and its file is made large at once.
    file.set_len(8192)?;
    Ok(file.sync_all()?)
}

fn remove(data: &Path) -> Result<()> {
    Ok(fs::remove_dir_all(data.join("raft"))?)
}

/// A member is started on a copy of its disk that was taken before its last start: its peers have seen more of it.
pub(crate) fn rolled_back(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = pids(stage)?;
    let old = raft_id(stage, &victim)?;
    stage.bed().daemon(&victim, DaemonFault::Kill)?;
    in_host(stage, &victim, "cp -aT /var/lib/quorate/raft /var/lib/quorate/copy")?;
    stage.bed().daemon_start(&victim)?;
    stage.cluster.wait_complete()?;
    for number in 0..5 {
        stage.cluster.configure(&format!("property fence-window={}s", 300 + number))?;
    }
    stage.bed().daemon(&victim, DaemonFault::Kill)?;
    in_host(stage, &victim, "rm -rf /var/lib/quorate/raft && mv -T /var/lib/quorate/copy /var/lib/quorate/raft")?;
    stage.bed().daemon_start(&victim)?;
    let new = wait_new_voter(stage, &victim, old)?;
    stage.note(format!("{victim} votes as member {new} in place of {old}"));
    let events = stage.cluster.events()?;
    let told = |words: &str| {
        let of = |event: &&quorate_core::state::Event| event.kind == EventKind::Store && event.text.contains(words);
        ensure!(events.iter().any(|event| of(&event)), "no event tells '{words}'");
        Ok(())
    };
    told("older copy")?;
    told(&format!("member {new} in place of {old}"))?;
    let kept = fs::read_dir(data_dir(stage, &victim))?.flatten();
    let aside = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("raft.rolled-back-"));
    ensure!(aside.count() == 1, "the copy was not set aside");
    let after = pids(stage)?;
    ensure!(before == after, "VM processes changed: {before:?}, then {after:?}");
    stage.ensure_no_fence()
}

fn in_host(stage: &Stage, host: &str, script: &str) -> Result<()> {
    stage.bed().exec(host, &["sh", "-c", script])?.ok().map(drop)
}
