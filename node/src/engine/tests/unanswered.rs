//! answer-only: claims whose answer was lost. Nothing was begun under them, and a look closes them.

use super::{Executed, Leader};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ActionKind, Activity, AgentError, Command, Outcome, Seen, Speaker};
use std::time::Duration;

const WANTED: &str = "primitive f3 stonith:fake params state=/x target=n3\n\
    primitive f1 stonith:fake params state=/x target=n1\nprimitive svc ocf:heartbeat:Dummy\nlocation here svc inf: n1\n";

/// A leader on whose host svc runs, with a fence device and two others that could fence it.
fn running() -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.there = Executed { seen: Seen::Running, error: None };
    leader.configure(WANTED);
    leader.run(Duration::from_secs(1));
    assert_eq!(here(&leader).seen, Seen::Running);
    for node in ["n2", "n3"].map(NodeId::from) {
        let planned = leader.state.actions.values().find(|action| action.node == node);
        let action = planned.expect("a probe is planned").id;
        let (session, incarnation) = (format!("boot-{node}").as_str().into(), leader.state.nodes[&node].incarnation);
        let speaker = Speaker { node, session, incarnation };
        let claim = Command::Claim { speaker: speaker.clone(), action, deadline: Duration::from_secs(30) };
        let Outcome::Granted(operation) = leader.apply(claim) else { panic!("a probe is always granted") };
        let (resource, seen) = ("svc".into(), Seen::Stopped);
        leader.apply(Command::Result {
            speaker,
            resource,
            operation,
            seen,
            error: None,
            took: Duration::ZERO,
            reload: None,
        });
    }
    leader
}

fn here(leader: &Leader) -> Activity {
    leader.state.activity(&ResourceId::new("svc"), &NodeId::new("n1")).expect("it is known there").clone()
}

fn in_trouble() -> Executed {
    let why = "exit code 4: not permitted".to_owned();
    Executed { seen: Seen::Unknown(why.clone()), error: Some(AgentError::from(why)) }
}

#[test]
fn a_stop_that_was_never_begun_has_not_failed_whatever_the_look_says() {
    let mut leader = running();
    (leader.claims_lost, leader.there) = (1, in_trouble());
    leader.configure(&WANTED.replace("Dummy", "Dummy meta target-role=Stopped"));
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.claims_lost, 0, "the stop was granted");
    let svc = here(&leader);
    assert!(!svc.stop_failed && matches!(svc.seen, Seen::Unknown(_)), "{svc:?}");
    leader.run(Duration::from_secs(20));
    assert_eq!(leader.state.intents.len(), 0, "nobody is fenced for it");
    // It is stopped in earnest.
    let svc = here(&leader);
    assert!(svc.claim.as_ref().is_some_and(|claim| claim.kind == ActionKind::Stop), "{svc:?}");
}
