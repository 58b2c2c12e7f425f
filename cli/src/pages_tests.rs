//! What the pages for operators show can be typed, and what they configure has nothing wrong with it.

use super::tests::parse;
use quorate_core::config::Config;
use quorate_core::config::validate::{of_members, validate};
use quorate_core::grammar::{self, Mode, apply_statements};
use quorate_core::id::NodeId;

const FENCING: &str = include_str!("../../docs/operator/fencing.md");
const WATCHDOG: &str = include_str!("../../docs/operator/watchdog.md");
const POISON_PILL: &str = include_str!("../../docs/operator/poison-pill.md");
const NODE_HEALTH: &str = include_str!("../../docs/operator/node-health.md");
const FROM_PACEMAKER: &str = include_str!("../../docs/operator/coming-from-pacemaker.md");
const AGENTS: &str = include_str!("../../docs/agents.md");

/// What a page has people type: the lines of its blocks, and what stands in backticks, as far as it is written out.
fn typed(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (number, part) in page.split("```").enumerate() {
        let pieces: Vec<&str> =
            if number % 2 == 1 { part.lines().collect() } else { part.split('`').skip(1).step_by(2).collect() };
        let lines = pieces.into_iter().filter_map(|piece| piece.trim_start().strip_prefix("qrm "));
        found.extend(
            lines.map(|line| line.split(" #").flat_map(|it| it.split(" > ")).next().unwrap_or_default().trim()),
        );
    }
    found
}

#[test]
fn what_the_pages_for_operators_show_can_be_typed() {
    let check = |page: &str, at_least: usize| {
        let lines = typed(page);
        assert!(lines.len() >= at_least, "only {} examples are found", lines.len());
        for line in lines {
            // A command that is only named needs more words.
            let more = ["required arguments were not provided", "a value is required for"];
            let is_named = parse(line).is_err_and(|error| more.iter().any(|it| error.contains(it)));
            assert!(is_named || parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    };
    check(FENCING, 20);
    check(WATCHDOG, 4);
    check(POISON_PILL, 6);
    check(NODE_HEALTH, 3);
    check(FROM_PACEMAKER, 6);
    check(AGENTS, 10);
}

/// What a page has configured, in its order.
fn statements(page: &str) -> Vec<&str> {
    let mut found: Vec<&str> = typed(page).into_iter().filter_map(|line| line.strip_prefix("configure ")).collect();
    found.retain(|line| !["verify", "load", "show", "--"].iter().any(|other| line.starts_with(other)));
    found
}

#[test]
fn what_the_pages_for_operators_configure_is_valid() {
    let check = |page: &str, at_least: usize| {
        let mut config = Config::default();
        let found = statements(page);
        assert!(found.len() >= at_least, "only {} statements are found", found.len());
        for line in found {
            let statements = grammar::parse(line, &mut |_| Err("no such file".to_owned()))
                .unwrap_or_else(|e| panic!("{line}: {e:?}"));
            apply_statements(&mut config, statements, Mode::Add).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        }
        let nodes = ["n1", "n2", "n3", "n4"].map(NodeId::from).into_iter().collect();
        let report = validate(&config);
        assert_eq!((report.errors, report.warnings), (Vec::new(), Vec::new()));
        assert_eq!(of_members(&config, &nodes), []);
    };
    check(FENCING, 13);
    check(WATCHDOG, 2);
    check(POISON_PILL, 1);
    check(NODE_HEALTH, 1);
}
