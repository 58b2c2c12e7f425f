//! Judgements that did not get into the log in time.

use super::{Leader, TICK};
use crate::engine::append_by;
use quorate_core::state::{Command, Liveness, Verdict};
use quorate_core::time::BootTime;
use std::time::Duration;

/// A leader may stand still after it judged: what it says then is no judgement of now.
#[test]
fn a_judgement_is_written_by_its_maker_at_once_or_never() {
    let made = BootTime(10_000);
    let judged = Command::Judge { node: "n3".into(), session: "boot-n3".into(), verdict: Verdict::Suspect };
    assert_eq!(append_by(&judged, made), Some(made.after(Duration::from_secs(1))));
    // What a member says of itself is as true later, and wherever it is written.
    let release = Command::Release { actor: None, node: "n3".into() };
    assert_eq!(append_by(&release, made), None);
}

#[test]
fn who_was_judged_and_came_back_before_it_was_written_is_judged_anew() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_millis(1200));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect);
    // Until n3 is polled again, the judgement is the same.
    leader.judgements_dropped = 3;
    for _ in 0..100 {
        leader.run(TICK);
        if leader.judgements_dropped < 3 {
            break;
        }
    }
    assert_eq!((leader.judgements_dropped, leader.liveness("n3")), (2, Liveness::Suspect), "judged lost, not written");
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
}
