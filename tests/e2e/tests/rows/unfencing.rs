//! A device that keeps nodes from their storage: nothing starts on a node before it has let that in, in each boot.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::{Role, Status};

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);
const VMS: &[&str] = &["vm1"];

/// Debian's own fence_dummy is the device: its file of each host stands for that host's key on the disks.
pub(crate) fn unfencing(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    let keys = stage.bed().layout().shared().join("keys");
    let map: Vec<String> = hosts.iter().map(|host| format!("{host}:/run/quorate-bed/shared/keys/{host}")).collect();
    let device = format!(
        "primitive keys stonith:fence_dummy params pcmk_host_argument=status_file pcmk_host_map={} meta provides=unfencing",
        map.join(";")
    );
    stage.cluster.configure(&device)?;
    stage.cluster.configure("primitive web ocf:heartbeat:Dummy op monitor interval=10s")?;
    let all_fail = |status: &Status| {
        let fails = |why: &String| why.contains("keys could not unfence it: fence_dummy on");
        status.nodes.iter().all(|node| node.locked_out.as_ref().is_some_and(fails))
    };
    stage.cluster.wait_status("every host to fail, for there is nowhere to write its key", LIMIT, all_fail)?;
    let runs = |status: &Status| {
        status.resources.iter().any(|resource| resource.id.as_str() == "web" && resource.role == Role::Started)
    };
    ensure!(!runs(&stage.cluster.status()?), "it was started where nothing was let in");
    let contact = stage.cluster.contact()?;
    let told = stage.cluster.qrm(&contact, &["explain", "web"])?;
    ensure!(told.contains("the node is not unfenced: keys could not unfence it"), "`qrm explain web` says:\n{told}");
    let page = stage.cluster.qrm(&contact, &["status"])?;
    ensure!(page.contains("not unfenced: keys could not unfence it"), "`qrm status` says:\n{page}");

    fs::create_dir(&keys)?;
    stage.cluster.wait_status("it to start, once they can", Duration::from_secs(60), runs)?;
    let key = |host: &str| fs::read_to_string(keys.join(host)).unwrap_or_default();
    // Each lets itself in; the first that has is where it starts.
    wait_for("every host to have its key", LIMIT, || Ok(hosts.iter().all(|host| key(host) == "on")))?;

    // Its key goes with the host, and is back before anything runs there again.
    let victim = hosts.first().context("there is a host")?.clone();
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host != victim)?;
    stage.ensure_restarted(VMS, &victim, begin, Duration::from_secs(20))?;
    fs::remove_file(keys.join(&victim))?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    stage.cluster.wait_status("the host to be let in again", LIMIT, |status| {
        status.nodes.iter().all(|node| node.locked_out.is_none())
    })?;
    ensure!(key(&victim) == "on", "its key was not written in its new boot");
    stage.fences_of(&victim, 1).map(drop)
}
