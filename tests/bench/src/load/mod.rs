//! `bench load`: nobody is fenced because the machine is busy. Both cores saturated, memory short, fsync slow, for minutes.

mod hog;

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quorate_core::state::{Event, EventKind};

use crate::figures::{Report, max, median, percentile, table};
use crate::stage::{Stage, cost, progress};
use hog::{Hogs, busy_percent};

/// Saturate the machine for minutes: no host may be fenced for that
///
/// Example: cargo xtask bench load --minutes 10
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// At most so much memory is taken and given back, in GiB; never more than half of what is available
    #[arg(long, default_value_t = 8)]
    memory: u64,
}

const GUESTS: usize = 3;
const BOOT: Duration = Duration::from_secs(120);
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// What is allocated for good at the beginning is no leak.
const SETTLED: Duration = Duration::from_secs(60);

/// What was seen while the machine was busy.
#[derive(Default)]
struct Seen {
    /// Longest silence of any member, at each look, in seconds.
    silence: Vec<f64>,
    terms: BTreeSet<u64>,
    /// Looks that got no answer in time.
    unanswered: u32,
    /// Events since the first look, and the number of the next.
    events: Vec<Event>,
    next: Option<u64>,
    /// Memory of all daemons together, in MiB, when it had settled and at the end.
    memory: Option<(f64, f64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(arguments.minutes > 0, "--minutes: at least one");
    let stage = Stage::set()?;
    stage.run_guests(GUESTS, BOOT)?;
    let guests = stage.cluster.processes()?;
    let mut seen = Seen::default();
    seen.look(&stage)?;
    progress(format!("both cores, memory and disk are busy for {} min", arguments.minutes));
    let hogs = Hogs::start(&stage.bed().layout().dir, arguments.memory << 30)?;
    let (begin, busy) = (Instant::now(), busy_percent()?);
    while begin.elapsed() < Duration::from_secs(arguments.minutes * 60) {
        sleep(EVERY);
        if seen.look(&stage).is_err() {
            seen.unanswered += 1;
        }
        if begin.elapsed() >= SETTLED {
            let now = memory(&stage)?;
            seen.memory = Some((seen.memory.map_or(now, |(settled, _)| settled), now));
        }
    }
    let busy = busy.since()?;
    let syncs = hogs.stop();
    seen.look(&stage)?;
    let fences = stage.cluster.fences()?;
    let moved = stage
        .cluster
        .processes()?
        .iter()
        .filter(|(vm, now)| guests.get(*vm).is_none_or(|then| then.pid != now.pid))
        .count();
    let fenced = fences.open.len() + fences.ended.len();
    stage.strike()?;
    Ok(report(&seen, &syncs, busy, fenced, moved))
}

fn memory(stage: &Stage) -> Result<f64> {
    stage.daemons()?.iter().map(|(_, pid)| cost(*pid).map(|(pss, _)| pss)).sum()
}

impl Seen {
    fn look(&mut self, stage: &Stage) -> Result<()> {
        let status = stage.cluster.status()?;
        let silent = status.nodes.iter().filter(|node| node.id != status.quorum.from).filter_map(|node| node.silent_ms);
        self.silence.push(silent.max().unwrap_or(0) as f64 / 1000.0);
        self.terms.insert(status.quorum.term);
        self.note(stage.cluster.events()?);
        Ok(())
    }

    /// The first look only says where to begin.
    fn note(&mut self, events: Vec<Event>) {
        let end = events.last().map_or(0, |event| event.number + 1);
        if let Some(next) = self.next.replace(end) {
            self.events.extend(events.into_iter().filter(|event| event.number >= next));
        }
    }

    fn count(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|event| event.kind == kind).count()
    }
}

fn report(seen: &Seen, syncs: &[f64], busy: f64, fenced: usize, moved: usize) -> Report {
    let mut report = Report::default();
    let elections = seen.terms.last().zip(seen.terms.first()).map_or(0, |(last, first)| last - first);
    let suspects = seen.count(EventKind::Suspect);
    let growth = seen.memory.map_or(f64::NAN, |(settled, end)| end - settled);
    let rows = [
        ("load.fences", fenced as f64, "fences, of healthy hosts"),
        ("load.restarts", moved as f64, "guests that were started again"),
        ("load.suspects", suspects as f64, "times a host was called Suspect and heard again"),
        ("load.daemons_gone", seen.count(EventKind::DaemonGone) as f64, "times a daemon was taken for gone"),
        ("load.elections", elections as f64, "terms that began"),
        ("load.silence_max_s", max(&seen.silence), "the longest silence seen, in seconds"),
        ("load.unanswered", f64::from(seen.unanswered), "looks without an answer, of two a second"),
        ("load.fsync_median_ms", median(syncs), "a 4 KiB write with fdatasync beside it, median ms"),
        ("load.fsync_p99_ms", percentile(syncs, 99.0), "and all but one in a hundred"),
        ("load.fsync_max_ms", max(syncs), "the slowest of them, ms"),
        ("load.cpu_busy_percent", busy, "how busy the processors were, in percent"),
        ("load.pss_growth_mib", growth, "memory of the three daemons together: end less first minute, MiB"),
    ];
    let mut shown = table(&["figure", "value", "what it is"]);
    for (name, value, what) in rows {
        report.figures.put(name, value);
        shown.add_row([name.to_owned(), format!("{value:.1}"), what.to_owned()]);
    }
    report.table = Some(shown);
    report.promise("load.fences", |fences| fences == 0.0, "none");
    report.promise("load.restarts", |restarts| restarts == 0.0, "none");
    report.promise("load.cpu_busy_percent", |busy| busy >= 95.0, "at least 95 %, or the machine was not saturated");
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::time::Timestamp;

    fn event(number: u64, kind: EventKind) -> Event {
        let (at, index, text) = (Timestamp(number), number, String::new());
        Event { number, at, index, kind, node: None, resource: None, text, took_ms: None }
    }

    #[test]
    fn only_what_came_since_the_first_look_counts_and_each_once() {
        let mut seen = Seen::default();
        seen.note(vec![event(3, EventKind::Suspect), event(4, EventKind::Online)]);
        assert_eq!(seen.count(EventKind::Suspect), 0, "it was before");
        seen.note(vec![event(4, EventKind::Online), event(5, EventKind::Suspect), event(6, EventKind::Suspect)]);
        seen.note(vec![event(6, EventKind::Suspect), event(7, EventKind::Suspect)]);
        assert_eq!(seen.count(EventKind::Suspect), 3);
        assert_eq!(seen.count(EventKind::Online), 0);
    }

    #[test]
    fn one_fence_misses_the_promise() {
        let seen = Seen { silence: vec![0.2, 0.7], terms: [4, 6].into(), ..Seen::default() };
        let report = super::report(&seen, &[3.0, 9.0], 99.0, 0, 0);
        assert!(report.missed.is_empty(), "{:?}", report.missed);
        assert_eq!(report.figures.get("load.elections"), Some(2.0));
        assert_eq!(report.figures.get("load.silence_max_s"), Some(0.7));
        assert_eq!(super::report(&seen, &[3.0], 99.0, 1, 0).missed.len(), 1);
        assert_eq!(super::report(&seen, &[3.0], 50.0, 0, 1).missed.len(), 2);
    }
}
