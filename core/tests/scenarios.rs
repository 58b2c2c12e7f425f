//! Runs every scenario in `scenarios/`: one rule each, in real log entries and the real grammar.
//!
//! `UPDATE=1 cargo test -p quorate-core --test scenarios` writes what came out; review the difference like code.

mod scenario_harness;

use scenario_harness::file;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer files hold more than one rule.
const MOST_LINES: usize = 40;

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).expect("the folder of scenarios is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "scn"));
    files.sort();
    files
}

#[test]
fn every_scenario_ends_as_it_says() {
    let update = std::env::var_os("UPDATE").is_some();
    let files = scenarios();
    assert!(files.len() >= 40, "only {} scenarios were found", files.len());
    let mut wrong = String::new();
    for path in &files {
        let text = fs::read_to_string(path).expect("it can be read");
        let came_out = file::run(&text);
        if came_out == text {
            continue;
        }
        if update {
            fs::write(path, came_out).expect("it can be written");
            continue;
        }
        let name = path.file_name().expect("it has one").to_string_lossy();
        write!(wrong, "\n== {name} (- as written, + as it came out)\n{}", file::difference(&text, &came_out))
            .expect("to a text");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_scenario_states_one_rule_and_is_short() {
    for path in scenarios() {
        let text = fs::read_to_string(&path).expect("it can be read");
        let name = path.display();
        assert!(
            text.starts_with("# ") && text.lines().next().is_some_and(|rule| rule.ends_with('.')),
            "{name}: the first line states the rule"
        );
        assert!(text.lines().count() <= MOST_LINES, "{name} is longer than {MOST_LINES} lines");
        assert!(text.contains("\n----\n"), "{name} checks nothing");
        assert!(!text.contains("\nerror: "), "{name} has a line that the harness does not understand");
        assert!(!text.contains("\nBROKEN "), "{name} breaks an invariant of the state");
    }
}

/// Those of the planted mistakes that are mistakes of `apply`.
#[cfg(feature = "planted")]
#[test]
fn every_planted_mistake_of_the_state_fails_a_scenario() {
    use quorate_core::planted::{Mistake, plant};
    let planted = [
        Mistake::IgnoreSession,
        Mistake::IgnoreIncarnation,
        Mistake::TrustLateMonitor,
        Mistake::SkipOneCopy,
        Mistake::LostIsDead,
        Mistake::HelloWithoutCompare,
        Mistake::AdmitUnderGrant,
        Mistake::HandoverWithoutGone,
    ];
    let texts: Vec<String> = scenarios().iter().map(|path| fs::read_to_string(path).expect("it can be read")).collect();
    let missed: Vec<&Mistake> = planted
        .iter()
        .filter(|mistake| {
            plant(Some(**mistake));
            texts.iter().all(|text| file::run(text) == *text)
        })
        .collect();
    plant(None);
    assert!(missed.is_empty(), "no scenario notices {missed:?}");
}
