//! A node's own unfencing: an on and a reading, once in a boot, and before anything that needs it.

use super::*;
use quorate_core::id::NodeId;
use quorate_core::state::EventKind;

const SCSI: &str = "primitive f3 stonith:fake params state=/x target=n3\n\
    primitive scsi stonith:fake params state=/y target=n1 meta provides=unfencing\n\
    primitive power stonith:fake params state=/z target=n1\n\
    primitive vm1 vm:fake\nfencing_topology n1: power\n";

fn leader() -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure(SCSI);
    leader
}

fn told(leader: &Leader) -> Vec<&str> {
    let told = leader.state.events.iter().filter(|event| event.kind == EventKind::Unfenced);
    told.map(|event| event.text.as_str()).collect()
}

fn ons(leader: &Leader) -> usize {
    leader.told.iter().filter(|(verb, _)| *verb == PowerVerb::On).count()
}

#[test]
fn it_is_let_in_once_and_read() {
    let mut leader = leader();
    leader.run(Duration::from_secs(3));
    assert_eq!(told(&leader), ["n1 is unfenced by scsi"]);
    assert_eq!(leader.state.to_unfence(&"n1".into()), []);
    leader.run(Duration::from_secs(60));
    assert_eq!(ons(&leader), 1, "and not again in this boot");
    assert!(leader.state.not_unfenced(&"n3".into()).is_none(), "the device is not for n3");
}

#[test]
fn what_fails_is_tried_again_and_told_once() {
    let mut leader = leader();
    leader.on_fails = true;
    leader.run(Duration::from_secs(60));
    assert_eq!(told(&leader), ["n1 could not be unfenced by scsi: busy"]);
    assert!((4..=12).contains(&ons(&leader)), "{} times in a minute", ons(&leader));
    let why = leader.state.locked_out(&"vm1".into(), &"n1".into());
    assert_eq!(why.as_deref(), Some("scsi could not unfence it: busy"));
    leader.on_fails = false;
    leader.run(Duration::from_secs(70));
    assert_eq!(told(&leader).last(), Some(&"n1 is unfenced by scsi"));
}

#[test]
fn who_took_the_on_and_reads_off_is_not_let_in() {
    let mut leader = leader();
    leader.power_is_on = false;
    leader.run(Duration::from_secs(5));
    assert_eq!(told(&leader), ["n1 could not be unfenced by scsi: it took the on and reads off"]);
}

#[test]
fn it_waits_while_something_that_needs_it_may_be_active() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.there = Executed { seen: Seen::Running, error: None };
    leader.configure("primitive power stonith:fake params state=/z target=n1\nprimitive vm1 vm:fake\n");
    leader.run(Duration::from_secs(3));
    assert!(!leader.state.activity(&"vm1".into(), &NodeId::from("n1")).expect("known").is_stopped());
    leader.configure(SCSI);
    leader.run(Duration::from_secs(30));
    assert_eq!(ons(&leader), 0);
    let why = leader.state.not_unfenced(&"n1".into()).expect("it is not");
    assert!(why.contains("qrm node standby n1"), "{why}");
}
