//! Founding, tokens and joining.

use super::stale;
use crate::id::{Incarnation, NodeId, RaftId};
use crate::state::{
    ARMING_LEVEL, ClusterState, EventKind, Founding, Identity, Member, NodeState, Outcome, Refusal, Removed, Token,
};
use crate::time::Timestamp;

/// Unused tokens that are kept; more are refused.
const TOKENS_KEPT: usize = 100;

impl ClusterState {
    pub(super) fn found(&mut self, founding: &Founding) -> Result<Outcome, Refusal> {
        if self.identity.is_some() {
            return Err(Refusal::Invalid("this cluster was founded already".to_owned()));
        }
        self.identity = Some(Identity {
            cluster_id: founding.cluster_id.clone(),
            name: founding.name.clone(),
            ca_certificate: founding.ca_certificate.clone(),
            ca_key: founding.ca_key.clone(),
        });
        self.level = 1;
        self.admit(&founding.member, founding.member.raft_id);
        Ok(Outcome::Joined(founding.member.raft_id))
    }

    pub(super) fn create_token(&mut self, hash: &str, expires: Timestamp) -> Result<Outcome, Refusal> {
        let now = self.now;
        self.tokens.retain(|_, token| token.expires > now);
        if self.tokens.len() >= TOKENS_KEPT {
            return Err(Refusal::Invalid(format!(
                "there are {TOKENS_KEPT} tokens that are still good: wait until some expire"
            )));
        }
        self.tokens.insert(hash.to_owned(), Token { expires, used_by: None });
        Ok(Outcome::Done)
    }

    pub(super) fn join(&mut self, hash: &str, member: &Member) -> Result<Outcome, Refusal> {
        self.check_identity(member)?;
        let now = self.now;
        let Some(token) = self.tokens.get_mut(hash) else {
            return Err(Refusal::Invalid("this token is not known here: make one with `qrm cluster token`".to_owned()));
        };
        if token.expires <= now {
            return Err(Refusal::Invalid("this token has expired: make a new one with `qrm cluster token`".to_owned()));
        }
        if let Some(node) = &token.used_by {
            return Err(Refusal::Invalid(format!(
                "this token was used already, by {node}: make a new one with `qrm cluster token`"
            )));
        }
        token.used_by = Some(member.name.clone());
        let raft_id = self.next_raft_id;
        self.admit(member, raft_id);
        Ok(Outcome::Joined(raft_id))
    }

    /// Names, hardware, stores and addresses are unique in the cluster.
    fn check_identity(&self, new: &Member) -> Result<(), Refusal> {
        for member in self.members.values() {
            let clash = [
                (member.name == new.name, "name", new.name.as_str()),
                (member.hardware == new.hardware, "hardware id", new.hardware.as_str()),
                (member.store == new.store, "store id", new.store.as_str()),
                (member.address == new.address, "address", new.address.as_str()),
            ];
            if let Some((_, what, value)) = clash.iter().find(|(same, _, _)| *same) {
                return Err(Refusal::Foreign(format!(
                    "the {what} {value} belongs to member {} already; no two nodes may share it",
                    member.name
                )));
            }
        }
        let was_removed = |old: &&Removed| old.store == new.store || old.fingerprint == new.fingerprint;
        if let Some(old) = self.removed.values().find(was_removed) {
            return Err(Refusal::Foreign(format!(
                "this data directory is that of {}, which {} removed from the cluster: empty it, then join again",
                old.name, old.by
            )));
        }
        if self.identity.is_none() {
            return stale("this cluster is not founded yet");
        }
        Ok(())
    }

    fn admit(&mut self, member: &Member, raft_id: RaftId) {
        let name: NodeId = member.name.clone();
        self.next_raft_id = RaftId(self.next_raft_id.0.max(raft_id.0)).next();
        let pinned = Member { raft_id, joined: self.now, ..member.clone() };
        self.members.insert(name.clone(), pinned);
        let mut state = NodeState::joining(self.now);
        // What was said under this name before counts for nobody who comes after.
        if self.removed.values().any(|old| old.name == name) {
            state.incarnation = Incarnation(self.index);
        }
        self.nodes.insert(name.clone(), state);
        if self.level >= ARMING_LEVEL {
            self.drill_for(&name);
        }
        self.record(
            EventKind::Member,
            Some(&name),
            None,
            format!("{name} joined{} from {}", if member.witness { " as a witness" } else { "" }, member.address),
        );
    }
}
