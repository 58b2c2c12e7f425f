//! Rows in which a host loses power.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::BmcMode;
use quorate_e2e::bmc_log;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2", "vm3"];
/// From the cut to the start of the last VM's process: generous, for the machine is shared.
const FAILOVER: Duration = Duration::from_secs(10);

pub(crate) fn follower(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    power_cut(stage, &victim)
}

pub(crate) fn leader(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.leader()?;
    power_cut(stage, &victim)
}

fn power_cut(stage: &mut Stage, victim: &str) -> Result<()> {
    stage.cluster.run_vms(&stage.auditor, VMS, victim)?;
    let begin = SystemTime::now();
    stage.bed().power_off(victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, victim, begin, FAILOVER)?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    stage.note_timeline(victim, begin)?;

    let fence = stage.fences_of(victim, 1)?.remove(0);
    ensure!(fence.outcome == "power-off", "the proof is {:?}: {}", fence.outcome, fence.proof);
    let asked: Vec<String> = bmc_log(stage.bed(), victim, begin)?.into_iter().map(|(_, asked)| asked).collect();
    let off = asked.iter().position(|asked| asked == "set power 0");
    let off = off.with_context(|| format!("no off reached the BMC, only {asked:?}"))?;
    ensure!(asked[..off].contains(&"get power".to_owned()), "the BMC was not read early: {asked:?}");
    ensure!(asked[off..].contains(&"get power".to_owned()), "the off was not verified: {asked:?}");
    Ok(())
}

pub(crate) fn with_bmc(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().power_off_with_bmc(&victim)?;

    // Nothing starts: looked at all the time, for 20 seconds and until the question stands.
    let watched = Instant::now();
    let asked = stage.cluster.wait_status("one clear question", Duration::from_secs(90), |status| {
        assert!(stage.bed().vms().is_ok_and(|vms| vms.is_empty()), "a VM was started without proof");
        watched.elapsed() >= Duration::from_secs(20) && !status.questions.is_empty()
    })?;
    let [question] = &asked.questions[..] else { anyhow::bail!("not one question: {:?}", asked.questions) };
    stage.note(format!("asked: {}", question.text));
    ensure!(question.node.as_str() == victim, "it is about {}", question.node);
    ensure!(question.answer == format!("qrm node confirm-off {victim}"), "the answer is {}", question.answer);
    ensure!(question.waiting.len() == VMS.len(), "{:?} wait, not {VMS:?}", question.waiting);

    let contact = stage.cluster.contact()?;
    let refused = stage.bed().qrm(&contact, &["node", "confirm-off", &victim, "--i-have-checked", "n9"])?;
    ensure!(!refused.success(), "another node's name was good enough");
    let answered = SystemTime::now();
    stage.cluster.qrm(&contact, &["node", "confirm-off", &victim, "--i-have-checked", &victim])?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, &victim, answered, FAILOVER)?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, answered)?;
    stage.note_timeline(&victim, begin)?;

    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "confirmed", "the proof is {:?}", fence.outcome);
    ensure!(fence.proof.contains(&format!("root@{contact}")), "who said so is not in: {}", fence.proof);
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(fence.at.0);
    let apart = at.duration_since(answered).unwrap_or_default();
    ensure!(apart < Duration::from_secs(5), "when is wrong: {at:?}, and it was said at {answered:?}");

    // Both come back, and the node takes part again.
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()
}
