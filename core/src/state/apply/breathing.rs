//! Rule breathing of SAFETY.md: a session that was proven dead and lives. Its proof is false, the device that gave it
//! is distrusted, the node gets nothing more, and what was promised is said to be broken.

use super::stale;
use crate::id::{NodeId, ResourceId};
use crate::state::{
    Breath, ClusterState, Distrust, EventKind, FenceCause, FenceEnd, Liveness, Outcome, Proof, Refusal, Seen,
    SessionState,
};

impl ClusterState {
    pub(super) fn breathes(&mut self, breath: &Breath) -> Result<Outcome, Refusal> {
        let (node, now) = (&breath.node, self.now);
        let session = self.nodes.get(node).and_then(|state| state.session.as_ref());
        let Some(SessionState::Ended(proof)) =
            session.filter(|session| session.id == breath.session).map(|session| session.state.clone())
        else {
            return stale(format!("{node} is not in session {}, proven dead", breath.session));
        };
        if matches!(proof, Proof::Goodbye { .. }) {
            return stale(format!(
                "{node} said goodbye: it has nothing left, and may live on until it is switched off"
            ));
        }
        let why =
            format!("{node} was proven off ({}), and {} heard it alive after that", proof.words(), breath.heard_by);
        match &proof {
            Proof::PowerOff { devices, .. } => devices.iter().for_each(|device| self.distrust(device, &why)),
            Proof::Watchdog { device, .. } => self.distrust(device, &why),
            _ => {}
        }
        let released = self.mark_false(node, breath);
        if let Some(state) = self.nodes.get_mut(node) {
            // It lives: what was active in it may be active yet, until there is a proof that holds.
            state.liveness = Liveness::Lost;
            state.since = now;
            state.disarmed = Some(Distrust { since: now, why: why.clone() });
            if let Some(session) = &mut state.session {
                session.state = SessionState::Lost;
            }
        }
        for resource in &released {
            // What was deleted since, and was stopped elsewhere, nobody could look for, nor stop: its host kills it anyway.
            if self.definition(resource, node).is_none() {
                continue;
            }
            let mut activity = self.activity_mut(resource, node);
            activity.operation = activity.operation.next();
            activity.see(Seen::Unknown("the proof that its node was off is false".to_owned()), now);
        }
        // Switching it on was to follow a proof that is none.
        self.power_on.remove(node);
        self.intend(node, &breath.session, &FenceCause::FalseProof, None, None);
        if let Some(intent) = self.intents.get_mut(node) {
            intent.off_sent = true;
            intent.condemned = true;
        }
        let text = match released.is_empty() {
            true => format!("{why}: nothing had been active there"),
            false => format!("{why}: {} may have run twice", names(&released)),
        };
        self.record(EventKind::PromiseBroken, Some(node), None, text);
        Ok(Outcome::Done)
    }

    /// The fence that ended by the false proof; what it released.
    fn mark_false(&mut self, node: &NodeId, breath: &Breath) -> Vec<ResourceId> {
        let now = self.now;
        let by_proof = |end: &FenceEnd| matches!(end, FenceEnd::Proven(_));
        let record =
            self.fences.iter_mut().rev().find(|record| {
                record.target == *node && record.intent.session == breath.session && by_proof(&record.end)
            });
        record.map_or_else(Vec::new, |record| {
            record.false_since = Some(now);
            record.released.clone()
        })
    }

    fn distrust(&mut self, device: &ResourceId, why: &str) {
        let distrust = Distrust { since: self.now, why: why.to_owned() };
        self.distrusted.insert(device.clone(), distrust);
        self.record(EventKind::Trust, None, Some(device), format!("{device} is distrusted: {why}"));
    }

    pub(super) fn trust(&mut self, actor: &str, device: &ResourceId, trusted: bool) -> Result<Outcome, Refusal> {
        if trusted {
            if self.distrusted.remove(device).is_none() {
                return Err(Refusal::Invalid(format!("{device} is not distrusted")));
            }
            self.record(EventKind::Trust, None, Some(device), format!("{actor} trusts {device} again"));
            return Ok(Outcome::Done);
        }
        if !self.config.primitives.get(device).is_some_and(crate::config::Primitive::is_fence_device) {
            return Err(Refusal::Invalid(format!("there is no fence device {device}")));
        }
        if self.distrusted.contains_key(device) {
            return Err(Refusal::Invalid(format!("{device} is distrusted already")));
        }
        self.distrust(device, &format!("{actor} said so"));
        Ok(Outcome::Done)
    }
}

fn names(resources: &[ResourceId]) -> String {
    resources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
