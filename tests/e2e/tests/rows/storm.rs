//! The storm brake: many hosts fall silent at once, and the timeline says of each why it was or was not fenced.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_core::state::EventKind;
use quorate_core::view::Status;
use quorate_e2e::timeline;

use crate::stage::Stage;

/// Longer than any wait for a lost host.
const WATCHED: Duration = Duration::from_secs(20);
/// Three cuts in five seconds.
const APART: Duration = Duration::from_millis(1500);

/// Three of five hosts are cut off within five seconds: no majority is left, so nobody is fenced; they come back.
pub(crate) fn majority_cut(stage: &mut Stage) -> Result<()> {
    let leader = stage.cluster.leader()?;
    let others: Vec<String> = stage.bed().hosts().into_iter().filter(|host| *host != leader).collect();
    let (cut, left) = others.split_at(3);
    let begin = SystemTime::now();
    for host in cut {
        stage.bed().cut(host)?;
        std::thread::sleep(APART);
    }
    let watched = Instant::now();
    let mut said = String::new();
    while watched.elapsed() < WATCHED {
        for host in cut {
            ensure!(stage.bed().is_on(host)?, "{host} was fenced by a minority");
        }
        let page: Status = stage.cluster.document(&left[0], &["status"])?;
        if !page.quorum.confirmed {
            said = page.health.text;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    ensure!(said.contains("nobody is fenced"), "what is left says {said:?}");
    stage.note(format!("{} says: {said}", left[0]));
    for host in cut {
        stage.bed().heal(host)?;
    }
    stage.cluster.wait_complete()?;
    stage.ensure_no_fence()?;
    let told = stage.cluster.events()?;
    let is_told = told.iter().any(|event| event.kind == EventKind::Majority && event.text.contains("not fenced"));
    ensure!(is_told, "the timeline does not say why nobody was fenced");
    tell(stage, cut, begin)
}

/// Two of five hosts are cut off within five seconds, and one fence is the limit: one is fenced, of the other it is said
/// why not; it comes back and is taken back.
pub(crate) fn limit(stage: &mut Stage) -> Result<()> {
    stage.cluster.configure("property fence-limit=1")?;
    let leader = stage.cluster.leader()?;
    let cut: Vec<String> = stage.bed().hosts().into_iter().filter(|host| *host != leader).take(2).collect();
    let (first, second) = (&cut[0], &cut[1]);
    let begin = SystemTime::now();
    stage.bed().cut(first)?;
    std::thread::sleep(APART);
    stage.bed().cut(second)?;
    let status = stage.cluster.wait_status("one fence, and one that waits", Duration::from_secs(40), |status| {
        let is_off = status.nodes.iter().any(|node| node.id.as_str() == first && node.liveness == "off");
        is_off && status.fencing.iter().any(|fence| fence.target.as_str() == second && fence.held.is_some())
    })?;
    ensure!(!stage.bed().is_on(first)?, "{first} is on, and was proven off");
    let [question] = &status.questions[..] else { anyhow::bail!("not one question: {:?}", status.questions) };
    ensure!(question.node.as_str() == second, "it is about {}", question.node);
    stage.note(format!("asked: {}", question.text));
    ensure!(question.text.contains("storm brake"), "the question does not say why: {}", question.text);
    let contact = stage.cluster.contact()?;
    let history = stage.cluster.qrm(&contact, &["fence", "history"])?;
    ensure!(history.contains("storm brake"), "`qrm fence history` does not say why:\n{history}");
    stage.note(history);
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        ensure!(stage.bed().is_on(second)?, "{second} was fenced beyond the limit");
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.bed().heal(second)?;
    stage.cluster.wait_status("the second to be taken back", Duration::from_secs(60), |status| {
        status.nodes.iter().any(|node| node.id.as_str() == second && node.liveness == "online")
    })?;
    let told = stage.cluster.events()?;
    for (kind, node) in [
        (EventKind::FenceGrant, first),
        (EventKind::Fenced, first),
        (EventKind::FenceHeld, second),
        (EventKind::CalledOff, second),
    ] {
        let is_told = told
            .iter()
            .any(|event| event.kind == kind && event.node.as_ref().is_some_and(|of| of.as_str() == node.as_str()));
        ensure!(is_told, "the timeline does not tell {kind:?} of {node}");
    }
    tell(stage, &cut, begin)
}

/// The timeline, for people; it speaks of each.
fn tell(stage: &mut Stage, cut: &[String], begin: SystemTime) -> Result<()> {
    let first = cut.first().context("somebody was cut")?;
    let timeline = timeline(&stage.cluster, &stage.auditor, first, begin)?;
    for host in cut {
        ensure!(timeline.0.iter().any(|moment| moment.text.contains(host.as_str())), "it does not speak of {host}");
    }
    stage.note(timeline.to_string());
    Ok(())
}
