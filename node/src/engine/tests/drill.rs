//! The drill of fence devices: who reads which, how often, and that the log knows nothing of it.

use super::*;
use quorate_core::state::Arming;
use std::time::Duration;

const DEVICES: &str = "primitive f1 stonith:fake params state=/x target=n1\n\
                       primitive f2 stonith:fake params state=/y target=n2\n\
                       primitive f3 stonith:fake params state=/z target=n3\n";

fn calm(properties: &str) -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    // Its own hello raises the feature level.
    leader.run(Duration::from_secs(1));
    leader.configure(&format!("{DEVICES}{properties}"));
    leader.devices.insert("f2".into(), PowerAnswer { result: Err("no answer".to_owned()), sent: false });
    leader.run(Duration::from_secs(5));
    leader
}

/// Device, how it read or why not, and its age in seconds.
fn drills(leader: &Leader) -> Vec<(String, Option<bool>, Option<String>, u64)> {
    let hands = leader.engine.first_hand(leader.now);
    let own = &hands[&NodeId::from("n1")].drills;
    own.iter().map(|one| (one.device.to_string(), one.on, one.error.clone(), one.ago.as_secs())).collect()
}

#[test]
fn every_device_of_others_is_read_again_and_again_and_only_what_changes_is_written() {
    let mut leader = calm("property fence-drill-interval=10m\n");
    let index = leader.state.index;
    assert_eq!(drills(&leader), [], "who has just begun to lead has other things to do");
    leader.run(Duration::from_secs(60));
    let found = drills(&leader);
    let names: Vec<&str> = found.iter().map(|(device, ..)| device.as_str()).collect();
    assert_eq!(names, ["f2", "f3"], "its own device is for others to read");
    assert_eq!((found[0].1, found[0].2.as_deref()), (None, Some("no answer")));
    assert_eq!((found[1].1, found[1].2.as_deref()), (Some(true), None));
    assert_eq!(leader.state.index, index, "one reading that fails may be wrong");
    leader.run(Duration::from_secs(590));
    assert_eq!(leader.state.index, index + 1, "that it fails twice is written, once");
    assert!(matches!(leader.state.arming(&"n2".into()), Arming::Failing(_)));
    assert!(drills(&leader).iter().all(|(.., age)| (580..=600).contains(age)), "{:?}", drills(&leader));
    leader.devices.clear();
    leader.run(Duration::from_secs(30));
    assert!(drills(&leader).iter().all(|(_, on, _, age)| *age <= 30 && *on == Some(true)), "{:?}", drills(&leader));
    assert_eq!(leader.state.index, index + 2, "and that it passes again");
    leader.run(Duration::from_secs(1300));
    assert_eq!(leader.state.index, index + 2, "a quiet cluster writes nothing");
}

#[test]
fn a_new_device_is_read_at_once_and_until_it_passes() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(5));
    leader.devices.insert("f2".into(), PowerAnswer { result: Err("no answer".to_owned()), sent: false });
    // Even where no other drill is wanted.
    leader.configure_untested(&format!("{DEVICES}property fence-drill-interval=0\n"));
    assert!(!leader.state.is_armed(&"n3".into()));
    leader.run(Duration::from_secs(1));
    assert!(leader.state.is_armed(&"n3".into()), "it was read and passed");
    let of_n2 = leader.state.arming(&"n2".into());
    assert!(matches!(&of_n2, Arming::Untested(why) if why.contains("no answer")), "{of_n2:?}");
    assert!(!leader.state.is_armed(&"n1".into()), "its own is for another to read");
    leader.devices.clear();
    leader.run(Duration::from_secs(11));
    assert!(leader.state.is_armed(&"n2".into()));
    let index = leader.state.index;
    leader.run(Duration::from_secs(600));
    assert_eq!(leader.state.index, index);
}

#[test]
fn what_has_passed_at_last_is_read_as_often_as_the_others() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(5));
    leader.devices.insert("f2".into(), PowerAnswer { result: Err("no answer".to_owned()), sent: false });
    leader.configure_untested(&format!("{DEVICES}property fence-drill-interval=3s\n"));
    // After 10 s, and 20 s more, it passes; the next pause would be 40 s.
    leader.run(Duration::from_secs(15));
    leader.devices.clear();
    leader.run(Duration::from_secs(20));
    assert!(leader.state.is_armed(&"n2".into()));
    leader.run(Duration::from_secs(10));
    assert!(drills(&leader).iter().all(|(.., age)| *age <= 4), "{:?}", drills(&leader));
}

#[test]
fn the_leaders_device_is_read_by_another_member() {
    let mut leader = calm("property fence-drill-interval=10m\n");
    leader.run(Duration::from_secs(70));
    leader.other_leads = Some("n2".into());
    leader.run(Duration::from_secs(70));
    let found = drills(&leader);
    assert_eq!(found.len(), 1, "what it is not in charge of any more is forgotten: {found:?}");
    assert_eq!(found[0].0, "f2");
}

#[test]
fn nobody_reads_its_own_device_though_nobody_else_is_there() {
    let mut leader = calm("property fence-drill-interval=20s\n");
    for node in ["n2", "n3"] {
        leader.state.nodes.get_mut(&node.into()).expect("it is a member").liveness = Liveness::Away;
    }
    leader.answers.clear();
    leader.run(Duration::from_secs(60));
    let found = drills(&leader);
    let names: Vec<&str> = found.iter().map(|(device, ..)| device.as_str()).collect();
    assert_eq!(names, ["f2", "f3"]);
}

#[test]
fn no_drill_where_none_is_wanted_and_none_of_a_node_that_is_fenced() {
    let mut leader = calm("property fence-drill-interval=0\n");
    leader.run(Duration::from_secs(120));
    assert_eq!(drills(&leader), []);

    let mut leader = calm("property fence-drill-interval=20s\n");
    leader.run(Duration::from_secs(30));
    assert_eq!(drills(&leader).len(), 2);
    leader.answers = vec!["n2".into()];
    leader.devices.insert("f3".into(), PowerAnswer { result: Err("busy".to_owned()), sent: false });
    leader.run(Duration::from_secs(10));
    assert!(leader.state.intents.contains_key(&NodeId::from("n3")), "it is being fenced");
    let before = leader.now;
    leader.run(Duration::from_secs(100));
    let read = drills(&leader).into_iter().find(|(device, ..)| device == "f3").expect("it was read once");
    assert!(read.3 >= leader.now.since(before).as_secs(), "its device is left to the fence: {read:?}");
}

#[test]
fn who_is_alone_reads_its_own_device_until_it_has_passed() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(5));
    for node in ["n2", "n3"] {
        leader.state.nodes.get_mut(&node.into()).expect("it is a member").liveness = Liveness::Away;
    }
    leader.answers.clear();
    leader.configure_untested(&format!("{DEVICES}property fence-drill-interval=20s\n"));
    leader.run(Duration::from_secs(1));
    assert!(leader.state.is_armed(&"n1".into()), "a host whose peers are dead does not wait for them");
    assert!(!leader.state.is_armed(&"n2".into()), "who does not take part is read when it is back");
    leader.run(Duration::from_secs(60));
    assert!(drills(&leader).iter().all(|(device, ..)| device != "f1"), "{:?}", drills(&leader));
}

#[test]
fn a_device_that_a_person_vouches_for_is_not_read() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(5));
    leader.configure_untested(
        "primitive f3 stonith:fake params state=/y target=n3 drill=false\nproperty fence-drill-interval=20s\n",
    );
    assert!(leader.state.is_armed(&"n3".into()));
    leader.run(Duration::from_secs(90));
    assert_eq!(drills(&leader), []);
}

#[test]
fn a_reading_of_who_is_gone_is_not_held_against_its_device() {
    let mut leader = calm("property fence-drill-interval=10m\n");
    leader.run(Duration::from_secs(60));
    leader.answers.retain(|node| node.as_str() != "n3");
    leader.power_is_on = false;
    leader.run(Duration::from_secs(10));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
    leader.run(Duration::from_secs(660));
    let of_n3: Vec<_> = drills(&leader).into_iter().filter(|(device, ..)| device == "f3").collect();
    assert!(of_n3.iter().all(|(_, on, ..)| *on != Some(false)), "{of_n3:?}");
}
