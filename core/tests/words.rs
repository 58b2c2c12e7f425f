//! Every word that Pacemaker's users bring along has a scenario, and every scenario has its place in `words.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn below_tests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn scenarios() -> BTreeMap<String, String> {
    let entries = fs::read_dir(below_tests("scenarios")).expect("the folder of scenarios is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|extension| extension == "scn"));
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("it has one").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("it can be read"))
    };
    scenarios.map(read).collect()
}

/// All that is wrong between a table and the scenarios there are.
fn wrong(table: &str, scenarios: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut placed = BTreeSet::new();
    let mut words = BTreeSet::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((word, rest)) = line.split_once(':') else {
            wrong.push(format!("no WORD: in {line:?}"));
            continue;
        };
        if !words.insert(word) {
            wrong.push(format!("{word} stands there twice"));
        }
        let (names, sentence) = rest.split_once(" — ").map_or((rest, None), |(names, told)| (names, Some(told)));
        let mut shown = Vec::new();
        for name in names.split_whitespace() {
            let fits = |known: &&String| match name.strip_suffix('*') {
                Some(begin) => known.starts_with(begin),
                None => *known == name,
            };
            let found: Vec<&String> = scenarios.keys().filter(fits).collect();
            // A family may be empty so far; a name may not.
            if found.is_empty() && !name.ends_with('*') {
                wrong.push(format!("{word}: there is no scenario {name}"));
            }
            shown.extend(found);
        }
        if shown.is_empty() {
            wrong.push(format!("{word} has no scenario"));
        }
        let told = sentence.map(|told| told.trim_matches('"'));
        if let Some(told) = told.filter(|told| !shown.iter().any(|name| scenarios[*name].contains(told))) {
            wrong.push(format!("{word}: no scenario tells {told:?}"));
        }
        placed.extend(shown);
    }
    let lost = scenarios.keys().filter(|name| !placed.contains(name));
    wrong.extend(lost.map(|name| format!("{name}.scn is of no word: add it to core/tests/words.txt")));
    wrong
}

#[test]
fn every_word_has_a_scenario_and_every_scenario_a_word() {
    let table = fs::read_to_string(below_tests("words.txt")).expect("the table is there");
    assert!(table.lines().filter(|line| line.contains(": ")).count() >= 60, "words are gone from the table");
    let wrong = wrong(&table, &scenarios());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_word_without_a_scenario_and_a_scenario_without_a_word_are_named() {
    let scenarios = BTreeMap::from([("a-b".to_owned(), "it is so".to_owned()), ("c".to_owned(), String::new())]);
    let check = |table: &str, wanted: &[&str]| {
        let wrong = wrong(table, &scenarios);
        assert_eq!(wrong.len(), wanted.len(), "{wrong:?}");
        wrong.iter().zip(wanted).for_each(|(line, part)| assert!(line.contains(part), "{line:?}"));
    };
    check("x: a-* — \"it is so\"\ny: c", &[]);
    check("x: a-* c — \"never said\"", &["no scenario tells"]);
    check("x:\ny: a-b c", &["x has no scenario"]);
    check("x: a-b gone c", &["no scenario gone"]);
    check("x: none-* a-* c", &[]);
    check("x: none-*\ny: a-b c", &["x has no scenario"]);
    check("x: a-b", &["c.scn is of no word"]);
}

/// What a table of `| situation | words | where |` names and is not there.
fn lost(table: &str, scenarios: &BTreeMap<String, String>, rows: &str) -> Vec<String> {
    let mut lost = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [situation, _, place] = cells[..] else {
            lost.push(format!("no three cells in {line:?}"));
            continue;
        };
        if place.strip_prefix("not: ").is_some_and(|why| !why.is_empty()) {
            continue;
        }
        for part in place.split("; ") {
            let (kind, names) = part.split_once(": ").unwrap_or_default();
            let is_there = |name: &&str| match kind {
                "scn" => scenarios.contains_key(*name),
                "row" => rows.contains(&format!("\"{name}\"")),
                _ => false,
            };
            let gone = names.split_whitespace().filter(|name| !is_there(name));
            lost.extend(gone.map(|name| format!("{situation}: there is no {kind} {name}")));
            if names.trim().is_empty() {
                lost.push(format!("{situation} is shown nowhere"));
            }
        }
    }
    lost
}

fn of_the_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

#[test]
fn every_situation_is_shown_where_its_table_says() {
    let read = |name: &str| fs::read_to_string(of_the_repository(name)).expect(name);
    let (table, rows) = (read("docs/situations.md"), read("tests/e2e/tests/rows/list.rs"));
    assert!(table.lines().filter(|line| line.starts_with("| ")).count() > 140, "situations are gone from the table");
    let lost = lost(&table, &scenarios(), &rows);
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn a_situation_that_is_shown_nowhere_is_named() {
    let scenarios = BTreeMap::from([("a".to_owned(), String::new())]);
    let check = |place: &str, wanted: usize| {
        let table = format!("| situation | in our words | where |\n|---|---|---|\n| s | it is so | {place} |\n");
        let lost = lost(&table, &scenarios, "row(\"r\", 1)");
        assert_eq!(lost.len(), wanted, "{lost:?}");
    };
    check("scn: a; row: r", 0);
    check("not: there is none", 0);
    check("scn: a b", 1);
    check("row: a", 1);
    check("nothing", 1);
}
