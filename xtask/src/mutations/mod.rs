//! `cargo xtask mutations`: each scenario that is named turns red when its rule is turned wrong.
//!
//! It works on a copy of `core` below `target`, so that nobody builds a wrong rule by mistake. All mistakes are built at once,
//! each behind its number in the environment, and one runs at a time. It judges by the scenario that is named: another one
//! that fails as well proves nothing for it.

mod list;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::list::{MUTATIONS, Mutation};
use crate::cargo;

/// A build and its scenarios end within this many seconds, or count as hanging.
const LONGEST: &str = "900";

/// Turn rules of the scheduler wrong, one after the other, and see that their scenarios notice
///
/// Prints a table and fails if a mistake goes unnoticed.
///
/// Example: cargo xtask mutations, or some of them: cargo xtask mutations quorum ticket
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only those whose name contains one of these words
    words: Vec<String>,
    /// Name them and build nothing
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let is_meant = |mutation: &&Mutation| {
        arguments.words.is_empty() || arguments.words.iter().any(|word| mutation.name.contains(word.as_str()))
    };
    let chosen: Vec<&Mutation> = MUTATIONS.iter().filter(is_meant).collect();
    ensure!(!chosen.is_empty(), "no mutation is called so: --list names them");
    let root = cargo::repository()?;
    for mutation in &chosen {
        found_once(&root.join("core"), mutation)?;
    }
    if arguments.list {
        chosen.iter().for_each(|one| println!("{:<52} {:<28} {}", one.name, one.file, one.scenario));
        return Ok(ExitCode::SUCCESS);
    }
    let copy = root.join("target/mutations");
    copy_core(&root, &copy.join("tree"))?;
    build_in(&copy.join("tree/core"))?;
    let healthy = scenarios(&copy, None)?;
    ensure!(healthy.status.success(), "the scenarios fail without any mutation:\n{}", said(&healthy));
    println!("{:<52} {:<34} {:>6}", "wrong", "scenario", "s");
    let mut missed = Vec::new();
    for mutation in chosen {
        let begin = Instant::now();
        let noticed = is_noticed(&copy, mutation)?;
        let word = if noticed { "noticed" } else { "MISSED" };
        println!("{:<52} {:<34} {:>6.0}  {word}", mutation.name, mutation.scenario, begin.elapsed().as_secs_f32());
        missed.extend((!noticed).then_some(mutation.name));
    }
    ensure!(missed.is_empty(), "not noticed: {}", missed.join("; "));
    println!("every mistake is noticed by its scenario");
    Ok(ExitCode::SUCCESS)
}

/// The file's text, in which what is mutated stands once.
fn found_once(core: &Path, mutation: &Mutation) -> Result<String> {
    let path = core.join("src").join(mutation.file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let count = text.matches(&right(mutation)).count();
    ensure!(count == 1, "{:?}: its text stands in {} {count} times", mutation.name, mutation.file);
    let scenario = core.join("tests/scenarios").join(format!("{}.scn", mutation.scenario));
    ensure!(scenario.exists(), "{:?}: there is no scenario {}", mutation.name, mutation.scenario);
    Ok(text)
}

fn right(mutation: &Mutation) -> String {
    format!("{}{}{}", mutation.before, mutation.right, mutation.after)
}

/// Every mutation in the copy, behind its place in the list.
fn build_in(core: &Path) -> Result<()> {
    for (place, mutation) in MUTATIONS.iter().enumerate() {
        let text = found_once(core, mutation)?;
        let Mutation { before, right: rule, wrong, after, .. } = mutation;
        let either = format!("{before}(if crate::mutated({place}) {{ {wrong} }} else {{ {rule} }}){after}");
        fs::write(core.join("src").join(mutation.file), text.replace(&right(mutation), &either))?;
    }
    let library = core.join("src/lib.rs");
    let text = fs::read_to_string(&library).context("core/src/lib.rs")?;
    fs::write(library, format!("{text}{SWITCH}")).context("core/src/lib.rs")
}

/// Which mutation this process has, asked once.
const SWITCH: &str = r#"
pub(crate) fn mutated(place: usize) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("MUTATION").ok()?.parse().ok()) == Some(place)
}
"#;

fn is_noticed(copy: &Path, mutation: &Mutation) -> Result<bool> {
    let place = MUTATIONS.iter().position(|one| one.name == mutation.name);
    let ran = scenarios(copy, place)?;
    let said = said(&ran);
    if !said.contains("test result: ") {
        bail!("{:?} ends without a result:\n{said}", mutation.name);
    }
    Ok(!ran.status.success() && said.contains(&format!("== {}.scn (", mutation.scenario)))
}

/// Builds the copy, where that is due, and runs its scenarios.
fn scenarios(copy: &Path, mutation: Option<usize>) -> Result<Output> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LONGEST]).arg(quorate_bed::binaries::cargo().get_program());
    command.args(["test", "--package=quorate-core", "--test=scenarios", "every_scenario_ends_as_it_says"]);
    command.current_dir(copy.join("tree")).env("CARGO_TARGET_DIR", copy.join("built"));
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("RUST_BACKTRACE", "0").env_remove("UPDATE").env_remove("MUTATION");
    if let Some(place) = mutation {
        command.env("MUTATION", place.to_string());
    }
    command.output().context("run cargo")
}

fn said(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// A workspace of `core` alone.
fn copy_core(root: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| tree.display().to_string())?;
    }
    copy_all(&root.join("core"), &tree.join("core"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let alone = manifest.lines().map(|line| match line.split_once(" = ") {
        Some((name @ ("members" | "default-members"), _)) => format!("{name} = [\"core\"]\n"),
        _ => format!("{line}\n"),
    });
    fs::write(tree.join("Cargo.toml"), alone.collect::<String>())?;
    for file in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root.join(file), tree.join(file)).context(file)?;
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_all(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mutation_finds_its_text_once_and_its_scenario() {
        let core = cargo::repository().expect("it is here").join("core");
        assert!(MUTATIONS.len() >= 20, "twenty are promised");
        let wrong: Vec<String> =
            MUTATIONS.iter().filter_map(|one| found_once(&core, one).err()).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let names: BTreeSet<&str> = MUTATIONS.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), MUTATIONS.len(), "two have one name");
    }
}
