//! Rules on dates: the leader wakes when one changes, and not before.

use super::*;
use quorate_core::id::Operation;
use quorate_core::state::Speaker;

fn see(leader: &mut Leader, node: &str, seen: Seen) {
    let incarnation = leader.state.nodes[&NodeId::from(node)].incarnation;
    let speaker = Speaker { node: node.into(), session: SessionId::new(format!("boot-{node}")), incarnation };
    let operation = leader.state.activity(&"vm1".into(), &node.into()).map_or(Operation(0), |it| it.operation);
    let told = leader.apply(Command::Observe { speaker, resource: "vm1".into(), operation, seen, error: None });
    assert_eq!(told, Outcome::Done);
}

/// vm1 runs on n1, which it has to leave when a minute of 1970 is over.
fn running() -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure(
        "property stonith-enabled=false\nprimitive vm1 vm:fake\n\
         location window vm1 rule -inf: #uname eq n1 and date gt 1970-01-01T00:01:00Z\n",
    );
    see(&mut leader, "n1", Seen::Running);
    see(&mut leader, "n2", Seen::Stopped);
    see(&mut leader, "n3", Seen::Stopped);
    leader
}

fn is_leaving(leader: &Leader) -> bool {
    let mut actions = leader.state.actions.values();
    actions.any(|action| action.kind == ActionKind::Stop && action.node.as_str() == "n1")
}

#[test]
fn a_rule_is_looked_at_when_its_time_has_come_and_nothing_is_written_before() {
    let mut leader = running();
    leader.run(Duration::from_secs(4));
    let index = leader.state.index;
    let rest = Duration::from_secs(60).saturating_sub(leader.now.since(BootTime(0)));
    leader.run(rest);
    assert_eq!(leader.state.index, index, "nothing happens, and nobody asks the time");
    assert!(!is_leaving(&leader));
    leader.run(Duration::from_millis(1200));
    assert!(is_leaving(&leader), "{:?}", leader.state.actions);
    let after = leader.state.index;
    leader.run(Duration::from_secs(60));
    assert_eq!(leader.state.index, after, "it changes no more");
}

#[test]
fn a_new_leader_knows_when_it_is_due() {
    let mut leader = running();
    leader.run(Duration::from_secs(4));
    leader.other_leads = Some("n2".into());
    leader.run(Duration::from_secs(70));
    assert!(!is_leaving(&leader), "who does not lead plans nothing");
    leader.other_leads = None;
    leader.run(Duration::from_secs(3));
    assert!(is_leaving(&leader));
}
