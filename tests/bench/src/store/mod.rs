//! `bench store`: what a small write costs that a majority has on disk, beside etcd on the same machine and disk.
//!
//! Three processes each on loopback, mutual TLS between members and to the clients, 256 B values, real syncs, the same
//! clients in the same process. Runs take turns, and what counts is the ratio of neighbours.

mod client;
mod etcd;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_bed::binaries;

use crate::figures::{Figures, Report, median, percentile, table};
use crate::fleet::{Fleet, Net};
use crate::stage::progress;
use client::{Measured, Target};
use etcd::Etcd;

/// Time small writes beside etcd's
///
/// Example: cargo xtask bench store --rounds 5
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the two take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Writes of the one client that times each
    #[arg(long, default_value_t = 500)]
    writes: usize,
    /// For how many seconds 64 clients write
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

pub(crate) const CLIENTS: usize = 64;
const OURS: &str = "quorate";
const THEIRS: &str = "etcd";

/// What one turn of one of them gave.
#[derive(Debug, Clone, PartialEq)]
struct Turn {
    p50_ms: f64,
    p99_ms: f64,
    ops_64: f64,
}

impl Turn {
    fn of(measured: &Measured) -> Self {
        let ms: Vec<f64> = measured.latencies.iter().map(|took| took.as_secs_f64() * 1000.0).collect();
        Self { p50_ms: percentile(&ms, 50.0), p99_ms: percentile(&ms, 99.0), ops_64: measured.ops }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(arguments.rounds > 0 && arguments.writes > 0 && arguments.seconds > 0, "nothing to measure");
    let binaries = binaries::build(true)?;
    progress("three quorated and three etcd come up");
    let fleet = Fleet::form(&binaries, 3, Net::Loopback)?;
    fleet.wait("three voters", Duration::from_secs(30), |status| status.quorum.voters.len() == 3)?;
    let etcd = Etcd::start(fleet.dir())?;
    let runtime = tokio::runtime::Runtime::new().context("start the clients' runtime")?;
    let ours = Target::quorate(&fleet)?;
    let theirs = runtime.block_on(etcd.target())?;
    let seconds = Duration::from_secs(arguments.seconds);
    let mut turns: [Vec<Turn>; 2] = [Vec::new(), Vec::new()];
    for round in 1..=arguments.rounds {
        for (place, target) in [&ours, &theirs].into_iter().enumerate() {
            let measured = runtime.block_on(client::measure(target, arguments.writes, seconds))?;
            let turn = Turn::of(&measured);
            progress(format!("round {round}, {}: {turn:?}", [OURS, THEIRS][place]));
            turns[place].push(turn);
        }
    }
    drop((etcd, fleet));
    Ok(report(&turns[0], &turns[1]))
}

type Part = fn(&Turn) -> f64;
const PARTS: [(&str, Part); 3] =
    [("p50_ms", |turn| turn.p50_ms), ("p99_ms", |turn| turn.p99_ms), ("ops_64", |turn| turn.ops_64)];

/// The middle of the turns, and the middle of the ratios of turns that followed each other.
fn figures(ours: &[Turn], theirs: &[Turn]) -> Figures {
    let mut figures = Figures::default();
    for (name, part) in PARTS {
        let of = |turns: &[Turn]| turns.iter().map(part).collect::<Vec<f64>>();
        figures.put(format!("store.{name}.{OURS}"), median(&of(ours)));
        figures.put(format!("store.{name}.{THEIRS}"), median(&of(theirs)));
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(our, their)| part(our) / part(their)).collect();
        figures.put(format!("store.{name}.ratio"), median(&ratios));
    }
    figures
}

fn report(ours: &[Turn], theirs: &[Turn]) -> Report {
    let mut report = Report { figures: figures(ours, theirs), ..Report::default() };
    let mut shown = table(&["median of turns", OURS, THEIRS, "ratio"]);
    for (name, what) in [
        ("p50_ms", "one client, median (ms)"),
        ("p99_ms", "one client, 99 of 100 within (ms)"),
        ("ops_64", "64 clients, writes a second"),
    ] {
        let get = |end: &str| format!("{:.2}", report.figures.get(&format!("store.{name}.{end}")).unwrap_or(f64::NAN));
        shown.add_row([what.to_owned(), get(OURS), get(THEIRS), get("ratio")]);
    }
    report.table = Some(shown);
    report.notes = vec![
        "a write is an attribute of a node (qrm node status-attr) over the API there, a put here; each is answered when".to_owned(),
        "a majority has it on disk and it is applied; 256 B, three processes each on loopback and one disk, TLS, all by".to_owned(),
        "the same clients, one connection each, to the leader".to_owned(),
    ];
    report.promise("store.p50_ms.ratio", |ratio| ratio <= 2.0, "at most 2 of etcd's");
    report.promise("store.ops_64.ratio", |ratio| ratio >= 0.7, "at least 0.7 of etcd's");
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(p50_ms: f64, p99_ms: f64, ops_64: f64) -> Turn {
        Turn { p50_ms, p99_ms, ops_64 }
    }

    #[test]
    fn ratios_are_those_of_neighbours() {
        // The machine slows down under both by the same: the ratios stay.
        let ours = [turn(2.0, 9.0, 900.0), turn(4.0, 18.0, 450.0), turn(3.0, 10.0, 800.0)];
        let theirs = [turn(1.0, 3.0, 1000.0), turn(2.0, 6.0, 500.0), turn(3.0, 10.0, 1000.0)];
        let figures = figures(&ours, &theirs);
        assert_eq!(figures.get("store.p50_ms.quorate"), Some(3.0));
        assert_eq!(figures.get("store.p50_ms.etcd"), Some(2.0));
        assert_eq!(figures.get("store.p50_ms.ratio"), Some(2.0));
        assert_eq!(figures.get("store.ops_64.ratio"), Some(0.9));
        assert!(report(&ours, &theirs).missed.is_empty());
        assert_eq!(report(&theirs, &vec![turn(0.4, 1.0, 2000.0); 3]).missed.len(), 2);
    }

    #[test]
    fn a_turn_is_what_its_latencies_say() {
        let latencies = (1..=100).map(|n| Duration::from_micros(n * 100)).collect();
        let turn = Turn::of(&Measured { latencies, ops: 640.0 });
        assert_eq!(turn, Turn { p50_ms: 5.0, p99_ms: 9.9, ops_64: 640.0 });
    }
}
