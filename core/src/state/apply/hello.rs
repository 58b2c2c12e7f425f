//! `hello`: a daemon start becomes the node's current incarnation, and an unknown boot becomes its session.
//!
//! Rules incarnation, session, pinned, proofs (3) and operation-number of SAFETY.md.

use super::stale;
use crate::id::{HardwareId, Incarnation, NodeId, Operation, ResourceId, SessionId};
use crate::planted::{Mistake, planted};
use crate::state::places::Change;
use crate::state::{
    Activity, ClusterState, EventKind, Liveness, Outcome, Proof, Refusal, Release, Seen, Session, SessionState,
};
use std::collections::BTreeMap;

impl ClusterState {
    /// A hello, and what all members understand from then on.
    pub(super) fn greet(
        &mut self,
        node: &NodeId,
        hardware: &HardwareId,
        session: &SessionId,
        follows: Incarnation,
        said: (&BTreeMap<ResourceId, Seen>, &Release),
    ) -> Result<Outcome, Refusal> {
        let hello = self.hello(node, hardware, session, follows, said);
        self.raise_level();
        hello
    }

    fn hello(
        &mut self,
        node: &NodeId,
        hardware: &HardwareId,
        session: &SessionId,
        follows: Incarnation,
        (inventory, release): (&BTreeMap<ResourceId, Seen>, &Release),
    ) -> Result<Outcome, Refusal> {
        let Some(member) = self.members.get(node) else {
            return Err(Refusal::Foreign(format!("{node} is no member of this cluster")));
        };
        if member.hardware != *hardware {
            return Err(Refusal::Foreign(format!(
                "{node} was pinned to hardware {} when it joined, and this is {hardware}: two hosts use one name, or the disk was moved",
                member.hardware
            )));
        }
        // Nothing is ever granted to a witness: there is nothing to prove.
        let (is_dmi, is_witness) = (member.hardware_is_dmi, member.witness);
        self.check_release(node, release)?;
        let Some(state) = self.nodes.get(node) else {
            return stale(format!("{node} has no state"));
        };
        if state.incarnation != follows && !planted(Mistake::HelloWithoutCompare) {
            return stale(format!(
                "a hello that follows incarnation {follows} of {node} came after {}",
                state.incarnation
            ));
        }
        if self.intents.get(node).is_some_and(|intent| intent.open_attempt().is_some())
            && !planted(Mistake::AdmitUnderGrant)
        {
            return Err(Refusal::FenceUnsettled(node.clone()));
        }
        let known = state.session.clone();
        // not active: a boot that could not look at anything blocks nothing until it can. What it proves, it proves.
        let is_blind = !inventory.is_empty() && inventory.values().all(|seen| matches!(seen, Seen::Unknown(_)));
        match known {
            Some(known) if known.id == *session => match known.state {
                SessionState::Open => {}
                SessionState::Lost => return Err(Refusal::SessionLost(session.clone())),
                // Everything was seen stopped, and nothing was granted since: it may come back in this boot.
                SessionState::Ended(Proof::Goodbye { .. }) if !is_blind => self.open_session(node, session),
                SessionState::Ended(Proof::Goodbye { .. }) => return blind(node),
                SessionState::Ended(_) => return Err(Refusal::SessionEnded(session.clone())),
            },
            Some(known) if !matches!(known.state, SessionState::Ended(_)) && !is_witness => {
                if !is_dmi {
                    return Err(Refusal::Unsafe(format!(
                        "{node} booted again, but its hardware id was generated, so that proves nothing of boot {}: it must be fenced or confirmed off first",
                        known.id
                    )));
                }
                let proof = Proof::Reborn { session: session.clone(), at: self.now };
                self.end_session(node, proof);
                if is_blind {
                    return Ok(Outcome::Done);
                }
                self.open_session(node, session);
            }
            _ if is_blind => return blind(node),
            _ => self.open_session(node, session),
        }
        if let Some(state) = self.nodes.get_mut(node) {
            state.release = release.clone();
        }
        Ok(self.welcome(node, follows.next(), inventory))
    }

    fn open_session(&mut self, node: &NodeId, id: &SessionId) {
        let opened = self.now;
        self.power_on.remove(node);
        if let Some(state) = self.nodes.get_mut(node) {
            state.session = Some(Session { id: id.clone(), state: SessionState::Open, opened });
            state.leaving = false;
            state.unfenced.clear();
            state.dog.disarm();
        }
    }

    /// The new incarnation stands: what its predecessor left open is closed, and what was looked for is known.
    fn welcome(&mut self, node: &NodeId, incarnation: Incarnation, inventory: &BTreeMap<ResourceId, Seen>) -> Outcome {
        let now = self.now;
        let is_witness = self.is_witness(node);
        if let Some(state) = self.nodes.get_mut(node) {
            // A hello never goes back: after a planted hello the counter would.
            state.incarnation = Incarnation(state.incarnation.0.max(incarnation.0));
            state.liveness = Liveness::Online;
            state.since = now;
            state.asked = None;
        }
        self.void_migrations_from(node);
        if !planted(Mistake::IgnoreIncarnation) {
            self.cancel_actions_of(node);
            self.settle_tries_of(node, incarnation);
        }
        // A stray one enters as active; what is neither configured nor here needs no place in the state. Nor does what was
        // deleted, and known to run nowhere, before a look that could tell nothing was over: nobody could look for it any
        // more, nor stop it.
        let is_here = |seen: &Seen| !matches!(seen, Seen::Stopped | Seen::Unknown(_));
        let present = inventory.iter().filter(|(_, seen)| is_here(seen)).map(|(resource, _)| resource.clone());
        let known: std::collections::BTreeSet<ResourceId> = self.known_resources().chain(present).collect();
        for resource in known.into_iter().filter(|_| !is_witness) {
            let is_gone = !self.config.primitives.contains_key(&resource);
            let seen = match inventory.get(&resource) {
                Some(seen) => seen.clone(),
                // An orphan of another node's: nothing was granted here, and there is nothing to look for it by.
                None if is_gone && self.activity(&resource, node).is_none_or(Activity::is_stopped) => Seen::Stopped,
                None => Seen::Unknown("not looked at since the daemon started".to_owned()),
            };
            if self.comes_by_an_agent(&resource, node) {
                // The claim is the new daemon's now; what was seen may be older than what came.
                let incarnation = self.nodes.get(node).map(|state| state.incarnation).unwrap_or_default();
                if let Some(claim) = &mut self.activity_mut(&resource, node).claim {
                    claim.incarnation = incarnation;
                }
                continue;
            }
            let mut activity = self.activity_mut(&resource, node);
            activity.operation = activity.operation.next();
            activity.claim = None;
            activity.see(seen, now);
            drop(activity);
            self.settle_copies(node, &resource);
            self.tell_copies(node, &resource);
        }
        self.forget_gone();
        self.record(EventKind::Hello, Some(node), None, format!("{node} is here (incarnation {incarnation})"));
        Outcome::Welcome(incarnation)
    }

    /// Every resource that is configured or may be active anywhere.
    fn known_resources(&self) -> impl Iterator<Item = ResourceId> + use<> {
        let configured =
            self.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device()).map(|(id, _)| id);
        let all: std::collections::BTreeSet<ResourceId> = configured.chain(self.resources.keys()).cloned().collect();
        all.into_iter()
    }

    pub(super) fn activity_mut(&mut self, resource: &ResourceId, node: &NodeId) -> Change<'_> {
        let (first, now) = (self.first_operation(), self.now);
        let places = self.resources.entry(resource.clone()).or_default();
        places.get_or_insert(node, || Activity { operation: first, ..Activity::unknown("not looked at yet", now) })
    }

    /// operation-number: a resource that was forgotten and is defined again does not begin anew, or a late observation of
    /// its earlier life would count. One entry raises a number twice at most.
    pub(super) fn first_operation(&self) -> Operation {
        Operation(self.index.saturating_mul(2))
    }
}

fn blind(node: &NodeId) -> Result<Outcome, Refusal> {
    stale(format!("{node} could not look at any resource yet: is its hypervisor running?"))
}
