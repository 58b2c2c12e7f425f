//! `cargo xtask bed up`: prepares the machine, builds the daemon, brings up the hosts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use quorate_bed::setup::{Packages, ensure};
use quorate_bed::{Bed, DaemonCommand, Options};

const SOCKET: &str = "/run/quorate/quorated.sock";

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

/// How the daemon is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Quickly, with assertions
    Dev,
    /// Optimised
    Release,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure(Packages {
        allow_downgrades: arguments.allow_downgrades,
    })?;
    let mut options = Options {
        hosts: arguments.hosts,
        ..Options::left_running()
    };
    if !arguments.no_daemon {
        let (daemon, qrm) = build_daemon(arguments.profile)?;
        (options.daemon, options.qrm) = (Some(daemon), qrm);
    }
    let bed = Bed::up(options)?;
    println!(
        "{} hosts are up: {}",
        bed.hosts().len(),
        bed.hosts().join(", ")
    );
    println!("next: cargo xtask bed status, or cargo xtask bed --help");
    Ok(())
}

/// Builds `quorated` and `qrm` and says how the bed starts them.
pub(crate) fn build_daemon(profile: Profile) -> Result<(DaemonCommand, Vec<String>)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--package",
        "quorate-node",
        "--package",
        "quorate-cli",
        "--bins",
    ]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    build.current_dir(repository()?);
    let status = build.status().context("run cargo")?;
    if !status.success() {
        bail!("quorated and qrm do not build: the compiler's words are above");
    }
    let binaries = binaries(profile)?;
    let path = |name: &str| binaries.join(name).to_string_lossy().into_owned();
    let flags = [
        ("--name", "{name}"),
        ("--listen", "{addr}:7411"),
        ("--data-dir", "/var/lib/quorate"),
        ("--socket", SOCKET),
        ("--hardware-id-file", "{hardware_id_file}"),
        ("--cgroup", "{cgroup}"),
    ];
    let mut argv = vec![path("quorated")];
    argv.extend(
        flags
            .iter()
            .flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]),
    );
    let qrm = vec![path("qrm"), "--socket".to_owned(), SOCKET.to_owned()];
    Ok((
        DaemonCommand {
            argv,
            env: Vec::new(),
            autostart: true,
        },
        qrm,
    ))
}

fn repository() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize()
        .with_context(|| format!("the repository is not at {} any more", path.display()))
}

/// Where cargo puts what it builds: beside this program, whatever target directory was chosen.
fn binaries(profile: Profile) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .context("this program lies in no target directory")?;
    Ok(target.join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}
