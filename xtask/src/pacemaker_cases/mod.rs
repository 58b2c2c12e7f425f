//! `cargo xtask pacemaker-cases`: the scheduler beside Pacemaker's own outcomes.
//!
//! Cases and comparator are inputs and facts under the GPL that lie beside the repository, never in it. Where they are not
//! there is nothing to compare, and this says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// What was reached, in percent by subset and tier; it must never fall.
const LEVELS: &str = include_str!("pacemaker_levels.json");
/// Where cases and comparator lie, beside the repository.
const BESIDE: &str = "../shared";

/// Compare the scheduler's answers with Pacemaker's own
///
/// Builds `qrm`, lets it plan every case, and prints a table by subset.
///
/// Example: cargo xtask pacemaker-cases --list --subset clones
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Another directory with cases of the same form
    #[arg(long)]
    cases: Option<PathBuf>,
    /// Name what differs
    #[arg(long)]
    list: bool,
    /// Only this subset
    #[arg(long)]
    subset: Option<String>,
    /// Fail if a level that was reached once is not reached any more
    #[arg(long)]
    hold: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let comparator = root.join(BESIDE).join("tools/compare_cases.py");
    let cases = arguments.cases.clone().unwrap_or_else(|| root.join(BESIDE).join("pacemaker-cases"));
    if !comparator.exists() || !cases.join("expected.json").exists() {
        println!("no cases to compare with: they are looked for in {} and {}", cases.display(), comparator.display());
        return Ok(ExitCode::SUCCESS);
    }
    let built = cargo::command(&["build", "--release", "--package=quorate-cli"])?.status()?;
    ensure!(built.success(), "qrm does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut compare = Command::new("python3");
    compare.arg(&comparator).arg("--cases").arg(&cases).arg("--tool").arg(target.join("release/qrm"));
    if arguments.list {
        compare.arg("--list");
    }
    if let Some(subset) = &arguments.subset {
        compare.args(["--subset", subset]);
    }
    if !arguments.hold {
        let status = compare.status().context("python3 runs the comparator")?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let output = compare.arg("--json").output().context("python3 runs the comparator")?;
    ensure!(output.status.success(), "the comparator failed: {}", String::from_utf8_lossy(&output.stderr));
    let reached: BTreeMap<String, f64> = serde_json::from_slice(&output.stdout).context("the comparator's table")?;
    hold(&serde_json::from_str(LEVELS)?, &reached)?;
    println!("every level is held");
    Ok(ExitCode::SUCCESS)
}

/// Fails where less is reached than before.
fn hold(levels: &BTreeMap<String, f64>, reached: &BTreeMap<String, f64>) -> Result<()> {
    let mut fallen = Vec::new();
    for (name, level) in levels {
        let now = reached.get(name).copied().unwrap_or_default();
        println!("{name:<42} {now:>6.1} % of {level:>6.1} %");
        if now + 0.05 < *level {
            fallen.push(format!("{name} fell from {level} % to {now} %"));
        }
    }
    ensure!(fallen.is_empty(), "{}", fallen.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_is_named() {
        let table = |level: f64| BTreeMap::from([("core.tier12".to_owned(), level)]);
        assert!(hold(&table(98.0), &table(98.0)).is_ok());
        assert!(hold(&table(98.0), &table(99.0)).is_ok());
        assert!(hold(&table(98.0), &table(97.0)).is_err_and(|error| error.to_string().contains("core.tier12")));
        assert!(hold(&table(98.0), &BTreeMap::new()).is_err(), "a subset that is not there any more has fallen");
    }
}
