//! Rows in which everything is done in order: daemons restarted one by one, a host shut down.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use quorate_bed::DaemonFault;
use quorate_core::state::EventKind;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// From the stop of a leader to the next one.
const HANDED_OVER: Duration = Duration::from_secs(1);

pub(crate) fn rolling_restart(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.leader()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &host)?;
    let before = stage.pids()?;
    let begin = stage.cluster.events()?.last().map_or(0, |event| event.number);
    let mut handed_over = 0;
    for host in stage.bed().hosts() {
        let led = stage.cluster.leader()? == host;
        stage.bed().daemon(&host, DaemonFault::Stop)?;
        let stopped = SystemTime::now();
        if led {
            // The others had a leader already when it ended.
            stage.cluster.wait_status("another leader", HANDED_OVER, |status| {
                status.quorum.leader.as_ref().is_some_and(|leader| leader.as_str() != host)
            })?;
            let after = stopped.elapsed().unwrap_or_default().as_millis();
            stage.note(format!("{host} led: another leader was seen {after} ms after its end"));
            handed_over += 1;
        }
        // Longer than any silence that is forgiven.
        std::thread::sleep(Duration::from_secs(2));
        if host == "n2" {
            too_old(stage, &host)?;
        }
        stage.bed().daemon_start(&host)?;
        stage.cluster.wait_complete()?;
    }
    ensure!(handed_over >= 1, "no leader was restarted");
    ensure!(stage.pids()? == before, "VM processes changed");
    let bad = |kind| matches!(kind, EventKind::Suspect | EventKind::Lost | EventKind::DaemonGone | EventKind::Failed);
    let events = stage.cluster.events()?;
    let alarms: Vec<_> = events.iter().filter(|event| event.number > begin && bad(event.kind)).collect();
    ensure!(alarms.is_empty(), "it was not quiet: {alarms:?}");
    stage.ensure_no_fence()
}

/// A daemon that understands less than the cluster is at is not let in, and nobody is fenced for it.
fn too_old(stage: &mut Stage, host: &str) -> Result<()> {
    stage.bed().daemon_start_with(host, &["--feature-level", "1"])?;
    std::thread::sleep(Duration::from_secs(3));
    let status = stage.cluster.status()?;
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    ensure!(node.is_some_and(|node| node.liveness == "away"), "{host} is {:?}", node.map(|node| &node.liveness));
    stage.bed().daemon(host, DaemonFault::Stop)
}

pub(crate) fn host(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.leader()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &host)?;
    let begin = SystemTime::now();
    let took = stage.bed().shut_down(&host)?;
    stage.note(format!("the daemon of {host} needed {:.1} s until the host could go down", took.as_secs_f64()));
    stage.cluster.wait_running(VMS, Duration::from_secs(30), |process| process.host != host)?;
    // Longer than what makes a silent node lost.
    std::thread::sleep(Duration::from_secs(7));
    stage.ensure_restarted(VMS, &host, begin, Duration::from_secs(60))?;
    stage.ensure_no_fence()?;
    let status = stage.cluster.status()?;
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    ensure!(
        node.is_some_and(|node| node.session_ended && node.liveness == "off"),
        "{host} is shown as {:?}",
        node.map(|node| &node.liveness)
    );
    stage.bed().power_on(&host)?;
    stage.cluster.wait_complete()?;
    stage.ensure_no_fence()
}
