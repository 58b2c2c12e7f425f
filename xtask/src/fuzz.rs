//! `cargo xtask fuzz`: bytes that nobody would send, for every door of `tests/fuzz`, two doors at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// Ours are optimised, and kept apart from the rest by their compiler; what they depend on is that of every other build.
const BUILD: &[&str] =
    &["build", "--config", "profile.dev.opt-level=2", "--package", "quorate-fuzz", "--features", "engine"];
/// Doors that are tried at once.
const AT_ONCE: usize = 2;
/// One answer may take so long; an engine that does not end by itself gets as much.
const PATIENCE: u64 = 20;

/// Give bytes that nobody would send to every door through which bytes come in
///
/// What breaks one is kept under target/fuzz; moved to tests/fuzz/found/TARGET it is tried by every `cargo test`.
///
/// Example: cargo xtask fuzz --seconds 600 grammar
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these; --list names them
    targets: Vec<String>,
    /// For each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Show the targets and run none
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let repository = cargo::repository()?;
    let known = known(&repository)?;
    if arguments.list {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown:?}: there are {}", known.join(", "));
    }
    let mut waiting: Vec<&String> =
        known.iter().filter(|name| arguments.targets.is_empty() || arguments.targets.contains(name)).collect();
    waiting.reverse();
    let program = build(&repository)?;
    let (mut running, mut broken) = (Vec::new(), Vec::new());
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE
            && let Some(name) = waiting.pop()
        {
            running.push(Run::start(&program, name, arguments.seconds)?);
        }
        std::thread::sleep(Duration::from_millis(100));
        for mut run in std::mem::take(&mut running) {
            match run.ended()? {
                None => running.push(run),
                Some(true) => println!("fuzz {} ok: {}", run.name, run.summary()),
                Some(false) => {
                    println!("fuzz {} BROKEN: {}\n{}", run.name, run.directory.display(), run.tail());
                    broken.push(run.name.clone());
                }
            }
        }
    }
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("broken: {}", broken.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The names in the table of `tests/fuzz/src/lib.rs`: xtask does not depend on what it tests.
fn known(repository: &Path) -> Result<Vec<String>> {
    let path = repository.join("tests/fuzz/src/lib.rs");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let named = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("name: \"").or_else(|| line.split("Target { name: \"").nth(1)));
    let names: Vec<String> = named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
    ensure!(!names.is_empty(), "no targets in {}", path.display());
    Ok(names)
}

fn build(repository: &Path) -> Result<PathBuf> {
    let status = cargo::command(BUILD)?
        .env("RUSTC_WORKSPACE_WRAPPER", repository.join("tests/fuzz/rustc.sh"))
        .status()
        .context("run cargo build")?;
    ensure!(status.success(), "the fuzzing engine does not build ({status}); it needs a C++ compiler: apt install g++");
    Ok(cargo::target_directory()?.join("debug/quorate-fuzz"))
}

struct Run {
    name: String,
    directory: PathBuf,
    child: Child,
    end: Instant,
}

impl Run {
    fn start(program: &Path, name: &str, seconds: u64) -> Result<Self> {
        let directory = cargo::repository()?.join("target/fuzz").join(name);
        let corpus = directory.join("corpus");
        fs::create_dir_all(&corpus).with_context(|| format!("make {}", corpus.display()))?;
        let log = fs::File::create(directory.join("log")).context("make the log of a run")?;
        let mut command = Command::new(program);
        command.arg(&corpus).args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={PATIENCE}"),
            format!("-artifact_prefix={}/", directory.display()),
            "-rss_limit_mb=1024".to_owned(),
            "-max_len=16384".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        command.env("QUORATE_FUZZ_TARGET", name).env("QUORATE_FUZZ_SEEDS", &corpus).env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let end = Instant::now() + Duration::from_secs(seconds + 3 * PATIENCE);
        Ok(Self { name: name.to_owned(), directory, child, end })
    }

    /// Whether it ended well, once it ended.
    fn ended(&mut self) -> Result<Option<bool>> {
        if let Some(status) = self.child.try_wait().context("wait for an engine")? {
            return Ok(Some(status.success() && self.executions() > 0));
        }
        if Instant::now() < self.end {
            return Ok(None);
        }
        self.child.kill().context("end an engine")?;
        self.child.wait().context("wait for an engine")?;
        Ok(Some(false))
    }

    fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// An engine that tried nothing has shown nothing.
    fn executions(&self) -> u64 {
        let log = self.log();
        let count = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    fn summary(&self) -> String {
        let log = self.log();
        let seen = log.lines().rev().find_map(|line| line.split_once("cov: ")).map(|(_, rest)| rest);
        let seen = seen.and_then(|rest| rest.split_whitespace().next()).unwrap_or("no");
        format!("{} inputs, {seen} places in the code", self.executions())
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}
