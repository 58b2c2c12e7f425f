//! Orderly ends: a host that is shut down, and a member that is removed.
//!
//! Rules proofs (1), removal and lagging of SAFETY.md.

use super::stale;
use crate::id::{NodeId, ResourceId, SessionId};
use crate::planted::{Mistake, planted};
use crate::state::{
    ClusterState, EventKind, Intent, Outcome, Proof, REMOVED_KEPT, Refusal, Release, Removed, Speaker, Standing,
};
use std::collections::BTreeSet;

impl ClusterState {
    pub(super) fn leave(&mut self, actor: &str, node: &NodeId, session: &SessionId) -> Result<Outcome, Refusal> {
        let Some(state) = self.nodes.get_mut(node) else {
            return Err(Refusal::Invalid(format!("there is no node {node}")));
        };
        if !state.is_open(session) {
            return stale(format!("{node} is not in the open session {session}"));
        }
        if state.intent == Intent::Maintenance {
            return Err(Refusal::Invalid(format!(
                "{node} is in maintenance, so nobody takes away what it has: qrm node ready {node}, then again"
            )));
        }
        if !std::mem::replace(&mut state.leaving, true) {
            self.cancel_unclaimed_of(node);
            let text = format!("the host of {node} shuts down, as {actor} asked: what it has moves away or stops");
            self.record(EventKind::Intent, Some(node), None, text);
        }
        Ok(Outcome::Done)
    }

    /// proofs (1): confirmed stops of everything, and the word of the node itself, end a session together.
    pub(super) fn goodbye(&mut self, speaker: &Speaker) -> Result<Outcome, Refusal> {
        let node = &speaker.node;
        if !self.is_current(speaker) {
            return stale(format!("{node} has another current daemon"));
        }
        if !self.nodes.get(node).is_some_and(|state| state.leaving) || self.intents.contains_key(node) {
            return stale(format!("{node} does not shut down in order"));
        }
        if let Some((resource, _)) = self.held_by(node).first().filter(|_| !planted(Mistake::GoodbyeTooSoon)) {
            return Err(Refusal::Unsafe(format!("{resource} may be active on {node}")));
        }
        self.end_session(node, Proof::Goodbye { at: self.now });
        Ok(Outcome::Done)
    }

    /// Everything that may be active on a node.
    pub fn held_by(&self, node: &NodeId) -> Vec<(ResourceId, Standing)> {
        let configured = self.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
        let all: BTreeSet<&ResourceId> = configured.map(|(id, _)| id).chain(self.resources.keys()).collect();
        let held = all.into_iter().map(|id| (id.clone(), self.standing(id, node)));
        held.filter(|(_, standing)| *standing != Standing::NotActive).collect()
    }

    /// removal: what stands in the way of removing a member, in words.
    pub fn removal_obstacle(&self, node: &NodeId) -> Option<String> {
        if self.members.len() <= 1 {
            return Some(format!("{node} is the last member: there would be no cluster left"));
        }
        if self.intents.get(node).is_some_and(|intent| intent.open_attempt().is_some()) {
            return Some(format!("a fence of {node} is under way, and has to be settled first"));
        }
        let word = |(id, standing): (ResourceId, Standing)| match standing {
            Standing::Active => format!("{id} runs there"),
            Standing::Failed(why) => format!("{id} is there and failed ({why})"),
            Standing::Busy => format!("{id} is being worked on there"),
            Standing::Unknown(why) => format!("{id} may run there ({why})"),
            Standing::NotActive => id.to_string(),
        };
        let held: Vec<String> = self.held_by(node).into_iter().map(word).collect();
        (!held.is_empty()).then(|| format!("{node} cannot be removed yet: {}", held.join(", ")))
    }

    pub(super) fn remove(&mut self, actor: &str, node: &NodeId) -> Result<Outcome, Refusal> {
        if !self.members.contains_key(node) {
            return Err(Refusal::Invalid(format!("there is no node {node}")));
        }
        if let Some(why) = self.removal_obstacle(node).filter(|_| !planted(Mistake::RemoveActive)) {
            return Err(Refusal::Unsafe(why));
        }
        self.drop_member(actor, node);
        Ok(Outcome::Done)
    }

    /// What was a member is remembered, and never comes back.
    pub(super) fn drop_member(&mut self, actor: &str, node: &NodeId) {
        let Some(member) = self.members.remove(node) else { return };
        self.cancel_actions_of(node);
        self.nodes.remove(node);
        self.intents.remove(node);
        for places in self.resources.values_mut() {
            places.remove(node);
        }
        for wishes in self.preferences.values_mut() {
            wishes.remove(node);
        }
        self.preferences.retain(|_, wishes| !wishes.is_empty());
        self.forget_gone();
        let removed = Removed {
            name: member.name,
            fingerprint: member.fingerprint,
            store: member.store,
            by: actor.to_owned(),
            at: self.now,
        };
        self.removed.insert(member.raft_id, removed);
        // What is forgotten here is refused all the same: its raft id was given, and is no member's.
        while self.removed.len() > REMOVED_KEPT {
            self.removed.pop_first();
        }
        self.record(EventKind::Member, Some(node), None, format!("{actor} removed {node} from the cluster"));
        self.raise_level();
    }

    /// lagging: what every member understands may be used from here on; it stays so.
    pub(super) fn raise_level(&mut self) {
        let understood = self.nodes.values().map(|node| node.release.level).min().unwrap_or_default();
        if understood > self.level {
            self.level = understood;
            self.record(EventKind::Member, None, None, format!("the cluster is at feature level {understood}"));
        }
    }

    /// Why a command of a higher level than the cluster's is refused.
    pub(super) fn too_new(&self, level: u16) -> Refusal {
        let behind = self.nodes.iter().filter(|(_, node)| node.release.level < level);
        let names: Vec<String> = behind
            .map(|(name, node)| match node.release.level {
                0 => format!("{name} (not heard of yet)"),
                level => format!("{name} ({}, level {level})", node.release.version),
            })
            .collect();
        Refusal::Invalid(format!(
            "this takes feature level {level}, and the cluster is at {}: first start a newer quorated on {}",
            self.level,
            names.join(", ")
        ))
    }

    /// Whether a daemon of this release can take part.
    pub(super) fn check_release(&self, node: &NodeId, release: &Release) -> Result<(), Refusal> {
        if release.level >= self.level {
            return Ok(());
        }
        Err(Refusal::Invalid(format!(
            "the quorated of {node} ({}) understands feature level {}, and the cluster is at {}: start a newer one there",
            release.version, release.level, self.level
        )))
    }
}
