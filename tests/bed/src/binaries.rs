//! The programs of this project, built for whoever runs them on a bed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::layout::repository;

/// The packages among which a program is chosen by its name: for another choice of packages cargo builds what they depend on
/// with other features, and anew. Without the simulation, which plants mistakes in what it depends on.
const PACKAGES: &[&str] = &["--workspace", "--exclude=quorate-sim"];

/// Builds `quorated`, `qrm`, `quorate-feeder` and the stand-in for systemd; returns the directory they are in, whatever target directory was chosen.
///
/// # Errors
/// When they do not build; the compiler's words went to standard error.
pub fn build(release: bool) -> Result<PathBuf> {
    let programs =
        ["--bin=quorated", "--bin=qrm", "--bin=quorate-helper", "--bin=quorate-feeder", "--bin=stand-in-systemd"];
    let daemon = built(release, &["build"], &[PACKAGES, &programs].concat(), "quorated")?;
    Ok(daemon.parent().context("quorated lies in no directory")?.to_owned())
}

/// Builds `qrm` alone; returns where it is.
///
/// # Errors
/// When it does not build; the compiler's words went to standard error.
pub fn build_qrm(release: bool) -> Result<PathBuf> {
    built(release, &["build"], &[PACKAGES, &["--bin=qrm"]].concat(), "qrm")
}

/// Builds what measures, optimised: its clients must not be what is slow. Returns where it is.
///
/// # Errors
/// When it does not build; the compiler's words went to standard error.
pub fn build_bench() -> Result<PathBuf> {
    built(true, &["build"], &[PACKAGES, &["--bin=quorate-bench"]].concat(), "quorate-bench")
}

/// Builds the program of one test target, whose name no other one has; returns where it is.
///
/// # Errors
/// When it does not build; the compiler's words went to standard error.
pub fn build_test(test: &str) -> Result<PathBuf> {
    built(false, &["test", "--no-run"], &[PACKAGES, &["--test", test]].concat(), test)
}

/// Cargo itself, from within what cargo runs: without what the outer cargo says of the package under test, which would make
/// build scripts run anew, and with them all that is built on them.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let inherited = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    });
    for name in inherited {
        command.env_remove(name);
    }
    command
}

/// Cargo puts a hash behind the name of a test.
fn built(release: bool, verb: &[&str], what: &[&str], program: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(verb).arg("--message-format=json-render-diagnostics").args(what);
    if release {
        build.arg("--release");
    }
    let output = build.current_dir(repository()).stderr(Stdio::inherit()).output().context("run cargo")?;
    if !output.status.success() {
        bail!("{program} does not build: the compiler's words are above");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut executables = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message.pointer("/target/name")?.as_str()? == program;
        is_it.then_some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    let found = executables.next();
    found.with_context(|| format!("cargo built no {program}"))
}
