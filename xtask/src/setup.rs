//! `cargo xtask setup`: prepares this machine, once.

use std::process::ExitCode;

use anyhow::Result;
use quorate_bed::setup::{Packages, ensure, machine_files};

/// Install the packages the test bed needs, and build what its guests and machines boot
///
/// Does nothing if all is there. When not root, prints the one command to run.
///
/// Example: cargo xtask setup
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Let apt replace packages of this machine by older versions where that is the only way
    #[arg(long)]
    allow_downgrades: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure(Packages { allow_downgrades: arguments.allow_downgrades })?;
    machine_files()?;
    println!("this machine can carry the test bed");
    Ok(ExitCode::SUCCESS)
}
