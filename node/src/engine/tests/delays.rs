//! What is wanted before a first off: time for a node that still runs what is important, and what its devices need.

use super::*;
use quorate_core::id::{NodeId, Operation};
use quorate_core::state::{EventKind, Speaker};

/// n1 and n3 are hosts, n2 is a witness; n3 runs vm3, and vm1 runs on n1; then n3 falls silent, and its power reads on.
fn two_hosts(priority_of_vm3: i64) -> Leader {
    let mut leader = Leader::new();
    if let Some(witness) = leader.state.members.get_mut(&NodeId::from("n2")) {
        witness.witness = true;
    }
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure(&format!(
        "property priority-fencing-delay=15s\nprimitive f3 stonith:fake params state=/x target=n3\n\
         primitive vm1 vm:fake meta priority=10 is-managed=false\n\
         primitive vm3 vm:fake meta priority={priority_of_vm3} is-managed=false\n"
    ));
    for (vm, at) in [("vm1", "n1"), ("vm3", "n3")] {
        for node in ["n1", "n3"] {
            let incarnation = leader.state.nodes[&NodeId::from(node)].incarnation;
            let speaker = Speaker { node: node.into(), session: SessionId::new(format!("boot-{node}")), incarnation };
            let operation = leader.state.activity(&vm.into(), &node.into()).map_or(Operation(0), |it| it.operation);
            let seen = if node == at { Seen::Running } else { Seen::Stopped };
            let told = leader.apply(Command::Observe { speaker, resource: vm.into(), operation, seen, error: None });
            assert_eq!(told, Outcome::Done);
        }
    }
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader
}

/// How long after the intent the first try begins, in seconds.
fn waited(leader: &mut Leader) -> u64 {
    let mut since = None;
    for _ in 0..600 {
        leader.run(Duration::from_millis(100));
        if let Some(intent) = leader.state.intents.get(&NodeId::from("n3")) {
            let since = *since.get_or_insert(leader.now);
            if intent.tries > 0 {
                return leader.now.since(since).as_secs();
            }
        }
    }
    panic!("n3 is never fenced: {:?}", leader.state.intents)
}

fn held(leader: &Leader) -> Vec<&str> {
    let held = leader.state.events.iter().filter(|event| event.kind == EventKind::FenceHeld);
    held.map(|event| event.text.as_str()).collect()
}

#[test]
fn who_runs_what_is_most_important_has_time_to_be_heard_again() {
    let mut leader = two_hosts(20);
    let waited = waited(&mut leader);
    assert!((14..=16).contains(&waited), "{waited} s");
    assert!(held(&leader)[0].contains("waits 15 s by priority-fencing-delay"), "{:?}", held(&leader));
}

#[test]
fn who_runs_less_than_others_or_as_much_is_fenced_at_once() {
    for priority in [0, 5, 10] {
        let mut leader = two_hosts(priority);
        assert_eq!(waited(&mut leader), 0, "{priority}");
        assert!(held(&leader).is_empty(), "{:?}", held(&leader));
    }
}

#[test]
fn where_more_than_half_of_the_hosts_are_left_nobody_waits() {
    let mut leader = two_hosts(20);
    if let Some(third) = leader.state.members.get_mut(&NodeId::from("n2")) {
        third.witness = false;
    }
    assert_eq!(waited(&mut leader), 0);
}

#[test]
fn who_is_heard_while_its_fence_waits_is_not_fenced() {
    let mut leader = two_hosts(20);
    leader.run(Duration::from_secs(10));
    let wait = leader.state.fence_wait(&"n3".into()).expect("its fence waits");
    assert!(wait.until > Timestamp(leader.now.0), "{wait:?}");
    leader.answers.push("n3".into());
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
    assert!(leader.state.intents.is_empty(), "{:?}", leader.state.intents);
    leader.run(Duration::from_secs(30));
    assert_eq!(leader.liveness("n3"), Liveness::Online);
}

#[test]
fn who_reads_off_is_not_waited_for() {
    let mut leader = two_hosts(20);
    leader.power_is_on = false;
    leader.run(Duration::from_secs(4));
    assert_eq!(leader.liveness("n3"), Liveness::Off);
    assert!(held(&leader).is_empty(), "{:?}", held(&leader));
}
