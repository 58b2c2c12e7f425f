//! Who is taken for gone and lives: a host whose daemon is gone, a witness that leads.

use super::Leader;
use quorate_core::id::NodeId;
use quorate_core::state::Liveness;
use std::time::Duration;

/// What is known of its host is as new as its last refusal, not as its daemon's last answer.
#[test]
fn a_host_that_falls_silent_after_its_daemon_is_given_the_whole_timeout() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(3));
    leader.answers = vec!["n2".into()];
    leader.n3_refuses = true;
    leader.run(Duration::from_secs(12));
    assert_eq!(leader.liveness("n3"), Liveness::DaemonGone);
    leader.n3_refuses = false;
    let lost_after = leader.state.properties().lost_after;
    leader.run(lost_after.saturating_sub(Duration::from_secs(1)));
    assert_eq!(leader.liveness("n3"), Liveness::Suspect, "whoever told of its refusals may be what is cut off");
    leader.run(Duration::from_secs(3));
    assert_eq!(leader.liveness("n3"), Liveness::Lost);
}

#[test]
fn a_witness_that_was_lost_and_leads_is_there() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.state.members.get_mut(&NodeId::from("n1")).expect("it is a member").witness = true;
    leader.state.nodes.get_mut(&NodeId::from("n1")).expect("it is a node").liveness = Liveness::Lost;
    leader.run(Duration::from_secs(1));
    assert_eq!(leader.liveness("n1"), Liveness::Online, "nobody else would judge it");
}
