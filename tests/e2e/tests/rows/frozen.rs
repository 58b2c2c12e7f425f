//! Rows in which a host stands still for longer than its timeout, and may go on as if no time had passed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use quorate_bed::{BmcMode, wait_for};
use quorate_core::state::EventKind;
use quorate_e2e::bmc_log;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];

/// The process of every guest, and where it is.
pub(crate) fn processes(stage: &Stage) -> Result<BTreeMap<String, (String, i32)>> {
    let found = stage.cluster.processes()?;
    Ok(found.into_iter().map(|(vm, process)| (vm, (process.host, process.pid))).collect())
}

/// (a) The fence works: its VMs run elsewhere, and nothing twice.
pub(crate) fn fenced(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().freeze(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    ensure!(!stage.bed().is_on(&victim)?, "its VMs were started elsewhere while it was on");
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    stage.note_timeline(&victim, begin)?;
    stage.fences_of(&victim, 1)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()
}

/// (b) Its BMC hangs, so that no off is ever sent: nothing starts elsewhere, and it is taken back with all it has.
pub(crate) fn called_off(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = processes(stage)?;
    let begin = SystemTime::now();
    stage.bed().bmc(&victim, BmcMode::Hung)?;
    stage.bed().freeze(&victim)?;
    stage.cluster.wait_status("the host to be lost", Duration::from_secs(30), |status| {
        status.nodes.iter().any(|node| node.id.as_str() == victim && node.liveness == "lost")
    })?;
    std::thread::sleep(Duration::from_secs(3));
    ensure!(processes(stage)? == before, "something was started or stopped without a proof");
    stage.bed().thaw(&victim)?;
    stage.cluster.wait_complete()?;
    stage.cluster.wait_running(VMS, Duration::from_secs(30), |process| process.host == victim)?;
    ensure!(processes(stage)? == before, "its VMs did not simply go on");
    let called_off = stage.cluster.events()?.into_iter().any(|event| event.kind == EventKind::CalledOff);
    ensure!(called_off, "no fence was called off");
    let offs = bmc_log(stage.bed(), &victim, begin)?.into_iter().filter(|(_, asked)| asked.starts_with("set")).count();
    ensure!(offs == 0, "an off reached the BMC");
    stage.bed().bmc(&victim, BmcMode::Ok)
}

/// Its BMC took an off and did nothing: who comes back then kills its VMs and reboots before anything starts elsewhere.
pub(crate) fn condemned(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.configure("property stonith-timeout=5s")?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let boot = stage.bed().boot_id(&victim)?;
    let before = processes(stage)?;
    let begin = SystemTime::now();
    stage.bed().bmc(&victim, BmcMode::Stuck)?;
    stage.bed().freeze(&victim)?;
    stage.cluster.wait_status("an off to have been sent", Duration::from_secs(40), |status| {
        status.fencing.iter().any(|fence| fence.off_sent && fence.tries.iter().any(|one| one.error.is_some()))
    })?;
    ensure!(processes(stage)? == before, "something was started or stopped without a proof");
    stage.bed().thaw(&victim)?;
    wait_for("the host to boot again", Duration::from_secs(60), || Ok(stage.bed().boot_id(&victim)? != boot))?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.started > begin)?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.cluster.wait_complete()?;
    stage.note_timeline(&victim, begin)
}
