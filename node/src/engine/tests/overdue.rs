//! Claims that nobody ends, and what the leader does about them.

use super::Leader;
use quorate_core::id::NodeId;
use quorate_core::state::{ActionKind, Command, Outcome, Seen, Speaker};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

/// A leader whose plan has n2 look for vm1, and n2 claims that and says nothing more of it.
fn claimed() -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure("primitive f3 stonith:fake params state=/x target=n3\nprimitive vm1 vm:fake\n");
    leader.run(Duration::from_secs(1));
    let planned = leader.state.actions.values().find(|action| action.node.as_str() == "n2");
    let action = planned.expect("a probe is planned").id;
    let incarnation = leader.state.nodes[&NodeId::from("n2")].incarnation;
    let speaker = Speaker { node: "n2".into(), session: "boot-n2".into(), incarnation };
    let granted = leader.apply(Command::Claim { speaker, action, deadline: DEADLINE });
    assert!(matches!(granted, Outcome::Granted(_)), "{granted:?}");
    leader
}

fn is_claimed(leader: &Leader) -> bool {
    let activity = leader.state.activity(&"vm1".into(), &"n2".into());
    activity.is_some_and(|activity| activity.claim.as_ref().is_some_and(|claim| claim.kind == ActionKind::Probe))
}

#[test]
fn a_claim_without_a_word_is_closed_and_looked_at_again() {
    let mut leader = claimed();
    leader.run(DEADLINE + Duration::from_secs(15));
    assert!(is_claimed(&leader), "whoever has it bounds it first");
    leader.run(Duration::from_secs(10));
    assert!(!is_claimed(&leader));
    let activity = leader.state.activity(&"vm1".into(), &"n2".into()).expect("it is known there").clone();
    assert!(matches!(&activity.seen, Seen::Unknown(why) if why.contains("no result of the probe")), "{activity:?}");
    let again = leader.state.actions.values().find(|action| action.node.as_str() == "n2");
    assert!(again.is_some_and(|action| action.kind == ActionKind::Probe && !action.claimed), "{again:?}");
}

#[test]
fn the_claim_of_a_silent_node_is_not_overdue() {
    let mut leader = claimed();
    leader.answers = vec!["n3".into()];
    leader.run(DEADLINE + Duration::from_secs(40));
    let told = leader.state.events.iter().find(|event| event.text.contains("no result of the"));
    assert_eq!(told, None, "it is judged, and its claims with it");
}
