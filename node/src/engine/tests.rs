//! The leader's judgement, stepped by hand: one engine, its own log, and peers that answer or do not.

mod configuring;
mod dates;
mod delays;
mod drill;
mod fencing;
mod gone;
mod late;
mod monitors;
mod overdue;
mod pill;
mod polls;
mod removed;
mod sensors;
mod unanswered;
mod unfencing;
mod watchdog;

use super::{Effect, Engine, Event, Executed, Me, POLL_EVERY, PowerAnswer, PowerVerb, Presence, ProposeError, View};
use quorate_core::config::ConfigPatch;
use quorate_core::grammar;
use quorate_core::id::{HardwareId, Incarnation, NodeId, RaftId, ResourceId, SessionId, StoreId};
use quorate_core::state::{
    ActionKind, ClusterState, Command, Entry, Founding, Liveness, Member, Outcome, Release, Seen, Wish,
};
use quorate_core::time::{BootTime, Timestamp, millis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(50);

/// A leader n1 among n1, n2 and n3.
struct Leader {
    state: ClusterState,
    engine: Engine,
    now: BootTime,
    /// Who answers polls.
    answers: Vec<NodeId>,
    /// The kernel of n3 refuses connections: its daemon is gone.
    n3_refuses: bool,
    /// In which boot n3 is.
    boot: SessionId,
    /// What every fence device reads.
    power_is_on: bool,
    /// How long one takes to answer.
    power_takes: Duration,
    /// What single fence devices answer instead.
    devices: BTreeMap<ResourceId, PowerAnswer>,
    /// What fence devices were told to switch, and how the node stood at that moment.
    told: Vec<(PowerVerb, Liveness)>,
    /// No device can switch anything on.
    on_fails: bool,
    /// So many answers to grants are lost on their way.
    grants_lost: u32,
    /// So many answers to claims are.
    claims_lost: u32,
    /// What a look on its own host finds.
    there: Executed,
    /// So many judgements come too late to be written.
    judgements_dropped: u32,
    voters: BTreeSet<NodeId>,
    /// Who leads instead, for a while.
    other_leads: Option<NodeId>,
    /// Whom n2 hears of n3, whatever this leader hears.
    n2_hears_n3: bool,
    /// It says nothing of anybody.
    n2_is_mute: bool,
    /// For how long it has been asking, where that is not long.
    n2_asks_since: Option<Duration>,
    /// What reads off goes on.
    lies: bool,
    handed_over: Vec<NodeId>,
    /// The looks that were asked for: when, and of which monitor.
    looks: Vec<(BootTime, Duration)>,
    /// What monitors find where that is not that it runs.
    found: BTreeMap<Duration, Executed>,
    sensed: sensors::Sensed,
    /// By so many ms the wall clock is ahead of the other.
    wall_ahead: u64,
}

impl Leader {
    fn new() -> Self {
        let me =
            Me { node: "n1".into(), hardware: "hw-n1".into(), session: "boot-n1".into(), release: Release::this() };
        let engine = Engine::new(me, BootTime(0));
        let mut leader = Self {
            state: ClusterState::default(),
            engine,
            now: BootTime(0),
            answers: Vec::new(),
            n3_refuses: false,
            boot: "boot-n3".into(),
            power_is_on: true,
            power_takes: Duration::ZERO,
            devices: BTreeMap::new(),
            told: Vec::new(),
            on_fails: false,
            grants_lost: 0,
            claims_lost: 0,
            there: Executed { seen: Seen::Stopped, error: None },
            judgements_dropped: 0,
            voters: ["n1", "n2", "n3"].into_iter().map(NodeId::from).collect(),
            other_leads: None,
            n2_hears_n3: false,
            n2_is_mute: false,
            n2_asks_since: None,
            lies: false,
            handed_over: Vec::new(),
            looks: Vec::new(),
            found: BTreeMap::new(),
            sensed: sensors::Sensed::default(),
            wall_ahead: 0,
        };
        let founding = Founding {
            cluster_id: "c".to_owned(),
            name: "c".to_owned(),
            ca_certificate: String::new(),
            ca_key: String::new(),
            member: member("n1", 1),
        };
        leader.apply(Command::Found(founding));
        for (name, number) in [("n2", 2), ("n3", 3)] {
            let token = format!("token-{name}");
            let expires = Timestamp(u64::MAX);
            leader.apply(Command::CreateToken { hash: token.clone(), expires, actor: String::new() });
            leader.apply(Command::Join { token, member: Box::new(member(name, number)) });
        }
        for name in ["n2", "n3"] {
            leader.apply(Command::Hello {
                node: name.into(),
                hardware: HardwareId::new(format!("hw-{name}")),
                session: SessionId::new(format!("boot-{name}")),
                follows: Incarnation(0),
                inventory: BTreeMap::new(),
                release: Release::this(),
            });
        }
        leader.configure("primitive f3 stonith:fake params state=/x target=n3\n");
        leader
    }

    fn apply(&mut self, command: Command) -> Outcome {
        let index = self.state.index + 1;
        self.state.apply(index, &Entry { at: Timestamp(self.now.0), request: None, command })
    }

    /// One event, and whatever follows from it at once.
    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let me = NodeId::from("n1");
            let leader = self.other_leads.as_ref().unwrap_or(&me);
            let (is_leader, voters, state) = (*leader == me, &self.voters, &self.state);
            let wall = Timestamp(self.now.0 + self.wall_ahead);
            let view = View { state, leader: Some(leader), is_leader, term: 1, voters, wall };
            for effect in self.engine.step(self.now, view, event) {
                events.extend(self.answer(effect));
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Propose(tag, command) => {
                if self.judgements_dropped > 0 && matches!(command, Command::Judge { .. }) {
                    self.judgements_dropped -= 1;
                    return Some(Event::Proposed(tag, Err(ProposeError::NotSent)));
                }
                let outcome = self.apply(command);
                if self.grants_lost > 0 && matches!(outcome, Outcome::FenceGranted(_)) {
                    self.grants_lost -= 1;
                    return Some(Event::Proposed(tag, Err(ProposeError::Unknown)));
                }
                if self.claims_lost > 0 && matches!(outcome, Outcome::Granted(_)) {
                    self.claims_lost -= 1;
                    return Some(Event::Proposed(tag, Err(ProposeError::Unknown)));
                }
                Some(Event::Proposed(tag, Ok(outcome)))
            }
            Effect::Poll(node, question) if self.answers.contains(&node) => {
                let known = SessionId::new(format!("boot-{node}"));
                let session = if node.as_str() == "n3" { self.boot.clone() } else { known };
                // It hears whom this one hears; the others it does not.
                let answer = self.engine.presence(self.now, &question);
                let mut presence = Presence { node, session, incarnation: Incarnation(1), ..answer };
                if self.n2_hears_n3 && question.is_about(&"n3".into()) {
                    presence.silence.insert("n3".into(), Duration::ZERO);
                    presence.boots.insert("n3".into(), self.boot.clone());
                }
                presence.asking = self.n2_asks_since.map(|since| ("n3".into(), since)).into_iter().collect();
                if self.n2_is_mute {
                    presence.silence.clear();
                }
                Some(Event::Heard { asked: self.now, presence })
            }
            Effect::Poll(node, _) if self.n3_refuses && node.as_str() == "n3" => {
                Some(Event::NotHeard { node, asked: self.now, refused: true })
            }
            Effect::Power { tag, device, target, verb, .. } => {
                // Who is switched off says no more.
                if verb == PowerVerb::Off && !self.power_is_on && !self.lies {
                    self.answers.retain(|node| *node != target);
                }
                self.now = self.now.after(self.power_takes);
                if !verb.is_reading() {
                    self.told.push((verb, self.liveness("n3")));
                }
                if verb == PowerVerb::On && self.on_fails {
                    return Some(Event::Power(tag, PowerAnswer { result: Err("busy".to_owned()), sent: false }));
                }
                let usual = PowerAnswer { result: Ok(self.power_is_on), sent: verb == PowerVerb::Off };
                Some(Event::Power(tag, self.devices.get(&device).cloned().unwrap_or(usual)))
            }
            Effect::HandOver { to, .. } => {
                self.handed_over.push(to);
                None
            }
            Effect::Read(tag) => Some(Event::Read(tag, true)),
            Effect::Execute(job) if job.kind == ActionKind::Probe => Some(Event::Executed(job.tag, self.there.clone())),
            Effect::Look(job) => {
                self.looks.push((self.now, job.interval));
                let runs = Executed { seen: Seen::Running, error: None };
                Some(Event::Looked(job.tag, self.found.get(&job.interval).cloned().unwrap_or(runs)))
            }
            Effect::Sensors { tag, .. } => Some(Event::Sensors(tag, self.sensed.read())),
            Effect::TakeInventory(_) => Some(Event::Inventory(BTreeMap::new())),
            _ => None,
        }
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.now = self.now.after(TICK);
            self.step(Event::Tick);
        }
    }

    fn liveness(&self, node: &str) -> Liveness {
        self.state.nodes[&NodeId::from(node)].liveness
    }
}

fn member(name: &str, number: u64) -> Member {
    Member {
        name: name.into(),
        raft_id: RaftId(number),
        address: format!("10.0.0.{number}:5407"),
        hardware: HardwareId::new(format!("hw-{name}")),
        hardware_is_dmi: true,
        store: StoreId::new(format!("store-{name}")),
        fingerprint: format!("key-{name}"),
        joined: Timestamp(0),
        witness: false,
    }
}

#[test]
fn a_node_that_falls_silent_is_suspect_at_once_and_lost_after_the_full_wait() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_millis(1200));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect);
    leader.run(Duration::from_millis(3000));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "its power reads on: lost-after has not passed");
    leader.run(Duration::from_millis(1500));
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
    assert_eq!(leader.liveness("n2"), Liveness::Online);
}

#[test]
fn a_node_whose_power_reads_off_is_lost_early() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.power_is_on = false;
    leader.run(Duration::from_millis(1200));
    assert_eq!(leader.liveness("n3"), Liveness::Off, "judged, fenced and proven within the time of a suspicion");
}

#[test]
fn a_fence_says_where_its_time_went() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    let begin = leader.now;
    leader.answers = vec!["n2".into()];
    leader.power_is_on = false;
    leader.power_takes = Duration::from_millis(70);
    leader.run(Duration::from_millis(1600));
    let record = leader.state.fences.back().expect("it was fenced").clone();
    let spent = record.intent.spent.expect("by its silence");
    assert_eq!(spent.readings, Duration::from_millis(140), "two early readings");
    let most = leader.now.since(begin) + POLL_EVERY;
    assert!(spent.silence >= Duration::from_millis(940) && spent.silence < most, "{spent:?}");
    assert_eq!(record.intent.attempts.len(), 1, "one try: {record:?}");
    let attempt = &record.intent.attempts[0];
    assert_eq!(attempt.took, Duration::from_millis(140), "the off and the reading after it");
}

#[test]
fn a_node_not_heard_since_its_judge_started_gets_the_join_grace() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "after a power failure of all it may still be booting");
    let grace = leader.state.properties().join_grace;
    leader.run(grace);
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
}

#[test]
fn a_node_that_was_waited_for_and_answers_before_its_hello_is_not_lost() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(20));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "after a power failure of all it may still be booting");
    leader.boot = "boot-2".into();
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "its hello is on its way, and is the proof");
    assert!(leader.state.intents.is_empty(), "nobody is to fence the newborn");
}

#[test]
fn a_hello_is_a_sign_of_life_before_any_poll_is_answered() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.power_is_on = false;
    leader.run(Duration::from_secs(15));
    assert_eq!(leader.liveness("n3"), Liveness::Off, "it was fenced");
    leader.power_is_on = true;
    leader.boot = "boot-2".into();
    leader.apply(Command::Hello {
        node: "n3".into(),
        hardware: "hw-n3".into(),
        session: "boot-2".into(),
        follows: Incarnation(1),
        inventory: BTreeMap::new(),
        release: Release::this(),
    });
    leader.step(Event::Applied);
    assert_eq!(leader.liveness("n3"), Liveness::Online, "the silence of its earlier boot is not its own");
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
}

#[test]
fn what_is_due_wakes_the_leader_though_nothing_happens() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    let text = "primitive vm1 vm:fake\nprimitive f3 stonith:fake params state=/x target=n3\n";
    let config = grammar::read(text, &mut |_| Err(String::new())).expect("the text is valid");
    let patch = Box::new(ConfigPatch::between(&leader.state.config, &config));
    leader.apply(Command::Configure { actor: String::new(), base: 1, patch, diff: String::new() });
    leader.run(Duration::from_secs(10));
    let lasts = Some(Duration::from_secs(60));
    let (actor, resource, node) = ("root".to_owned(), "vm1".into(), NodeId::from("n2"));
    leader.apply(Command::Prefer { actor, resource, node, wish: Wish::Ban, lasts });
    leader.run(Duration::from_secs(20));
    let quiet = leader.state.index;
    leader.run(Duration::from_secs(35));
    assert_eq!(leader.state.index, quiet, "nothing is due yet");
    assert_eq!(leader.state.preferences.len(), 1);
    leader.run(Duration::from_secs(10));
    assert!(leader.state.preferences.is_empty(), "its lifetime is over");
    let woken = leader.state.index;
    leader.run(Duration::from_secs(120));
    assert_eq!(leader.state.index, woken, "nothing more is due");
}

#[test]
fn a_leader_that_does_not_hear_whom_others_hear_hands_over_and_fences_nobody() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n2_hears_n3 = true;
    leader.run(Duration::from_millis(1500));
    assert_eq!(leader.handed_over, Vec::<NodeId>::new(), "it may be a moment's noise");
    leader.run(Duration::from_millis(1500));
    assert_eq!(leader.handed_over, vec![NodeId::from("n2")]);
    leader.run(Duration::from_secs(10));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "n2 hears it");
    assert_eq!(leader.handed_over.len(), 3, "offered again, with pauses");
}

#[test]
fn leadership_stays_where_nobody_hears_more() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(4));
    assert_eq!(leader.handed_over, Vec::<NodeId>::new());
}

#[test]
fn a_leader_without_a_majority_judges_nobody() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers.clear();
    leader.power_is_on = false;
    leader.run(Duration::from_secs(30));
    assert_eq!(leader.liveness("n2"), Liveness::Suspect);
    assert_eq!(leader.liveness("n3"), Liveness::Suspect);
}

#[test]
fn after_a_minute_without_a_majority_whoever_is_not_heard_since_gets_the_join_grace() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers.clear();
    leader.run(Duration::from_secs(65));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "it may still be booting");
    leader.run(leader.state.properties().join_grace);
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
}

#[test]
fn a_short_absence_of_the_majority_gives_nobody_more_time() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers.clear();
    leader.run(Duration::from_secs(40));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(10));
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
}

#[test]
fn power_that_reads_off_needs_no_join_grace() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(3));
    leader.power_is_on = false;
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
}

#[test]
fn silence_is_counted_from_the_return_of_a_majority() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers.clear();
    leader.run(Duration::from_secs(30));
    leader.answers = vec!["n2".into()];
    leader.run(Duration::from_secs(4));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "its connection takes longer to come back than that of n2");
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
}

#[test]
fn who_answers_after_it_was_proven_dead_makes_the_proof_false() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    (leader.power_is_on, leader.lies) = (false, true);
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Off, "its device says so");
    assert!(leader.state.distrusted.is_empty(), "what was heard before proves nothing");
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n3"), Liveness::Lost, "it lives");
    assert!(leader.state.distrusted.contains_key(&ResourceId::from("f3")));
    assert!(leader.state.nodes[&NodeId::from("n3")].disarmed.is_some());
}
