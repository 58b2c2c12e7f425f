//! Who polls whom, what is asked, and whose word counts: rule beats to all voters.

use super::{Effect, Event, Leader, POLL_EVERY, TICK, View, millis};
use crate::engine::event::Question;
use quorate_core::id::NodeId;
use quorate_core::state::Liveness;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn set(names: &[&str]) -> BTreeSet<NodeId> {
    names.iter().map(|name| NodeId::from(*name)).collect()
}

/// How often each was polled in a while, and the last question to it; nobody answers.
fn polls(leader: &mut Leader, under: &str, time: Duration) -> BTreeMap<String, (usize, Question)> {
    let mut polls = BTreeMap::new();
    let under = NodeId::from(under);
    for _ in 0..time.as_millis() / TICK.as_millis() {
        leader.now = leader.now.after(TICK);
        let is_leader = under.as_str() == "n1";
        let (state, voters, wall) = (&leader.state, &leader.voters, leader.state.now);
        let view = View { state, leader: Some(&under), is_leader, term: 1, voters, wall };
        for effect in leader.engine.step(leader.now, view, Event::Tick) {
            if let Effect::Poll(node, question) = effect {
                let entry = polls.entry(node.to_string()).or_insert((0, Question::everything()));
                *entry = (entry.0 + 1, question);
            }
        }
    }
    polls
}

#[test]
fn a_learner_polls_voters_at_leisure_and_whoever_is_in_doubt_as_often_as_voters_do() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    let counts = |leader: &mut Leader| {
        let polls = polls(leader, "n2", Duration::from_secs(6));
        polls.into_iter().map(|(node, (count, _))| (node, count)).collect::<Vec<_>>()
    };
    let both = |n2, n3| vec![("n2".to_owned(), n2), ("n3".to_owned(), n3)];
    assert_eq!(counts(&mut leader), both(30, 30), "a voter polls everybody");
    leader.voters = set(&["n2"]);
    assert_eq!(counts(&mut leader), vec![("n2".to_owned(), 10)], "a learner only the voters");
    leader.state.nodes.get_mut(&NodeId::from("n3")).expect("n3 is there").liveness = Liveness::Suspect;
    assert_eq!(counts(&mut leader), both(10, 30), "and who is in doubt");
    assert!(!leader.engine.silences(leader.now).is_empty());
    leader.state.nodes.get_mut(&NodeId::from("n3")).expect("n3 is there").liveness = Liveness::Online;
    leader.run(Duration::from_millis(400));
    let silences = leader.engine.silences(leader.now);
    assert_eq!(
        silences.keys().map(NodeId::as_str).collect::<Vec<_>>(),
        ["n2"],
        "of whom it does not ask it says nothing"
    );
}

#[test]
fn a_quiet_cluster_is_asked_about_nobody() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    let short = Duration::from_millis(200);
    let (_, calm) = polls(&mut leader, "n1", short)["n2"].clone();
    assert_eq!(calm.about, Some(BTreeSet::new()));
    let answer = leader.engine.presence(leader.now, &calm);
    assert!(answer.silence.is_empty() && answer.boots.is_empty() && answer.refused.is_empty(), "{answer:?}");

    // n3 falls silent: voters are asked about everybody well before it is suspect, learners about it alone.
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_millis(400));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
    let (_, asked) = polls(&mut leader, "n1", short)["n2"].clone();
    assert_eq!(asked.about, None);
    leader.voters = set(&["n1", "n3"]);
    let (_, asked) = polls(&mut leader, "n1", short)["n2"].clone();
    assert!(asked.is_about(&"n3".into()) && asked.about.is_some(), "{asked:?}");

    // Who follows a leader that it hears needs no word of others.
    let mut follower = Leader::new();
    follower.answers = vec!["n2".into()];
    follower.run(Duration::from_secs(1));
    let (_, asked) = polls(&mut follower, "n2", short)["n2"].clone();
    assert_eq!(asked.about, Some(BTreeSet::new()));
    // A leader that is silent may have to be judged by this one soon.
    let (_, asked) = polls(&mut follower, "n2", Duration::from_millis(600))["n3"].clone();
    assert_eq!(asked.about, None);
}

#[test]
fn first_hand_news_is_asked_for_once_a_second_and_kept_in_between() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_millis(1200));
    for _ in 0..20 {
        leader.run(Duration::from_millis(200));
        assert_eq!(
            leader.engine.first_hand(leader.now).len(),
            3,
            "nothing that was told is forgotten between two polls"
        );
    }
}

#[test]
fn who_answers_and_does_not_say_that_it_hears_nothing_either_does_not_agree() {
    // All but its silence is as in the test of the full wait: n2 answers, and is mute about n3.
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n2_is_mute = true;
    leader.run(Duration::from_secs(12));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "one of two voters is no majority");
    leader.n2_is_mute = false;
    leader.run(Duration::from_secs(1));
    assert_ne!(leader.liveness("n3"), Liveness::Suspect);
}

#[test]
fn who_began_to_ask_just_now_cannot_say_that_somebody_is_silent() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n2_asks_since = Some(Duration::from_millis(100));
    leader.run(Duration::from_secs(12));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect);
    leader.n2_asks_since = Some(Duration::from_millis(600));
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "two missed answers are enough to doubt, not to be sure");
    leader.n2_asks_since = Some(Duration::from_secs(5));
    leader.run(Duration::from_secs(1));
    assert_ne!(leader.liveness("n3"), Liveness::Suspect);
}

#[test]
fn a_learner_has_no_say_in_who_is_silent_but_is_heard_when_it_hears_one() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.voters = set(&["n1"]);
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n2_is_mute = true;
    leader.run(Duration::from_secs(8));
    assert_ne!(leader.liveness("n3"), Liveness::Suspect, "n2 has no vote: it is the word of the only voter");

    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.voters = set(&["n1"]);
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n2_hears_n3 = true;
    leader.run(Duration::from_secs(3));
    let heard_by = leader.engine.hearers(&"n3".into(), &leader.boot, leader.now);
    assert_eq!(heard_by, vec![NodeId::from("n2")], "a person who confirms is told so");
}

#[test]
fn the_words_of_an_earlier_release_mean_what_they_meant() {
    // It asks without words and wants everything; its answers have no field for how long it asks, and always what it sees.
    let old = r#"{"node":"n2","session":"boot-n2","incarnation":1,"silence":{"n3":{"secs":9,"nanos":0}},"refused":{},
        "boots":{},"migrations":{},"first_hand":{"present":[],"unseen":{},"findings":["a"]}}"#;
    let presence: crate::engine::Presence = serde_json::from_str(old).expect("it is read");
    assert!(presence.asking.is_empty() && presence.first_hand.is_some());
    assert_eq!(super::super::liveness::silent_for(&presence, &"n3".into(), &"boot-n3".into()), Some(Duration::MAX));
    // What it is answered where it did not ask must have no field that it cannot read.
    let leader = Leader::new();
    let answer = leader.engine.presence(leader.now, &Question { about: None, first_hand: false });
    assert!(!serde_json::to_string(&answer).expect("plain data").contains("first_hand"));
}

#[test]
fn time_passes_at_leisure_only_while_everybody_is_heard() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    assert!(leader.engine.is_calm(leader.now));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_millis(350));
    assert!(!leader.engine.is_calm(leader.now), "long before n3 is a Suspect");
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_millis(400));
    assert!(leader.engine.is_calm(leader.now));
}

#[test]
fn a_poll_goes_out_at_every_interval() {
    let mut leader = Leader::new();
    let me = NodeId::from("n1");
    let mut polls = 0;
    for _ in 0..20 {
        leader.now = leader.now.after(TICK);
        let (state, wall) = (&leader.state, leader.state.now);
        let view = View { state, leader: Some(&me), is_leader: true, term: 1, voters: &leader.voters, wall };
        let effects = leader.engine.step(leader.now, view, Event::Tick);
        polls +=
            effects.iter().filter(|effect| matches!(effect, Effect::Poll(node, _) if node.as_str() == "n2")).count();
    }
    let most = u64::try_from(TICK.as_millis()).expect("50") * 20 / millis(POLL_EVERY);
    assert_eq!(polls as u64, most, "one poll of n2 each {POLL_EVERY:?}");
}
