//! Rows about the disk under a member's store: it runs full, and it fails.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::{DaemonFault, wait_for};
use quorate_core::view::Status;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// What concerns disks is told, and acted on, within this.
const SOON: Duration = Duration::from_secs(20);
/// Where the file systems of their own are put, inside each host.
const SMALL: &str = "/run/quorate-bed/small";
/// A disk that everything can be read from and written to.
const TMPFS: &str = "mount -t tmpfs -o size=192m none /run/quorate-bed/small";
/// One that can be told to fail.
const EXT4: &str = "truncate -s 96M /run/quorate-bed/disk.img && mkfs.ext4 -q -F /run/quorate-bed/disk.img && \
                    mount -o loop /run/quorate-bed/disk.img /run/quorate-bed/small";
/// Shuts the file system down without writing its journal (`EXT4_IOC_SHUTDOWN`): from here on it answers EIO.
const FAIL: &str = "perl -e 'open(my $f, \"<\", $ARGV[0]) or die $!; my $flag = pack(\"L\", 2); ioctl($f, 0x8004587D, $flag) or die $!' \
                    /run/quorate-bed/small";

/// Gives every member a disk of its own, with what it has.
fn move_all(stage: &Stage, make: &str) -> Result<()> {
    for host in stage.bed().hosts() {
        stage.bed().daemon(&host, DaemonFault::Kill)?;
        let script = format!(
            "mkdir -p {SMALL} && {make} && cp -a /var/lib/quorate/. {SMALL} && sync -f {SMALL} && \
             mount --bind {SMALL} /var/lib/quorate"
        );
        in_host(stage, &host, &script)?;
        stage.bed().daemon_start(&host)?;
        stage.cluster.wait_complete()?;
    }
    Ok(())
}

/// Leaves this host's disk 93 % full.
fn fill(stage: &Stage, host: &str) -> Result<()> {
    let ballast = format!("fallocate -l $(($(stat -f -c '%a * %S * 93 / 100' {SMALL}))) {SMALL}/ballast");
    in_host(stage, host, &ballast)
}

fn is_full(status: &Status, host: &str) -> bool {
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    node.and_then(|node| node.store.as_ref()).is_some_and(|store| store.is_full)
}

fn has_caught_up(status: &Status, host: &str) -> bool {
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    node.and_then(|node| node.store.as_ref())
        .is_some_and(|store| !store.is_full && store.applied >= status.cluster.index)
}

/// The disk under the leader's store runs full, then to its brim; then those of all; then there is room again.
pub(crate) fn full(stage: &mut Stage) -> Result<()> {
    move_all(stage, TMPFS)?;
    let victim = stage.cluster.leader()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = stage.pids()?;
    let daemon = stage.bed().daemon_pid(&victim)?;
    fill(stage, &victim)?;
    let status = stage.cluster.wait_status("the leadership to move to one with room", SOON, |status| {
        let moved = status.quorum.leader.as_ref().is_some_and(|leader| leader.as_str() != victim);
        moved && is_full(status, &victim)
    })?;
    ensure!(status.health.text.contains("make room"), "the status says: {}", status.health.text);
    stage.cluster.configure("property fence-window=400s")?;

    let brim = format!("dd if=/dev/zero of={SMALL}/rest bs=64k 2>/dev/null; test -s {SMALL}/rest");
    in_host(stage, &victim, &brim)?;
    for number in 0..5 {
        stage.cluster.configure(&format!("property fence-window={}s", 401 + number))?;
    }
    ensure!(stage.bed().daemon_pid(&victim)? == daemon, "the daemon on the brimming disk ended");
    ensure!(stage.pids()? == before, "VM processes changed");
    in_host(stage, &victim, &format!("rm {SMALL}/rest"))?;

    all_full(stage, &victim)?;
    for host in stage.bed().hosts() {
        in_host(stage, &host, &format!("rm {SMALL}/ballast"))?;
    }
    let hosts = stage.bed().hosts();
    stage
        .cluster
        .wait_status("all to have caught up", SOON, |status| hosts.iter().all(|host| has_caught_up(status, host)))?;
    stage.cluster.configure("property fence-window=410s")?;
    ensure!(stage.bed().daemon_pid(&victim)? == daemon, "the daemon on the full disk ended");
    stage.ensure_no_fence()
}

/// Nobody has room: people are told so, and VMs are kept running all the same.
fn all_full(stage: &mut Stage, victim: &str) -> Result<()> {
    let hosts = stage.bed().hosts();
    for host in hosts.iter().filter(|host| *host != victim) {
        fill(stage, host)?;
    }
    stage.cluster.wait_status("all disks to be full", SOON, |status| hosts.iter().all(|host| is_full(status, host)))?;
    let refused = stage.bed().qrm(victim, &["configure", "property", "fence-window=409s"])?;
    let is_told = !refused.success() && refused.stderr.contains("nearly full");
    ensure!(is_told, "a change on full disks says: {}{}", refused.stdout, refused.stderr);
    stage.note(refused.stderr.trim());
    let old = stage.pids()?;
    stage.bed().kill_vm(victim, "vm1")?;
    stage.cluster.wait_running(&["vm1"], SOON, |process| Some(&process.pid) != old.get("vm1"))?;
    ensure!(stage.pids()?.get("vm2") == old.get("vm2"), "the other VM was touched");
    Ok(())
}

/// The disk under the leader's store fails in the midst of everything, and is mended.
pub(crate) fn eio(stage: &mut Stage) -> Result<()> {
    move_all(stage, EXT4)?;
    let victim = stage.cluster.leader()?;
    let other = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = stage.pids()?;
    in_host(stage, &victim, FAIL)?;
    // The leader cannot write it, and ends; whoever leads then takes it.
    stage.cluster.qrm(&other, &["configure", "property", "fence-window=400s"])?;
    wait_for("the daemon to end", SOON, || Ok(stage.bed().daemon_pid(&victim)?.is_none()))?;
    let log = fs::read_to_string(stage.bed().layout().daemon_log(&victim)).context("read the daemon's log")?;
    let told = log.lines().rev().find(|line| line.contains("the store failed: this daemon ends"));
    let told = told.context("the daemon's log does not say why it ended")?.to_owned();
    ensure!(told.contains("nput/output error") || told.contains("EIO"), "its log says: {told}");
    stage.note(told);
    stage.cluster.wait_status("another to lead", SOON, |status| {
        status.quorum.leader.as_ref().is_some_and(|leader| leader.as_str() != victim)
    })?;
    for number in 0..5 {
        stage.cluster.configure(&format!("property fence-window={}s", 401 + number))?;
    }

    let mend = format!(
        "umount -l /var/lib/quorate {SMALL} && mount -o loop /run/quorate-bed/disk.img {SMALL} && \
         mount --bind {SMALL} /var/lib/quorate"
    );
    in_host(stage, &victim, &mend)?;
    stage.bed().daemon_start(&victim)?;
    stage.cluster.wait_complete()?;
    stage.cluster.wait_status("it to have caught up", SOON, |status| has_caught_up(status, &victim))?;
    ensure!(stage.pids()? == before, "VM processes changed");
    stage.ensure_no_fence()
}

fn in_host(stage: &Stage, host: &str, script: &str) -> Result<()> {
    stage.bed().exec(host, &["sh", "-c", script])?.ok().map(drop)
}
