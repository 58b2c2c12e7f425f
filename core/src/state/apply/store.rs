//! A member's store: lost and replaced by an empty one under a new raft id, and what others found out about it.
//!
//! Rule rolled-back of SAFETY.md. A raft id belongs to one store: a member that lost its store, or whose store is older
//! than what it once acknowledged, never votes under the old id again. Its sessions, claims and VMs are not touched:
//! they belong to the host, not to the store.

use crate::id::{HardwareId, NodeId, RaftId, StoreId};
use crate::state::{ClusterState, EventKind, Outcome, Refusal, Trouble};
use crate::time::millis;
use std::time::Duration;

/// The same report about the same member is told once in this time.
const TOLD_AGAIN: Duration = Duration::from_secs(600);
/// Reports and reasons are cut to this; they come from errors of any length.
const LONGEST: usize = 400;

impl ClusterState {
    pub(super) fn rejoin(
        &mut self,
        (node, hardware): (&NodeId, &HardwareId),
        old: RaftId,
        store: &StoreId,
        why: &str,
    ) -> Result<Outcome, Refusal> {
        let Some(member) = self.members.get(node) else {
            return Err(Refusal::Foreign(format!("{node} is no member of this cluster: join with a token")));
        };
        if member.hardware != *hardware {
            return Err(Refusal::Foreign(format!(
                "{node} was pinned to hardware {} when it joined, and {hardware} asks to rejoin in its name: a copied disk, or two hosts of one name",
                member.hardware
            )));
        }
        // Its first answer was lost.
        if member.store == *store {
            return Ok(Outcome::Joined(member.raft_id));
        }
        if member.raft_id != old {
            return Err(Refusal::Foreign(format!(
                "{node} is member {} since, and a store of member {old} asks to rejoin: a copy of an older disk; empty its data directory",
                member.raft_id
            )));
        }
        if let Some(other) = self.members.values().find(|other| other.store == *store) {
            return Err(Refusal::Foreign(format!("the store id {store} belongs to member {} already", other.name)));
        }
        let new = self.next_raft_id;
        self.next_raft_id = new.next();
        if let Some(member) = self.members.get_mut(node) {
            member.raft_id = new;
            member.store = store.clone();
        }
        let text = format!("{node} lost its store ({}); it is a new learner, member {new} in place of {old}", cut(why));
        self.record(EventKind::Store, Some(node), None, text);
        Ok(Outcome::Joined(new))
    }

    pub(super) fn report(&mut self, node: &NodeId, trouble: Trouble, text: &str) -> Result<Outcome, Refusal> {
        if !self.members.contains_key(node) {
            return Err(Refusal::Foreign(format!("{node} is no member of this cluster")));
        }
        let kind = match trouble {
            Trouble::Store | Trouble::Full => EventKind::Store,
            Trouble::Copy => EventKind::Copy,
            Trouble::Differs => EventKind::Differs,
        };
        let text = cut(text);
        let is_new = self.now.0.saturating_sub(millis(TOLD_AGAIN));
        let told = self.events.iter().rev().take_while(|event| event.at.0 >= is_new);
        let known = told.filter(|event| event.kind == kind && event.node.as_ref() == Some(node));
        if !known.into_iter().any(|event| event.text == text) {
            self.record(kind, Some(node), None, text);
        }
        Ok(Outcome::Done)
    }
}

fn cut(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(LONGEST).collect()
}
