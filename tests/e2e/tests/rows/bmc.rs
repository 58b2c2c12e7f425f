//! Rows in which the BMC of a silent host is bad: nothing starts without a proof, and status says what the device said.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{BmcMode, wait_for};
use quorate_core::view::{Fences, Fencing, NodeView, Status};
use quorate_e2e::bmc_log;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// For so long nobody starts anything where there is no proof.
const WATCHED: Duration = Duration::from_secs(60);
/// A try may be under way, and the pause after it be up to a minute long.
const NEXT_TRY: Duration = Duration::from_secs(110);

pub(crate) fn hung(stage: &mut Stage) -> Result<()> {
    without_proof(stage, BmcMode::Hung, "does not answer")
}

pub(crate) fn slow(stage: &mut Stage) -> Result<()> {
    without_proof(stage, BmcMode::Slow(Duration::from_secs(30)), "does not answer")
}

pub(crate) fn wrong_password(stage: &mut Stage) -> Result<()> {
    without_proof(stage, BmcMode::WrongPassword, "refuses the password of user admin")
}

pub(crate) fn stuck(stage: &mut Stage) -> Result<()> {
    without_proof(stage, BmcMode::Stuck, "still reads on")
}

/// The host is cut off with its VMs running on, and its BMC is bad: zero starts while it is watched, the device's own
/// words in status, one question, growing pauses. With the BMC mended the fence succeeds by itself.
fn without_proof(stage: &mut Stage, mode: BmcMode, error: &str) -> Result<()> {
    let victim = stage.cluster.follower()?;
    without_proof_of(stage, victim, mode, error)
}

/// The same of a host whose devices somebody has chosen.
pub(crate) fn without_proof_of(stage: &mut Stage, victim: String, mode: BmcMode, error: &str) -> Result<()> {
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let old: Vec<i32> = stage.bed().vms()?.into_iter().map(|process| process.pid).collect();
    stage.bed().bmc(&victim, mode)?;
    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    watch(stage, &victim, &old)?;

    let asked = stage.cluster.wait_status("one clear question with the device's words", NEXT_TRY, |status| {
        status.questions.len() == 1 && status.questions[0].tried.iter().any(|tried| tried.error.contains(error))
    })?;
    let question = &asked.questions[0];
    ensure!(question.node.as_str() == victim, "it is about {}", question.node);
    ensure!(question.waiting.len() == VMS.len(), "{:?} wait", question.waiting);
    stage.note(format!("asked: {}", question.text));
    let contact = stage.cluster.contact()?;
    let page = stage.cluster.qrm(&contact, &["status"])?;
    let said = page.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(said.contains(error), "`qrm status` does not say {error:?}:\n{page}");
    let fences = stage.cluster.fences()?;
    let pauses = ensure_growing(&fences, &victim)?;
    stage.note(format!("pauses between the tries: {pauses}"));

    // The device is mended, and nobody has to do anything else.
    let mended = SystemTime::now();
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.cluster.wait_running(VMS, NEXT_TRY + FAILOVER, |process| process.host != victim)?;
    stage.cluster.wait_reborn(&stage.auditor, VMS, mended)?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "power-off", "the proof is {:?}: {}", fence.outcome, fence.proof);
    stage.note_timeline(&victim, begin)
}

/// From the start of a VM's process to the last: as `power` has it.
const FAILOVER: Duration = Duration::from_secs(30);

/// No process of a guest but those that are known: looked at all the time.
fn watch(stage: &Stage, victim: &str, old: &[i32]) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < WATCHED {
        let new: Vec<_> = stage.bed().vms()?.into_iter().filter(|process| !old.contains(&process.pid)).collect();
        // A slow device may have taken its off long before it says so: what follows its proof is no start without one.
        ensure!(new.is_empty() || !stage.bed().is_on(victim)?, "started without a proof: {new:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Each pause between the end of a try and the next is longer than the one before, as far as whole tries tell.
fn ensure_growing(fences: &Fences, victim: &str) -> Result<String> {
    let open: &Fencing = fences.open.iter().find(|open| open.target.as_str() == victim).context("it goes on")?;
    let begun: Vec<u64> = open.tries.iter().map(|one| one.at.0).collect();
    let apart: Vec<u64> = begun.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    ensure!(!apart.is_empty(), "it was tried {} times in all", open.count);
    let grows = apart.windows(2).all(|pair| pair[1] > pair[0]);
    ensure!(grows, "the tries of {victim} are {apart:?} ms apart");
    Ok(apart.iter().map(|apart| format!("{:.1} s", *apart as f64 / 1000.0)).collect::<Vec<_>>().join(", "))
}

/// `stonith-action=reboot`: off, the proof, and only then on; never a reset.
pub(crate) fn reboot(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("property stonith-action=reboot")?;
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    // Off already when it is fenced: a reset of such a host would do nothing, or switch it on.
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    stage.cluster.wait_complete()?;
    ordered(stage, &victim, begin)?;

    // By a person's wish, of a host that is well.
    let again = SystemTime::now();
    let contact = stage.cluster.leader()?;
    stage.cluster.qrm(&contact, &["fence", &victim, "--yes"])?;
    stage.cluster.wait_status("the fence to end", Duration::from_secs(60), |status| {
        status.fencing.is_empty() && status.fences.len() == 2
    })?;
    stage.cluster.wait_complete()?;
    ordered(stage, &victim, again)?;
    stage.note_timeline(&victim, begin)?;

    // And left off, where that is asked for.
    stage.cluster.qrm(&contact, &["fence", &victim, "--yes", "--action", "off"])?;
    let proven = |status: &Status| status.fencing.is_empty() && status.fences.len() == 3;
    stage.cluster.wait_status("the last fence to end", Duration::from_secs(60), proven)?;
    std::thread::sleep(Duration::from_secs(5));
    ensure!(!stage.bed().is_on(&victim)?, "{victim} was switched on, and was to stay off");
    Ok(())
}

/// What its BMC was told: one off, readings, one on, in this order, and nothing else; the on after the proof.
fn ordered(stage: &Stage, victim: &str, since: SystemTime) -> Result<()> {
    let told = bmc_log(stage.bed(), victim, since)?;
    let switched: Vec<&str> = told.iter().map(|(_, what)| what.as_str()).filter(|what| *what != "get power").collect();
    ensure!(switched == ["set power 0", "set power 1"], "the BMC of {victim} was told {switched:?}");
    let on = told.iter().find(|(_, what)| what == "set power 1").map(|(at, _)| *at).context("just seen")?;
    let fence = stage.cluster.fences()?.ended.into_iter().next().context("it was fenced")?;
    let proven = SystemTime::UNIX_EPOCH + Duration::from_millis(fence.at.0);
    ensure!(on >= proven, "it was switched on before the proof stood: {on:?}, {proven:?}");
    Ok(())
}

/// A node that comes back in another boot while its BMC is dead: that boot is the proof.
pub(crate) fn reborn_with_dead_bmc(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().power_off_with_bmc(&victim)?;
    stage.cluster.wait_status("the fence to fail", Duration::from_secs(60), |status| !status.questions.is_empty())?;
    ensure!(stage.bed().vms()?.is_empty(), "a VM was started without proof");
    let back = SystemTime::now();
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(90), |_| true)?;
    stage.cluster.wait_complete()?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "reborn", "the proof is {:?}: {}", fence.outcome, fence.proof);
    stage.cluster.wait_reborn(&stage.auditor, VMS, back)?;
    ensure!(stage.cluster.status()?.questions.is_empty(), "a question stands for a fence that ended");
    // Nobody goes on with it, even when the device is back.
    let boot = stage.bed().boot_id(&victim)?;
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    std::thread::sleep(Duration::from_secs(15));
    ensure!(stage.bed().is_on(&victim)? && stage.bed().boot_id(&victim)? == boot, "{victim} was switched off");
    let offs = bmc_log(stage.bed(), &victim, back)?.into_iter().filter(|(_, what)| what == "set power 0").count();
    ensure!(offs == 0, "{offs} offs were sent to a node that had come back");
    stage.note_timeline(&victim, begin)
}

/// Levels for nodes by an attribute and by a pattern of their names: a person's fence goes by them.
fn levels_by_attribute(stage: &Stage, victim: &str) -> Result<()> {
    let address = stage.bed().layout().bmc_address(victim)?;
    let other = stage.bed().hosts().into_iter().find(|host| host != victim).context("there are three")?;
    for name in ["rack", "named"] {
        stage.cluster.configure(&format!(
            "primitive {name} stonith:ipmi params ip={address} username=admin password=secret cipher=3 target={victim}"
        ))?;
    }
    stage.cluster.configure(&format!("node {victim} attributes rack=b"))?;
    stage.cluster.configure(&format!("fencing_topology pattern:^{victim}$ named attr:rack=b rack"))?;
    let contact = stage.cluster.contact()?;
    let levels = |of: &str| -> Result<Vec<Vec<String>>> {
        let status = stage.cluster.status()?;
        let node = status.nodes.into_iter().find(|node| node.id.as_str() == of).context("it is a member")?;
        Ok(node.fence_levels.iter().map(|level| level.iter().map(ToString::to_string).collect()).collect())
    };
    ensure!(levels(victim)? == [["rack"]], "by its attribute {victim} has {:?}", levels(victim)?);
    ensure!(levels(&other)? == [[format!("fence-{other}")]], "{other} has {:?}", levels(&other)?);
    stage.cluster.configure(&format!("set {victim}.rack c"))?;
    ensure!(levels(victim)? == [["named"]], "by its name {victim} has {:?}", levels(victim)?);
    stage.cluster.qrm(&contact, &["fence", victim, "--yes", "--action", "reboot"])?;
    stage.cluster.wait_status("the fence to end", Duration::from_secs(30), |status| {
        status.fencing.is_empty() && status.fences.len() == 1
    })?;
    let fence = stage.fences_of(victim, 1)?.remove(0);
    ensure!(fence.proof.contains("named"), "it is fenced by {:?}", fence.proof);
    stage.cluster.wait_complete()
}

/// The first level's device refuses; the second level, of two devices, proves it.
pub(crate) fn levels(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    levels_by_attribute(stage, &victim)?;
    let address = stage.bed().layout().bmc_address(&victim)?;
    let device = |name: &str, password: &str| {
        format!(
            "primitive {name} stonith:ipmi params ip={address} username=admin password={password} cipher=3 target={victim}"
        )
    };
    stage.cluster.configure(&device("first", "forgotten"))?;
    stage.cluster.configure(&device("second", "secret"))?;
    stage.cluster.configure(&format!("fencing_topology {victim}: first second,fence-{victim}"))?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(90), |process| process.host != victim)?;
    let fence = stage.fences_of(&victim, 2)?.remove(0);
    let tried: Vec<Vec<&str>> =
        fence.tries.iter().map(|one| one.devices.iter().map(|device| device.as_str()).collect()).collect();
    let second = format!("fence-{victim}");
    ensure!(tried == [vec!["first"], vec!["second", &second]], "tried were {tried:?}");
    let error = fence.tries[0].error.clone().unwrap_or_default();
    ensure!(error.contains("refuses the password"), "the first level's error is {error:?}");
    ensure!(fence.outcome == "power-off", "the proof is {:?}: {}", fence.outcome, fence.proof);
    stage.note_timeline(&victim, begin)
}

/// The executor stands still between its grant and its off; the target comes back; the executor moves again.
pub(crate) fn late_off(stage: &mut Stage) -> Result<()> {
    let executor = stage.cluster.leader()?;
    let victim = stage.cluster.follower()?;
    // Nobody can fence the executor while it stands still.
    stage.bed().bmc(&executor, BmcMode::Hung)?;
    stage.bed().bmc(&victim, BmcMode::Slow(Duration::from_secs(6)))?;
    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    stage.cluster.wait_status("the grant", Duration::from_secs(30), |status| {
        status.fencing.iter().any(|fence| fence.target.as_str() == victim && fence.tries.iter().any(|one| one.open))
    })?;
    // The device takes six seconds for the look that comes before every off.
    stage.bed().freeze(&executor)?;
    let sent = |stage: &Stage| -> Result<usize> {
        Ok(bmc_log(stage.bed(), &victim, begin)?.into_iter().filter(|(_, what)| what == "set power 0").count())
    };
    ensure!(sent(stage)? == 0, "the off was sent before the executor stood still");
    stage.bed().power_off(&victim)?;
    stage.bed().heal(&victim)?;
    stage.bed().power_on(&victim)?;
    let mut others = stage.bed().hosts().into_iter().filter(|host| *host != victim && *host != executor);
    let witness = others.next_back().context("a third host")?;
    wait_for("the target to be back", Duration::from_secs(120), || {
        // Who stands still is not asked.
        let Ok(status) = stage.cluster.document::<Status>(&witness, &["status"]) else { return Ok(false) };
        let is_back = |node: &NodeView| node.id.as_str() == victim && node.liveness == "online";
        Ok(status.quorum.confirmed && status.nodes.iter().any(is_back))
    })?;
    let boot = stage.bed().boot_id(&victim)?;
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.bed().thaw(&executor)?;
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(25) {
        ensure!(stage.bed().is_on(&victim)? && stage.bed().boot_id(&victim)? == boot, "a late off hit {victim}");
        std::thread::sleep(Duration::from_millis(200));
    }
    ensure!(sent(stage)? == 0, "an off was sent to {victim} after its rebirth");
    // No off left for the executor either, so it is taken back.
    stage.cluster.wait_complete()?;
    stage.note_timeline(&victim, begin)
}
