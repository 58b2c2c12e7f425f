//! recover: one survivor of a lost majority goes on alone, in the next generation, on a person's word that every other
//! member is off for good.
//!
//! It starts with hands off everything: a person looks first, and ends the maintenance.

use super::stale;
use crate::id::{NodeId, RaftId};
use crate::state::{
    ClusterState, EventKind, FenceEnd, Liveness, Outcome, Proof, REVISIONS_KEPT, Recovery, Refusal, Revision,
    SessionState,
};
use std::collections::BTreeSet;

/// The lost majority may have given ids to members that nobody here has heard of: they are never used again.
const IDS_LEFT_OUT: u64 = 100;
const MAINTENANCE: &str = "maintenance-mode";

impl ClusterState {
    pub(super) fn recover(&mut self, recovery: &Recovery) -> Result<Outcome, Refusal> {
        let Recovery { actor, survivor, dead, generation, cluster_id } = recovery;
        if self.generation + 1 != *generation {
            return stale(format!("the cluster is in generation {}, and {generation} was to follow", self.generation));
        }
        let others: BTreeSet<NodeId> = self.members.keys().filter(|node| *node != survivor).cloned().collect();
        if !self.members.contains_key(survivor) || others != *dead {
            return Err(Refusal::Unsafe(format!(
                "every other member than {survivor} has to be off for good: {}",
                names(&others)
            )));
        }
        self.take_back(survivor);
        for node in &others {
            if self.nodes.get(node).is_some_and(|state| state.living_session().is_some()) {
                let proof = Proof::Confirmed { by: actor.clone(), at: self.now };
                self.end_session(node, proof);
            }
            // Whoever had a grant to switch it off is gone with its generation.
            self.intents.remove(node);
            self.drop_member(actor, node);
        }
        self.power_on.retain(|node, _| node == survivor);
        self.tokens.clear();
        self.cancel_planned(|action| !action.claimed);
        self.next_raft_id = RaftId(self.next_raft_id.0.saturating_add(IDS_LEFT_OUT));
        self.generation = *generation;
        if let Some(identity) = &mut self.identity {
            identity.cluster_id.clone_from(cluster_id);
        }
        self.hands_off(actor);
        let text = format!(
            "{actor} had {survivor} go on alone, as generation {generation}: {} are off for good by that word. Nothing is \
             started or fenced until {MAINTENANCE} is false",
            names(&others)
        );
        self.record(EventKind::Member, Some(survivor), None, text);
        Ok(Outcome::Done)
    }

    /// Whoever held the survivor for lost is no member any more. It runs what it runs: that is looked at.
    fn take_back(&mut self, survivor: &NodeId) {
        let now = self.now;
        if let Some(intent) = self.intents.remove(survivor) {
            self.record_fence(survivor, intent, FenceEnd::CalledOff, Vec::new());
        }
        let Some(state) = self.nodes.get_mut(survivor) else { return };
        let Some(session) = state.session.as_mut().filter(|session| session.state == SessionState::Lost) else {
            return;
        };
        session.state = SessionState::Open;
        state.dog.disarm();
        (state.liveness, state.since, state.asked) = (Liveness::Online, now, None);
        self.void_migrations_from(survivor);
        self.look_again_at(survivor);
    }

    fn hands_off(&mut self, actor: &str) {
        let before = self.config.properties.insert(MAINTENANCE.to_owned(), "true".to_owned());
        if before.as_deref() == Some("true") {
            return;
        }
        self.revision += 1;
        let was = before.map_or_else(String::new, |value| format!("- property {MAINTENANCE}={value}\n"));
        let diff = format!("{was}+ property {MAINTENANCE}=true\n");
        self.revisions.push_back(Revision { number: self.revision, actor: actor.to_owned(), at: self.now, diff });
        while self.revisions.len() > REVISIONS_KEPT {
            self.revisions.pop_front();
        }
    }
}

fn names(nodes: &BTreeSet<NodeId>) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}
