//! Fence intents, grants, results and proofs.
//!
//! Rules proofs, of the target, send-by, called off, confirm-off and the storm brake of SAFETY.md.

use super::stale;
use crate::config::FenceAction;
use crate::id::{Incarnation, NodeId, ResourceId, SessionId};
use crate::pill::SentPill;
use crate::planted::{Mistake, planted};
use crate::state::release::DELAY_LEVEL;
use crate::state::{
    Attempt, AttemptEnd, ClusterState, EventKind, FenceCause, FenceEnd, FenceIntent, FenceRecord, Liveness, Outcome,
    Proof, Refusal, Seen, SessionState, Speaker, Spent,
};
use crate::text::limited;
use std::collections::BTreeSet;
use std::time::Duration;

impl ClusterState {
    pub(super) fn fence(
        &mut self,
        target: &NodeId,
        session: &SessionId,
        cause: &FenceCause,
        action: Option<FenceAction>,
    ) -> Result<Outcome, Refusal> {
        let Some(state) = self.nodes.get(target) else {
            return Err(Refusal::Invalid(format!("there is no node {target}")));
        };
        let Some(living) = state.living_session().filter(|living| living.id == *session) else {
            return stale(format!("{target} is not in session {session} any more"));
        };
        if self.is_witness(target) {
            return Err(Refusal::Invalid(format!(
                "{target} is a witness: it runs nothing, so nothing has to be proven"
            )));
        }
        if living.state == SessionState::Open {
            self.set_liveness(target, Liveness::Lost);
        }
        self.intend(target, session, cause, action, None);
        self.tell_held(target);
        Ok(Outcome::Done)
    }

    /// Makes the intent, unless there is one for this session.
    pub(super) fn intend(
        &mut self,
        target: &NodeId,
        session: &SessionId,
        cause: &FenceCause,
        action: Option<FenceAction>,
        spent: Option<Spent>,
    ) {
        if self.intents.get(target).is_some_and(|intent| intent.session == *session) {
            return;
        }
        let action = action.unwrap_or_else(|| self.properties().stonith_action);
        let intent = FenceIntent { spent, ..FenceIntent::new(session.clone(), cause.clone(), action, self.now) };
        self.intents.insert(target.clone(), intent);
        self.record(EventKind::FenceIntent, Some(target), None, format!("{target} is to be fenced: {cause}"));
    }

    pub(super) fn fence_grant(
        &mut self,
        speaker: &Speaker,
        target: &NodeId,
        session: &SessionId,
        devices: &[ResourceId],
        lasts: Duration,
    ) -> Result<Outcome, Refusal> {
        let Some(intent) = self.intents.get(target).filter(|intent| intent.session == *session) else {
            return stale(format!("no fence of {target} in session {session} is wanted"));
        };
        if intent.open_attempt().is_some() {
            return stale(format!("a fence of {target} is under way"));
        }
        self.check_fence_grant(speaker, target, session, devices)?;
        Ok(self.open_attempt(speaker, target, devices, lasts))
    }

    pub(super) fn check_fence_grant(
        &self,
        speaker: &Speaker,
        target: &NodeId,
        session: &SessionId,
        devices: &[ResourceId],
    ) -> Result<(), Refusal> {
        if !self.is_current(speaker) || speaker.node == *target {
            return stale(format!("{} may not fence {target}", speaker.node));
        }
        let living = self.nodes.get(target).and_then(|state| state.living_session());
        if living.is_none_or(|living| living.id != *session) {
            return stale(format!("{target} is not in session {session} any more"));
        }
        if devices.is_empty() || !self.fence_levels(target).iter().any(|level| level == devices) {
            return stale(format!("these devices are no fence level of {target}"));
        }
        self.check_brake(target)
    }

    /// Why the storm brake holds a fence of this node up, if it does.
    pub fn brake(&self, target: &NodeId) -> Option<String> {
        self.check_brake(target).err().map(|refusal| refusal.to_string())
    }

    /// The timeline says of each fence that is wanted why it waits.
    pub(super) fn tell_held(&mut self, target: &NodeId) {
        let is_new = self.intents.get(target).is_some_and(|intent| intent.tries == 0);
        if let Some(wait) = self.fence_wait(target).filter(|_| self.level >= DELAY_LEVEL) {
            let text = format!("the fence of {target} waits {}; who is heard meanwhile is not fenced", wait.why);
            self.record(EventKind::FenceHeld, Some(target), None, text);
        }
        if let Some(why) = self.brake(target).filter(|_| is_new) {
            self.record(EventKind::FenceHeld, Some(target), None, format!("the fence of {target} waits: {why}"));
        }
    }

    /// storm-brake: distinct nodes to which an off was sent within the window, this one included, stay within the limit.
    fn check_brake(&self, target: &NodeId) -> Result<(), Refusal> {
        let properties = self.properties();
        let recent = |since| self.now.since(since) <= properties.fence_window;
        let mut sent: BTreeSet<&NodeId> = self
            .fences
            .iter()
            .filter(|record| {
                record.intent.off_sent
                    && recent(record.at)
                    && self.nodes.get(&record.target).is_some_and(|state| !state.is_online())
            })
            .map(|record| &record.target)
            .collect();
        // Under an open grant an off may be on its way.
        let may_be_sent = |intent: &FenceIntent| intent.off_sent || intent.open_attempt().is_some();
        sent.extend(self.intents.iter().filter(|(_, intent)| may_be_sent(intent)).map(|(node, _)| node));
        sent.insert(target);
        let keeps_majority = self.members.len().saturating_sub(1) / 2;
        let limit = match properties.fence_limit {
            0 => keeps_majority,
            limit => usize::try_from(limit).unwrap_or(usize::MAX).min(keeps_majority),
        };
        if sent.len() > limit.max(1) && !planted(Mistake::IgnoreBrake) {
            return Err(Refusal::Unsafe(format!(
                "storm brake: {} nodes were sent an off already and {limit} is the limit; confirm {target} off, or wait",
                sent.len() - 1
            )));
        }
        Ok(())
    }

    pub(super) fn open_attempt(
        &mut self,
        speaker: &Speaker,
        target: &NodeId,
        devices: &[ResourceId],
        lasts: Duration,
    ) -> Outcome {
        let attempt = Attempt {
            pill: self.next_pill(target, devices),
            executor: speaker.node.clone(),
            incarnation: speaker.incarnation,
            devices: devices.to_vec(),
            granted: self.now,
            lasts,
            took: Duration::ZERO,
            end: None,
        };
        let number = self.intents.get_mut(target).map_or(0, |intent| intent.open(attempt));
        let text = format!("{} fences {target} by {} (try {number})", speaker.node, names(devices));
        self.record(EventKind::FenceGrant, Some(target), None, text);
        Outcome::FenceGranted(number)
    }

    pub(super) fn fence_result(
        &mut self,
        speaker: &Speaker,
        (target, session): (&NodeId, &SessionId),
        number: u32,
        outcome: &Result<(), String>,
        (sent, took): (bool, Duration),
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        if planted(Mistake::IgnoreSession) && outcome.is_ok() && self.open_attempt_mut(target, session, number).is_err()
        {
            self.end_session(target, Proof::PowerOff { devices: Vec::new(), executor: speaker.node.clone(), at: now });
            return Ok(Outcome::Done);
        }
        let distrusted = self.distrusted.clone();
        let attempt = self.open_attempt_mut(target, session, number)?;
        if attempt.executor != speaker.node || attempt.incarnation != speaker.incarnation {
            return stale(format!("try {number} at {target} is another's"));
        }
        let (devices, pill) = (attempt.devices.clone(), attempt.pill.clone());
        attempt.took = took;
        // A device may have been caught lying since it was asked.
        let liar = devices.iter().find(|device| distrusted.contains_key(*device));
        let liar = liar.map(|device| Err(format!("{device} is distrusted: its word proves nothing")));
        let is_none = pill.is_none() && devices.iter().any(|device| self.is_pill(device));
        let refused = liar.or_else(|| is_none.then(|| Err("a slot reads nobody's power".to_owned())));
        let outcome = refused.as_ref().filter(|_| outcome.is_ok()).unwrap_or(outcome);
        if let Some(intent) = self.intents.get_mut(target) {
            intent.end_open(match outcome {
                Ok(()) => AttemptEnd::Verified,
                Err(error) => AttemptEnd::Failed(limited(error.clone())),
            });
            intent.off_sent |= sent;
        }
        if self.drop_settled(target, session) {
            return Ok(Outcome::Done);
        }
        match outcome {
            // What was left in a slot is no reading of anything: it is waited for.
            Ok(()) if pill.is_some() => self.pill_is_left(target, &devices, pill),
            Ok(()) => {
                let proof = Proof::PowerOff { devices, executor: speaker.node.clone(), at: now };
                self.end_session(target, proof);
            }
            Err(error) => {
                let text = format!("try {number} to fence {target} failed: {error}");
                self.record(EventKind::FenceFailed, Some(target), None, text);
            }
        }
        Ok(Outcome::Done)
    }

    fn pill_is_left(&mut self, target: &NodeId, devices: &[ResourceId], pill: Option<SentPill>) {
        if let Some(intent) = self.intents.get_mut(target) {
            intent.pill = pill;
        }
        let text = format!("a pill for {target} is in its slot of {}, as was read there", names(devices));
        self.record(EventKind::FenceGrant, Some(target), None, text);
    }

    pub(super) fn fence_expire(
        &mut self,
        target: &NodeId,
        session: &SessionId,
        number: u32,
    ) -> Result<Outcome, Refusal> {
        self.open_attempt_mut(target, session, number)?;
        if let Some(intent) = self.intents.get_mut(target) {
            intent.end_open(AttemptEnd::Expired);
            // Nobody can say any more that none was sent.
            intent.off_sent = true;
        }
        if !self.drop_settled(target, session) {
            let text = format!("try {number} to fence {target} never answered");
            self.record(EventKind::FenceFailed, Some(target), None, text);
        }
        Ok(Outcome::Done)
    }

    /// send-by: a daemon that was replaced sends no off any more. What it sent before, nobody can say. (That its host is
    /// proven dead is not enough: a lying device is not to send a late off as well.)
    pub(super) fn settle_tries_of(&mut self, executor: &NodeId, before: Incarnation) {
        let is_theirs = |attempt: &Attempt| attempt.executor == *executor && attempt.incarnation < before;
        let open = self.intents.iter().filter(|(_, intent)| intent.open_attempt().is_some_and(is_theirs));
        let settled: Vec<(NodeId, SessionId, u32)> =
            open.map(|(target, intent)| (target.clone(), intent.session.clone(), intent.tries)).collect();
        for (target, session, number) in settled {
            // The try was just seen open, so it can be ended.
            let _ = self.fence_expire(&target, &session, number);
        }
    }

    /// An intent whose session was proven dead otherwise stood only for its open try: with that settled it goes.
    fn drop_settled(&mut self, target: &NodeId, session: &SessionId) -> bool {
        let living = self.nodes.get(target).and_then(|state| state.living_session());
        if living.is_some_and(|living| living.id == *session) {
            return false;
        }
        if let Some(intent) = self.intents.remove(target) {
            // storm-brake: what was sent after the proof counts too.
            let is_its = |record: &&mut FenceRecord| record.target == *target && record.intent.session == *session;
            if let Some(record) = self.fences.iter_mut().rev().find(is_its) {
                record.intent = intent;
            }
        }
        true
    }

    fn open_attempt_mut(&mut self, target: &NodeId, session: &SessionId, number: u32) -> Result<&mut Attempt, Refusal> {
        self.intents
            .get_mut(target)
            .filter(|intent| intent.session == *session)
            .and_then(|intent| intent.open_mut(number))
            .ok_or_else(|| Refusal::Stale(format!("try {number} at {target} is not open")))
    }

    pub(super) fn call_off(&mut self, target: &NodeId, session: &SessionId) -> Result<Outcome, Refusal> {
        let Some(intent) = self.intents.get(target).filter(|intent| intent.session == *session) else {
            return stale(format!("no fence of {target} in session {session} is wanted"));
        };
        if intent.off_sent || intent.open_attempt().is_some() {
            return Err(Refusal::Unsafe(format!(
                "an off may have been sent to {target}: its fence cannot be called off"
            )));
        }
        let now = self.now;
        if let Some(intent) = self.intents.remove(target) {
            self.record_fence(target, intent, FenceEnd::CalledOff, Vec::new());
        }
        if let Some(state) = self.nodes.get_mut(target) {
            state.liveness = Liveness::Online;
            state.since = now;
            state.asked = None;
            // Its host may be fed again from here on: what was waited for says nothing any more.
            state.dog.disarm();
            if let Some(living) = &mut state.session {
                living.state = SessionState::Open;
            }
        }
        self.void_migrations_from(target);
        self.look_again_at(target);
        self.cancel_actions_of(target);
        self.record(
            EventKind::CalledOff,
            Some(target),
            None,
            format!("the fence of {target} is called off: it is heard, and no off was sent"),
        );
        Ok(Outcome::Done)
    }

    pub(super) fn condemn(&mut self, target: &NodeId, session: &SessionId) -> Result<Outcome, Refusal> {
        match self.intents.get_mut(target) {
            Some(intent) if intent.session == *session && !intent.condemned => {
                intent.condemned = true;
                self.record(
                    EventKind::Lost,
                    Some(target),
                    None,
                    format!("{target} is heard after an off that had no effect: it must kill its VMs and reboot"),
                );
                Ok(Outcome::Done)
            }
            _ => stale(format!("no fence of {target} in session {session} is wanted")),
        }
    }

    pub(super) fn confirm_off(&mut self, node: &NodeId, session: &SessionId, by: &str) -> Result<Outcome, Refusal> {
        let Some(intent) = self.intents.get(node) else {
            return Err(Refusal::Invalid(format!("nobody waits for {node}: it is not being fenced")));
        };
        if intent.session != *session {
            return Err(Refusal::Invalid(format!("{node} is in another session by now: look at `qrm status` again")));
        }
        if self.nodes.get(node).and_then(|state| state.living_session()).is_none_or(|living| living.id != *session) {
            return Err(Refusal::Invalid(format!("{node} is proven off already")));
        }
        let proof = Proof::Confirmed { by: by.to_owned(), at: self.now };
        self.end_session(node, proof);
        Ok(Outcome::Done)
    }

    /// A node was taken back: what it has is to be looked at, and what it was doing is void.
    pub(super) fn look_again_at(&mut self, node: &NodeId) {
        let now = self.now;
        let known: Vec<ResourceId> = self.resources.keys().cloned().collect();
        for resource in known.iter().filter(|resource| !self.comes_by_an_agent(resource, node)).collect::<Vec<_>>() {
            if let Some(mut activity) = self.resources.get_mut(resource).and_then(|nodes| nodes.get_mut(node)) {
                activity.operation = activity.operation.next();
                activity.claim = None;
                activity.see(Seen::Unknown("its node was taken back; to be looked at".to_owned()), now);
            }
        }
    }

    /// A session is proven dead: nothing is active in it any more.
    pub(super) fn end_session(&mut self, node: &NodeId, proof: Proof) {
        let now = self.now;
        let released = self.resources.iter().filter(|(_, nodes)| nodes.get(node).is_some_and(|at| !at.is_stopped()));
        let released: Vec<ResourceId> = released.map(|(resource, _)| resource.clone()).collect();
        self.owe_for_fence(node, &released);
        if let Some(state) = self.nodes.get_mut(node) {
            state.liveness = Liveness::Off;
            state.since = now;
            state.asked = None;
            if let Some(session) = &mut state.session {
                session.state = SessionState::Ended(proof.clone());
            }
        }
        self.void_migrations_from(node);
        for mut activity in self.resources.values_mut().filter_map(|nodes| nodes.get_mut(node)) {
            activity.operation = activity.operation.next();
            activity.claim = None;
            activity.see(Seen::Stopped, now);
        }
        for resource in &released {
            self.settle_copies(node, resource);
        }
        self.cancel_actions_of(node);
        self.attributes.remove(node);
        self.forget_gone();
        match proof {
            Proof::Goodbye { .. } => {
                let text = format!("{node} said goodbye: {}", proof.words());
                self.record(EventKind::Away, Some(node), None, text);
            }
            _ => {
                let text = format!("{node} is proven dead: {}", proof.words());
                self.record(EventKind::Fenced, Some(node), None, text);
            }
        }
        if let Some(intent) = self.intents.remove(node) {
            if let (Proof::PowerOff { devices, .. }, FenceAction::Reboot) = (&proof, intent.action) {
                self.want_power_on(node, intent.session.clone(), devices.clone());
            }
            if intent.open_attempt().is_some() && !planted(Mistake::AdmitUnderGrant) {
                // A person was faster; the executor may still send its off until the deadline, and a returning node
                // is not admitted before: the intent stays for the grant that is to be settled.
                self.intents.insert(node.clone(), intent.clone());
            }
            self.record_fence(node, intent, FenceEnd::Proven(proof), released);
        }
    }
}

fn names(devices: &[ResourceId]) -> String {
    devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
