//! What the chain of records proves, and what it does not.

use super::*;

/// `life@host:tick<prev`, for example `a@n1:3<a:2`.
fn record(text: &str) -> Record {
    let (head, prev) = text.split_once('<').expect("a record has a prev");
    let (run, rest) = head.split_once('@').expect("a record has a host");
    let (host, tick) = rest.split_once(':').expect("a record has a tick");
    let prev = prev.split_once(':').map(|(run, tick)| (run.to_owned(), tick.parse().expect("a tick is a number")));
    let tick = tick.parse().expect("a tick is a number");
    Record { host: host.to_owned(), boot: "b".to_owned(), run: run.to_owned(), tick, prev }
}

#[track_caller]
fn check(chain: &str, expected: &[&str]) {
    let records: Vec<Record> = chain.split_whitespace().map(record).collect();
    let found: Vec<String> = judge("vm", &records).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{chain}");
}

#[test]
fn one_life_after_another_is_fine() {
    check("a@n1:0<- a@n1:1<a:0 a@n1:2<a:1 b@n2:0<a:2 b@n2:1<b:0 c@n1:0<b:1", &[]);
}

#[test]
fn a_migrated_life_is_fine() {
    check("a@n1:0<- a@n1:1<a:0 a@n2:2<a:1 a@n2:3<a:2", &[]);
}

#[test]
fn a_life_that_sees_another_writing_beside_it_is_a_double_run() {
    check(
        "a@n1:0<- b@n2:0<a:0 a@n1:1<b:0 b@n2:1<a:1",
        &[
            "vm ran twice: a on n1 found b writing beside it at tick 1",
            "vm ran twice: b on n2 found a writing beside it at tick 1",
        ],
    );
}

#[test]
fn a_single_tick_of_overlap_is_found() {
    check("a@n1:0<- a@n1:1<a:0 b@n2:0<a:0", &["vm ran twice: a on n1 and b on n2 both went on after a tick 0"]);
}

#[test]
fn one_side_of_the_evidence_is_enough() {
    check("b@n2:0<a:7 b@n2:1<b:0 b@n2:2<a:9", &["vm ran twice: b on n2 found a writing beside it at tick 2"]);
}

#[test]
fn both_sides_of_a_migration_going_on_is_a_double_run() {
    check("a@n1:0<- a@n1:1<a:0 a@n2:1<a:0", &["vm ran twice: tick 1 of a was executed on n1 and on n2"]);
}

#[test]
fn a_ring_that_lost_its_beginning_proves_nothing() {
    check("a@n1:500<a:499 a@n1:501<a:500 b@n2:0<a:501", &[]);
}

fn sector(text: &str) -> Vec<u8> {
    format!("{text} sum={:016x}\n\0\0", super::super::fnv(text.as_bytes())).into_bytes()
}

#[test]
fn a_sector_that_holds_something_else_is_no_record() {
    let good = "QBED vm=vm1 host=n1 boot=b run=a tick=3 up=600 prev=a:2";
    assert_eq!(Record::parse(&sector(good)), Some(record("a@n1:3<a:2")));
    for text in
        ["", "QBED run=a", "QBED host=n1 boot=b run=a tick=x prev=-", "vm=vm1 host=n1 boot=b run=a tick=3 prev=-"]
    {
        assert_eq!(Record::parse(&sector(text)), None, "{text}");
    }
    for bytes in [&b""[..], b"\0\0\0", b"no newline"] {
        assert_eq!(Record::parse(bytes), None);
    }
}

#[test]
fn a_record_half_overwritten_while_it_was_read_is_no_record() {
    let mut torn = sector("QBED vm=vm1 host=n1 boot=b run=a tick=3 up=600 prev=a:2");
    let at = torn.iter().position(|b| *b == b'3').expect("the tick is there");
    torn[at] = b'8';
    assert_eq!(Record::parse(&torn), None);
}
