//! Rows in which libvirtd fails on a healthy host: what cannot be looked at is unknown and not failed, a stop still
//! works, nothing runs twice, and nobody is fenced.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quorate_bed::{LibvirtFault, wait_for};
use quorate_core::view::Role;

use crate::people::{process, vm};
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn killed(stage: &mut Stage) -> Result<()> {
    gone(stage, LibvirtFault::Kill, LibvirtFault::Start)
}

pub(crate) fn hung(stage: &mut Stage) -> Result<()> {
    gone(stage, LibvirtFault::Hang, LibvirtFault::Resume)
}

fn gone(stage: &mut Stage, fault: LibvirtFault, mend: LibvirtFault) -> Result<()> {
    let host = stage.cluster.follower()?;
    stage.cluster.configure("op_defaults timeout=30s")?;
    stage.cluster.run_vms(&stage.auditor, &["vm1", "vm2"], &host)?;
    let before = stage.cluster.processes()?;
    stage.bed().libvirtd(&host, fault)?;
    let broken = Instant::now();
    stage.cluster.wait_status("the status to say that it cannot look", Duration::from_secs(40), |status| {
        let says = |name| vm(status, name).is_some_and(|vm| vm.role == Role::Started && vm.places[0].why.is_some());
        says("vm1") && says("vm2")
    })?;
    stage.note(format!("the status said so after {:.1} s", broken.elapsed().as_secs_f64()));

    let contact = stage.cluster.leader()?;
    stage.cluster.qrm(&contact, &["resource", "stop", "vm1"])?;
    wait_for("the VM to be ended without libvirtd", LIMIT, || {
        Ok(!stage.bed().vms()?.iter().any(|process| process.vm == "vm1"))
    })?;
    // Its stop has ended, one way or the other, within its timeout; neither is a reason to fence.
    std::thread::sleep(Duration::from_secs(5));
    ensure!(process(stage, "vm2")?.pid == before["vm2"].pid, "its neighbour was touched");
    stage.ensure_no_fence()?;

    stage.bed().libvirtd(&host, mend)?;
    stage.cluster.wait_status("all to be known again", LIMIT, |status| {
        let is_known = |name, role| {
            vm(status, name).is_some_and(|vm| vm.role == role && vm.places.iter().all(|place| place.why.is_none()))
        };
        is_known("vm1", Role::Stopped) && is_known("vm2", Role::Started)
    })?;
    ensure!(process(stage, "vm2")?.pid == before["vm2"].pid, "its neighbour was touched");
    stage.cluster.qrm(&contact, &["resource", "start", "vm1"])?;
    stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.host == host)?;
    stage.ensure_no_fence()
}

/// libvirtd comes back and has forgotten what it had; the guests run on.
pub(crate) fn forgets(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.follower()?;
    stage.cluster.configure("op_defaults timeout=30s")?;
    stage.cluster.run_vms(&stage.auditor, &["vm1", "vm2"], &host)?;
    let before = stage.cluster.processes()?;
    stage.bed().libvirtd(&host, LibvirtFault::Kill)?;
    stage.bed().exec(&host, &["sh", "-c", "rm -rf /run/libvirt/qemu/*.xml /run/libvirt/qemu/*.pid"])?.ok()?;
    stage.bed().libvirtd(&host, LibvirtFault::Start)?;
    stage.cluster.wait_status("the status to say what is unclear", Duration::from_secs(40), |status| {
        vm(status, "vm1").is_some_and(|vm1| {
            vm1.role != Role::Stopped
                && vm1.places.iter().any(|place| place.why.as_ref().is_some_and(|why| why.contains("process")))
        })
    })?;
    let now = stage.cluster.processes()?;
    ensure!(now["vm1"].pid == before["vm1"].pid && now["vm2"].pid == before["vm2"].pid, "guests were touched");
    stage.ensure_no_fence()?;
    let contact = stage.cluster.leader()?;
    stage.cluster.qrm(&contact, &["resource", "restart", "vm1", "--wait"])?;
    let after = process(stage, "vm1")?;
    ensure!(after.pid != before["vm1"].pid && after.host == host, "vm1 was not restarted where it ran: {after:?}");
    ensure!(process(stage, "vm2")?.pid == before["vm2"].pid, "its neighbour was touched");
    stage.ensure_no_fence()
}
