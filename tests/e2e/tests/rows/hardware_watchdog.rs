//! A host that nothing but a watchdog in hardware can switch off: a machine of its own, whose emulator is the witness.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{HostMachine, Told, wait_for};
use quorate_core::view::NodeView;
use quorate_core::watchdog::{GRACE_BEYOND, Terms};

use crate::ocf::hosts_with_mark;
use crate::stage::Stage;

const GRACE: Duration = Duration::from_secs(2);
const TERMS: Terms = Terms {
    timeout: Duration::from_secs(4),
    window: Duration::from_secs(4),
    grace: Duration::from_secs(GRACE.as_secs() + GRACE_BEYOND.as_secs()),
};
/// The default of `lost-after`, less the time since the last beat before the cut.
const LOST_AFTER: Duration = Duration::from_millis(4_700);
/// It looks each second at the most whether it may feed, and is emulated.
const SLACK: Duration = Duration::from_secs(2);
/// A boot takes some seconds where nothing else runs.
const BOOT: Duration = Duration::from_secs(120);
const HAS_MARK: &str = "test -e /run/resource-agents/Dummy-mark.state";

/// When the watchdog bit, each time; the emulator's word.
fn bites(machine: &HostMachine<'_>) -> Vec<SystemTime> {
    let is_reset = |told: &&Told| told.event == "WATCHDOG" && told.action == "reset";
    machine.inner().told().iter().filter(is_reset).map(|told| told.at).collect()
}

fn wait_bite(machine: &HostMachine<'_>, before: usize, begin: SystemTime, limit: Duration) -> Result<Duration> {
    wait_for("the watchdog to bite", limit + BOOT, || Ok(bites(machine).len() > before))?;
    let bit = bites(machine)[before].duration_since(begin)?;
    ensure!(bit <= limit, "it was fed for {bit:?}");
    Ok(bit)
}

fn wait_node(stage: &Stage, what: &str, fits: impl Fn(&NodeView) -> bool) -> Result<()> {
    let holds =
        |status: &quorate_core::view::Status| status.nodes.iter().any(|node| node.id.as_str() == "m1" && fits(node));
    stage.cluster.wait_status(what, BOOT, holds).map(drop)
}

pub(crate) fn reset(stage: &mut Stage) -> Result<()> {
    let begin = SystemTime::now();
    let machine = stage.bed().machine()?;
    machine.wait_boots(1, BOOT)?;
    let mut notes = vec![format!("it booted in {:.1} s", begin.elapsed()?.as_secs_f64())];
    let joined = SystemTime::now();
    let answers = || Ok(machine.qrm("status")?.code != Some(5));
    wait_for("its daemon", BOOT, answers)?;
    let contact = stage.cluster.contact()?;
    let token = stage.cluster.qrm(&contact, &["cluster", "token"])?;
    let address = machine.address();
    machine.qrm(&format!("cluster join {} --node {} --address {address}", token.trim(), machine.name()))?.ok()?;
    wait_node(stage, "it to be online", |node| node.liveness == "online")?;
    notes.push(format!("it was a member {:.1} s later", joined.elapsed()?.as_secs_f64()));
    stage.cluster.configure(&format!("property daemon-grace={}s", GRACE.as_secs()))?;
    stage.cluster.configure("primitive dog stonith:watchdog params pcmk_host_list=m1 timeout=4s window=4s")?;
    // It bites, and nobody has seen it do so.
    wait_node(stage, "the watchdog to be armed", |node| node.watchdog.is_some() && !node.is_armed)?;
    prove(stage, &machine, &mut notes)?;
    cut(stage, &machine, &mut notes)?;
    drop(machine);
    notes.iter().for_each(|note| stage.note(note));
    Ok(())
}

/// As an operator does it: the feeder stands still once, and the driver tells of it at the next boot.
fn prove(stage: &Stage, machine: &HostMachine<'_>, notes: &mut Vec<String>) -> Result<()> {
    ensure!(bites(machine).is_empty(), "it bit before anything was wrong");
    let begin = SystemTime::now();
    machine.exec("kill -STOP $(pidof quorate-feeder)")?.ok()?;
    let bit = wait_bite(machine, 0, begin, TERMS.timeout + SLACK)?;
    machine.wait_boots(2, BOOT)?;
    wait_node(stage, "the reset to count", |node| node.is_armed && node.liveness == "online")?;
    notes.push(format!(
        "its feeder stood still: reset after {:.1} s, and proven to the cluster after {:.1} s",
        bit.as_secs_f64(),
        begin.elapsed()?.as_secs_f64()
    ));
    Ok(())
}

fn cut(stage: &Stage, machine: &HostMachine<'_>, notes: &mut Vec<String>) -> Result<()> {
    stage.cluster.configure("primitive mark Dummy op monitor interval=1s")?;
    stage.cluster.configure("location mark-on-m1 mark 200: m1")?;
    let has_mark = || Ok(machine.exec(HAS_MARK)?.success());
    wait_for("the mark to be on it", BOOT, has_mark)?;
    let known = |status: &quorate_core::view::Status| {
        let mark = status.resources.iter().find(|it| it.id.as_str() == "mark");
        mark.is_some_and(|mark| mark.places.iter().map(|place| place.node.as_str()).eq(["m1"]))
    };
    stage.cluster.wait_status("the mark to be known there", BOOT, known)?;
    ensure!(hosts_with_mark(stage)?.is_empty(), "the mark is on another host too");

    let begin = SystemTime::now();
    machine.cut()?;
    let bit = wait_bite(machine, 1, begin, TERMS.window + TERMS.timeout + SLACK)?;
    let due = begin + LOST_AFTER + TERMS.wait();
    while SystemTime::now() < due {
        let marks = hosts_with_mark(stage)?;
        ensure!(marks.is_empty(), "started on {marks:?} before the wait was over");
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_for("the mark to be elsewhere", Duration::from_secs(30), || Ok(hosts_with_mark(stage)?.len() == 1))?;
    notes.push(format!(
        "cut off: reset after {:.1} s, the mark elsewhere after {:.1} s",
        bit.as_secs_f64(),
        begin.elapsed()?.as_secs_f64()
    ));
    let fences = stage.cluster.fences()?;
    let last = fences.ended.first().context("there was a fence")?;
    ensure!(
        last.target.as_str() == "m1" && last.outcome == "watchdog",
        "the proof is {}: {}",
        last.outcome,
        last.proof
    );
    // It has booted again, and sees nobody.
    machine.wait_boots(3, BOOT)?;
    ensure!(!has_mark()?, "it started the mark by itself");
    machine.heal()?;
    wait_node(stage, "it to be back", |node| node.liveness == "online" && node.is_armed)
}
