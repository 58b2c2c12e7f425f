//! Pills: how long one that was left is waited for, and that a disk is looked at before it is needed.

use super::{Effect, Event, Leader, PowerAnswer, PowerVerb, TICK};
use crate::engine::View;
use quorate_core::id::NodeId;
use quorate_core::state::{Command, FenceCause, Liveness, Outcome, Speaker};
use quorate_core::watchdog::Terms;
use std::time::Duration;

const TERMS: Terms = Terms { timeout: Duration::from_secs(2), window: Duration::from_secs(2), grace: Duration::ZERO };
/// A pill is the first level of n3, the device that the harness has the second.
const CONFIGURATION: &str = "primitive f3 stonith:fake params state=/x target=n3\n\
     primitive pill stonith:sbd params devices=/dev/a target=n3 proves_off=true timeout=2s window=2s\n\
     fencing_topology n3: pill f3\n\
     property fence-drill-interval=20s\n";

/// n1, and n3 that reads a slot; what a look at the slot says is given.
struct Disk {
    leader: Leader,
    look: Result<bool, String>,
    left: usize,
    looks: usize,
}

impl Disk {
    fn new() -> Self {
        let mut leader = Leader::new();
        leader.answers = vec!["n2".into(), "n3".into()];
        leader.run(Duration::from_secs(1));
        leader.configure(CONFIGURATION);
        let mut disk = Self { leader, look: Ok(false), left: 0, looks: 0 };
        let n3 = &disk.leader.state.nodes[&NodeId::from("n3")];
        let speaker = Speaker { node: "n3".into(), session: "boot-n3".into(), incarnation: n3.incarnation };
        let armed = disk.leader.apply(Command::Arm {
            speaker,
            follows: n3.dog.turn,
            device: "pill".into(),
            identity: "i6300ESB timer".to_owned(),
            was_reset: false,
            terms: TERMS,
            disks: vec!["/dev/a".to_owned()],
            opening: "1".to_owned(),
        });
        assert_eq!(armed, Outcome::Done);
        disk
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.leader.now = self.leader.now.after(TICK);
            let mut events = vec![Event::Tick];
            while let Some(event) = events.pop() {
                let me = NodeId::from("n1");
                let leads = self.leader.other_leads.as_ref().unwrap_or(&me);
                let (is_leader, voters, state) = (*leads == me, &self.leader.voters, &self.leader.state);
                let view = View { state, leader: Some(leads), is_leader, term: 1, voters, wall: state.now };
                for effect in self.leader.engine.step(self.leader.now, view, event) {
                    events.extend(self.answer(effect));
                }
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        let Effect::Pill { tag, verb, .. } = effect else { return self.leader.answer(effect) };
        if verb == PowerVerb::Off {
            self.left += 1;
            return Some(Event::Power(tag, PowerAnswer { result: Ok(true), sent: true }));
        }
        self.looks += 1;
        Some(Event::Power(tag, PowerAnswer { result: self.look.clone(), sent: false }))
    }

    /// Somebody wants n3 fenced, a pill is left for it, and it is heard no more.
    fn leave(&mut self) {
        let cause = FenceCause::Asked { by: "somebody".to_owned() };
        let (target, session) = ("n3".into(), "boot-n3".into());
        assert_eq!(self.leader.apply(Command::Fence { target, session, cause, action: None }), Outcome::Done);
        self.run(Duration::from_secs(3));
        assert!(self.left == 1 && self.waits(), "a pill is left, and waited for");
        assert_eq!(self.looks, 1, "it was read back");
        self.looks = 0;
        self.leader.answers = vec!["n2".into()];
    }

    fn waits(&self) -> bool {
        self.leader.state.sent_pill(&"n3".into()).is_some()
    }

    /// How often the device of the second level was told to cut the power.
    fn offs(&self) -> usize {
        self.leader.told.iter().filter(|(verb, _)| *verb == PowerVerb::Off).count()
    }
}

#[test]
fn a_pill_that_was_there_to_the_end_is_a_proof() {
    let mut disk = Disk::new();
    disk.leave();
    disk.run(TERMS.wait() - Duration::from_secs(4));
    assert_eq!((disk.leader.liveness("n3"), disk.looks), (Liveness::Lost, 0), "nobody looks before the wait is over");
    disk.run(Duration::from_secs(3));
    assert_eq!((disk.leader.liveness("n3"), disk.left, disk.offs()), (Liveness::Off, 1, 0));
}

#[test]
fn three_looks_that_nobody_answers_end_the_wait() {
    let mut disk = Disk::new();
    disk.leave();
    disk.look = Err("the disk hangs".to_owned());
    disk.leader.power_is_on = false;
    disk.run(TERMS.wait());
    assert!(disk.waits() && disk.looks == 1, "one says nothing");
    disk.run(Duration::from_secs(20));
    assert_eq!((disk.looks, disk.offs()), (3, 1), "then the next level has its turn");
    assert_eq!(disk.leader.liveness("n3"), Liveness::Off);
}

#[test]
fn what_its_leader_does_not_wait_for_is_tried_by_the_next_level() {
    let mut disk = Disk::new();
    // Nobody speaks for its own death: who is to die by the pill leads, and somebody has emptied its slot.
    disk.leader.other_leads = Some("n3".into());
    disk.leave();
    disk.leader.power_is_on = false;
    disk.run(TERMS.wait() + Duration::from_secs(30));
    assert_eq!((disk.looks, disk.offs()), (0, 0), "another leader might wait for it yet");
    disk.run(Duration::from_secs(15));
    assert_eq!(disk.offs(), 1);
    assert_eq!(disk.leader.liveness("n3"), Liveness::Off);
}

#[test]
fn the_drill_looks_whether_a_pill_would_be_read() {
    let mut disk = Disk::new();
    disk.look = Err("n3 does not read its slot here".to_owned());
    disk.run(Duration::from_secs(60));
    let hands = disk.leader.engine.first_hand(disk.leader.now);
    let drills = &hands[&NodeId::from("n1")].drills;
    let of_pill = drills.iter().find(|drill| drill.device == "pill".into()).expect("it is read for practice");
    assert_eq!((of_pill.on, of_pill.error.as_deref()), (None, Some("n3 does not read its slot here")));
    assert!(disk.looks > 1 && disk.left == 0);
}
