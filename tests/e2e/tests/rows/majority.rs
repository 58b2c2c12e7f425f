//! Rows in which no majority is left for a while, and leadership that has to move.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;

use crate::frozen::processes;
use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];

/// Two of three are cut off: nothing starts on any side. Then the network is whole, and all goes on.
pub(crate) fn lost_and_back(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    stage.cluster.run_vms(&stage.auditor, VMS, &hosts[0])?;
    stage.cluster.define(&["vm3"], "primitive vm3 vm:libvirt params xml=@vm3.xml meta target-role=Stopped\n")?;
    let before = processes(stage)?;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        stage.bed().cut_between(&hosts[a], &hosts[b])?;
    }
    wait_for("every host to say that there is no majority", Duration::from_secs(20), || {
        let lonely = |host: &String| {
            let status = stage.cluster.document::<quorate_core::view::Status>(host, &["status"]);
            status.is_ok_and(|status| !status.quorum.confirmed)
        };
        Ok(hosts.iter().all(lonely))
    })?;
    let refused = stage.bed().qrm(&hosts[1], &["resource", "start", "vm3"])?;
    ensure!(!refused.success(), "a host without a majority took a change: {}", refused.stdout);
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(8) {
        ensure!(processes(stage)? == before, "something was started or stopped without a majority");
        std::thread::sleep(Duration::from_millis(200));
    }
    for host in &hosts {
        stage.bed().heal(host)?;
    }
    stage.cluster.wait_complete()?;
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["resource", "start", "vm3"])?;
    stage.cluster.wait_running(&["vm1", "vm2", "vm3"], Duration::from_secs(60), |_| true)?;
    let after = processes(stage)?;
    ensure!(VMS.iter().all(|vm| after[*vm] == before[*vm]), "VMs were restarted: {before:?}, then {after:?}");
    stage.ensure_no_fence()
}

/// All hosts lose power at once; two come back, one takes its time in its firmware. Nobody is fenced for that, its VMs
/// wait for it, and all resumes.
pub(crate) fn all_power(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    let late = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &late)?;
    let other = hosts.iter().find(|host| **host != late).context("there are three")?.clone();
    stage.cluster.run_vms(&stage.auditor, &["vm2"], &other)?;
    // What a host in its firmware reads: on. Its BMC here follows its power, and so it says nothing meanwhile.
    stage.bed().bmc(&late, quorate_bed::BmcMode::Hung)?;
    let begin = SystemTime::now();
    stage.bed().power_off_together(&hosts)?;
    for host in hosts.iter().filter(|host| **host != late) {
        stage.bed().power_on(host)?;
    }
    stage.cluster.wait_running(&["vm2"], Duration::from_secs(60), |process| process.started > begin)?;
    let told = stage.cluster.wait_status("the wait to be told", Duration::from_secs(20), |status| {
        status.nodes.iter().any(|node| node.id.as_str() == late && node.waits.is_some())
    })?;
    let waits = told.nodes.iter().find_map(|node| node.waits.clone()).context("it was there")?;
    stage.note(format!("status says: {waits}"));
    ensure!(waits.contains("join-grace"), "the wait is not explained: {waits}");
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(8) {
        ensure!(!stage.cluster.processes()?.contains_key("vm1"), "vm1 was started without its host");
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.bed().power_on(&late)?;
    stage.cluster.wait_complete()?;
    stage.cluster.wait_running(&["vm1", "vm2"], Duration::from_secs(60), |process| process.started > begin)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1", "vm2"], begin)?;
    stage.bed().bmc(&late, quorate_bed::BmcMode::Ok)?;
    stage.ensure_no_fence()
}

/// The leader and one follower do not reach each other, and both reach the third: it leads, and nobody is fenced.
pub(crate) fn bad_link(stage: &mut Stage) -> Result<()> {
    let leader = stage.cluster.leader()?;
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = processes(stage)?;
    let third = stage.bed().hosts().into_iter().find(|host| *host != leader && *host != victim);
    let third = third.context("there are three")?;
    let begin = Instant::now();
    stage.bed().cut_between(&leader, &victim)?;
    stage.cluster.wait_status("the host in the middle to lead", Duration::from_secs(20), |status| {
        status.quorum.leader.as_ref().is_some_and(|now| now.as_str() == third)
    })?;
    stage.note(format!("{third} led {:.1} s after the link was cut", begin.elapsed().as_secs_f64()));
    stage.cluster.wait_status("everybody to be heard", Duration::from_secs(10), |status| {
        status.nodes.iter().all(|node| node.liveness == "online")
    })?;
    std::thread::sleep(Duration::from_secs(8));
    ensure!(stage.cluster.leader()? == third, "leadership came back to a worse place");
    ensure!(processes(stage)? == before, "VMs were touched");
    stage.bed().heal(&victim)?;
    stage.cluster.wait_complete()?;
    stage.ensure_no_fence()
}
