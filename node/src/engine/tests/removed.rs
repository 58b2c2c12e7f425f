//! A member that was removed from the cluster.

use super::Leader;
use crate::engine::{Effect, Event, View};
use quorate_core::id::NodeId;
use std::collections::BTreeSet;
use std::time::Duration;

impl Leader {
    /// Whether it is to give up its VMs for this event.
    fn abandons(&mut self, event: Event) -> bool {
        let (leader, voters) = (NodeId::from("n2"), self.voters.clone());
        let view = View {
            state: &self.state,
            leader: Some(&leader),
            is_leader: false,
            term: 1,
            voters: &voters,
            wall: self.state.now,
        };
        let effects = self.engine.step(self.now, view, event);
        effects.iter().any(|effect| matches!(effect, Effect::Abandon(_)))
    }
}

/// A migration to it that was given up may arrive after it has cleared everything, and nobody else looks here any more.
#[test]
fn what_comes_in_late_on_a_removed_member_is_ended_too() {
    let found = || Event::Surveyed { present: BTreeSet::from(["vm1".into()]), findings: Vec::new() };
    let mut leader = Leader::new();
    leader.run(Duration::from_secs(3));
    assert!(!leader.abandons(found()), "it is a member");
    assert!(leader.abandons(Event::CastOut("it was removed".to_owned())));
    assert!(!leader.abandons(Event::Surveyed { present: BTreeSet::new(), findings: Vec::new() }), "nothing is there");
    leader.now = leader.now.after(Duration::from_secs(20));
    assert!(leader.abandons(found()));
    leader.now = leader.now.after(Duration::from_secs(600));
    assert!(!leader.abandons(found()), "what a person starts there much later is theirs");
}
