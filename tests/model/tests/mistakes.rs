//! Each rule left out is a planted mistake, and is found out. The table says by which invariant and in
//! how many steps at least; docs/model.md shows the same numbers.

use clap::ValueEnum;
use quorate_model::Protocol;
use quorate_model::check::{Effort, Report, explore};
use quorate_model::rules::{Rule, Rules};
use quorate_model::scope::showing;

const TO_THE_END: Effort = Effort { threads: 1, limit: None };

#[test]
fn each_rule_left_out_is_found_out() {
    let table = [
        (Rule::ClaimCheck, "one-copy", 6),
        (Rule::Session, "no claim is open on an ended session", 6),
        (Rule::Incarnation, "truth is covered by the log", 9),
        (Rule::AnswerOnly, "a number is begun once", 4),
        (Rule::OperationNumber, "truth is covered by the log", 6),
        (Rule::Contained, "truth is covered by the log", 9),
        (Rule::Hello, "truth is covered by the log", 9),
        (Rule::Pinned, "an ended session is dead", 2),
        (Rule::Proofs, "an ended session is dead", 8),
        (Rule::EarlyReading, "an ended session is dead", 7),
        (Rule::ConfirmOff, "an ended session is dead", 8),
        (Rule::SendBy, "no off hits an open session", 8),
        (Rule::CalledOff, "no off hits an open session", 5),
        (Rule::Handover, "one-copy", 9),
        (Rule::Gone, "only a complete, current copy is resumed", 17),
    ];
    for (rule, property, steps) in table {
        found_out(&rule.name(), &explore(showing(rule), TO_THE_END), property, steps);
    }
    let covered = |rule: &Rule| rule.is_second_line() || table.iter().any(|row| row.0 == *rule);
    assert!(Rule::value_variants().iter().all(covered), "a rule is in neither table");
}

#[test]
fn a_second_line_alone_holds() {
    for rule in Rule::value_variants().iter().copied().filter(|rule| rule.is_second_line()) {
        let report = explore(showing(rule), TO_THE_END);
        assert!(report.holds(), "{}: {report:?}", rule.name());
    }
}

#[test]
fn observations_need_one_of_two_lines() {
    let rules = Rules::all().without(Rule::OpenClaim).without(Rule::NoOverlap);
    let report = explore(Protocol { rules, ..showing(Rule::OpenClaim) }, TO_THE_END);
    found_out("open-claim and no-overlap", &report, "truth is covered by the log", 4);
}

fn found_out(name: &str, report: &Report, property: &str, steps: usize) {
    let story = report.broken.first().unwrap_or_else(|| panic!("without {name}: nothing broke"));
    let told = format!("without {name}: {}\n  {}", story.property, story.steps.join("\n  "));
    eprintln!("{told}");
    assert_eq!((story.property, story.steps.len()), (property, steps), "{told}");
}
