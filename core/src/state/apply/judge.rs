//! The leader's judgement of nodes, and a daemon's orderly stop.

use super::stale;
use crate::id::{NodeId, SessionId};
use crate::state::{
    Asked, ClusterState, EventKind, FenceCause, Intent, Liveness, Matter, Outcome, Refusal, SessionState, Speaker,
    Verdict,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// Who is heard again within this was not lost.
const HICCUP: Duration = Duration::from_secs(1);

impl ClusterState {
    pub(super) fn judge(&mut self, node: &NodeId, session: &SessionId, verdict: &Verdict) -> Result<Outcome, Refusal> {
        let Some(state) = self.nodes.get(node) else {
            return stale(format!("{node} is no member"));
        };
        if !state.is_open(session) {
            return stale(format!("{node} is not in the open session {session}"));
        }
        let from = state.liveness;
        let (to, kind, text) = match (verdict, from) {
            (Verdict::Suspect, Liveness::Online | Liveness::DaemonGone | Liveness::Away) => {
                (Liveness::Suspect, EventKind::Suspect, format!("{node} is silent; reading its power"))
            }
            (Verdict::DaemonGone, Liveness::Online | Liveness::Suspect) => (
                Liveness::DaemonGone,
                EventKind::DaemonGone,
                format!("the daemon of {node} is gone, its kernel answers: its VMs stay"),
            ),
            (Verdict::Online, Liveness::Suspect | Liveness::DaemonGone) => {
                (Liveness::Online, EventKind::Online, format!("{node} is heard again"))
            }
            (Verdict::Lost { evidence, .. }, Liveness::Suspect | Liveness::DaemonGone | Liveness::Away) => {
                (Liveness::Lost, EventKind::Lost, format!("{node} is lost: {evidence}"))
            }
            // A witness runs nothing: it needs no proof to come back.
            (Verdict::Online, Liveness::Lost) if self.is_witness(node) => {
                (Liveness::Online, EventKind::Online, format!("{node} is heard again"))
            }
            _ => return stale(format!("{node} is {from:?} already")),
        };
        let began = state.since;
        if let Verdict::Lost { evidence, spent, grant } = verdict
            && !self.is_witness(node)
        {
            if state.intent == Intent::Maintenance {
                // two fields: somebody works on it; it is asked about, and fenced only by request.
                return stale(format!("{node} is in maintenance, and so it is not judged lost"));
            }
            if let Some(grant) = grant {
                self.check_fence_grant(&grant.speaker, node, session, &grant.devices)?;
            }
            self.set_liveness(node, to);
            self.record(kind, Some(node), None, text);
            self.note_loss(node, began);
            self.intend(node, session, &FenceCause::Lost(evidence.clone()), None, Some(*spent));
            if let Some(grant) = grant {
                return Ok(self.open_attempt(&grant.speaker, node, &grant.devices, grant.lasts));
            }
            self.tell_held(node);
            return Ok(Outcome::Done);
        }
        self.set_liveness(node, to);
        self.record(kind, Some(node), None, text);
        if to == Liveness::Online && self.now.since(began) >= HICCUP {
            self.note_loss(node, began);
        }
        Ok(Outcome::Done)
    }

    /// A question about a node stands in status until the node changes.
    pub(super) fn ask(&mut self, node: &NodeId, session: &SessionId, matter: Matter) -> Result<Outcome, Refusal> {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node).filter(|state| state.is_open(session)) else {
            return stale(format!("{node} is not in the open session {session}"));
        };
        let fits = match matter {
            Matter::AwayTooLong => state.liveness == Liveness::Away,
            Matter::LostInMaintenance => {
                let silent = matches!(state.liveness, Liveness::Suspect | Liveness::DaemonGone);
                silent && state.intent == Intent::Maintenance
            }
        };
        if !fits || state.asked.is_some() {
            return stale(format!("there is nothing to ask about {node}"));
        }
        state.asked = Some(Asked { matter, since: now });
        let text = match matter {
            Matter::AwayTooLong => format!("{node} was stopped in order and does not come back: a person is asked"),
            Matter::LostInMaintenance => format!("{node} fell silent in maintenance: a person is asked"),
        };
        self.record(EventKind::Asked, Some(node), None, text);
        Ok(Outcome::Done)
    }

    /// Only told: what happened without a majority is not in the log.
    pub(super) fn majority_back(
        &mut self,
        from: &NodeId,
        absence: Duration,
        unheard: &BTreeSet<NodeId>,
    ) -> Result<Outcome, Refusal> {
        let unheard: Vec<_> = unheard.iter().filter(|node| self.members.contains_key(*node)).cloned().collect();
        for node in &unheard {
            let text = format!(
                "{node} was not heard by {from} while there was no majority, for {:.1} s: so it was not fenced",
                absence.as_secs_f64()
            );
            self.record(EventKind::Majority, Some(node), None, text);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn go_away(&mut self, speaker: &Speaker) -> Result<Outcome, Refusal> {
        if !self.is_current(speaker) {
            return stale(format!("{} has another current daemon", speaker.node));
        }
        let node = &speaker.node;
        self.set_liveness(node, Liveness::Away);
        self.record(
            EventKind::Away,
            Some(node),
            None,
            format!("the daemon of {node} was stopped in order: its VMs stay"),
        );
        Ok(Outcome::Done)
    }

    pub(super) fn set_liveness(&mut self, node: &NodeId, liveness: Liveness) {
        let now = self.now;
        let is_witness = self.is_witness(node);
        if let Some(state) = self.nodes.get_mut(node) {
            state.liveness = liveness;
            state.since = now;
            state.asked = None;
            if liveness == Liveness::Lost
                && !is_witness
                && let Some(session) = &mut state.session
            {
                session.state = SessionState::Lost;
            }
        }
        if liveness == Liveness::Lost {
            self.cancel_unclaimed_of(node);
        }
    }
}
