//! Rules of Rust files: length, the module document, who may name a dependency that stands behind one file, what may not be
//! allowed away.

use super::Problem;
use super::tree::{File, Tree};

/// What a file should be at most.
const LONG: usize = 300;
/// What a file may be at most.
const TOO_LONG: usize = 500;

/// A dependency, and the one file that names it, so that it can be replaced.
const BEHIND_ONE_FILE: &[(&str, &str)] = &[("bincode::", "raft/src/codec.rs"), ("sled::", "raft/src/log_store.rs")];

/// Where product code may start programs: contained, with a deadline; a person's editor, which has the terminal; and
/// the power-loss test, which starts itself.
const MAY_START_PROGRAMS: &[&str] =
    &["agents/src/process/", "cli/src/commands/configure/edit.rs", "raft/src/bin/quorate-power-loss/"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.with_extension("rs") {
        problems.extend(length(file));
        problems.extend(document(file));
        problems.extend(dependencies(file));
        if is_product(file) {
            problems.extend(programs(file));
            problems.extend(allowed_away(file));
        }
        problems.extend(ignored_tests(file));
    }
    problems
}

/// Notes on files that are longer than they should be, and may be.
pub(super) fn long_files(tree: &Tree) -> Vec<String> {
    let lines = |file: &File| file.text.lines().count();
    let long = tree.with_extension("rs").filter(|file| (LONG + 1..=TOO_LONG).contains(&lines(file)));
    long.map(|file| format!("{}: {} lines, should be {LONG} at most", file.path, lines(file))).collect()
}

/// Whether it is part of what ships.
fn is_product(file: &File) -> bool {
    !file.is_test() && !file.path.starts_with("xtask/")
}

fn length(file: &File) -> Option<Problem> {
    let lines = file.text.lines().count();
    (lines > TOO_LONG)
        .then(|| Problem::new(&file.path, 0, format!("{lines} lines, {TOO_LONG} are the limit: divide it by purpose")))
}

/// What it answers and what it must not do stands at the top of every file.
fn document(file: &File) -> Option<Problem> {
    let first = file.text.lines().find(|line| !line.is_empty() && !line.starts_with("#!["));
    let there = first.is_some_and(|line| line.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty()));
    (!there)
        .then(|| Problem::new(&file.path, 1, "no module document: begin with `//!` and say what the module answers"))
}

fn dependencies(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, owner) in BEHIND_ONE_FILE.iter().filter(|(_, owner)| file.path != *owner && !file.holds_rules()) {
        for (number, _) in code(file.lines()).filter(|(_, line)| names(line, name)) {
            let name = name.trim_end_matches(':');
            problems.push(Problem::new(&file.path, number, format!("names {name}: only {owner} may")));
        }
    }
    problems
}

/// Whether a path begins in this line, not only ends like it.
fn names(line: &str, path: &str) -> bool {
    let inside = |before: &str| before.ends_with(|last: char| last.is_alphanumeric() || last == '_');
    line.match_indices(path).any(|(at, _)| !inside(&line[..at]))
}

fn code<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> impl Iterator<Item = (usize, &'a str)> {
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn programs(file: &File) -> Vec<Problem> {
    if MAY_START_PROGRAMS.iter().any(|prefix| file.path.starts_with(prefix)) {
        return Vec::new();
    }
    let starts = code(file.product_lines()).filter(|(_, line)| line.contains("process::Command"));
    let why = "starts a program: only agents/src/process may, which contains it and gives it a deadline";
    starts.map(|(number, _)| Problem::new(&file.path, number, why)).collect()
}

/// Clippy looks for `unwrap`; this looks for who told it not to.
fn allowed_away(file: &File) -> Vec<Problem> {
    let unwrap =
        |line: &str| line.contains("clippy::unwrap_used") && (line.contains("allow(") || line.contains("expect("));
    let lines = file.product_lines().filter(|(_, line)| unwrap(line));
    let why = "no `unwrap` in what ships: write `expect` and say why it holds";
    lines.map(|(number, _)| Problem::new(&file.path, number, why)).collect()
}

fn ignored_tests(file: &File) -> Vec<Problem> {
    let lines = file.lines().filter(|(_, line)| line.trim_start().starts_with("#[ignore"));
    lines
        .map(|(number, _)| Problem::new(&file.path, number, "an ignored test tests nothing: mend or remove it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn each_rule_finds_its_problem_and_nothing_else() {
        let long = format!("//! Long.\n{}", "\n".repeat(500));
        let table: &[(&str, &str, &[usize])] = &[
            ("node/src/a.rs", "//! Good.\nfn a() {}\n", &[]),
            ("node/src/a.rs", "#![allow(unsafe_code)]\n//! Good.\n", &[]),
            ("node/src/a.rs", "fn a() {}\n", &[1]),
            ("node/src/a.rs", "//!\nfn a() {}\n", &[1]),
            ("node/src/a.rs", &long, &[0]),
            ("raft/src/state.rs", "//! A.\nuse sled::Db;\n// sled::Db\nunsled::Db\n", &[2]),
            ("raft/src/log_store.rs", "//! A.\nuse sled::Db;\n", &[]),
            ("raft/src/log_store.rs", "//! A.\nbincode::serde::x()\n", &[2]),
            ("node/src/a.rs", "//! A.\nuse std::process::Command;\n", &[2]),
            ("agents/src/process/mod.rs", "//! A.\nuse tokio::process::Command;\n", &[]),
            ("node/src/a.rs", "//! A.\n#[cfg(test)]\nmod tests {\nuse std::process::Command;\n", &[]),
            ("node/src/a_tests.rs", "//! A.\nuse std::process::Command;\n", &[]),
            ("node/src/a.rs", "//! A.\n#[allow(clippy::unwrap_used)]\n", &[2]),
            ("tests/bed/src/a.rs", "//! A.\n#[ignore = \"slow\"]\n", &[2]),
        ];
        for (path, text, lines) in table {
            assert_eq!(problems(path, text), *lines, "{path}: {text}");
        }
    }

    #[test]
    fn long_files_are_noted_before_they_are_too_long() {
        let of = |lines: usize| long_files(&Tree::of(&[("a.rs", &"\n".repeat(lines))])).len();
        assert_eq!([of(300), of(301), of(500), of(501)], [0, 1, 1, 0]);
    }
}
