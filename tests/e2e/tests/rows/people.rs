//! Rows about what people do: by the cluster's commands, and with virsh beside it.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{VmProcess, wait_for};
use quorate_core::state::EventKind;
use quorate_core::view::{PlaceState, ResourceView, Role, Status};
use quorate_e2e::settings;

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn vm<'s>(status: &'s Status, name: &str) -> Option<&'s ResourceView> {
    status.resources.iter().find(|resource| resource.id.as_str() == name)
}

pub(crate) fn process(stage: &Stage, name: &str) -> Result<VmProcess> {
    stage.cluster.processes()?.remove(name).with_context(|| format!("{name} runs nowhere"))
}

pub(crate) fn virsh(stage: &Stage, host: &str, words: &[&str]) -> Result<()> {
    let argv: Vec<&str> = ["virsh", "-c", "qemu:///system"].iter().chain(words).copied().collect();
    stage.bed().exec(host, &argv)?.ok().map(drop)
}

/// Defined without a preference for any host, and running wherever that is.
fn run_anywhere(stage: &mut Stage, vms: &[&str]) -> Result<()> {
    stage.cluster.define(vms, &settings(vms, None))?;
    stage.cluster.wait_running(vms, LIMIT, |_| true)
}

fn another(stage: &Stage, host: &str) -> Result<String> {
    stage.bed().hosts().into_iter().find(|other| other != host).context("there is one host only")
}

/// A move leads there and leaves nothing behind; a drain empties a node and says what it cannot move.
pub(crate) fn moves_and_drains(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("op_defaults timeout=20s")?;
    run_anywhere(stage, &["vm1", "vm2"])?;
    let from = process(stage, "vm1")?.host;
    let to = another(stage, &from)?;
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["resource", "move", "vm1", &to, "--wait"])?;
    ensure!(process(stage, "vm1")?.host == to, "vm1 did not move to {to}");
    stage.cluster.wait_status("the move to end by itself", Duration::from_secs(10), |status| {
        vm(status, "vm1").is_some_and(|vm1| vm1.wishes.is_empty() && vm1.role == Role::Started)
    })?;
    let shown = stage.cluster.qrm(&contact, &["configure", "show"])?;
    ensure!(!shown.contains("location"), "the move left a constraint behind:\n{shown}");

    stage.cluster.qrm(&contact, &["node", "drain", &to, "--wait"])?;
    ensure!(stage.bed().vms()?.iter().all(|process| process.host != to), "{to} is not empty");
    let third = process(stage, "vm1")?.host;
    // vm1 may run only where it is now: it runs on, and the drain says why.
    for other in stage.bed().hosts().into_iter().filter(|other| *other != third) {
        stage.cluster.qrm(&contact, &["resource", "ban", "vm1", &other])?;
    }
    let before = process(stage, "vm1")?.pid;
    let refused = stage.bed().qrm(&contact, &["node", "drain", &third, "--wait", "--timeout", "30s"])?;
    ensure!(!refused.success() && refused.stderr.contains("vm1"), "a drain that cannot end says: {}", refused.stderr);
    ensure!(process(stage, "vm1")?.pid == before, "vm1 was touched though it has no other place");
    stage.cluster.qrm(&contact, &["resource", "clear", "vm1"])?;
    stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.host != third)?;
    stage.ensure_no_fence()
}

/// In maintenance a VM is destroyed on its host and created on another, with virsh: it is found there, and stays.
pub(crate) fn moved_by_hand(stage: &mut Stage) -> Result<()> {
    run_anywhere(stage, &["vm1", "vm2"])?;
    let from = process(stage, "vm1")?.host;
    let to = another(stage, &from)?;
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["node", "maintenance", &from])?;
    virsh(stage, &from, &["destroy", "vm1"])?;
    stage.bed().start_by_hand(&to, "vm1")?;
    let by_hand = process(stage, "vm1")?;
    stage.cluster.wait_status("the VM to be found where it is", Duration::from_secs(30), |status| {
        let places = vm(status, "vm1").map(|vm1| vm1.places.as_slice()).unwrap_or_default();
        places.iter().any(|place| place.node.as_str() == to && place.state == PlaceState::Running)
    })?;
    std::thread::sleep(Duration::from_secs(3));
    ensure!(process(stage, "vm1")?.pid == by_hand.pid, "it was touched while a node was in maintenance");
    stage.cluster.qrm(&contact, &["node", "ready", &from])?;
    stage.cluster.wait_status("one place to be left", Duration::from_secs(30), |status| {
        vm(status, "vm1").is_some_and(|vm1| vm1.role == Role::Started && vm1.places.len() == 1 && vm1.doing.is_empty())
    })?;
    ensure!(process(stage, "vm1")?.pid == by_hand.pid, "it was started again beside or instead of what ran");
    stage.ensure_no_fence()
}

/// A VM is started by hand where the cluster does not run it; and one is taken out of the configuration while it runs,
/// and put back. Both are found, and neither is started beside itself.
pub(crate) fn beside_the_cluster(stage: &mut Stage) -> Result<()> {
    run_anywhere(stage, &["vm1", "vm2"])?;
    let contact = stage.cluster.contact()?;
    let from = process(stage, "vm1")?.host;
    let to = another(stage, &from)?;
    stage.cluster.qrm(&contact, &["resource", "stop", "vm1", "--wait"])?;
    stage.cluster.configure("set vm1.is-managed false")?;
    stage.bed().start_by_hand(&to, "vm1")?;
    let stray = process(stage, "vm1")?;
    stage.cluster.wait_status("the stray VM to be found", Duration::from_secs(30), |status| {
        vm(status, "vm1").is_some_and(|vm1| vm1.role == Role::Started && vm1.places[0].node.as_str() == to)
    })?;
    stage.cluster.qrm(&contact, &["resource", "start", "vm1"])?;
    stage.cluster.configure("set vm1.is-managed true")?;
    stage.cluster.wait_status("it to be managed where it is", Duration::from_secs(30), |status| {
        vm(status, "vm1").is_some_and(|vm1| vm1.role == Role::Started && vm1.is_managed && vm1.doing.is_empty())
    })?;
    ensure!(process(stage, "vm1")?.pid == stray.pid, "vm1 was started anew");

    let before = process(stage, "vm2")?;
    stage.cluster.configure("property maintenance-mode=true")?;
    stage.cluster.qrm(&contact, &["configure", "delete", "--force", "vm2"])?;
    stage.cluster.define(&["vm2"], &settings(&["vm2"], None))?;
    stage.cluster.configure("property maintenance-mode=false")?;
    stage.cluster.wait_status("it to be found again", Duration::from_secs(30), |status| {
        vm(status, "vm2").is_some_and(|vm2| vm2.role == Role::Started && vm2.doing.is_empty() && !vm2.is_orphan)
    })?;
    ensure!(process(stage, "vm2")?.pid == before.pid, "vm2 was started anew");
    stage.ensure_no_fence()
}

/// The definition changes while the VM runs: what runs stays, the status says so, and a restart applies it. A second VM
/// with its disk is refused.
pub(crate) fn definition_changed(stage: &mut Stage) -> Result<()> {
    run_anywhere(stage, &["vm1"])?;
    let contact = stage.cluster.contact()?;
    let before = process(stage, "vm1")?;
    let shared = stage.bed().layout().shared();
    let xml = fs::read_to_string(shared.join("vm1.xml"))?;
    fs::write(shared.join("new.xml"), xml.replacen("<uuid>", "<title>another</title><uuid>", 1))?;
    fs::write(shared.join("new.txt"), "primitive vm1 vm:libvirt params xml=@new.xml\n")?;
    stage.cluster.qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/new.txt"])?;
    let status = stage.cluster.status()?;
    ensure!(vm(&status, "vm1").is_some_and(|vm1| vm1.definition_changed), "nobody says that it takes effect later");
    ensure!(process(stage, "vm1")?.pid == before.pid, "it was restarted for its definition");

    let thief = xml.replacen("<name>vm1</name>", "<name>thief</name>", 1).replacen("<uuid>", "<uuid>f", 1);
    let uuid = before.uuid.clone();
    let thief = thief.replacen(&format!("f{uuid}"), &format!("f{}", &uuid[1..]), 1);
    fs::write(shared.join("thief.xml"), thief)?;
    fs::write(shared.join("thief.txt"), "primitive thief vm:libvirt params xml=@thief.xml\n")?;
    let refused = stage.bed().qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/thief.txt"])?;
    let told = refused.stderr.contains("vm1") && refused.stderr.contains("disk");
    ensure!(!refused.success() && told, "a second VM with its disk: {}", refused.stderr);

    let begin = SystemTime::now();
    stage.cluster.qrm(&contact, &["resource", "restart", "vm1", "--wait"])?;
    let after = process(stage, "vm1")?;
    ensure!(after.pid != before.pid, "it was not restarted");
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    virsh(stage, &after.host, &["desc", "vm1", "--title"])?;
    let status = stage.cluster.status()?;
    ensure!(vm(&status, "vm1").is_some_and(|vm1| !vm1.definition_changed), "the restart did not apply it");
    stage.ensure_no_fence()
}

/// A guest that crashes at once is restarted with a growing pause, and moves on at its threshold.
pub(crate) fn crash_loop(stage: &mut Stage) -> Result<()> {
    run_anywhere(stage, &["vm1"])?;
    let host = process(stage, "vm1")?.host;
    stage.cluster.configure("set vm1.migration-threshold 3")?;
    for _ in 0..2 {
        let pid = process(stage, "vm1")?.pid;
        stage.bed().kill_vm(&host, "vm1")?;
        stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.pid != pid)?;
    }
    let told = stage.cluster.events()?;
    let failed: Vec<_> =
        told.iter().filter(|event| event.kind == EventKind::Failed || event.text.contains("is stopped")).collect();
    let starts: Vec<_> = told.iter().filter(|event| event.kind == EventKind::Started).collect();
    let (crash, start) = (failed.last().context("no crash is told")?, starts.last().context("no start is told")?);
    let pause = start.at.since(crash.at);
    stage.note(format!("the second crash was followed by a pause of {:.1} s", pause.as_secs_f64()));
    ensure!(pause >= Duration::from_secs(2), "it was restarted after {pause:?}");
    stage.bed().kill_vm(&host, "vm1")?;
    stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.host != host)?;
    wait_for("the status to be calm", Duration::from_secs(20), || Ok(stage.cluster.status()?.blocked.is_empty()))?;
    stage.ensure_no_fence()
}
