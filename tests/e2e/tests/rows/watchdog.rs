//! A host that nothing but its own watchdog can switch off.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::watchdog::{GRACE_BEYOND, Terms};

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
const GRACE: Duration = Duration::from_secs(2);
const TERMS: Terms = Terms {
    timeout: Duration::from_secs(2),
    window: Duration::from_secs(2),
    grace: Duration::from_secs(GRACE.as_secs() + GRACE_BEYOND.as_secs()),
};
/// The default of `lost-after`, less the time since the last beat before the cut.
const LOST_AFTER: Duration = Duration::from_millis(4_700);

pub(crate) fn cut(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["configure", "delete", &format!("fence-{victim}")])?;
    stage.cluster.configure(&format!("property daemon-grace={}s", GRACE.as_secs()))?;
    stage.cluster.configure(&format!(
        "primitive dog stonith:watchdog params pcmk_host_list={victim} timeout=2s window=2s proves_off=true"
    ))?;
    let dog = stage.bed().watchdog(&victim, TERMS.timeout)?;
    let is_armed = |status: &quorate_core::view::Status| {
        status.nodes.iter().any(|node| node.id.as_str() == victim && node.is_armed && node.watchdog.is_some())
    };
    stage.cluster.wait_status("the watchdog to be armed", Duration::from_secs(20), is_armed)?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let old: BTreeSet<i32> = stage.bed().vms()?.into_iter().map(|process| process.pid).collect();

    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    wait_for("the watchdog to bite", Duration::from_secs(20), || Ok(dog.bit().is_some()))?;
    let bit = dog.bit().context("it bit")?.duration_since(begin)?;
    stage.note(format!("its watchdog reset the host {:.2} s after the cut", bit.as_secs_f64()));
    ensure!(bit <= TERMS.window + TERMS.timeout + Duration::from_secs(1), "it was fed for {bit:?} without a majority");

    // Off it is; but nobody else can know before the wait is over.
    let due = begin + LOST_AFTER + TERMS.wait();
    while SystemTime::now() < due {
        let new: Vec<_> = stage.bed().vms()?.into_iter().filter(|process| !old.contains(&process.pid)).collect();
        ensure!(new.is_empty(), "started before the wait was over: {new:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.cluster.wait_running(VMS, Duration::from_secs(20), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, &victim, begin, LOST_AFTER + TERMS.wait() + Duration::from_secs(15))?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    stage.note_timeline(&victim, begin)?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "watchdog", "the proof is {:?}: {}", fence.outcome, fence.proof);

    stage.bed().heal(&victim)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()
}
