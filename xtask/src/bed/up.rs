//! `cargo xtask bed up`: prepares the machine, builds the daemon, brings up the hosts.

use std::io::{Write as _, stdout};

use anyhow::Result;
use quorate_bed::setup::{Packages, ensure};
use quorate_bed::{Bed, Options};

use crate::binaries::{self, Profile};

/// Bring up hosts and leave them running
///
/// Example: cargo xtask bed up --hosts 3
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many hosts, named n1, n2, ...
    #[arg(long, default_value_t = 3)]
    hosts: u32,
    /// How the daemon is built
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    profile: Profile,
    /// Bring up the hosts without Quorate
    #[arg(long)]
    no_daemon: bool,
    /// Let apt replace packages of this machine by older versions where that is the only way
    #[arg(long)]
    allow_downgrades: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure(Packages { allow_downgrades: arguments.allow_downgrades })?;
    let mut options = Options { hosts: arguments.hosts, ..Options::left_running() };
    if !arguments.no_daemon {
        options = options.with_quorate(&binaries::build(arguments.profile)?);
    }
    let bed = Bed::up(options)?;
    writeln!(stdout(), "{} hosts are up: {}", bed.hosts().len(), bed.hosts().join(", "))?;
    writeln!(stdout(), "next: cargo xtask bed status, or cargo xtask bed --help")?;
    Ok(())
}
