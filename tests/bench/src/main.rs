//! `quorate-bench`: measures what is promised in figures, on this machine, with shipped defaults and release programs.
//!
//! Each measurement prints a table, or with `--json` one flat object of named numbers. Progress goes to standard error.

// Tables and figures are what it is for.
#![allow(clippy::print_stdout)]

mod failover;
mod figures;
mod fleet;
mod idle;
mod load;
mod members;
mod scheduler;
mod stage;
mod store;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use figures::Report;

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", about = "Measures what is promised in figures")]
struct Arguments {
    /// Print one flat object of named numbers instead of the table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Failover(failover::Arguments),
    Idle(idle::Arguments),
    Load(load::Arguments),
    Store(store::Arguments),
    Members(members::Arguments),
    Scheduler(scheduler::Arguments),
}

fn run(arguments: &Arguments) -> Result<Report> {
    match &arguments.command {
        Command::Failover(arguments) => failover::run(arguments),
        Command::Idle(arguments) => idle::run(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Store(arguments) => store::run(arguments),
        Command::Members(arguments) => members::run(arguments),
        Command::Scheduler(arguments) => scheduler::run(arguments),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(report) => {
            if arguments.json {
                println!("{}", report.figures.json());
            } else {
                println!("{report}");
            }
            if report.missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
