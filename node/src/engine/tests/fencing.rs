//! Fences carried on by hand: tries that are lost, fail or are of no use, and how often they are made.

use super::*;
use quorate_core::state::{FenceCause, FenceIntent, Speaker, TRIES_KEPT};
use std::time::Duration;

/// n3 is heard, and then no more, with these devices.
fn silent(devices: &str) -> Leader {
    let mut leader = Leader::new();
    leader.configure(devices);
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader
}

fn error(text: &str) -> PowerAnswer {
    PowerAnswer { result: Err(text.to_owned()), sent: false }
}

fn intent(leader: &Leader) -> &FenceIntent {
    leader.state.intents.get(&NodeId::from("n3")).expect("n3 is to be fenced")
}

#[test]
fn a_grant_whose_answer_is_lost_holds_nothing_up() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\n");
    leader.power_is_on = false;
    leader.grants_lost = 2;
    leader.run(Duration::from_secs(6));
    assert_eq!(leader.liveness("n3"), Liveness::Off, "it is tried again after a pause, not after the grant has passed");
    let record = leader.state.fences.back().expect("it ended");
    assert_eq!(record.intent.tries, 3);
    assert!(record.intent.failed[0].error.contains("nothing was sent"), "{:?}", record.intent.failed);
}

#[test]
fn all_devices_of_a_level_are_off_before_anything_goes_on() {
    let both = "primitive a stonith:fake params state=/x target=n3\n\
                primitive b stonith:fake params state=/y target=n3\n\
                fencing_topology n3: a,b\n";
    let mut leader = silent(both);
    leader.power_is_on = false;
    leader.devices.insert("b".into(), PowerAnswer { result: Ok(true), sent: true });
    leader.run(Duration::from_secs(4));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "one of its two supplies reads on: it is not judged early");
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.liveness("n3"), Liveness::Lost, "and one that reads on proves nothing");
    let failed = &intent(&leader).failed[0];
    assert!(failed.error.contains("still reads on"), "{failed:?}");
    leader.devices.clear();
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
}

#[test]
fn the_first_off_is_held_back_as_long_as_its_device_wants() {
    for (delay, least, most) in
        [("pcmk_delay_base=20s", 20, 22), ("pcmk_delay_base=n3:7s;n2:1s pcmk_delay_max=9", 7, 11)]
    {
        // The device says nothing before: no early reading makes it quick.
        let mut leader = silent(&format!("primitive f3 stonith:fake params state=/x target=n3 {delay}\n"));
        let mut wanted = None;
        let mut waited = None;
        for _ in 0..600 {
            leader.run(Duration::from_millis(100));
            if let Some(intent) = leader.state.intents.get(&NodeId::from("n3")) {
                let since = *wanted.get_or_insert(leader.now);
                waited = (intent.tries > 0).then(|| leader.now.since(since));
            }
            if waited.is_some() {
                break;
            }
        }
        let waited = waited.expect("it is tried at last").as_secs();
        assert!((least..=most).contains(&waited), "{delay}: {waited} s");
    }
}

#[test]
fn levels_are_tried_in_turn_until_one_proves_it() {
    let levels = "primitive a stonith:fake params state=/x target=n3\n\
                  primitive b stonith:fake params state=/y target=n3\n\
                  fencing_topology n3: a b\n";
    let mut leader = silent(levels);
    leader.power_is_on = false;
    leader.devices.insert("a".into(), error("login refused"));
    leader.run(Duration::from_secs(8));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
    let ended = leader.state.fences.back().expect("it ended");
    let tried: Vec<&str> = ended.intent.attempts.iter().map(|attempt| attempt.devices[0].as_str()).collect();
    assert_eq!(tried, ["a", "b"]);
}

#[test]
fn a_dead_device_is_tried_for_ever_with_growing_pauses_and_little_is_kept_of_it() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\n");
    leader.devices.insert("f3".into(), error("login refused"));
    leader.run(Duration::from_secs(60));
    let begun: Vec<u64> = intent(&leader).attempts.iter().map(|attempt| attempt.granted.0).collect();
    let pauses: Vec<u64> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 4 && pauses.windows(2).all(|pair| pair[1] > pair[0] + pair[0] / 2), "{pauses:?}");
    leader.run(Duration::from_secs(40 * 60));
    let intent = intent(&leader);
    assert_eq!(intent.attempts.len(), TRIES_KEPT);
    assert!(intent.tries > 30 && intent.tries < 60, "a try a minute, not {}", intent.tries);
    assert_eq!(intent.failed.len(), 1);
    assert_eq!((intent.failed[0].times, intent.failed[0].error.as_str()), (intent.tries, "f3: login refused"));
}

#[test]
fn who_is_heard_in_another_boot_is_not_sent_an_off() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\n");
    leader.devices.insert("f3".into(), error("no route to host"));
    leader.run(Duration::from_secs(10));
    let tried = intent(&leader).tries;
    assert!(tried > 0);
    leader.boot = "boot-2".into();
    leader.answers.push("n3".into());
    leader.devices.clear();
    leader.run(Duration::from_secs(120));
    assert_eq!(intent(&leader).tries, tried, "its hello is the proof, and an off would only hit the newborn");
    leader.apply(Command::Hello {
        node: "n3".into(),
        hardware: "hw-n3".into(),
        session: "boot-2".into(),
        follows: Incarnation(1),
        inventory: BTreeMap::new(),
        release: Release::this(),
    });
    leader.step(Event::Applied);
    assert_eq!(leader.liveness("n3"), Liveness::Online);
    assert!(leader.state.intents.is_empty(), "the pending fence is called off by that proof");
}

#[test]
fn a_fence_that_was_asked_for_tries_every_level_before_it_is_called_off() {
    let levels = "primitive a stonith:fake params state=/x target=n3\n\
                  primitive b stonith:fake params state=/y target=n3\n\
                  fencing_topology n3: a b\n";
    for works in [false, true] {
        let mut leader = silent(levels);
        leader.answers.push("n3".into());
        leader.devices.insert("a".into(), error("login refused"));
        if works {
            leader.power_is_on = false;
        } else {
            leader.devices.insert("b".into(), error("login refused"));
        }
        let cause = quorate_core::state::FenceCause::Asked { by: "root".to_owned() };
        leader.apply(Command::Fence { target: "n3".into(), session: "boot-n3".into(), cause, action: None });
        leader.run(Duration::from_secs(10));
        let (expected, left) = if works { (Liveness::Off, 0) } else { (Liveness::Online, 0) };
        assert_eq!((leader.liveness("n3"), leader.state.intents.len()), (expected, left));
    }
}

#[test]
fn a_reboot_is_an_off_a_proof_and_only_then_an_on() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\nproperty stonith-action=reboot\n");
    leader.power_is_on = false;
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
    assert_eq!(leader.told, [(PowerVerb::Off, Liveness::Lost), (PowerVerb::On, Liveness::Off)]);
    assert!(leader.state.power_on.is_empty(), "the device took it: {:?}", leader.state.power_on);
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.told.len(), 2, "once is enough");
}

#[test]
fn the_wish_to_switch_on_outlives_the_leader_that_saw_the_proof() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\nproperty stonith-action=reboot\n");
    (leader.power_is_on, leader.on_fails) = (false, true);
    leader.run(Duration::from_secs(5));
    let wish = leader.state.power_on.get(&NodeId::from("n3")).expect("it is wanted").clone();
    assert!(wish.tries > 0 && wish.error.as_deref() == Some("f3: busy"), "{wish:?}");
    let me = Me { node: "n1".into(), hardware: "hw-n1".into(), session: "boot-n1".into(), release: Release::this() };
    leader.engine = Engine::new(me, leader.now);
    leader.on_fails = false;
    leader.run(Duration::from_secs(5));
    assert!(leader.state.power_on.is_empty());
    let event = leader.state.events.iter().rev().find(|event| event.kind == quorate_core::state::EventKind::PowerOn);
    assert!(event.is_some_and(|event| event.text.contains("switched on again by f3")), "{event:?}");
}

#[test]
fn who_cannot_be_switched_on_is_left_to_a_person() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\nproperty stonith-action=reboot\n");
    (leader.power_is_on, leader.on_fails) = (false, true);
    leader.run(Duration::from_secs(600));
    assert!(leader.state.power_on.is_empty());
    let tries = leader.told.iter().filter(|(verb, _)| *verb == PowerVerb::On).count();
    assert_eq!(tries, quorate_core::state::POWER_ON_TRIES as usize);
}

#[test]
fn who_is_heard_again_and_could_not_be_fenced_at_all_is_taken_back() {
    let mut leader = silent("property stonith-enabled=false\n");
    leader.run(Duration::from_secs(10));
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
    let status = leader.state.held(&NodeId::from("n3"));
    assert!(status.is_some_and(|why| why.contains("disabled")), "it is said why nobody tries");
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
    assert!(leader.state.intents.is_empty());
}

#[test]
fn a_device_that_does_nothing_is_named_so_even_when_the_deadline_cuts_its_last_reading_short() {
    let mut leader = silent("primitive f3 stonith:fake params state=/x target=n3\n");
    while leader.state.intents.is_empty() {
        leader.run(TICK);
    }
    leader.run(Duration::from_millis(19_850));
    leader.devices.insert("f3".into(), error("does not answer, tried for 7 ms"));
    leader.power_takes = Duration::from_millis(300);
    leader.run(Duration::from_millis(400));
    let failed = &intent(&leader).failed[0];
    assert!(failed.error.contains("still reads on"), "{failed:?}");
}

#[test]
fn a_fence_for_a_failed_stop_that_nobody_is_left_to_carry_out_is_taken_back() {
    let mut leader = Leader::new();
    leader.configure("primitive f1 stonith:fake params state=/x target=n1\n");
    leader.run(Duration::from_secs(3));
    let session = leader.state.nodes[&NodeId::from("n1")].session.clone().expect("it said hello").id;
    let cause = FenceCause::StopFailed { resource: ResourceId::from("vm1"), error: "it does not stop".to_owned() };
    for other in ["n2", "n3"] {
        let session = SessionId::new(format!("boot-{other}"));
        leader.apply(Command::GoAway(Speaker { node: other.into(), session, incarnation: Incarnation(1) }));
    }
    leader.apply(Command::Fence { target: "n1".into(), session, cause, action: None });
    assert_eq!(leader.liveness("n1"), Liveness::Lost);
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n1"), Liveness::Online, "nobody fences itself, and nobody else is there");
    assert!(leader.state.intents.is_empty());
}

#[test]
fn a_level_that_passes_its_drills_is_read_before_one_that_does_not() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.devices.insert("refuses".into(), error("it refuses the password"));
    leader.configure_untested(
        "primitive refuses stonith:fake params state=/x target=n3\nprimitive f4 stonith:fake params state=/y target=n3\n\
         fencing_topology n3: refuses f4\n",
    );
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.power_is_on = false;
    leader.run(Duration::from_millis(1200));
    assert_eq!(leader.liveness("n3"), Liveness::Lost, "judged early, by what f4 reads");
    let tried: Vec<&str> = intent(&leader).attempts[0].devices.iter().map(ResourceId::as_str).collect();
    assert_eq!(tried, ["refuses"], "the levels are tried in their order all the same");
}
