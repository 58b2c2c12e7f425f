//! Debian's Dummy, judged by the files it leaves: sets that start beside each other, a parameter that goes round a clone, and
//! what somebody starts beside the cluster.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::state::{Event, EventKind};
use quorate_core::view::{Role, Status};

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);
const MARK: &str = "/run/resource-agents/Dummy-mark.state";

fn load(stage: &Stage, statements: &[&str]) -> Result<()> {
    fs::write(stage.bed().layout().shared().join("watched.crm"), statements.join("\n") + "\n")?;
    let contact = stage.cluster.contact()?;
    stage.bed().qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/watched.crm"])?.ok().map(drop)
}

/// The hosts where a file is, with its inode.
fn hosts_with(stage: &Stage, file: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for host in stage.bed().hosts() {
        let shown = stage.bed().exec(&host, &["stat", "-c", "%i %z", file])?;
        if shown.success() {
            found.insert(host, shown.stdout.trim().to_owned());
        }
    }
    Ok(found)
}

fn all_started(stage: &Stage, names: &[&str]) -> Result<Status> {
    stage.cluster.wait_status("all of it to run", LIMIT, |status| {
        let runs = |name: &&str| status.resources.iter().any(|it| it.id.as_str() == *name && it.role == Role::Started);
        names.iter().all(runs)
    })
}

/// What became of one resource: `(kind, node)` in their order, beginning after an event.
fn story(events: &[Event], resource: &str, after: u64) -> Vec<(EventKind, String, u64)> {
    let its = events
        .iter()
        .filter(|event| event.number > after && event.resource.as_ref().is_some_and(|id| id.as_str() == resource));
    its.map(|event| (event.kind, event.node.as_ref().map(ToString::to_string).unwrap_or_default(), event.number))
        .collect()
}

/// Two that do not wait for each other are begun together, and what comes after both begins when both run.
fn a_set_that_is_not_sequential(stage: &Stage) -> Result<()> {
    all_started(stage, &["slow1", "slow2", "last"])?;
    let events = stage.cluster.events()?;
    let started = |resource: &str| -> Result<u64> {
        let its = story(&events, resource, 0);
        let begins = its.iter().find(|(kind, ..)| *kind == EventKind::Started);
        begins.map(|(.., number)| *number).with_context(|| format!("{resource} was never started: {its:?}"))
    };
    // Its first claims are looks; the last one before it runs is its start.
    let begun = |resource: &str| -> Result<u64> {
        let end = started(resource)?;
        let its = story(&events, resource, 0);
        let claims = its.iter().filter(|(kind, _, number)| *kind == EventKind::Claimed && *number < end);
        claims.map(|(.., number)| *number).max().with_context(|| format!("{resource} was never claimed: {its:?}"))
    };
    let claimed = [begun("slow1")?, begun("slow2")?];
    let running = [started("slow1")?, started("slow2")?];
    ensure!(claimed.iter().max() < running.iter().min(), "one waited for the other: {claimed:?} {running:?}");
    let last = begun("last")?;
    ensure!(running.iter().all(|running| *running < last), "the last one did not wait for both: {running:?} {last}");
    Ok(())
}

/// A changed parameter goes from node to node: the next instance stops when the one before it runs again.
fn a_parameter_goes_round(stage: &Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    wait_for("an instance on each host", LIMIT, || Ok(hosts_with(stage, "/run/copy-one")?.len() == hosts.len()))?;
    all_started(stage, &["copy"])?;
    let before = stage.cluster.events()?.last().map_or(0, |event| event.number);
    load(stage, &["primitive copy ocf:heartbeat:Dummy params state=/run/copy-two op monitor interval=1s"])?;
    wait_for("every instance to have the new parameter", LIMIT, || {
        let left = hosts_with(stage, "/run/copy-one")?.len();
        Ok(left == 0 && hosts_with(stage, "/run/copy-two")?.len() == hosts.len())
    })?;
    all_started(stage, &["copy"])?;
    let told = story(&stage.cluster.events()?, "copy", before);
    let mut down: Option<&str> = None;
    let mut restarted = Vec::new();
    for (kind, node, _) in &told {
        match kind {
            EventKind::Stopped => {
                ensure!(down.is_none(), "two instances were down at once: {told:?}");
                down = Some(node);
            }
            EventKind::Started => {
                ensure!(down == Some(node), "{node} started what was not stopped: {told:?}");
                down = None;
                restarted.push(node.clone());
            }
            _ => {}
        }
    }
    restarted.sort();
    ensure!(restarted == hosts, "each instance is restarted once: {told:?}");
    Ok(())
}

/// Somebody starts a second one by hand: a monitor with `role=Stopped` finds it, and only that one is stopped.
fn a_second_one_is_found(stage: &mut Stage) -> Result<()> {
    all_started(stage, &["mark"])?;
    let first = hosts_with(stage, MARK)?;
    ensure!(first.len() == 1, "the mark runs once: {first:?}");
    let other = stage.bed().hosts().into_iter().find(|host| !first.contains_key(host)).context("there are others")?;
    stage.bed().exec(&other, &["touch", MARK])?.ok()?;
    let begun = std::time::Instant::now();
    wait_for("the second one to be stopped", LIMIT, || Ok(!hosts_with(stage, MARK)?.contains_key(&other)))?;
    stage.note(format!("a second one was stopped {:.1} s after it came up", begun.elapsed().as_secs_f64()));
    let status = all_started(stage, &["mark"])?;
    ensure!(hosts_with(stage, MARK)? == first, "the first one was touched: {first:?}");
    let mark = status.resources.iter().find(|it| it.id.as_str() == "mark").context("it is there")?;
    ensure!(mark.failures.is_empty(), "it counts as failed: {:?}", mark.failures);
    Ok(())
}

pub(crate) fn watched(stage: &mut Stage) -> Result<()> {
    load(
        stage,
        &[
            "primitive slow1 ocf:pacemaker:Dummy params op_sleep=1 op monitor interval=30s",
            "primitive slow2 ocf:pacemaker:Dummy params op_sleep=1 op monitor interval=30s",
            "primitive last ocf:heartbeat:Dummy op monitor interval=30s",
            "order both-first Mandatory: slow1 slow2 sequential=false last",
            "primitive copy ocf:heartbeat:Dummy params state=/run/copy-one op monitor interval=1s",
            "clone copies copy meta interleave=true",
            "primitive mark ocf:heartbeat:Dummy op monitor interval=10s op monitor interval=2s role=Stopped",
        ],
    )?;
    a_set_that_is_not_sequential(stage)?;
    a_parameter_goes_round(stage)?;
    a_second_one_is_found(stage)?;
    stage.ensure_no_fence()
}
