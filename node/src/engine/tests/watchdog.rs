//! watchdog: what a leader answers to beats, how long it waits for a watchdog, and what a host tells its feeder when.

use super::{Effect, Event, Leader, TICK};
use crate::engine::{ProposeError, Tag, View};
use quorate_core::id::NodeId;
use quorate_core::pill::Slots;
use quorate_core::state::{Command, Liveness, Outcome, Speaker};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order, Terms};
use std::time::Duration;

const TERMS: Terms =
    Terms { timeout: Duration::from_secs(2), window: Duration::from_secs(2), grace: Duration::from_secs(35) };
const DOG: &str = "stonith:watchdog params proves_off=true timeout=2s window=2s";

/// A leader, and what it says about watchdogs.
struct Bed {
    leader: Leader,
    term: u64,
    /// Rounds that have not ended.
    rounds: Vec<Tag>,
    answers: Vec<(u64, bool)>,
    beats: usize,
    orders: Vec<Order>,
    /// Answers to disarmings do not come.
    holds_disarms: bool,
    disarms: Vec<Tag>,
    went_away: bool,
}

impl Bed {
    /// With a watchdog for this node.
    fn of(node: &str) -> Self {
        let mut leader = Leader::new();
        leader.configure(&format!("primitive dog {DOG} pcmk_host_list={node}\n"));
        leader.answers = vec!["n2".into(), "n3".into()];
        let mut bed = Self {
            leader,
            term: 1,
            rounds: Vec::new(),
            answers: Vec::new(),
            beats: 0,
            orders: Vec::new(),
            holds_disarms: false,
            disarms: Vec::new(),
            went_away: false,
        };
        bed.run(Duration::from_secs(2));
        bed
    }

    /// n3's is armed.
    fn armed() -> Self {
        let mut bed = Self::of("n3");
        assert_eq!(bed.arm_n3(), Outcome::Done);
        bed
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let me = NodeId::from("n1");
            let leads = self.leader.other_leads.as_ref().unwrap_or(&me);
            let (is_leader, voters, state) = (*leads == me, &self.leader.voters, &self.leader.state);
            let view = View { state, leader: Some(leads), is_leader, term: self.term, voters, wall: state.now };
            for effect in self.leader.engine.step(self.leader.now, view, event) {
                events.extend(self.answer(effect));
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Round(tag) => self.rounds.push(tag),
            Effect::Answer(ticket, may) => self.answers.push((ticket, may)),
            Effect::Beat => self.beats += 1,
            Effect::Feeder(order) => self.orders.push(order),
            Effect::Propose(tag, Command::Disarm(speaker)) if self.holds_disarms => {
                assert_eq!(self.leader.apply(Command::Disarm(speaker)), Outcome::Done);
                self.disarms.push(tag);
            }
            Effect::Propose(_, Command::GoAway(_)) => self.went_away = true,
            other => return self.leader.answer(other),
        }
        None
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.leader.now = self.leader.now.after(TICK);
            self.step(Event::Tick);
        }
    }

    fn arm_n3(&mut self) -> Outcome {
        let n3 = &self.leader.state.nodes[&NodeId::from("n3")];
        let speaker = Speaker { node: "n3".into(), session: "boot-n3".into(), incarnation: n3.incarnation };
        let (follows, device, identity) = (n3.dog.turn, "dog".into(), "i6300ESB timer".to_owned());
        self.leader.apply(Command::Arm {
            speaker,
            follows,
            device,
            identity,
            was_reset: false,
            terms: TERMS,
            disks: Vec::new(),
            opening: String::new(),
        })
    }

    fn beat(&mut self, ticket: u64) {
        self.step(Event::Beat { ticket, node: "n3".into(), session: "boot-n3".into() });
    }

    /// n3 falls silent; runs until it is lost, and a fence of it is wanted.
    fn lose_n3(&mut self) {
        self.leader.answers = vec!["n2".into()];
        let from = self.leader.now;
        while self.leader.liveness("n3") != Liveness::Lost {
            self.run(TICK);
            assert!(self.leader.now.since(from) < Duration::from_secs(30), "it is not lost");
        }
        assert!(self.leader.state.intents.contains_key(&NodeId::from("n3")));
    }

    /// Until n3 is proven dead, from now.
    fn until_off(&mut self) -> Duration {
        let from = self.leader.now;
        while self.leader.liveness("n3") != Liveness::Off {
            self.run(TICK);
            assert!(self.leader.now.since(from) < Duration::from_secs(600), "it is never off");
        }
        self.leader.now.since(from)
    }

    fn feeder(&mut self, open: Option<Terms>) {
        let (identity, opening) = ("i6300ESB timer".to_owned(), String::new());
        let feeder = Feeder { identity, was_reset: false, open, disks: Vec::new(), opening };
        self.step(Event::Feeder(Some(feeder)));
    }

    fn is_armed(&self) -> bool {
        self.leader.state.nodes[&NodeId::from("n1")].dog.armed.is_some()
    }

    /// n1's own, open and armed.
    fn at_home() -> Self {
        let mut bed = Self::of("n1");
        bed.feeder(None);
        bed.run(Duration::from_secs(1));
        bed.step(Event::Answered(bed.leader.now));
        bed.run(TICK);
        bed.feeder(Some(TERMS));
        bed.run(Duration::from_secs(2));
        bed.step(Event::Answered(bed.leader.now));
        bed.run(TICK);
        assert!(bed.is_armed(), "{:?}", bed.orders);
        bed.orders.clear();
        bed
    }
}

/// A tick may pass until a judgement, an entry or a look at the clock.
fn assert_about(took: Duration, wanted: Duration) {
    let most = wanted + TICK * 3;
    assert!(took >= wanted && took <= most, "{took:?} where {wanted:?} was wanted");
}

#[test]
fn a_beat_is_answered_by_a_round_that_began_after_it_arrived() {
    let mut bed = Bed::armed();
    bed.beat(1);
    bed.run(Duration::from_secs(1));
    assert_eq!((bed.rounds.len(), bed.answers.as_slice()), (1, [].as_slice()), "leading is no answer");
    bed.beat(2);
    assert_eq!(bed.rounds.len(), 2, "a round of before this beat says nothing of it");
    let (first, second) = (bed.rounds[0], bed.rounds[1]);
    bed.step(Event::Read(first, true));
    assert_eq!(bed.answers, [(1, true)]);
    bed.step(Event::Read(second, false));
    assert_eq!(bed.answers, [(1, true), (2, false)], "no majority, no food");
    bed.leader.other_leads = Some("n2".into());
    bed.beat(3);
    assert_eq!((bed.rounds.len(), bed.answers.last()), (2, Some(&(3, false))));
}

#[test]
fn a_round_that_ends_when_another_leads_feeds_nobody() {
    let mut bed = Bed::armed();
    bed.beat(1);
    bed.leader.other_leads = Some("n2".into());
    bed.step(Event::Read(bed.rounds[0], true));
    assert_eq!(bed.answers, [(1, false)]);
}

#[test]
fn a_session_that_is_to_be_fenced_is_never_fed_again() {
    let mut bed = Bed::armed();
    bed.beat(1);
    bed.lose_n3();
    bed.step(Event::Read(bed.rounds[0], true));
    assert_eq!(bed.answers, [(1, false)], "the intent came while the round was under way");
    bed.beat(2);
    bed.step(Event::Read(bed.rounds[1], true));
    assert_eq!(bed.answers, [(1, false), (2, false)]);
    bed.step(Event::Beat { ticket: 3, node: "n3".into(), session: "boot-other".into() });
    bed.step(Event::Read(bed.rounds[2], true));
    assert_eq!(bed.answers.last(), Some(&(3, false)), "nor is a boot that was never taken in");
}

#[test]
fn the_wait_is_counted_from_the_intent_and_begins_anew_with_a_new_leader() {
    let mut bed = Bed::armed();
    bed.lose_n3();
    assert_about(bed.until_off(), TERMS.wait());

    let mut bed = Bed::armed();
    bed.lose_n3();
    bed.run(TERMS.wait() - Duration::from_secs(1));
    bed.term = 2;
    assert_about(bed.until_off(), TERMS.wait() + TICK);

    let mut bed = Bed::armed();
    bed.lose_n3();
    bed.run(TERMS.wait() - Duration::from_secs(1));
    bed.leader.other_leads = Some("n2".into());
    bed.run(Duration::from_secs(3));
    assert_eq!(bed.leader.liveness("n3"), Liveness::Lost, "who does not lead waits for nothing");
    bed.leader.other_leads = None;
    bed.term = 3;
    assert_about(bed.until_off(), TERMS.wait() + TICK);
}

#[test]
fn what_is_configured_in_mid_wait_changes_nothing_of_it() {
    let mut bed = Bed::armed();
    bed.lose_n3();
    let half = TERMS.wait() / 2;
    bed.run(half);
    // The host that is waited for cannot know of it: what it armed with is what it does.
    let shorter = DOG.replace("timeout=2s", "timeout=1s").replace("window=2s", "window=1s");
    bed.leader.configure(&format!("primitive dog {shorter} pcmk_host_list=n3\nproperty daemon-grace=1s\n"));
    assert_about(bed.until_off() + half, TERMS.wait());
}

#[test]
fn a_watchdog_that_was_armed_anew_is_waited_for_anew() {
    let mut bed = Bed::armed();
    bed.lose_n3();
    bed.run(TERMS.wait() - Duration::from_secs(1));
    // All of it between two looks of this leader.
    let n3 = NodeId::from("n3");
    let intent = bed.leader.state.intents[&n3].clone();
    let session = intent.session.clone();
    assert_eq!(bed.leader.apply(Command::FenceCallOff { target: n3.clone(), session: session.clone() }), Outcome::Done);
    assert_eq!(bed.arm_n3(), Outcome::Done);
    let cause = intent.cause.clone();
    assert_eq!(bed.leader.apply(Command::Fence { target: n3, session, cause, action: None }), Outcome::Done);
    assert_eq!(bed.leader.liveness("n3"), Liveness::Lost);
    assert_about(bed.until_off(), TERMS.wait() + TICK);
}

#[test]
fn a_device_is_opened_on_an_answer_only_and_armed_once_it_is_open() {
    let mut bed = Bed::of("n1");
    bed.feeder(None);
    bed.run(Duration::from_secs(3));
    assert!(bed.beats > 5 && bed.orders.is_empty(), "nobody has said yes: {:?}", bed.orders);
    let asked = bed.leader.now;
    bed.run(TERMS.window + TICK);
    bed.step(Event::Answered(asked));
    bed.run(TICK);
    assert!(bed.orders.is_empty(), "that answer is worth nothing any more");
    let asked = bed.leader.now;
    bed.run(Duration::from_millis(500));
    bed.step(Event::Answered(asked));
    bed.run(TICK);
    let until = asked.after(TERMS.window);
    assert_eq!(
        bed.orders,
        [Order::Open {
            terms: TERMS,
            until,
            slots: Slots { node: "n1".to_owned(), session: "boot-n1".to_owned(), ..Slots::default() }
        }],
        "good from when the beat was sent"
    );
    assert!(!bed.is_armed(), "it is not open yet");
    bed.feeder(Some(TERMS));
    bed.run(Duration::from_secs(1));
    let asked = bed.leader.now;
    bed.run(Duration::from_millis(300));
    bed.step(Event::Answered(asked));
    assert_eq!(bed.orders.last(), Some(&Order::Feed(asked.after(TERMS.window))));
    bed.run(Duration::from_secs(1));
    assert!(bed.is_armed());
    bed.step(Event::Answered(BootTime(1)));
    assert_eq!(bed.orders.len(), 2, "an old answer feeds nobody: {:?}", bed.orders);
}

#[test]
fn a_watchdog_is_closed_on_the_answer_to_its_own_disarming_only() {
    let mut bed = Bed::at_home();
    bed.holds_disarms = true;
    bed.leader.configure("primitive f3 stonith:fake params state=/x target=n3\n");
    bed.run(Duration::from_secs(1));
    assert_eq!(bed.disarms.len(), 1);
    assert!(!bed.is_armed() && bed.orders.is_empty(), "that the log shows it is no answer: {:?}", bed.orders);
    bed.step(Event::Proposed(bed.disarms[0], Err(ProposeError::Unknown)));
    bed.run(Duration::from_secs(2));
    assert!(bed.orders.is_empty(), "nor is an answer that was lost: {:?}", bed.orders);
    assert_eq!(bed.disarms.len(), 2, "it asks again");
    bed.step(Event::Proposed(bed.disarms[1], Ok(Outcome::Done)));
    bed.run(TICK);
    assert_eq!(bed.orders, [Order::Close]);
}

#[test]
fn who_goes_in_order_disarms_and_closes_before_it_says_so() {
    let mut bed = Bed::at_home();
    bed.holds_disarms = true;
    bed.step(Event::Stopping);
    bed.run(Duration::from_secs(1));
    assert!(bed.orders.is_empty() && !bed.went_away);
    bed.step(Event::Proposed(bed.disarms[0], Ok(Outcome::Done)));
    bed.run(Duration::from_secs(2));
    assert_eq!((bed.orders.first(), bed.went_away), (Some(&Order::Close), false), "it is not closed yet");
    bed.feeder(None);
    bed.run(Duration::from_secs(1));
    assert!(bed.went_away);
    assert!(!bed.orders.iter().any(|order| matches!(order, Order::Open { .. })), "nor opened again: {:?}", bed.orders);
}
