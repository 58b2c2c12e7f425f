//! Rows with clones: one instance on each host, judged by the files that Debian's Dummy leaves on each.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::{Place, PlaceState, Role, Status};

use crate::ocf::{free_address, hosts_with};
use crate::stage::Stage;

const STATE: &str = "/run/resource-agents/Dummy-mark.state";
const LIMIT: Duration = Duration::from_secs(60);

/// When each instance was started, by the host's own file, to the nanosecond.
fn instances(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? {
            let shown = stage.bed().exec(&host, &["stat", "-c", "%i %Y %z", STATE])?;
            if shown.success() {
                found.insert(host, shown.stdout.trim().to_owned());
            }
        }
    }
    Ok(found)
}

fn wait_on(stage: &Stage, hosts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    wait_for("an instance on each host that should have one", LIMIT, || {
        found = instances(stage)?;
        Ok(found.keys().eq(hosts))
    })?;
    let is_known = |status: &Status| {
        let mark = status.resources.iter().find(|it| it.id.as_str() == "mark");
        mark.is_some_and(|mark| {
            mark.role == Role::Started && mark.places.iter().map(|place| place.node.as_str()).eq(hosts)
        })
    };
    stage.cluster.wait_status("the clone to be known as running there", LIMIT, is_known)?;
    Ok(found)
}

pub(crate) fn power_cut(stage: &mut Stage) -> Result<()> {
    let mut hosts = stage.bed().hosts();
    hosts.sort();
    let contact = stage.cluster.contact()?;
    let refused = stage.bed().qrm(&contact, &["configure", "clone", "c1", "nothing"])?;
    ensure!(!refused.success() && refused.stderr.contains("nothing"), "a clone of nothing was taken: {refused:?}");
    stage.cluster.configure("primitive mark ocf:heartbeat:Dummy op monitor interval=1s")?;
    stage.cluster.configure("clone marks mark meta interleave=true")?;
    let before = wait_on(stage, &hosts)?;
    stage.bed().qrm(&contact, &["resource", "start", "marks", "--wait"])?.ok()?;

    let victim = stage.cluster.follower()?;
    let others: Vec<String> = hosts.iter().filter(|host| **host != victim).cloned().collect();
    stage.bed().power_off(&victim)?;
    let during = wait_on(stage, &others)?;
    stage.fences_of(&victim, 1)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    let after = wait_on(stage, &hosts)?;
    for host in &others {
        ensure!(before[host] == during[host] && before[host] == after[host], "the instance on {host} was touched");
    }
    ensure!(before[&victim] != after[&victim], "the instance on {victim} is from before it was cut");

    let contact = stage.cluster.contact()?;
    stage.bed().qrm(&contact, &["resource", "restart", "marks", "--wait"])?.ok()?;
    let again = wait_on(stage, &hosts)?;
    ensure!(hosts.iter().all(|host| after[host] != again[host]), "an instance was not restarted: {after:?} {again:?}");
    stage.bed().qrm(&contact, &["resource", "stop", "marks", "--wait"])?.ok()?;
    ensure!(instances(stage)?.is_empty(), "an instance is still there");
    stage.note("the other instances were not touched, and one came back with its host");
    Ok(())
}

const ROLE: &str = "/run/resource-agents/Stateful-db.state";

/// What each instance of Debian's Stateful says of itself, by the host's own file.
fn roles(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? {
            let shown = stage.bed().exec(&host, &["cat", ROLE])?;
            if shown.success() {
                found.insert(host, shown.stdout.trim().to_owned());
            }
        }
    }
    Ok(found)
}

/// One is promoted, all others on these hosts are not; which one is.
fn wait_promoted(stage: &Stage, hosts: &[String]) -> Result<String> {
    let mut promoted = Vec::new();
    wait_for("one promoted instance, and one that is not on each other host", LIMIT, || {
        let found = roles(stage)?;
        promoted = found.iter().filter(|(_, role)| *role == "Promoted").map(|(host, _)| host.clone()).collect();
        ensure!(promoted.len() < 2, "two are promoted: {found:?}");
        Ok(promoted.len() == 1 && found.keys().eq(hosts))
    })?;
    let is_known = |status: &Status| {
        let db = status.resources.iter().find(|it| it.id.as_str() == "db");
        let is_meant = |place: &&Place| place.state == PlaceState::Promoted;
        db.is_some_and(|db| db.places.iter().filter(is_meant).map(|place| place.node.as_str()).eq([&promoted[0]]))
    };
    stage.cluster.wait_status("the promoted one to be known", LIMIT, is_known)?;
    Ok(promoted.remove(0))
}

pub(crate) fn promoted_power_cut(stage: &mut Stage) -> Result<()> {
    let mut hosts = stage.bed().hosts();
    hosts.sort();
    stage.cluster.configure(&format!(
        "primitive db ocf:pacemaker:Stateful params state={ROLE} op monitor interval=2s role=Promoted \
             op monitor interval=3s role=Unpromoted"
    ))?;
    stage.cluster.configure("ms dbs db meta interleave=true")?;
    let victim = wait_promoted(stage, &hosts)?;
    let others: Vec<String> = hosts.iter().filter(|host| **host != victim).cloned().collect();
    stage.bed().power_off(&victim)?;
    let next = wait_promoted(stage, &others)?;
    stage.fences_of(&victim, 1)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    let still = wait_promoted(stage, &hosts)?;
    ensure!(still == next, "it was promoted on {next}, and is on {still} now that {victim} is back");

    let contact = stage.cluster.contact()?;
    let shown = stage.bed().qrm(&contact, &["status"])?.ok()?;
    ensure!(shown.contains(&format!("{next} (promoted)")), "status does not say who is promoted: {shown}");
    let shown = stage.bed().qrm(&contact, &["explain", "db"])?.ok()?;
    ensure!(shown.contains("its promotion score there is 10"), "nobody says why: {shown}");
    // It says itself that it is not promoted any more: it is looked at, and promoted again.
    stage.bed().exec(&next, &["sh", "-c", &format!("echo Unpromoted > {ROLE}")])?;
    wait_promoted(stage, &hosts)?;
    stage.bed().qrm(&contact, &["resource", "stop", "dbs", "--wait"])?.ok()?;
    ensure!(roles(stage)?.is_empty(), "an instance is still there");
    stage.fences_of(&victim, 1)?;
    stage.note(format!("{next} was promoted after the proof that {victim} is off, and stayed so"));
    Ok(())
}

/// The hosts that have the address, each of which says that it is promoted: never two, and never another.
fn served_by(stage: &Stage, address: &str) -> Result<Option<String>> {
    let (with_address, roles) = (hosts_with(stage, address)?, roles(stage)?);
    ensure!(with_address.len() < 2, "the address is on {with_address:?} at once");
    let Some(host) = with_address.into_iter().next() else { return Ok(None) };
    let role = roles.get(&host).map(String::as_str);
    ensure!(role == Some("Promoted"), "the address is on {host}, whose instance says {role:?}");
    Ok(Some(host))
}

fn wait_served(stage: &Stage, address: &str, host: &str) -> Result<()> {
    wait_for(&format!("the address to be on {host}"), LIMIT, || Ok(served_by(stage, address)?.as_deref() == Some(host)))
}

/// An address that runs with the promoted instance follows it: moved by a location, and when its host loses power.
pub(crate) fn address_follows(stage: &mut Stage) -> Result<()> {
    let mut hosts = stage.bed().hosts();
    hosts.sort();
    let (contact, address) = (stage.cluster.contact()?, free_address(stage)?);
    let configuration = [
        format!(
            "primitive db ocf:pacemaker:Stateful params state={ROLE} op monitor interval=2s role=Promoted \
             op monitor interval=3s role=Unpromoted"
        ),
        "clone dbs db meta promotable=true interleave=true".to_owned(),
        format!("primitive ip ocf:heartbeat:IPaddr2 params ip={address} cidr_netmask=24 op monitor interval=1s"),
        "colocation ip-with-promoted inf: ip dbs:Promoted".to_owned(),
        "order promote-then-ip Mandatory: dbs:promote ip:start\n".to_owned(),
    ];
    fs::write(stage.bed().layout().shared().join("roles.crm"), configuration.join("\n"))?;
    stage.bed().qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/roles.crm"])?.ok()?;
    let first = wait_promoted(stage, &hosts)?;
    wait_served(stage, &address, &first)?;

    // Another one is wanted: the address leaves before the demotion, and comes after the promotion.
    let victim = stage.cluster.follower().ok().filter(|host| *host != first);
    let victim = victim.or_else(|| hosts.iter().find(|host| **host != first).cloned());
    let victim = victim.context("there is another host")?;
    stage.cluster.configure(&format!("location db-there db role=Promoted 1000: {victim}"))?;
    wait_served(stage, &address, &victim)?;
    let contact = stage.cluster.contact()?;
    let shown = stage.bed().qrm(&contact, &["explain", "ip"])?.ok()?;
    ensure!(shown.contains("it must run where db is promoted"), "nobody says why it is there: {shown}");
    let shown = stage.bed().qrm(&contact, &["configure", "show", "promote-then-ip"])?.ok()?;
    ensure!(shown.contains("order promote-then-ip Mandatory: dbs:promote ip:start"), "it is shown as {shown}");
    stage.ensure_no_fence()?;

    let others: Vec<String> = hosts.iter().filter(|host| **host != victim).cloned().collect();
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    let next = wait_promoted(stage, &others)?;
    wait_served(stage, &address, &next)?;
    let seconds = begin.elapsed().unwrap_or_default().as_secs_f64();
    stage.note(format!("the address was beside the promoted one again {seconds:.1} s after the power was cut"));
    stage.fences_of(&victim, 1).map(drop)
}
