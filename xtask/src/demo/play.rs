//! The play itself, the same on any stage: form, run, cut, watch, judge.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use quorate_bed::wait_for;
use quorate_core::state::{Event, EventKind};
use quorate_core::view::{Role, Status};
use quorate_e2e::Cluster;

use super::screen::{Screen, Tone};
use super::stage::{Running, Stage};

/// A failover that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What still counts as seconds.
const SECONDS: Duration = Duration::from_secs(30);
/// Guests may need so long to boot on a busy machine.
const BOOT: Duration = Duration::from_secs(90);

/// Plays on hosts that are up. Whether every promise was kept.
pub(super) fn play<S: Stage>(screen: &Screen, stage: S) -> Result<bool> {
    screen.heading("Form a cluster");
    let cluster = Cluster { site: stage };
    cluster.form(&mut |host, command| screen.command(host, command))?;

    screen.heading("Run VMs");
    let vms: Vec<String> = (1..=cluster.site.hosts().len() + 1).map(|number| format!("vm{number}")).collect();
    let file = cluster.site.define(&vms)?;
    let contact = cluster.contact()?;
    screen.command(&contact, &format!("configure load update {file}"));
    cluster.qrm(&contact, &["configure", "load", "update", &file])?;
    cluster.wait_status("all VMs to run", PATIENCE, |status| all_run(status, &vms))?;
    let dawn = SystemTime::UNIX_EPOCH;
    wait_for("all guests to boot", BOOT, || Ok(vms.iter().all(|vm| cluster.site.alive(vm, dawn).is_some())))?;
    let before = cluster.site.running()?;
    for host in cluster.site.hosts() {
        let here: Vec<&str> = before.iter().filter(|one| one.host == host).map(|one| one.vm.as_str()).collect();
        screen.text(&format!("{host}  {}", if here.is_empty() { "-".to_owned() } else { here.join(" ") }));
    }

    let leader = cluster.leader()?;
    let held = |host: &String| before.iter().filter(|one| one.host == *host).count();
    let victim = cluster.site.hosts().into_iter().max_by_key(|host| (held(host), *host == leader));
    let victim = victim.context("there are hosts")?;
    let role = if victim == leader { "leads the cluster" } else { "follows" };
    screen.heading(&format!("Cut the power of {victim}, which {role} and runs {} VMs", held(&victim)));
    let failover = watch(screen, &cluster, &victim, &before)?;
    let last = show(screen, &cluster, &victim, &failover)?;
    judge(screen, &cluster, &victim, &before, &failover, last)
}

fn all_run(status: &Status, vms: &[String]) -> bool {
    let runs = |vm: &String| status.resources.iter().any(|r| r.id.as_str() == vm && r.role == Role::Started);
    vms.iter().all(runs)
}

/// A failover as it was seen.
struct Failover {
    begin: SystemTime,
    events: Vec<Event>,
    /// The VMs that the victim ran.
    moved: Vec<String>,
}

impl Failover {
    fn after(&self, at: SystemTime) -> Duration {
        at.duration_since(self.begin).unwrap_or_default()
    }

    fn first(&self, kind: EventKind, victim: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.kind == kind && event.node.as_ref().is_some_and(|n| n.as_str() == victim))
    }

    fn starts(&self) -> impl Iterator<Item = &Event> {
        let moved =
            |event: &&Event| event.resource.as_ref().is_some_and(|r| self.moved.iter().any(|vm| vm == r.as_str()));
        self.events.iter().filter(|event| event.kind == EventKind::Started).filter(moved)
    }
}

fn time(event: &Event) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(event.at.0)
}

/// Cuts the power and shows the events as they come, until all VMs run again.
fn watch<S: Stage>(screen: &Screen, cluster: &Cluster<S>, victim: &str, before: &[Running]) -> Result<Failover> {
    let witness = cluster.site.hosts().into_iter().find(|host| host != victim).context("there is another host")?;
    let next = cluster.events()?.last().map_or(0, |event| event.number + 1);
    let (mut follower, news) = follow(cluster, &witness, next)?;
    let moved = before.iter().filter(|one| one.host == victim).map(|one| one.vm.clone()).collect();
    let mut failover = Failover { begin: SystemTime::now(), events: Vec::new(), moved };
    screen.live(Duration::ZERO, Tone::Bad, &format!("the power of {victim} is cut"));
    cluster.site.cut(victim)?;
    let watched = loop {
        match news.recv_timeout(PATIENCE) {
            Ok(event) => {
                if let Some(tone) = tone(event.kind) {
                    screen.live(failover.after(time(&event)), tone, &event.text);
                }
                failover.events.push(event);
            }
            Err(RecvTimeoutError::Timeout) => break Err(anyhow::anyhow!("nothing more happens, and not all VMs run")),
            Err(RecvTimeoutError::Disconnected) => break Err(anyhow::anyhow!("qrm events on {witness} ended")),
        }
        if failover.starts().count() == failover.moved.len() {
            break Ok(());
        }
    };
    // It follows for ever; that it has ended by itself is as good.
    let _ = follower.kill();
    let _ = follower.wait();
    watched.map(|()| failover)
}

fn tone(kind: EventKind) -> Option<Tone> {
    Some(match kind {
        EventKind::Suspect | EventKind::Lost | EventKind::FenceHeld | EventKind::FenceGrant | EventKind::DaemonGone => {
            Tone::Warn
        }
        EventKind::FenceFailed | EventKind::Failed | EventKind::PromiseBroken | EventKind::Asked => Tone::Bad,
        EventKind::Store | EventKind::Copy | EventKind::Differs => Tone::Bad,
        EventKind::Fenced | EventKind::Majority | EventKind::PowerOn | EventKind::Started | EventKind::Online => {
            Tone::Good
        }
        EventKind::Claimed | EventKind::CalledOff | EventKind::Stopped | EventKind::Migrated | EventKind::Hello => {
            Tone::Dim
        }
        EventKind::Member
        | EventKind::Quarantine
        | EventKind::Trust
        | EventKind::Away
        | EventKind::FenceIntent
        | EventKind::Planned
        | EventKind::Configured
        | EventKind::Preference
        | EventKind::Intent
        | EventKind::Unfenced
        | EventKind::Watchdog
        | EventKind::Ticket
        | EventKind::Notified
        | EventKind::Drilled
        | EventKind::Health => return None,
    })
}

fn follow<S: Stage>(cluster: &Cluster<S>, host: &str, from: u64) -> Result<(Child, Receiver<Event>)> {
    let mut command = cluster.site.follow(host, from)?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("run qrm events")?;
    let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
    let (sender, news) = channel();
    std::thread::spawn(move || {
        let events = lines.map_while(std::io::Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
        for event in events {
            // Nobody watches any more.
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    Ok((child, news))
}

/// The timeline; when the last VM ran.
fn show<S: Stage>(screen: &Screen, cluster: &Cluster<S>, victim: &str, failover: &Failover) -> Result<Duration> {
    let starts: Vec<(Duration, String)> =
        failover.starts().map(|event| (failover.after(time(event)), event.text.clone())).collect();
    let all = starts.iter().map(|(after, _)| *after).max().context("VMs were started")?;
    let begin = failover.begin;
    wait_for("the guests to boot", BOOT, || {
        Ok(failover.moved.iter().all(|vm| cluster.site.alive(vm, begin).is_some()))
    })?;

    screen.heading("Timeline");
    let moment = |after, tone, text: &str| screen.moment(after, all, tone, text);
    moment(Duration::ZERO, Tone::Bad, &format!("power of {victim} is cut"));
    let at = |kind| failover.first(kind, victim).map(|event| failover.after(time(event)));
    if let Some(after) = at(EventKind::Suspect) {
        moment(after, Tone::Warn, &format!("suspect: {victim} is silent"));
    }
    let readings = cluster.site.readings(victim, failover.begin)?;
    if let Some(read) = readings.first() {
        moment(failover.after(*read), Tone::Warn, "its power is read, and reads off");
    }
    if let Some(after) = at(EventKind::Lost) {
        moment(after, Tone::Warn, "lost, by a majority's word");
    }
    if let Some(after) = at(EventKind::Fenced) {
        moment(after, Tone::Good, "fence verified: proven dead");
    }
    for (after, text) in &starts {
        moment(*after, Tone::Good, text);
    }
    screen.total(all, "from the cut to the last VM running");
    let alive = failover.moved.iter().filter_map(|vm| cluster.site.alive(vm, begin)).max();
    if let Some((alive, sign)) = alive.zip(cluster.site.sign_of_life()) {
        screen.live(failover.after(alive), Tone::Dim, sign);
    }
    Ok(all)
}

fn judge<S: Stage>(
    screen: &Screen,
    cluster: &Cluster<S>,
    victim: &str,
    before: &[Running],
    failover: &Failover,
    last: Duration,
) -> Result<bool> {
    screen.heading("Promises");
    let running = cluster.site.running()?;
    let mut by_vm: BTreeMap<&str, Vec<&Running>> = BTreeMap::new();
    for one in &running {
        by_vm.entry(&one.vm).or_default().push(one);
    }
    let is_once = |one: &Running| by_vm.get(one.vm.as_str()).is_some_and(|all| all.len() == 1 && all[0].host != victim);
    let all_once = before.iter().all(is_once);
    let (is_clean, verdict) = cluster.site.judge()?;
    let proven = failover.first(EventKind::Fenced, victim).map(time);
    // A process's start is known to within hundredths of a second.
    let first_start = running.iter().filter(|one| failover.moved.contains(&one.vm)).map(|one| one.started).min();
    let is_after_proof =
        proven.zip(first_start).is_some_and(|(proof, start)| start + Duration::from_millis(30) >= proof);
    let is_untouched = before
        .iter()
        .filter(|one| one.host != victim)
        .all(|one| running.contains(one) || { running.iter().any(|now| now.vm == one.vm && now.pid == one.pid) });
    let fences = cluster.fences()?;
    let is_one_fence = fences.open.is_empty() && fences.ended.len() == 1 && fences.ended[0].target.as_str() == victim;
    let promises = [
        (is_clean, verdict),
        (all_once, format!("all {} VMs run, each in one process on one living host", before.len())),
        (is_after_proof, format!("nothing started before {victim} was proven dead")),
        (is_one_fence, format!("only {victim} was fenced, once")),
        (is_untouched, "the VMs of the other hosts run on in the same processes".to_owned()),
        (last <= SECONDS, format!("it took seconds, not minutes: {:.2} s", last.as_secs_f64())),
    ];
    for (is_kept, text) in &promises {
        screen.promise(*is_kept, text);
    }
    Ok(promises.iter().all(|(is_kept, _)| *is_kept))
}
