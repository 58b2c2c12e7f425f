//! What is known of hosts before they fail: sensors that are not well, and fence devices that are another host's.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_core::view::{NodeView, Status};

use crate::migration;
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);

fn node<'s>(status: &'s Status, host: &str) -> Option<&'s NodeView> {
    status.nodes.iter().find(|node| node.id.as_str() == host)
}

/// The BMC of a host says that its processor is too hot: its VM goes elsewhere live, and the reason is told.
pub(crate) fn sensors(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("property node-health-strategy=migrate-on-red node-health-interval=2s")?;
    let hot = stage.cluster.follower()?;
    migration::run(stage, &["vm1"], &hot, "")?;
    let begin = SystemTime::now();
    stage.bed().temperature(&hot, 97)?;
    let told = "CPU Temp 97 °C: above its upper critical threshold";
    stage.cluster.wait_status("the sensor to be told", LIMIT, |status| {
        node(status, &hot).is_some_and(|node| node.health.iter().any(|why| why.contains(told)))
    })?;
    migration::left(stage, &["vm1"], &hot)?;
    let host = stage.cluster.processes()?["vm1"].host.clone();
    migration::arrived(stage, &["vm1"], &host, begin)?;
    let contact = stage.cluster.contact()?;
    for (page, words) in [
        (vec!["status"], "1 node is not well"),
        (vec!["node", "show", hot.as_str()], told),
        (vec!["explain", "vm1"], "the node is not well (#health-ipmi is red"),
    ] {
        let shown = stage.cluster.qrm(&contact, &page)?.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(shown.contains(words), "`qrm {}` says:\n{shown}", page.join(" "));
    }
    stage.bed().temperature(&hot, 40)?;
    stage.cluster.wait_status("it to be well again", LIMIT, |status| {
        node(status, &hot).is_some_and(|node| node.health.is_empty())
    })?;
    stage.note_timeline(&hot, begin)?;
    stage.ensure_no_fence()
}

/// Two BMCs' addresses are swapped: the drill and `fence test` say whose each is, and nothing is started there until they are
/// right again.
pub(crate) fn swapped(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("property fence-drill-interval=3s")?;
    let hosts = stage.bed().hosts();
    let (one, two) = (hosts.first().context("a host")?, hosts.get(1).context("a second host")?);
    let contact = stage.cluster.contact()?;
    let address = |of: &str| stage.bed().layout().bmc_address(of);
    let give = |host: &str, address: &str| {
        stage.cluster.qrm(&contact, &["configure", "set", &format!("fence-{host}.ip"), address]).map(drop)
    };
    let problem = |status: &Status, host: &str| {
        let drills = status.devices.iter().flat_map(|device| &device.drills).find(|one| one.node.as_str() == host);
        drills.map(|drill| drill.problem.clone().unwrap_or_default())
    };
    give(one, &address(two)?)?;
    give(two, &address(one)?)?;
    let status = stage.cluster.wait_status("the drill to tell of both", LIMIT, |status| {
        let is_told = |host: &str| problem(status, host).is_some_and(|why| why.contains("belongs to another host"));
        is_told(one) && is_told(two)
    })?;
    let drilled = problem(&status, one).unwrap_or_default();
    // Nothing new is started on a host whose device was read as another's, wherever it should run.
    stage
        .cluster
        .define(&["vm1"], &format!("primitive vm1 vm:libvirt params xml=@vm1.xml\nlocation only vm1 inf: {one}\n"))?;
    stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.host != *one && process.host != *two)?;
    let told = stage.cluster.status()?.health.text;
    ensure!(told.contains("2 nodes are not armed"), "status says {told}");
    let shown = stage.cluster.qrm(&contact, &["node", "show", one])?;
    ensure!(shown.contains(&format!("no: fence-{one} has passed no drill")), "`qrm node show {one}` says:\n{shown}");
    let tested = stage.bed().qrm(&contact, &["fence", "test", one])?;
    ensure!(!tested.success(), "a swapped device passed its test: {tested}");
    let tested = tested.stdout;
    ensure!(
        tested.contains(&format!("{two}'s, by the system GUID it shows")),
        "`qrm fence test {one}` says:\n{tested}"
    );
    ensure!(tested.contains(&format!("{one} is not armed")), "`qrm fence test {one}` says:\n{tested}");
    give(one, &address(one)?)?;
    give(two, &address(two)?)?;
    stage.cluster.wait_status("both to pass again", LIMIT, |status| {
        [one, two].into_iter().all(|host| problem(status, host).is_some_and(|why| why.is_empty()))
    })?;
    stage.cluster.qrm(&contact, &["fence", "test", one])?;
    stage.cluster.wait_status("both to be armed", LIMIT, |status| {
        [one, two].into_iter().all(|host| node(status, host).is_some_and(|node| node.is_armed))
    })?;
    stage.note(format!("the drill: {drilled}"));
    stage.note(format!("fence test: {tested}"));
    stage.ensure_no_fence()
}
