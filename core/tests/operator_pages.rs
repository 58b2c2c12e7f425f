//! What the pages for operators say to configure is understood, and has nothing wrong with it.

use quorate_core::config::Config;
use quorate_core::config::validate::{of_members, validate};
use quorate_core::grammar::{Mode, apply_statements, parse};
use quorate_core::id::NodeId;

const COMMAND: &str = "qrm configure ";

/// What a page has configured, in its order: in blocks, where a line begins with it, and in backticks within the text.
fn statements(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (number, part) in page.split("```").enumerate() {
        let pieces: Vec<&str> =
            if number % 2 == 1 { part.lines().collect() } else { part.split('`').skip(1).step_by(2).collect() };
        found.extend(pieces.into_iter().filter_map(|piece| piece.trim_start().strip_prefix(COMMAND)));
    }
    found.retain(|line| !["verify", "load", "show", "--"].iter().any(|other| line.starts_with(other)));
    found
}

#[track_caller]
fn check(page: &str, at_least: usize) {
    let mut config = Config::default();
    let found = statements(page);
    assert!(found.len() >= at_least, "only {} examples were found", found.len());
    for line in found {
        let statements =
            parse(line, &mut |_| Err("no such file".to_owned())).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        apply_statements(&mut config, statements, Mode::Add).unwrap_or_else(|e| panic!("{line}: {e:?}"));
    }
    let nodes = ["n1", "n2", "n3", "n4"].map(NodeId::from).into_iter().collect();
    let report = validate(&config);
    assert_eq!((report.errors, report.warnings), (Vec::new(), Vec::new()));
    assert_eq!(of_members(&config, &nodes), []);
}

#[test]
fn the_page_about_fencing_is_true() {
    check(include_str!("../../docs/operator/fencing.md"), 13);
}

#[test]
fn the_page_about_watchdogs_is_true() {
    check(include_str!("../../docs/operator/watchdog.md"), 2);
}

#[test]
fn the_page_about_poison_pills_is_true() {
    check(include_str!("../../docs/operator/poison-pill.md"), 1);
}

#[test]
fn the_page_about_health_is_true() {
    check(include_str!("../../docs/operator/node-health.md"), 1);
}
