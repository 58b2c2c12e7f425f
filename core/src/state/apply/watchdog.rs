//! Watchdogs: armed and disarmed by the host that has one, and the proof by having waited for it.
//!
//! Rules watchdog and proofs (4) of SAFETY.md. A leader that has applied the intent answers no beat of the session any
//! more, and neither does any later one; an earlier one cannot, for its rounds find no majority since this leader's
//! election. So what was waited out once stays waited out, whoever brings it into the log.

use super::stale;
use crate::config::Primitive;
use crate::id::ResourceId;
use crate::planted::{Mistake, planted};
use crate::state::{Armed, ClusterState, Command, EventKind, GonePill, Outcome, Proof, Refusal, SessionState, Speaker};
use crate::text::limited;
use crate::watchdog::{GRACE_BEYOND, Terms};

impl ClusterState {
    pub(super) fn arm(
        &mut self,
        speaker: &Speaker,
        follows: u64,
        (device, identity): (&ResourceId, &str),
        was_reset: bool,
        (terms, disks, opening): (Terms, &[String], &str),
    ) -> Result<Outcome, Refusal> {
        let node = &speaker.node;
        if !self.is_current(speaker) {
            return stale(format!("{node} has another current daemon"));
        }
        if self.watchdog(node) != Some(device) {
            return stale(format!("{device} is not the watchdog of {node}"));
        }
        let configured = self.config.primitives.get(device).filter(|it| it.is_pill()).map(Primitive::pill_disks);
        if configured.unwrap_or_default() != disks {
            return stale(format!("{device} has other disks than what {node} reads"));
        }
        // Who reads its slot needs no daemon to live on.
        if disks.is_empty() && terms.grace < self.properties().daemon_grace + GRACE_BEYOND {
            return stale(format!("the watchdog of {node} would not outlive the daemon's grace"));
        }
        let now = self.now;
        let Some(dog) = self.nodes.get_mut(node).map(|state| &mut state.dog) else {
            return stale(format!("{node} has no state"));
        };
        // One that comes late, after what disarmed it, would tell of a device that is closed.
        if dog.turn != follows || dog.armed.is_some() {
            return stale(format!("the watchdog of {node} is in turn {}, and {follows} was named", dog.turn));
        }
        let identity = limited(identity.to_owned());
        dog.turn += 1;
        if was_reset {
            dog.seen = Some(identity.clone());
        }
        dog.armed = Some(Armed {
            device: device.clone(),
            identity: identity.clone(),
            terms,
            disks: disks.to_vec(),
            opening: limited(opening.to_owned()),
            since: now,
        });
        let worth = match self.watchdog_proves(node) {
            Ok(_) if !disks.is_empty() => {
                format!("{node} counts as off {} s after a pill was left for it", terms.wait().as_secs())
            }
            Ok(_) => format!("{node} counts as off {} s after nobody feeds it", terms.wait().as_secs()),
            Err(why) => format!("it resets a host that is cut off, and proves nothing to the others: {why}"),
        };
        let text = format!("the watchdog of {node} is armed ({identity}): {worth}");
        self.record(EventKind::Watchdog, Some(node), None, text);
        Ok(Outcome::Done)
    }

    /// Disarming commits before the device closes; where none is armed it keeps one out that is on its way.
    pub(super) fn disarm(&mut self, speaker: &Speaker) -> Result<Outcome, Refusal> {
        let node = &speaker.node;
        if !self.is_current(speaker) {
            return stale(format!("{node} has another current daemon, or is being fenced"));
        }
        let armed = self.nodes.get_mut(node).and_then(|state| state.dog.disarm());
        if armed.is_some() {
            self.record(EventKind::Watchdog, Some(node), None, format!("the watchdog of {node} is disarmed"));
        }
        Ok(Outcome::Done)
    }

    /// proofs (4): the leader has waited for so long since it could have been fed last.
    pub(super) fn watchdog_waited(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        let Command::WatchdogWaited { speaker, target, session, turn, waited, pill } = command else {
            return stale("no wait".to_owned());
        };
        let (turn, waited, pill) = (*turn, *waited, pill.as_deref());
        // Who leads may wait before anybody has taken it in, its own last boot's watchdog too: else nobody could, where it
        // leads alone. A session does not speak for its own death.
        if !self.members.contains_key(&speaker.node) || speaker.session == *session {
            return stale(format!("{} may not say that {target} is off", speaker.node));
        }
        if self.intents.get(target).is_none_or(|intent| intent.session != *session) {
            return stale(format!("no fence of {target} in session {session} is wanted"));
        }
        let Some(state) = self.nodes.get(target) else { return stale(format!("there is no node {target}")) };
        let is_lost = |living: &crate::state::Session| living.id == *session && living.state == SessionState::Lost;
        if !state.living_session().is_some_and(is_lost) {
            return stale(format!("{target} is not lost in session {session}"));
        }
        // What was waited for before a fence was called off is not what is armed now.
        if state.dog.turn != turn {
            return stale(format!("the watchdog of {target} is in turn {}, and {turn} was waited for", state.dog.turn));
        }
        let armed = self.watchdog_due(target).map_err(Refusal::Unsafe)?;
        let sent = self.sent_pill(target).map(|pill| pill.note.as_str());
        if sent != pill && !planted(Mistake::PillUnsent) {
            return stale(format!("{sent:?} is the pill that was left for {target}, and {pill:?} was seen"));
        }
        if waited < armed.terms.wait() && !planted(Mistake::WatchdogTooEarly) {
            return Err(Refusal::Unsafe(format!("{waited:?} is too short a wait for the watchdog of {target}")));
        }
        let (device, leader, at) = (armed.device.clone(), speaker.node.clone(), self.now);
        let by_pill = pill.is_some();
        self.end_session(target, Proof::Watchdog { device, leader, waited, by_pill, at });
        Ok(Outcome::Done)
    }

    /// Somebody took it away, and the host may never have read it: another has to be left.
    pub(super) fn pill_gone(&mut self, gone: &GonePill) -> Result<Outcome, Refusal> {
        let GonePill { speaker, target, session, note } = gone;
        if !self.members.contains_key(&speaker.node) || speaker.session == *session {
            return stale(format!("{} may not say so of {target}", speaker.node));
        }
        let intent = self.intents.get_mut(target).filter(|intent| intent.session == *session);
        let Some(intent) = intent.filter(|intent| intent.pill.as_ref().is_some_and(|pill| pill.note == *note)) else {
            return stale(format!("{note} is no pill that is waited for"));
        };
        intent.pill = None;
        let text = format!("the pill for {target} is not seen in its slot any more: another try is made");
        self.record(EventKind::FenceFailed, Some(target), None, text);
        Ok(Outcome::Done)
    }
}
