//! The rows on the real bed: each brings up hosts of its own, forms a cluster, does something bad to it, and judges what
//! became of it by the truth: processes, disks, power.
//!
//! `cargo test -p quorate-e2e -- --list`, or with words that the names of rows contain.

// The harness speaks on standard output.
#![allow(clippy::print_stdout)]

mod daemon;
mod isolation;
mod power;
mod stage;
mod vm;
mod writes;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use clap::Parser;
use quorate_bed::{binaries, setup};

use stage::Stage;

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
    /// Rows run one at a time anyway
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    /// Nothing is captured anyway
    #[arg(long, hide = true)]
    nocapture: bool,
}

struct Row {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Stage) -> Result<()>,
}

const fn row(name: &'static str, what: &'static str, run: fn(&mut Stage) -> Result<()>) -> Row {
    Row { name, what, run }
}

const ROWS: &[Row] = &[
    row("power-cut-follower", "a follower loses power: its VMs run elsewhere within seconds", power::follower),
    row("power-cut-leader", "the leader loses power: its VMs run elsewhere within seconds", power::leader),
    row(
        "power-cut-with-bmc",
        "the BMC dies with its host: nothing starts until a person has answered",
        power::with_bmc,
    ),
    row("network-cut", "a host is cut off with its VMs: it is off before they start elsewhere", isolation::follower),
    row("daemon-back-at-once", "a daemon is killed and back after a second: nobody notices", daemon::after_a_second),
    row("daemon-back-in-time", "a daemon is back after 0.9 of its grace: nobody is fenced", daemon::within_grace),
    row("daemon-back-too-late", "a daemon stays away for 1.5 of its grace: its node is fenced, once", daemon::too_late),
    row("vm-killed", "a VM's QEMU is killed: it is restarted in place within about a second", vm::killed),
    row("stop-fails", "a VM cannot be stopped: its node is fenced", vm::stop_fails),
    row("all-daemons-killed", "all daemons are killed 50 times amid writes: none is lost", writes::survive),
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_wanted = |row: &&Row| {
        let fits = |name: &String| if arguments.exact { row.name == name } else { row.name.contains(name.as_str()) };
        arguments.names.is_empty() || arguments.names.iter().any(fits)
    };
    let rows: Vec<&Row> = ROWS.iter().filter(is_wanted).collect();
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
    let begin = Instant::now();
    let failed: Vec<&str> = rows.iter().filter(|row| !play(row, &binaries)).map(|row| row.name).collect();
    let seconds = begin.elapsed().as_secs_f64();
    if failed.is_empty() {
        println!("{} rows ok ({seconds:.1} s)", rows.len());
        return ExitCode::SUCCESS;
    }
    println!("{} of {} rows FAILED ({seconds:.1} s): {}", failed.len(), rows.len(), failed.join(", "));
    ExitCode::FAILURE
}

fn play(row: &Row, binaries: &Path) -> bool {
    print!("row {} … ", row.name);
    // A terminal shows the row that runs; nothing depends on it.
    let _ = std::io::stdout().flush();
    let begin = Instant::now();
    let (result, notes) = match Stage::set(binaries) {
        Ok(mut stage) => {
            let played = catch_unwind(AssertUnwindSafe(|| (row.run)(&mut stage)));
            let played = played.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", words(panic.as_ref()))));
            let notes = stage.notes();
            (stage.strike(played), notes)
        }
        Err(error) => (Err(error), String::new()),
    };
    let seconds = begin.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("ok ({seconds:.1} s)"),
        Err(error) => println!("FAILED ({seconds:.1} s)\n    {}", format!("{error:#}").replace('\n', "\n    ")),
    }
    print!("{notes}");
    result.is_ok()
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
