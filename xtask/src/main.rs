//! `cargo xtask`: what a developer runs. One command per file; it builds without libvirt, so that it can install it.

// A command line tool speaks on standard output.
#![allow(clippy::print_stdout)]

mod bed;
mod binaries;
mod cargo;
mod demo;
mod fuzz;
mod mutations;
mod pacemaker_cases;
mod placement_grid;
mod programs;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, tests and shows Quorate on this machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Setup(setup::Arguments),
    Demo(demo::Arguments),
    Test(test::Arguments),
    Tidy(tidy::Arguments),
    Sim(programs::Sim),
    Model(programs::Model),
    PowerLoss(programs::PowerLoss),
    Bed(bed::Arguments),
    Bench(programs::Bench),
    PacemakerCases(pacemaker_cases::Arguments),
    Mutations(mutations::Arguments),
    PlacementGrid(placement_grid::Arguments),
    Fuzz(fuzz::Arguments),
    Agents(programs::Agents),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy(arguments) => tidy::run(&arguments),
        Command::Sim(arguments) => programs::sim(&arguments),
        Command::Model(arguments) => programs::model(&arguments),
        Command::PowerLoss(arguments) => programs::power_loss(&arguments),
        Command::Bed(arguments) => bed::run(&arguments),
        Command::Bench(arguments) => programs::bench(&arguments),
        Command::PacemakerCases(arguments) => pacemaker_cases::run(&arguments),
        Command::Mutations(arguments) => mutations::run(&arguments),
        Command::PlacementGrid(arguments) => placement_grid::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Agents(arguments) => programs::agents(&arguments),
    };
    match result {
        Ok(code) => code,
        // Who reads has seen enough: `| head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kinds.into_iter().any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}
