//! A majority is lost for good: the host that is left goes on alone, when a person has said so of every other.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::Status;

use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn alone(stage: &mut Stage) -> Result<()> {
    let survivor = stage.cluster.follower()?;
    let others: Vec<String> = stage.bed().hosts().into_iter().filter(|host| *host != survivor).collect();
    let (one, two) = (others[0].clone(), others[1].clone());
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &one)?;
    stage.cluster.run_vms(&stage.auditor, &["vm2"], &survivor)?;
    let recover = ["cluster", "recover", "--lost", &one, "--lost", &two];
    refused(stage, &survivor, &recover, &["a majority", "nothing to recover"])?;

    // One is gone with its BMC; the other is cut off, and its power is on.
    stage.bed().power_off_with_bmc(&two)?;
    stage.bed().cut(&one)?;
    let unconfirmed = || Ok(!own_status(stage, &survivor)?.quorum.confirmed);
    wait_for("the majority to be missed", PATIENCE, unconfirmed)?;
    thread::sleep(Duration::from_secs(2));
    refused(stage, &survivor, &recover[..4], &["nothing was said of", &two])?;
    refused(stage, &survivor, &recover, &["is not off", "reads its power as on", &one])?;
    stage.bed().power_off(&one)?;
    stage.bed().heal(&one)?;
    let before = stage.pids()?;
    ensure!(before.keys().eq(["vm2"]), "without a majority there run {before:?}");

    let said = stage.cluster.qrm(&survivor, &recover)?;
    stage.note(said.trim());
    let is_alone =
        |status: &Status| status.quorum.confirmed && status.nodes.len() == 1 && status.cluster.generation == 1;
    wait_for("the survivor to be all there is", PATIENCE, || {
        Ok(own_status(stage, &survivor).is_ok_and(|status| is_alone(&status) && status.nodes[0].liveness == "online"))
    })?;
    let status = own_status(stage, &survivor)?;
    ensure!(status.cluster.maintenance, "its hands are not off: {:?}", status.cluster);
    thread::sleep(Duration::from_secs(3));
    ensure!(stage.pids()? == before, "something was started or touched before a person had looked");

    stage.cluster.qrm(&survivor, &["configure", "property", "maintenance-mode=false"])?;
    stage.cluster.wait_running(&["vm1", "vm2"], PATIENCE, |process| process.host == survivor)?;
    let after = stage.pids()?;
    ensure!(after.get("vm2") == before.get("vm2"), "vm2 was touched: {after:?} after {before:?}");
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], std::time::SystemTime::now() - PATIENCE)?;

    // Both come back together: they would be a majority of what was.
    stage.bed().power_on(&one)?;
    stage.bed().power_on(&two)?;
    for old in [&one, &two] {
        let told = || Ok(stage.cluster.site.qrm(old, &["status"])?.stderr.contains("was removed from this cluster"));
        wait_for(&format!("{old} to be told"), PATIENCE, told)?;
    }
    thread::sleep(Duration::from_secs(5));
    ensure!(stage.pids()? == after, "VMs were touched when the old members came back");
    let status = own_status(stage, &survivor)?;
    ensure!(is_alone(&status), "the old members changed something: {:?} {:?}", status.cluster, status.nodes);
    refused(stage, &one, &["status"], &["was removed", "fresh token"])?;
    let events = stage.cluster.qrm(&survivor, &["events"])?;
    let told = events.lines().find(|line| line.contains("go on alone")).context("the timeline does not tell of it")?;
    stage.note(told);
    Ok(())
}

fn own_status(stage: &Stage, host: &str) -> Result<Status> {
    stage.cluster.document(host, &["status"])
}

fn refused(stage: &mut Stage, host: &str, arguments: &[&str], words: &[&str]) -> Result<()> {
    let output = stage.cluster.site.qrm(host, arguments)?;
    ensure!(!output.success(), "it was not refused: qrm {}", arguments.join(" "));
    for word in words {
        ensure!(output.stderr.contains(word), "'{word}' is not in: {}", output.stderr);
    }
    stage.note(output.stderr.trim());
    Ok(())
}
