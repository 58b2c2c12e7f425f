//! The rows on the real bed: each brings up hosts of its own, forms a cluster, does something bad to it, and judges what
//! became of it by the truth: processes, disks, power.
//!
//! `cargo test -p quorate-e2e -- --list`, or with words that the names of rows contain.

// The harness speaks on standard output.
#![allow(clippy::print_stdout)]

mod bmc;
mod clones;
mod copies;
mod daemon;
mod disk;
mod drill;
mod frozen;
mod hardware_watchdog;
mod health;
mod isolation;
mod libvirtd;
mod list;
mod logged_in;
mod majority;
mod membership;
mod migration;
mod migration_faults;
mod ocf;
mod orderly;
mod people;
mod pill;
mod ping;
mod power;
mod recover;
mod redfish;
mod redis;
mod refusals;
mod stage;
mod standstill;
mod store;
mod storm;
mod systemd;
mod unfencing;
mod virtual_domain;
mod vm;
mod watchdog;
mod watched;
mod web;
mod writes;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::{Result, anyhow};
use clap::Parser;
use quorate_bed::{binaries, setup};

use list::{ROWS, Row};
use stage::{Fault, Stage};
use standstill::Watch;

/// Runs rows one after another, each on a bed of its own.
#[derive(Parser)]
struct Arguments {
    /// Only rows whose names contain one of these
    names: Vec<String>,
    /// Show the rows and run none
    #[arg(long)]
    list: bool,
    /// Only the row with exactly this name
    #[arg(long)]
    exact: bool,
    /// Use optimised programs
    #[arg(long)]
    release: bool,
    /// How many patient rows, which mostly wait, are played at the same time
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Plays a caller that checks nothing beforehand, inside a host: its address, the CA, and a certificate with its key
    #[arg(long, hide = true, num_args = 2..=4)]
    knock: Vec<String>,
    /// The other rows run one at a time anyway
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    /// Nothing is captured anyway
    #[arg(long, hide = true)]
    nocapture: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.knock.is_empty() {
        return refusals::knock(&arguments.knock);
    }
    let is_wanted = |row: &&Row| {
        let fits = |name: &String| if arguments.exact { row.name == name } else { row.name.contains(name.as_str()) };
        arguments.names.is_empty() || arguments.names.iter().any(fits)
    };
    let rows: Vec<&'static Row> = ROWS.iter().filter(is_wanted).collect();
    if arguments.list {
        for row in rows {
            println!("{:<22} {}", row.name, row.what);
        }
        return ExitCode::SUCCESS;
    }
    if let Some(obstacle) = setup::obstacle() {
        eprintln!("this machine cannot carry the test bed: {obstacle}");
        println!("{} rows SKIPPED", rows.len());
        return if setup::in_ci() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let binaries = match binaries::build(arguments.release) {
        Ok(binaries) => binaries,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let watch = match Watch::begin(&binaries) {
        Ok(watch) => watch,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let begin = Instant::now();
    let failed = play_all(&rows, &binaries, &watch, arguments.jobs);
    let (failed, late) = play_again(failed, &binaries, &watch);
    let seconds = begin.elapsed().as_secs_f64();
    // Once more at the end, where whoever sees only the last lines finds it.
    for failure in &late {
        println!("row {} was ok when it was played again, and not before: {}", failure.row.name, failure.why);
    }
    if failed.is_empty() {
        println!("{} rows ok ({seconds:.1} s), {} of them only when played again", rows.len(), late.len());
        return ExitCode::SUCCESS;
    }
    for failure in &failed {
        println!("row {} FAILED: {}", failure.row.name, failure.why);
    }
    let names: Vec<&str> = failed.iter().map(|failure| failure.row.name).collect();
    println!("{} of {} rows FAILED ({seconds:.1} s): {}", failed.len(), rows.len(), names.join(", "));
    ExitCode::FAILURE
}

/// A row that failed, and what it said.
struct Failure {
    row: &'static Row,
    why: String,
    /// A promise was broken: no second try makes that good.
    is_promise: bool,
}

/// Plays the rows whose times matter one after another, then the patient ones beside each other; answers which failed.
fn play_all(rows: &[&'static Row], binaries: &Path, watch: &Watch, jobs: usize) -> Vec<Failure> {
    let (patient, alone): (Vec<&'static Row>, Vec<&'static Row>) = rows.iter().partition(|row| row.is_patient);
    let mut failed: Vec<Failure> = alone.iter().filter_map(|row| play(row, binaries, watch).err()).collect();
    let next = AtomicUsize::new(0);
    let late = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, patient.len().max(1)) {
            scope.spawn(|| {
                while let Some(row) = patient.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = play(row, binaries, watch) {
                        late.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                }
            });
        }
    });
    failed.extend(late.into_inner().unwrap_or_else(PoisonError::into_inner));
    failed
}

/// Most rows wait for something, and a machine that is busy with something else may make them wait too long: a row that failed
/// is played once more, alone, unless a promise was broken. Answers which failed again, and which did not.
fn play_again(failed: Vec<Failure>, binaries: &Path, watch: &Watch) -> (Vec<Failure>, Vec<Failure>) {
    failed.into_iter().partition(|failure| failure.is_promise || play(failure.row, binaries, watch).is_err())
}

fn play(row: &'static Row, binaries: &Path, watch: &Watch) -> Result<(), Failure> {
    let (begin, at) = (Instant::now(), SystemTime::now());
    let (result, notes) = match Stage::set(binaries, row.hosts, row.has_witness) {
        Ok(mut stage) => {
            let played = catch_unwind(AssertUnwindSafe(|| (row.run)(&mut stage)));
            let played = played.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", words(panic.as_ref()))));
            stage.strike(played)
        }
        Err(error) => (Err(Fault::Missed(error)), String::new()),
    };
    let seconds = begin.elapsed().as_secs_f64();
    let result = result.map_err(|fault| {
        let (Fault::Verdict(error) | Fault::Missed(error)) = &fault;
        let why = format!("{error:#}").replace('\n', "\n    ");
        Failure { row, why, is_promise: matches!(fault, Fault::Verdict(_)) }
    });
    let mut end = match &result {
        Ok(()) => format!("ok ({seconds:.1} s)"),
        Err(failure) => format!("FAILED ({seconds:.1} s)\n    {}", failure.why),
    };
    for standstill in watch.since(at) {
        end += &format!("\n    meanwhile the machine stood still: {standstill}");
    }
    // In one piece: others may be played beside it.
    print!("row {} … {end}\n{notes}", row.name);
    // Nothing depends on when it is seen.
    let _ = std::io::stdout().flush();
    result
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
