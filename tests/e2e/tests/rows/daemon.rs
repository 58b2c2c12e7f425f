//! Rows in which a daemon dies alone: its kernel, its libvirtd and its VMs live on.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{DaemonFault, VmProcess, wait_for};
use quorate_core::view::Role;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2", "vm3", "vm4", "vm5"];
/// The one whose start is in flight when the daemon dies.
const STARTING: &str = "vm6";
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn after_a_second(stage: &mut Stage) -> Result<()> {
    back_in_time(stage, Duration::from_secs(1))
}

pub(crate) fn within_grace(stage: &mut Stage) -> Result<()> {
    back_in_time(stage, GRACE.mul_f64(0.9))
}

fn back_in_time(stage: &mut Stage, away: Duration) -> Result<()> {
    let victim = prepare(stage)?;
    let before = running(stage)?;
    let killed = kill_amid_start(stage, &victim)?;
    std::thread::sleep(away.saturating_sub(killed.elapsed()));
    stage.bed().daemon_start(&victim)?;
    stage.cluster.wait_complete()?;
    let is_kept_awake = stage.bed().exec(&victim, &["test", "-e", "/run/quorate-bed/stays-awake"])?;
    ensure!(is_kept_awake.success(), "{victim} may fall asleep");
    stage.cluster.wait_running(&[STARTING], Duration::from_secs(60), |process| process.host == victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host == victim)?;
    stage.note(format!(
        "{victim} was online again and {STARTING} ran {:.1} s after the kill",
        killed.elapsed().as_secs_f64()
    ));
    let after = running(stage)?;
    ensure!(pids(&before) == pids(&after), "VM processes changed: {before:?}, then {after:?}");
    stage.ensure_no_fence()
}

pub(crate) fn too_late(stage: &mut Stage) -> Result<()> {
    let victim = prepare(stage)?;
    let all: Vec<&str> = VMS.iter().copied().chain([STARTING]).collect();
    let begin = SystemTime::now();
    let killed = kill_amid_start(stage, &victim)?;
    wait_for("the node to be off", GRACE.mul_f64(3.0), || Ok(!stage.bed().is_on(&victim)?))?;
    let off = killed.elapsed();
    stage.note(format!("off {:.1} s after the kill", off.as_secs_f64()));
    ensure!(off >= GRACE, "fenced after {off:?}, before the grace of {GRACE:?} was over");
    stage.cluster.wait_running(&all, Duration::from_secs(60), |process| process.host != victim)?;
    std::thread::sleep(GRACE.mul_f64(1.5).saturating_sub(killed.elapsed()));
    // Who would start the daemon now finds the host off; it comes back with its host.
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    stage.cluster.wait_reborn(&stage.auditor, &all, begin)?;
    stage.note_timeline(&victim, begin)?;
    stage.fences_of(&victim, 1).map(drop)
}

/// Five VMs run on a follower, and a sixth is about to be started there.
fn prepare(stage: &mut Stage) -> Result<String> {
    let victim = stage.cluster.follower()?;
    stage.cluster.configure(&format!("property daemon-grace={}s", GRACE.as_secs()))?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let primitive = format!("primitive {STARTING} vm:libvirt params xml=@{STARTING}.xml meta target-role=Stopped");
    let stopped = format!("{primitive}\nlocation {STARTING}-on-{victim} {STARTING} 100: {victim}\n");
    stage.cluster.define(&[STARTING], &stopped)?;
    stage.cluster.wait_status("the sixth VM to be known as stopped", Duration::from_secs(20), |status| {
        status.resources.iter().any(|r| r.id.as_str() == STARTING && r.role == Role::Stopped && r.doing.is_empty())
    })?;
    Ok(victim)
}

/// Kills the daemon when the sixth VM's process is there and its start is not done; returns when that was.
fn kill_amid_start(stage: &mut Stage, victim: &str) -> Result<Instant> {
    let contact = stage.cluster.leader()?;
    stage.cluster.qrm(&contact, &["resource", "start", STARTING])?;
    wait_for("the start to be under way", Duration::from_secs(20), || {
        Ok(stage.bed().vms()?.iter().any(|process| process.vm == STARTING))
    })?;
    stage.bed().daemon(victim, DaemonFault::Kill)?;
    let killed = Instant::now();
    let status = stage.cluster.status()?;
    let resource = status.resources.iter().find(|r| r.id.as_str() == STARTING).context("the sixth VM is known")?;
    ensure!(resource.role == Role::Starting, "no start was in flight: {STARTING} is {:?}", resource.role);
    Ok(killed)
}

fn running(stage: &Stage) -> Result<Vec<VmProcess>> {
    Ok(stage.bed().vms()?.into_iter().filter(|process| VMS.contains(&process.vm.as_str())).collect())
}

fn pids(processes: &[VmProcess]) -> Vec<(&str, i32)> {
    processes.iter().map(|process| (process.vm.as_str(), process.pid)).collect()
}
