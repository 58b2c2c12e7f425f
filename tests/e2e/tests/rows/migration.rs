//! Rows in which a VM goes to another host live, and what happens to it when that goes wrong. Whether a guest was restarted
//! is read from its own record: a migrated one goes on with its life.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;

use crate::stage::Stage;

/// How long anything about a migration may take before it is called stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// By `resource move` first, then by `node standby`.
pub(crate) fn live(stage: &mut Stage) -> Result<()> {
    let vms = ["vm1", "vm2"];
    let first = stage.cluster.follower()?;
    run(stage, &vms, &first, "")?;
    let contact = stage.cluster.contact()?;
    let second = another(stage, &[&first])?;
    let begin = SystemTime::now();
    stage.cluster.qrm(&contact, &["resource", "move", "vm1", &second])?;
    arrived(stage, &["vm1"], &second, begin)?;

    let begin = SystemTime::now();
    stage.cluster.qrm(&contact, &["node", "standby", &first])?;
    left(stage, &vms, &first)?;
    let host = stage.cluster.processes()?["vm2"].host.clone();
    arrived(stage, &["vm2"], &host, begin)?;
    stage.note_timeline(&first, begin)?;
    stage.ensure_no_fence()
}

/// The source loses power while it sends: what has come in is worth nothing, and the VM boots anew, once.
pub(crate) fn source_lost(stage: &mut Stage) -> Result<()> {
    let (source, _) = begin_slowly(stage)?;
    let begin = SystemTime::now();
    stage.bed().power_off(&source)?;
    let reborn = stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin);
    stage.note_timeline(&source, begin)?;
    reborn?;
    stage.cluster.wait_running(&["vm1"], PATIENCE, |process| process.host != source && !process.incoming)?;
    stage.fences_of(&source, 1).map(drop)
}

/// The target loses power while it receives: the VM goes on where it is.
pub(crate) fn target_lost(stage: &mut Stage) -> Result<()> {
    let (source, target) = begin_slowly(stage)?;
    let begin = SystemTime::now();
    stage.bed().power_off(&target)?;
    let told = wait_for("the migration to be told as failed", PATIENCE, || {
        let events = stage.cluster.events()?;
        Ok(events
            .iter()
            .any(|event| event.text.starts_with(&format!("the migration of vm1 from {source} to {target}"))))
    });
    stage.note_timeline(&target, begin)?;
    told?;
    stage.cluster.wait_running(&["vm1"], PATIENCE, |process| process.host == source)?;
    writes_from(stage, "vm1", &source, SystemTime::now())?;
    same_life(stage, "vm1")?;
    stage.fences_of(&target, 1).map(drop)
}

/// A VM that is on its way from the first to the second host, at a pace that leaves time for mischief.
fn begin_slowly(stage: &mut Stage) -> Result<(String, String)> {
    let leader = stage.cluster.leader()?;
    let source = stage.cluster.follower()?;
    let target = another(stage, &[&leader, &source])?;
    run(stage, &["vm1"], &source, "migration_speed=1")?;
    on_its_way(stage, "vm1", (&source, &target))?;
    Ok((source, target))
}

/// Somebody asks for a VM to move there.
pub(crate) fn send(stage: &Stage, vm: &str, target: &str) -> Result<()> {
    let leader = stage.cluster.leader()?;
    stage.cluster.qrm(&leader, &["resource", "move", vm, target]).map(drop)
}

/// It is asked for, and part of it has been sent.
pub(crate) fn on_its_way(stage: &Stage, vm: &str, (source, target): (&str, &str)) -> Result<()> {
    send(stage, vm, target)?;
    wait_for(&format!("the copy of {vm} to come in"), PATIENCE, || {
        Ok(stage.bed().vms()?.iter().any(|process| process.vm == vm && process.host == target && process.incoming))
    })?;
    std::thread::sleep(Duration::from_secs(2));
    let of_it = stage.bed().vms()?.into_iter().filter(|process| process.vm == vm);
    let hosts: BTreeSet<String> = of_it.map(|process| process.host).collect();
    ensure!(hosts == BTreeSet::from([source.to_owned(), target.to_owned()]), "it is not on its way: {hosts:?}");
    Ok(())
}

/// Runs VMs that may migrate on a host, until they have booted.
pub(crate) fn run(stage: &Stage, vms: &[&str], host: &str, params: &str) -> Result<()> {
    let mut text = String::from("rsc_defaults resource-stickiness=200\n");
    for vm in vms {
        text.push_str(&format!(
            "primitive {vm} vm:libvirt params xml=@{vm}.xml migration_transport=tcp migrate_options=--unsafe {params} \
             meta allow-migrate=true\nlocation {vm}-on-{host} {vm} 100: {host}\n"
        ));
    }
    stage.cluster.define(vms, &text)?;
    stage.cluster.wait_running(vms, Duration::from_secs(60), |process| process.host == host)?;
    let all = || Ok(vms.iter().all(|vm| stage.auditor.lives().iter().any(|life| life.vm == *vm && life.host == host)));
    wait_for(&format!("{} to boot on {host}", vms.join(", ")), PATIENCE, all)
}

/// A host that is none of these.
pub(crate) fn another(stage: &Stage, not: &[&str]) -> Result<String> {
    stage.bed().hosts().into_iter().find(|host| !not.contains(&host.as_str())).context("there is no other host")
}

/// Waits until no process of any of these is on this host, and each runs elsewhere by the cluster's word.
pub(crate) fn left(stage: &Stage, vms: &[&str], host: &str) -> Result<()> {
    let names = vms.join(", ");
    // A copy that comes in stands still beside its source: this is no double run, and the auditor watches.
    wait_for(&format!("{names} to leave {host}"), PATIENCE, || {
        Ok(!stage.bed().vms()?.iter().any(|process| process.host == host && vms.contains(&process.vm.as_str())))
    })?;
    stage.cluster.wait_running(vms, PATIENCE, |process| process.host != host)
}

/// Waits until each of these goes on with the one life it ever had on this host, and notes how long it was silent.
pub(crate) fn arrived(stage: &mut Stage, vms: &[&str], host: &str, begin: SystemTime) -> Result<()> {
    let from = stage.bed().hosts().into_iter().filter(|other| *other != host);
    from.into_iter().try_for_each(|other| left(stage, vms, &other))?;
    stage.cluster.wait_running(vms, PATIENCE, |process| process.host == host && process.incoming)?;
    for vm in vms {
        writes_from(stage, vm, host, begin)?;
        same_life(stage, vm)?;
        let lives = stage.auditor.lives();
        let of = lives.iter().filter(|life| life.vm == *vm);
        let there = of.clone().find(|life| life.host == host).context("it has not written there")?;
        let left = of.filter(|life| life.host != host).map(|life| life.last).max().context("it never was elsewhere")?;
        let silent = there.first.duration_since(left).unwrap_or_default();
        let told = stage.cluster.events()?.into_iter().rev().find(|event| {
            event.text.starts_with(&format!("{vm} runs on {host}")) && event.text.contains("without a restart")
        });
        let told = told.with_context(|| format!("no event tells that {vm} came to {host}"))?;
        stage.note(format!("{}; its record has a gap of {} ms", told.text, silent.as_millis()));
        ensure!(silent < Duration::from_secs(5), "{vm} was silent for {silent:?}");
    }
    Ok(())
}

/// Waits until a guest has written from this host after `since`.
pub(crate) fn writes_from(stage: &Stage, vm: &str, host: &str, since: SystemTime) -> Result<()> {
    let writes = || Ok(stage.auditor.lives().iter().any(|l| l.vm == vm && l.host == host && l.last > since));
    wait_for(&format!("{vm} to write from {host}"), PATIENCE, writes)
}

/// It has not been restarted since it was first seen.
pub(crate) fn same_life(stage: &Stage, vm: &str) -> Result<()> {
    let lives = stage.auditor.lives();
    let runs: BTreeSet<&str> = lives.iter().filter(|life| life.vm == vm).map(|life| life.run.as_str()).collect();
    ensure!(runs.len() == 1, "{vm} was restarted: {lives:?}");
    Ok(())
}
