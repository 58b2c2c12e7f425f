//! `cargo xtask demo`: a cluster is formed, VMs run, a host loses power, and everybody can watch what becomes of them.

mod loopback;
mod play;
mod real;
mod screen;
mod stage;

use std::process::ExitCode;

use anyhow::Result;
use quorate_bed::setup::{self, Packages};

use screen::Screen;

/// Form a cluster, run VMs on it, cut a host's power and show what happens
///
/// Sets up everything itself. Ends with 1 when any promise was broken. Example: cargo xtask demo
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many hosts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=7))]
    hosts: u32,
    /// Leave the hosts running, to play with through `cargo xtask bed`
    #[arg(long, conflicts_with = "loopback")]
    keep: bool,
    /// Not on real hosts: three daemons on this machine's loopback, with fake VMs and fake fence devices
    #[arg(long)]
    loopback: bool,
    /// Let apt replace packages of this machine by older versions where that is the only way
    #[arg(long)]
    allow_downgrades: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut screen = Screen::of_process();
    let obstacle = if arguments.loopback { Some("--loopback was asked for".to_owned()) } else { prepare(arguments)? };
    let played = match &obstacle {
        None => real::run(&mut screen, arguments),
        Some(why) => loopback::run(&mut screen, arguments.hosts, why),
    };
    let is_fallback = obstacle.is_some() && !arguments.loopback;
    let is_good = match played {
        Ok(_) if is_fallback && setup::in_ci() => {
            eprintln!("error: CI=true, and the demo did not run on the real bed");
            false
        }
        Ok(is_kept) => is_kept,
        Err(error) => {
            eprintln!("error: {error:#}");
            false
        }
    };
    println!("BED={}", if obstacle.is_none() { "real" } else { "loopback" });
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prepares the machine; why it cannot carry real hosts, if it cannot.
fn prepare(arguments: &Arguments) -> Result<Option<String>> {
    // Who is not root can become it: that is an error with the command to run, not a lesser demo.
    setup::require_root()?;
    match setup::ensure(Packages { allow_downgrades: arguments.allow_downgrades }) {
        Ok(()) => Ok(setup::obstacle()),
        Err(error) => Ok(Some(format!("{error:#}"))),
    }
}
