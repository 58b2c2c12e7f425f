//! Rules of every text file: no unfinished business, nothing of one person's machine; and the shape of scenario files.

use super::Problem;
use super::tree::{File, Tree};

/// What is left to do is an issue, not a comment; what is not written does not compile.
const UNFINISHED: &[&str] = &["FIXME", "XXX:", "todo!(", "unimplemented!(", "dbg!("];

/// Places that exist on one machine only.
const MACHINE: &[&str] = &["/home/", "/root/"];

/// The one place that packages come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What a person can review at a glance.
const SCENARIO_LINES: usize = 40;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| !file.holds_rules()) {
        problems.extend(found(file, UNFINISHED, "is unfinished business: finish it, or file an issue"));
        problems.extend(found(file, MACHINE, "exists on one machine only"));
        problems.extend(sources(file));
        problems.extend(scenario(file));
    }
    problems
}

fn found(file: &File, patterns: &[&str], why: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in file.lines() {
        for pattern in patterns.iter().filter(|pattern| begins(line, pattern)) {
            problems.push(Problem::new(&file.path, number, format!("{pattern} {why}")));
        }
    }
    problems
}

/// Whether the pattern is there, and not as the end of something longer.
fn begins(line: &str, pattern: &str) -> bool {
    let inside = |before: &str| before.ends_with(|last: char| last.is_alphanumeric() || "_-.}$".contains(last));
    line.match_indices(pattern).any(|(at, _)| !inside(&line[..at]))
}

/// Packages come from the public registry, whatever mirror a machine uses.
fn sources(file: &File) -> Vec<Problem> {
    let wrong = |line: &str| match file.path.as_str() {
        "Cargo.lock" => line.strip_prefix("source = ").is_some_and(|source| source.trim_matches('"') != REGISTRY),
        ".cargo/config.toml" => ["[source", "[registr"].iter().any(|table| line.starts_with(table)),
        _ => false,
    };
    let lines = file.lines().filter(|(_, line)| wrong(line));
    lines.map(|(number, _)| Problem::new(&file.path, number, "packages come from crates.io and nowhere else")).collect()
}

/// The first line of a scenario states the rule that it shows.
fn scenario(file: &File) -> Vec<Problem> {
    if !file.has_extension("scn") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let rule = file.text.lines().next().and_then(|line| line.strip_prefix("# "));
    if rule.is_none_or(|rule| rule.trim().is_empty()) {
        problems.push(Problem::new(&file.path, 1, "begin with `# ` and the rule that the scenario shows"));
    }
    let lines = file.text.lines().count();
    if lines > SCENARIO_LINES {
        let text = format!("{lines} lines, {SCENARIO_LINES} are the limit: a scenario shows one rule");
        problems.push(Problem::new(&file.path, 0, text));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_problem_and_nothing_else() {
        let long = format!("# A rule.\n{}", "plan\n".repeat(40));
        let table: &[(&str, &str, &[usize])] = &[
            ("a.rs", "fn a() {}\n// FIXME later\n", &[2]),
            ("a.rs", "fn a() { todo!() }\n", &[1]),
            ("a.sh", "cd /home/ann/quorate\nls $D/home/ ./home/ a/root/b\n", &[1]),
            ("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n", &[]),
            ("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n", &[1]),
            (".cargo/config.toml", "[alias]\n[source.crates-io]\n", &[2]),
            ("a.scn", "# A rule.\nplan\n", &[]),
            ("a.scn", "plan\n", &[1]),
            ("a.scn", &long, &[0]),
        ];
        for (path, text, lines) in table {
            let found: Vec<usize> = check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.line).collect();
            assert_eq!(found, *lines, "{path}: {text}");
        }
    }
}
