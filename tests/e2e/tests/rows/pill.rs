//! A host without a BMC that reads a slot on a shared disk: it lives on without the majority, until a pill is left for it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::Status;
use quorate_core::watchdog::Terms;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// As hosts see it.
const DISK: &str = "/run/quorate-bed/shared/pills";
const SIZE: u64 = 2 * 1024 * 1024;
const TERMS: Terms = Terms { timeout: Duration::from_secs(2), window: Duration::from_secs(2), grace: Duration::ZERO };
/// The default of `lost-after`, less the time since the last beat before the cut.
const LOST_AFTER: Duration = Duration::from_millis(4_700);

pub(crate) fn cut(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    let contact = stage.cluster.contact()?;
    let disk = stage.bed().layout().shared().join("pills");
    File::create(&disk)?.set_len(SIZE)?;
    stage.cluster.qrm(&contact, &["fence", "prepare-disk", DISK])?;
    ensure!(stage.cluster.qrm(&contact, &["fence", "prepare-disk", DISK]).is_err(), "it was prepared twice");
    stage.cluster.qrm(&contact, &["configure", "delete", &format!("fence-{victim}")])?;
    stage.cluster.configure(&format!(
        "primitive pill stonith:sbd params devices={DISK} pcmk_host_list={victim} timeout=2s window=2s proves_off=true"
    ))?;
    let dog = stage.bed().watchdog(&victim, TERMS.timeout)?;
    let of_victim = |status: &Status| status.nodes.iter().find(|node| node.id.as_str() == victim).cloned();
    let is_armed = |status: &Status| of_victim(status).is_some_and(|node| node.is_armed && node.watchdog.is_some());
    stage.cluster.wait_status("its watchdog to be armed", Duration::from_secs(20), is_armed)?;
    stage.cluster.qrm(&contact, &["fence", "test", &victim])?;

    // The disk is gone, everywhere. Who hears the leader lives on.
    let kept = fs::read(&disk)?;
    File::options().write(true).open(&disk)?.set_len(0)?;
    // As long as it could take to bite.
    sleep(TERMS.window + TERMS.timeout * 2);
    ensure!(dog.bit().is_none(), "it was reset for a disk, though it heard the leader");
    fs::write(&disk, kept)?;

    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let old: BTreeSet<i32> = stage.bed().vms()?.into_iter().map(|process| process.pid).collect();
    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    let has_bitten = || Ok(dog.bit().is_some());
    wait_for("the pill to be swallowed", Duration::from_secs(20), has_bitten)?;
    let bit = dog.bit().context("it bit")?.duration_since(begin)?;
    stage.note(format!("its watchdog reset the host {:.2} s after the cut", bit.as_secs_f64()));
    ensure!(bit > LOST_AFTER, "it was reset {bit:?} after the cut, when no pill could be there");

    let due = begin + LOST_AFTER + TERMS.wait();
    while SystemTime::now() < due {
        let new: Vec<_> = stage.bed().vms()?.into_iter().filter(|process| !old.contains(&process.pid)).collect();
        ensure!(new.is_empty(), "started before the wait was over: {new:?}");
        sleep(Duration::from_millis(200));
    }
    stage.cluster.wait_running(VMS, Duration::from_secs(20), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, &victim, begin, LOST_AFTER + TERMS.wait() + Duration::from_secs(15))?;
    stage.note_timeline(&victim, begin)?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "pill", "the proof is {:?}: {}", fence.outcome, fence.proof);

    // The pill still stands there: it is none for the next boot.
    stage.bed().heal(&victim)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    let dog = stage.bed().watchdog(&victim, TERMS.timeout)?;
    // It is armed once its slot was read there.
    stage.cluster.wait_status("its watchdog to be armed again", Duration::from_secs(20), is_armed)?;
    ensure!(dog.bit().is_none(), "the old pill reset the new boot");
    Ok(())
}
