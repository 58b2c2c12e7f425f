//! Rows in which hosts do not reach each other.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2", "vm3"];
/// The default of `lost-after`, less the time since the last beat before the cut.
const LOST_AFTER: Duration = Duration::from_millis(4_700);

pub(crate) fn follower(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let old: BTreeSet<i32> = stage.bed().vms()?.into_iter().map(|process| process.pid).collect();
    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    // Something the minority would like to start.
    stage.bed().kill_vm(&victim, VMS[0])?;

    // Until the host is off, nothing starts on either side.
    let mut off = None;
    wait_for("the host to be fenced", Duration::from_secs(40), || {
        // Read before the processes: what is seen after an off is allowed.
        let is_on = stage.bed().is_on(&victim)?;
        let new: Vec<_> = stage.bed().vms()?.into_iter().filter(|process| !old.contains(&process.pid)).collect();
        ensure!(!is_on || new.is_empty() || !stage.bed().is_on(&victim)?, "started while {victim} was on: {new:?}");
        off = (!is_on).then(SystemTime::now);
        Ok(off.is_some())
    })?;
    let off = off.context("it was seen off")?.duration_since(begin)?;
    ensure!(off >= LOST_AFTER, "fenced after {off:?}: power read on, so the full timeout of {LOST_AFTER:?} was due");
    stage.note(format!("the host was off {:.2} s after the cut", off.as_secs_f64()));

    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, &victim, begin, Duration::from_secs(20))?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    stage.note_timeline(&victim, begin)?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "power-off", "the proof is {:?}: {}", fence.outcome, fence.proof);

    // It comes back and takes part again.
    stage.bed().heal(&victim)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()
}
