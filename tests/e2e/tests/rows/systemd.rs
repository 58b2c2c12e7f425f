//! Units of systemd as resources: killed behind our back, lost with their host, and one that does not stop.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(30);
/// The next monitor comes much later: within this only a signal tells.
const SOON: Duration = Duration::from_secs(5);
const WEB: &str = "[Unit]\nDescription=The web\n[Service]\n\
                   ExecStart=/bin/sh -c 'echo $$$$ >/run/quorate-bed/web.pid; exec sleep 3600'\n";
const STUCK: &str = "[Unit]\nDescription=Does not stop\n[Service]\nTimeoutStopSec=3600\n\
                     ExecStart=/bin/sh -c 'trap \"\" TERM; echo $$$$ >/run/quorate-bed/stuck.pid; while :; do sleep 1; done'\n";

/// The hosts where the process of a unit lives, by its own file and the host's kernel, with its number.
fn running(stage: &Stage, unit: &str) -> Result<Vec<(String, String)>> {
    let script = format!("pid=$(cat /run/quorate-bed/{unit}.pid) && kill -0 $pid && echo $pid");
    let mut found = Vec::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? {
            let shown = stage.bed().exec(&host, &["sh", "-c", &script])?;
            if shown.success() {
                found.push((host, shown.stdout.trim().to_owned()));
            }
        }
    }
    ensure!(found.len() < 2, "{unit} runs more than once: {found:?}");
    Ok(found)
}

/// Waits until a unit runs, as this wants it; where, and which process.
fn wait_running(
    stage: &Stage,
    unit: &str,
    what: &str,
    limit: Duration,
    fits: impl Fn(&(String, String)) -> bool,
) -> Result<(String, String)> {
    let mut found = Vec::new();
    wait_for(what, limit, || {
        found = running(stage, unit)?;
        Ok(found.iter().any(&fits))
    })?;
    found.pop().context("it runs")
}

pub(crate) fn units(stage: &mut Stage) -> Result<()> {
    let files = [("web.service", WEB), ("stuck.service", STUCK)];
    for host in stage.bed().hosts() {
        stage.bed().systemd(&host, &files)?;
    }
    let contact = stage.cluster.contact()?;
    let refused = stage.bed().qrm(&contact, &["configure", "primitive", "no", "systemd:nothing"])?;
    ensure!(!refused.success() && refused.stderr.contains("nothing"), "a unit that nobody has was taken: {refused:?}");
    stage.cluster.configure("primitive web systemd:web op monitor interval=600s")?;
    let (victim, first) = wait_running(stage, "web", "the unit to run", LIMIT, |_| true)?;
    stage.cluster.wait_status("it to be known as running there", LIMIT, |status| {
        let web = status.resources.iter().find(|it| it.id.as_str() == "web");
        web.is_some_and(|web| web.places.iter().map(|place| place.node.as_str()).eq([victim.as_str()]))
    })?;

    stage.bed().exec(&victim, &["kill", "-KILL", &first])?.ok()?;
    let killed = Instant::now();
    wait_running(stage, "web", "it to run anew, by a signal", SOON, |(_, pid)| *pid != first)?;
    stage.note(format!("killed behind its back, it ran again after {:.1} s", killed.elapsed().as_secs_f64()));
    stage.ensure_no_fence()?;

    stage.bed().power_off(&victim)?;
    let cut = Instant::now();
    let (second, _) = wait_running(stage, "web", "it to run elsewhere", LIMIT, |(host, _)| *host != victim)?;
    stage.note(format!("its host lost power, it ran on {second} after {:.1} s", cut.elapsed().as_secs_f64()));
    stage.fences_of(&victim, 1)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    stage.bed().systemd(&victim, &files)?;

    stage.cluster.configure("primitive stuck systemd:stuck op stop timeout=3s op start timeout=20s")?;
    let (host, _) = wait_running(stage, "stuck", "the other unit to run", LIMIT, |_| true)?;
    let contact = stage.cluster.contact()?;
    stage.bed().qrm(&contact, &["resource", "stop", "stuck"])?.ok()?;
    wait_for("the host to be off, for it does not stop", LIMIT, || Ok(!stage.bed().is_on(&host)?))?;
    wait_running(stage, "web", "the other unit to run where power is", LIMIT, |(at, _)| *at != host)?;
    let fences = stage.cluster.fences()?;
    let last = fences.ended.first().context("there was a fence")?;
    ensure!(last.target.as_str() == host, "the last fence was of {}, not of {host}", last.target);
    Ok(())
}
