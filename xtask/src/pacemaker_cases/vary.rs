//! Small changes of the cases, each with what an installed `crm_simulate` makes of it: whether the scheduler is right beyond
//! the cases it was made by. The changes are GPL as the cases are, and lie in the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Writes the changed cases; returns where they are.
pub(super) fn write(root: &Path, cases: &Path, number: u32, seed: u64) -> Result<PathBuf> {
    let into = crate::cargo::target_directory()?.join(format!("pacemaker-cases/{seed}-{number}"));
    let status = Command::new("python3")
        .arg(root.join("xtask/src/pacemaker_cases/vary.py"))
        .arg(cases)
        .arg(&into)
        .args([number.to_string(), seed.to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .context("python3 changes the cases")?;
    ensure!(status.success(), "no cases were made: see above");
    println!("they are in {}; --cases with that compares them again", into.display());
    Ok(into)
}
