//! Connectivity that steers: Debian's `ocf:pacemaker:ping`, as it is, on every host, and a rule that goes by what it says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_core::view::{Role, Status};

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);

/// What the host says of its connections.
fn said(status: &Status, host: &str) -> Option<String> {
    let node = status.nodes.iter().find(|node| node.id.as_str() == host)?;
    node.attributes.get("pingd").cloned()
}

fn runs_on(status: &Status) -> Option<String> {
    let mark = status.resources.iter().find(|it| it.id.as_str() == "mark")?;
    let place = mark.places.first().filter(|_| mark.role == Role::Started && mark.places.len() == 1)?;
    Some(place.node.to_string())
}

/// A host loses its gateway and nothing else: what needs the gateway goes elsewhere, nothing is fenced, and what was lost
/// counts again when it is back. Where no host reaches it, nothing runs.
pub(crate) fn steers(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    let gateway = stage.bed().gateway()?;
    let reach = |stage: &Stage, host: &str, yes: bool| {
        let verb = if yes { "del" } else { "add" };
        stage.bed().exec(host, &["ip", "route", verb, "unreachable", &format!("{gateway}/32")])?.ok().map(drop)
    };
    for statement in [
        &format!(
            "primitive ping ocf:pacemaker:ping params host_list={gateway} multiplier=1000 attempts=1 timeout=1 \
             op monitor interval=1s timeout=10s"
        ),
        "clone pings ping",
        "primitive mark ocf:heartbeat:Dummy op monitor interval=5s",
        "location connected mark rule -inf: not_defined pingd or pingd lte 0",
    ] {
        stage.cluster.configure(statement)?;
    }
    let status =
        stage.cluster.wait_status("every host to reach its gateway, and the mark to run", LIMIT, |status| {
            hosts.iter().all(|host| said(status, host).as_deref() == Some("1000")) && runs_on(status).is_some()
        })?;
    let first = runs_on(&status).context("the mark runs")?;

    reach(stage, &first, false)?;
    let status = stage.cluster.wait_status("the mark to leave the host without a gateway", LIMIT, |status| {
        said(status, &first).as_deref() == Some("0") && runs_on(status).is_some_and(|host| host != first)
    })?;
    let second = runs_on(&status).context("the mark runs")?;
    let shown = stage.bed().exec(&second, &["cat", "/run/resource-agents/Dummy-mark.state"])?;
    ensure!(shown.success(), "its agent's own file is not on {second}");

    for host in hosts.iter().filter(|host| **host != first) {
        reach(stage, host, false)?;
    }
    stage.cluster.wait_status("the mark to run nowhere", LIMIT, |status| runs_on(status).is_none())?;
    reach(stage, &first, true)?;
    let is_back = |status: &Status| runs_on(status).as_ref() == Some(&first);
    stage.cluster.wait_status("the mark to be back where the gateway is", LIMIT, is_back)?;
    stage.note(format!("from {first} to {second}, to nowhere, and back to {first}"));
    stage.ensure_no_fence()
}
