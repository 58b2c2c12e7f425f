//! `cargo xtask pacemaker-cases`: the scheduler beside Pacemaker's own outcomes.
//!
//! Cases and comparator are inputs and facts under the GPL that lie beside the repository, never in it. Where they are not
//! nothing is compared: that is an exit code of its own, which `cargo xtask test` calls skipped, in CI too.

mod differing;
mod vary;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use quorate_bed::binaries;

/// What was reached, in percent by subset and tier; it must never fall.
const LEVELS: &str = include_str!("levels.json");
/// What differs, case by case, with the reason's key.
const DIFFERING: &str = "docs/differing-cases.md";
/// Where cases and comparator lie, beside the repository.
const BESIDE: &str = "../shared";
/// What this exits with when there is nothing to compare with.
pub(crate) const NOTHING: u8 = 3;

/// Compare the scheduler's answers with Pacemaker's own
///
/// Builds `qrm`, lets it plan every case, and prints a table by subset.
///
/// With --vary the cases are changed, one or two things each, and an installed crm_simulate says what is right.
///
/// Example: cargo xtask pacemaker-cases --list --subset clones, or --vary 1000 --seed 7
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Another directory with cases of the same form
    #[arg(long)]
    cases: Option<PathBuf>,
    /// Compare so many small changes of the cases instead; needs crm_simulate, of Debian's pacemaker-cli-utils
    #[arg(long, conflicts_with_all = ["hold", "update"])]
    vary: Option<u32>,
    /// What chooses the changes
    #[arg(long, default_value_t = 1, requires = "vary")]
    seed: u64,
    /// Name what differs
    #[arg(long)]
    list: bool,
    /// Only this subset
    #[arg(long)]
    subset: Option<String>,
    /// Fail if a level that was reached once is not reached any more, or docs/differing-cases.md is not what differs
    #[arg(long)]
    hold: bool,
    /// Write what differs into docs/differing-cases.md; reasons are kept
    #[arg(long, conflicts_with_all = ["cases", "subset", "hold"])]
    update: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let comparator = root.join(BESIDE).join("tools/compare_cases.py");
    let mut cases = arguments.cases.clone().unwrap_or_else(|| root.join(BESIDE).join("pacemaker-cases"));
    let missing = [comparator.clone(), cases.join("expected.json")].into_iter().find(|path| !path.exists());
    if let Some(missing) = missing {
        eprintln!("NOTHING WAS COMPARED with Pacemaker: {} is not there", missing.display());
        return Ok(ExitCode::from(NOTHING));
    }
    if let Some(number) = arguments.vary {
        cases = vary::write(root, &cases, number, arguments.seed)?;
    }
    let qrm = binaries::build_qrm(true)?;
    let mut compare = Command::new("python3");
    compare.arg(&comparator).arg("--cases").arg(&cases).arg("--tool").arg(qrm);
    if arguments.update {
        return update(&mut compare, root);
    }
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
    let all = arguments.cases.is_none() && arguments.subset.is_none();
    let differing = if all { Some(differing(&mut compare)?) } else { None };
    let said = answer(compare.arg("--json"))?;
    let reached: BTreeMap<String, f64> = serde_json::from_str(&said).context("the comparator's table")?;
    hold(&serde_json::from_str(LEVELS)?, &reached)?;
    println!("every level is held");
    if let Some(cases) = differing {
        let text = fs::read_to_string(root.join(DIFFERING)).context(DIFFERING)?;
        let wrong = differing::wrong(&cases, &text);
        ensure!(wrong.is_empty(), "{DIFFERING} is not what differs (--update writes it): {}", wrong.join("; "));
        println!("{DIFFERING} names what differs: {} cases", cases.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the comparator says.
fn answer(compare: &mut Command) -> Result<String> {
    let output = compare.output().context("python3 runs the comparator")?;
    ensure!(output.status.success(), "the comparator failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("the comparator's answer")
}

/// What differs today. The comparator lists in the run that has no table of levels.
fn differing(compare: &mut Command) -> Result<differing::Cases> {
    let mut listing = Command::new(compare.get_program());
    listing.args(compare.get_args()).arg("--list");
    Ok(differing::read_list(&answer(&mut listing)?))
}

/// Writes the list anew.
fn update(compare: &mut Command, root: &Path) -> Result<ExitCode> {
    let cases = differing(compare)?;
    let path = root.join(DIFFERING);
    let known = differing::read_document(&fs::read_to_string(&path).unwrap_or_default());
    fs::write(&path, differing::document(&cases, &known)).context(DIFFERING)?;
    println!("{DIFFERING}: {} cases", cases.len());
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
