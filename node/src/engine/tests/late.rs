//! Judgements that did not get into the log in time.

use super::{Leader, TICK};
use crate::engine::append_by;
use quorate_core::state::{Command, EventKind, Liveness, Verdict};
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

/// After the return of a majority leadership may move more than once: what nobody could tell meanwhile is told all the same.
#[test]
fn an_absence_of_a_majority_is_told_by_who_leads_when_elections_are_over() {
    let told = |first: Duration| {
        let mut leader = Leader::new();
        leader.answers = vec!["n2".into(), "n3".into()];
        leader.run(Duration::from_secs(3));
        leader.answers.clear();
        leader.run(Duration::from_secs(6));
        leader.answers = vec!["n2".into(), "n3".into()];
        leader.other_leads = Some("n2".into());
        leader.run(first);
        let told = |leader: &Leader| leader.state.events.iter().filter(|it| it.kind == EventKind::Majority).count();
        assert_eq!(told(&leader), 0, "another one leads");
        leader.other_leads = None;
        leader.run(Duration::from_secs(1));
        told(&leader)
    };
    assert_eq!(told(Duration::from_millis(500)), 2, "of each of the two that were missed");
    assert_eq!(told(Duration::from_secs(5)), 0, "that leader had the time to tell it");
}
