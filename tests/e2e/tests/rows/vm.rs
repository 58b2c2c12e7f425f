//! Rows in which something is wrong with one VM.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::{Role, Status};

use crate::stage::Stage;

pub(crate) fn killed(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, &["vm1", "vm2"], &host)?;
    let before = stage.cluster.processes()?;
    let begin = SystemTime::now();
    stage.bed().kill_vm(&host, "vm1")?;
    let old = before["vm1"].pid;
    stage.cluster.wait_running(&["vm1"], Duration::from_secs(30), |process| process.pid != old)?;
    let after = stage.cluster.processes()?;
    let took = after["vm1"].started.duration_since(begin).unwrap_or_default();
    stage.note(format!("the new QEMU was started {:.2} s after the kill", took.as_secs_f64()));
    ensure!(after["vm1"].host == host, "it was restarted on {}", after["vm1"].host);
    ensure!(took <= Duration::from_secs(3), "it was restarted only after {took:?}");
    ensure!(after["vm2"].pid == before["vm2"].pid, "its neighbour was touched");
    stopped_while_it_boots(stage)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    stage.note_timeline(&host, begin)?;
    stage.ensure_no_fence()
}

/// It hears nothing of a shutdown before its system is up, and is asked again: nobody waits for the whole timeout of its stop.
fn stopped_while_it_boots(stage: &mut Stage) -> Result<()> {
    let contact = stage.cluster.contact()?;
    let begun = Instant::now();
    stage.cluster.qrm(&contact, &["resource", "stop", "vm1", "--wait"])?;
    let took = begun.elapsed();
    stage.note(format!("it was stopped while it booted, within {:.1} s", took.as_secs_f64()));
    ensure!(took < Duration::from_secs(30), "a guest that boots was stopped only after {took:?}");
    stage.cluster.qrm(&contact, &["resource", "start", "vm1"]).map(drop)
}

/// The start of one VM hangs, as on storage that answers late. Whoever waits for it must not let others wait.
pub(crate) fn slow_start(stage: &mut Stage) -> Result<()> {
    const USUAL: Duration = Duration::from_secs(10);
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, &["vm2", "vm3"], &victim)?;
    stage.bed().hold_start("vm1")?;
    let never_there = format!("location vm1-not-on-{victim} vm1 -inf: {victim}");
    stage.cluster.define(&["vm1"], &format!("primitive vm1 vm:libvirt params xml=@vm1.xml\n{never_there}\n"))?;
    let is_starting =
        |status: &Status| status.resources.iter().any(|it| it.id.as_str() == "vm1" && it.role == Role::Starting);
    stage.cluster.wait_status("the start of vm1 to be under way", Duration::from_secs(30), is_starting)?;

    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    stage.cluster.wait_running(&["vm2", "vm3"], Duration::from_secs(40), |process| process.host != victim)?;
    stage.ensure_restarted(&["vm2", "vm3"], &victim, begin, USUAL)?;
    let status = stage.cluster.status()?;
    ensure!(is_starting(&status), "the start of vm1 did not hang all the time: {:?}", status.resources);
    stage.note_timeline(&victim, begin)?;

    stage.bed().release_start("vm1")?;
    stage.cluster.wait_running(&["vm1"], Duration::from_secs(60), |process| process.host != victim)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1", "vm2", "vm3"], begin)?;
    stage.fences_of(&victim, 1).map(drop)
}

/// QEMU hangs in the kernel, as it does on storage that is gone: no signal ends it, and libvirt's `destroy` claims
/// success all the same.
pub(crate) fn stop_fails(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.follower()?;
    // A VM is stopped by the definition it was started with.
    stage.cluster.configure("op_defaults timeout=20s")?;
    stage.cluster.run_vms(&stage.auditor, &["vm1", "vm2"], &host)?;
    stage.bed().stick_vm(&host, "vm1")?;
    let stuck = stage.cluster.processes()?["vm1"].pid;
    let begin = SystemTime::now();
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["node", "standby", &host])?;

    wait_for("the node to be fenced", Duration::from_secs(90), || {
        let is_on = stage.bed().is_on(&host)?;
        let elsewhere = stage.bed().vms()?.into_iter().find(|process| process.vm == "vm1" && process.pid != stuck);
        let early = elsewhere.filter(|_| is_on);
        ensure!(early.is_none() || !stage.bed().is_on(&host)?, "vm1 was started beside the one that hangs: {early:?}");
        Ok(!is_on)
    })?;
    stage.cluster.wait_running(&["vm1", "vm2"], Duration::from_secs(60), |process| process.host != host)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    stage.note_timeline(&host, begin)?;
    let fence = stage.fences_of(&host, 1)?.remove(0);
    ensure!(fence.cause.contains("vm1 could not be stopped"), "the cause is {:?}", fence.cause);
    let failed = stage.cluster.events()?.into_iter().find(|event| event.text.starts_with("stop of vm1"));
    failed.context("no event tells of the stop that failed").map(drop)
}
