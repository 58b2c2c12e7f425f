//! Rows with a Redfish service in the place of IPMI: what it says is the proof, and what it does not do starts nothing.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use quorate_bed::BmcMode;
use quorate_core::view::FenceTest;
use quorate_e2e::bmc_log;

use crate::bmc::without_proof_of;
use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];

/// Cut off with its VMs running on: its Redfish service is what cuts its power, and what proves it.
pub(crate) fn cut(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    device(stage, &victim)?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().cut(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    ensure!(!stage.bed().is_on(&victim)?, "its VMs run elsewhere, and {victim} has power");
    stage.cluster.wait_reborn(&stage.auditor, VMS, begin)?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    ensure!(fence.outcome == "power-off", "the proof is {:?}: {}", fence.outcome, fence.proof);
    let by: Vec<&str> = fence.tries.iter().flat_map(|one| &one.devices).map(|device| device.as_str()).collect();
    ensure!(by == [name(&victim)], "it was fenced by {by:?}");
    let told = bmc_log(stage.bed(), &victim, begin)?;
    let offs = told.iter().filter(|(_, what)| what == "set power 0").count();
    ensure!(offs == 1, "{offs} offs were sent: {told:?}");
    stage.note_timeline(&victim, begin)
}

/// It says that it has switched the power off, and does not.
pub(crate) fn stuck(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    device(stage, &victim)?;
    without_proof_of(stage, victim, BmcMode::Stuck, "still reads on")
}

fn name(host: &str) -> String {
    format!("redfish-{host}")
}

/// Gives a host a Redfish device, and no other to be fenced by; it is the host's own, and asked over verified TLS.
fn device(stage: &mut Stage, host: &str) -> Result<()> {
    let certificate = stage.bed().add_redfish(host)?;
    let (address, name) = (stage.bed().layout().bmc_address(host)?, name(host));
    stage.cluster.configure(&format!(
        "primitive {name} stonith:redfish params ip={address} username=admin password=secret ssl_ca_file={} target={host}",
        certificate.display()
    ))?;
    stage.cluster.configure(&format!("fencing_topology {host}: {name}"))?;
    let contact = stage.cluster.contact()?;
    let test: FenceTest = stage.cluster.document(&contact, &["fence", "test", host])?;
    let [tested] = &test.devices[..] else { bail!("the test says {test:?}") };
    ensure!(tested.device.as_str() == name && tested.own == Some(true), "the test says {test:?}");
    ensure!(test.is_good() && tested.power.as_deref() == Some("on"), "the test says {test:?}");
    stage.note(format!("{name}: whose: {}", tested.whose));
    Ok(())
}
