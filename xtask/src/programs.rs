//! `cargo xtask sim`, `model`, `power-loss`, `bench`, `agents`: how the project's own testing programs are built and started, said once.

use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use quorate_bed::binaries;

use crate::cargo::{exit_of, pass_through, repository};

/// Built like what ships: it explores much in little time.
pub(crate) const SIM: &[&str] = &["run", "--release", "--package", "quorate-sim"];
/// The same with what only debug builds assert, and overflows found.
pub(crate) const SIM_CHECKED: &[&str] = &["run", "--profile=checked", "--package", "quorate-sim"];
/// Optimised in every profile, see the root's Cargo.toml.
pub(crate) const MODEL: &[&str] = &["run", "--package", "quorate-model"];
/// Every scope to the end, and every planted mistake.
pub(crate) const MODEL_TESTS: &[&str] = &["test", "--package", "quorate-model", "--no-fail-fast"];
/// The power-loss test of the real store.
pub(crate) const POWER_LOSS: &[&str] = &["run", "--package", "quorate-raft", "--bin", "quorate-power-loss"];
/// The same on a store that lacks its fdatasync.
pub(crate) const POWER_LOSS_PLANTED: &[&str] =
    &["run", "--package", "quorate-raft", "--bin", "quorate-power-loss", "--features", "planted-no-fdatasync"];

/// Looks at the agents that are installed here.
const AGENTS: &[&str] = &["run", "--package", "quorate-agents", "--bin", "quorate-agent-check"];

/// Measure what is promised in figures
///
/// Example: cargo xtask bench failover, and for the others: cargo xtask bench --help
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Bench {
    /// What quorate-bench is given, for example --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Look at every installed OCF and fence agent: its meta-data, and for those that run in a sandbox all their actions
///
/// As root those that touch the network and mounts are tried too, in namespaces of their own.
///
/// Example: cargo xtask agents, and for some of them: cargo xtask agents IPaddr2 fence_ipmilan
#[derive(clap::Args)]
pub(crate) struct Agents {
    /// Only agents with one of these in their name
    names: Vec<String>,
}

/// Run the simulation: the shipping controller, worker and liveness in a world of simulated faults
///
/// Example: cargo xtask sim --seeds 1000, and for one that failed: cargo xtask sim --seed 42; with debug assertions:
/// cargo xtask sim --debug --seeds 500
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Sim {
    /// Build with debug assertions and checked arithmetic; this comes first
    #[arg(long)]
    debug: bool,
    /// What quorate-sim is given, for example --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Explore the model of the safety protocol
///
/// Example: cargo xtask model check --without hello
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Model {
    /// What quorate-model is given, for example --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Cut the power under the real log store and look for what it had acknowledged
///
/// Example: cargo xtask power-loss --planted --rounds 5
#[derive(clap::Args)]
pub(crate) struct PowerLoss {
    /// Take the fdatasync out of the store: then it must lose something, and exit with 1
    #[arg(long)]
    planted: bool,
    /// How many rounds
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn agents(arguments: &Agents) -> Result<ExitCode> {
    pass_through(AGENTS, &arguments.names)
}

pub(crate) fn sim(arguments: &Sim) -> Result<ExitCode> {
    pass_through(if arguments.debug { SIM_CHECKED } else { SIM }, &arguments.arguments)
}

pub(crate) fn bench(arguments: &Bench) -> Result<ExitCode> {
    let mut command = Command::new(binaries::build_bench()?);
    command.args(&arguments.arguments).current_dir(repository()?).stdin(Stdio::null());
    exit_of(command, "run quorate-bench")
}

pub(crate) fn model(arguments: &Model) -> Result<ExitCode> {
    pass_through(MODEL, &arguments.arguments)
}

pub(crate) fn power_loss(arguments: &PowerLoss) -> Result<ExitCode> {
    let cargo = if arguments.planted { POWER_LOSS_PLANTED } else { POWER_LOSS };
    let (rounds, seed) = (arguments.rounds.to_string(), arguments.seed.to_string());
    pass_through(cargo, &["--rounds".to_owned(), rounds, "--seed".to_owned(), seed])
}
