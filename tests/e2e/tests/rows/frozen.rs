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

/// Its BMC said off and did nothing, and reads off: a proof that is false. Who breathes then kills its VMs and reboots,
/// and nobody believes that device any more.
pub(crate) fn breathing(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &victim)?;
    // So that nothing runs twice even here, vm1 has no other place.
    for other in stage.bed().hosts().iter().filter(|host| **host != victim) {
        stage.cluster.configure(&format!("location never-{other} vm1 -inf: {other}"))?;
    }
    let (boot, pid) = (stage.bed().boot_id(&victim)?, processes(stage)?["vm1"].1);
    let begin = SystemTime::now();
    stage.bed().bmc(&victim, BmcMode::Lying)?;
    stage.bed().freeze(&victim)?;
    stage.cluster.wait_status("the lie to be believed", Duration::from_secs(40), |status| {
        status.nodes.iter().any(|node| node.id.as_str() == victim && node.session_ended)
    })?;
    stage.bed().thaw(&victim)?;
    let told = stage.cluster.wait_status("the proof to be found false", Duration::from_secs(30), |status| {
        status.nodes.iter().any(|node| node.id.as_str() == victim && node.disarmed.is_some())
    })?;
    stage.note(format!("status says: {}", told.health.text));
    ensure!(told.devices.iter().any(|it| it.distrusted.is_some() && it.targets.iter().any(|n| n.as_str() == victim)));
    wait_for("the host to boot again", Duration::from_secs(60), || Ok(stage.bed().boot_id(&victim)? != boot))?;
    ensure!(stage.bed().vms()?.iter().all(|process| process.pid != pid), "its VM survived");
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.cluster.wait_complete()?;
    let broken = stage.cluster.events()?.into_iter().any(|event| event.kind == EventKind::PromiseBroken);
    ensure!(broken, "no event tells of the promise that was broken");
    let fences = stage.cluster.fences()?;
    ensure!(fences.ended.iter().any(|fence| fence.false_since.is_some()), "no proof is marked false: {fences:?}");
    ensure!(stage.bed().vms()?.is_empty(), "a disarmed node got a VM");
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["fence", "trust", &format!("fence-{victim}")])?;
    stage.cluster.qrm(&contact, &["node", "release", &victim])?;
    stage.cluster.wait_running(&["vm1"], Duration::from_secs(60), |process| process.host == victim)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    stage.note_timeline(&victim, begin)
}

/// A host that is silent for a moment again and again keeps its VMs and gets no new ones, until a person releases it.
pub(crate) fn flapping(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &victim)?;
    let before = processes(stage)?;
    for _ in 0..3 {
        stage.bed().freeze(&victim)?;
        std::thread::sleep(Duration::from_millis(3200));
        stage.bed().thaw(&victim)?;
        stage.cluster.wait_complete()?;
        // Losses within five seconds of each other are one.
        std::thread::sleep(Duration::from_secs(3));
    }
    let of = |status: &quorate_core::view::Status| {
        status.nodes.iter().find(|node| node.id.as_str() == victim).and_then(|node| node.quarantine.clone())
    };
    let told = stage.cluster.wait_status("the quarantine", Duration::from_secs(10), |status| of(status).is_some())?;
    stage.note(format!("status says: {}", of(&told).unwrap_or_default()));
    ensure!(processes(stage)? == before, "what runs there was touched");
    stage.cluster.define(&["vm2"], &quorate_e2e::settings(&["vm2"], Some(&victim)))?;
    stage.cluster.wait_running(&["vm2"], Duration::from_secs(60), |process| process.host != victim)?;
    let contact = stage.cluster.contact()?;
    for other in stage.bed().hosts().iter().filter(|host| **host != victim) {
        stage.cluster.qrm(&contact, &["node", "standby", other])?;
    }
    stage.cluster.wait_running(&["vm2"], Duration::from_secs(60), |process| process.host == victim)?;
    stage.cluster.qrm(&contact, &["node", "release", &victim])?;
    stage.cluster.wait_status("the release", Duration::from_secs(10), |status| of(status).is_none())?;
    stage.ensure_no_fence()
}

/// A daemon that was stopped in order and stays away: its VMs go on, one question is asked, and answered.
pub(crate) fn away(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.configure("property away-grace=5s")?;
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &victim)?;
    let before = processes(stage)?;
    stage.bed().daemon(&victim, quorate_bed::DaemonFault::Stop)?;
    let asked =
        stage.cluster.wait_status("one question", Duration::from_secs(40), |status| !status.questions.is_empty())?;
    let [question] = &asked.questions[..] else { anyhow::bail!("not one question: {:?}", asked.questions) };
    stage.note(format!("asked: {}", question.text));
    ensure!(question.answer == format!("qrm fence {victim}"), "the answer is {}", question.answer);
    ensure!(processes(stage)? == before, "something was started beside it");
    let begin = SystemTime::now();
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["fence", &victim, "--yes"])?;
    stage.cluster.wait_running(&["vm1"], Duration::from_secs(60), |process| process.host != victim)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    stage.fences_of(&victim, 1).map(drop)
}
