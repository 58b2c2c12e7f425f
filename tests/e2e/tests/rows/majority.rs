//! Rows in which no majority is left for a while, and leadership that has to move.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{BmcMode, wait_for};
use quorate_core::view::{NodeView, Status};

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
            let status = stage.cluster.document::<Status>(host, &["status"]);
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

/// All five hosts lose power at once; three come back, two take their time in their firmware. Nobody is fenced for that,
/// their VMs wait for them, and all resumes.
pub(crate) fn all_power(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    let leader = stage.cluster.leader()?;
    let (late, soon): (Vec<String>, Vec<String>) = {
        let mut followers: Vec<String> = hosts.iter().filter(|host| **host != leader).cloned().collect();
        let late = followers.split_off(2);
        (late, followers.into_iter().chain([leader]).collect())
    };
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &late[0])?;
    stage.cluster.run_vms(&stage.auditor, &["vm2"], &soon[0])?;
    // What a host in its firmware reads: on. Its BMC here follows its power, and so it says nothing meanwhile.
    for host in &late {
        stage.bed().bmc(host, BmcMode::Hung)?;
    }
    let begin = SystemTime::now();
    stage.bed().power_off_together(&hosts)?;
    for host in &soon {
        stage.bed().power_on(host)?;
    }
    stage.cluster.wait_running(&["vm2"], Duration::from_secs(60), |process| process.started > begin)?;
    let waits = |status: &Status| -> Vec<String> {
        let of_late = |node: &&NodeView| late.iter().any(|host| *host == node.id.as_str());
        status.nodes.iter().filter(of_late).filter_map(|node| node.waits.clone()).collect()
    };
    let told = stage
        .cluster
        .wait_status("both waits to be told", Duration::from_secs(20), |status| waits(status).len() == late.len())?;
    for wait in waits(&told) {
        ensure!(wait.contains("join-grace"), "the wait is not explained: {wait}");
        stage.note(format!("status says: {wait}"));
    }
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(8) {
        ensure!(!stage.cluster.processes()?.contains_key("vm1"), "vm1 was started without its host");
        std::thread::sleep(Duration::from_millis(200));
    }
    for host in late.iter().rev() {
        stage.bed().power_on(host)?;
    }
    stage.cluster.wait_complete()?;
    stage.cluster.wait_running(&["vm1", "vm2"], Duration::from_secs(60), |process| process.started > begin)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1", "vm2"], begin)?;
    for host in &late {
        stage.bed().bmc(host, BmcMode::Ok)?;
    }
    stage.ensure_no_fence()
}

/// The switch between all hosts comes and goes: short gaps, and then long ones without any majority. VMs stay where they
/// are, nobody is fenced or kept from being a place, and once it holds the cluster does what it is told.
pub(crate) fn switch_flaps(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &hosts[0])?;
    stage.cluster.run_vms(&stage.auditor, &["vm2"], &hosts[1])?;
    stage.cluster.define(&["vm3"], "primitive vm3 vm:libvirt params xml=@vm3.xml meta target-role=Stopped\n")?;
    let before = processes(stage)?;
    for (gap, held) in [(400, 600), (400, 300), (1200, 900), (2500, 1500), (3500, 500), (7000, 2000), (1500, 0)] {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            stage.bed().cut_between(&hosts[a], &hosts[b])?;
        }
        std::thread::sleep(Duration::from_millis(gap));
        for host in &hosts {
            stage.bed().heal(host)?;
        }
        std::thread::sleep(Duration::from_millis(held));
        ensure!(processes(stage)? == before, "something was started or stopped after a gap of {gap} ms");
    }
    let healed = Instant::now();
    stage.cluster.wait_complete()?;
    let contact = stage.cluster.contact()?;
    stage.cluster.qrm(&contact, &["resource", "start", "vm3"])?;
    stage.cluster.wait_running(&["vm1", "vm2", "vm3"], Duration::from_secs(60), |_| true)?;
    stage.note(format!("vm3 was asked for and ran {:.1} s after the last gap", healed.elapsed().as_secs_f64()));
    let after = processes(stage)?;
    ensure!(VMS.iter().all(|vm| after[*vm] == before[*vm]), "VMs were restarted: {before:?}, then {after:?}");
    let kept_out: Vec<String> = stage.cluster.status()?.nodes.into_iter().filter_map(|node| node.quarantine).collect();
    ensure!(kept_out.is_empty(), "the switch's gaps are held against nodes: {kept_out:?}");
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
