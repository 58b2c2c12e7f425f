//! The drill of the fence devices: a BMC that nobody needs yet and that would not obey is told of, by others than its host.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::BmcMode;
use quorate_core::view::{DrillView, Level, NodeView, Status};

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn drill(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("property fence-drill-interval=3s")?;
    let is_well = |status: &Status| {
        let well = |drill: &DrillView| drill.on == Some(true) && drill.problem.is_none() && drill.by != drill.node;
        let is_read = |drills: &[DrillView]| !drills.is_empty() && drills.iter().all(well);
        status.devices.len() == 3 && status.devices.iter().all(|device| is_read(&device.drills))
    };
    stage.cluster.wait_status("every device to be read by another than its node", LIMIT, is_well)?;
    let is_level = |status: &Status| logged(status).is_ok_and(|all| all.windows(2).all(|two| two[0] == two[1]));
    let status = stage.cluster.wait_status("every member to tell of the same log", LIMIT, is_level)?;
    let before = logged(&status)?;
    std::thread::sleep(Duration::from_secs(8));
    let status = stage.cluster.status()?;
    ensure!(is_well(&status), "the devices are {:?}", status.devices);
    ensure!(logged(&status)? == before, "drills went into the log: {before:?}, {:?}", logged(&status)?);
    let oldest = status.devices.iter().flat_map(|device| &device.drills).map(|drill| drill.ago_ms).max();
    ensure!(oldest.is_some_and(|age| age < 8000), "the oldest reading is {oldest:?} ms old");

    // The leader's own device too is read, by another.
    let victim = stage.cluster.leader()?;
    stage.bed().bmc(&victim, BmcMode::WrongPassword)?;
    let problem = |status: &Status| {
        let drills = status.devices.iter().flat_map(|device| &device.drills).find(|one| one.node.as_str() == victim);
        drills.and_then(|drill| drill.problem.clone()).unwrap_or_default()
    };
    let warned = stage.cluster.wait_status("the drill to fail", LIMIT, |status| {
        problem(status).contains("refuses the password of user admin") && status.health.level == Level::Degraded
    })?;
    ensure!(warned.health.text.contains("1 fence device failed its drill"), "status says {}", warned.health.text);
    let contact = stage.cluster.contact()?;
    let page = stage.cluster.qrm(&contact, &["status"])?;
    ensure!(page.contains("Fence drill") && page.contains("refuses the password"), "`qrm status` says:\n{page}");
    stage.note(format!("told: {}", warned.health.text));
    // What fails twice makes its host a last resort, and nothing more.
    stage.cluster.wait_status("its host to be a last resort", LIMIT, |status| {
        let fails = |node: &NodeView| node.arming.as_ref().is_some_and(|why| why.contains("fails its drill"));
        status.nodes.iter().any(|node| node.id.as_str() == victim && node.is_armed && fails(node))
    })?;
    stage.bed().bmc(&victim, BmcMode::Ok)?;
    stage.cluster.wait_status("it to be well again", LIMIT, is_well).map(drop)
}

/// How far the log of each member is.
fn logged(status: &Status) -> Result<Vec<u64>> {
    status.nodes.iter().map(|node| Ok(node.store.as_ref().context("the leader knows every store")?.last)).collect()
}
