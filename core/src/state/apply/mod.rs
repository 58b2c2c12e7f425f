//! `apply`: total and deterministic. Every command ends in an outcome; a bad one is refused, never a panic.
//!
//! The planner and the workers are never trusted for safety: the rules of SAFETY.md are checked here, against the
//! state at the entry's index.

mod attribute;
mod breathing;
mod claim;
mod configure;
mod drilled;
mod failures;
mod fencing;
mod flapping;
mod health;
mod hello;
mod judge;
mod leave;
mod member;
mod migrate;
mod multiple;
mod notice;
mod overdue;
pub(super) mod power_on;
mod preference;
mod recover;
mod store;
mod ticket;
mod transition;
mod unfence;
mod watchdog;

use super::{
    Answered, CLIENTS_KEPT, ClusterState, Command, EVENTS_KEPT, Entry, Event, EventKind, FENCES_KEPT, FenceEnd,
    FenceIntent, FenceRecord, Outcome, Refusal,
};
use crate::id::{NodeId, ResourceId};
use crate::time::millis;
use std::time::Duration;

impl ClusterState {
    /// Applies one committed entry and answers it.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Outcome {
        self.index = index;
        if self.may_matter(&entry.command) {
            self.moved = index;
        }
        self.now = self.now.max(entry.at);
        let Some(request) = &entry.request else {
            return self.command(&entry.command);
        };
        if let Some(last) = self.clients.get(&request.client) {
            if request.serial == last.serial {
                return last.outcome.clone();
            }
            if request.serial < last.serial {
                return refuse_stale(format!(
                    "request {} of client {} is older than its last one, {}",
                    request.serial, request.client, last.serial
                ));
            }
        }
        let outcome = self.command(&entry.command);
        self.remember(&request.client, request.serial, &outcome);
        outcome
    }

    /// Whether a plan may be another one after it: an attribute that stays as it is changes none.
    fn may_matter(&self, command: &Command) -> bool {
        let Command::SetAttribute { node, name, value } = command else { return true };
        let was = self.attributes.get(node).and_then(|attributes| attributes.get(name));
        self.level >= super::release::PROMOTION_LEVEL && was != value.as_ref()
    }

    fn command(&mut self, command: &Command) -> Outcome {
        if self.identity.is_some() && command.level() > self.level {
            return Outcome::Refused(self.too_new(command.level()));
        }
        let done = match command {
            Command::Found(founding) => self.found(founding),
            Command::CreateToken { hash, expires, .. } => self.create_token(hash, *expires),
            Command::Join { token, member } => self.join(token, member),
            Command::Rejoin { node, hardware, old, store, why } => self.rejoin((node, hardware), *old, store, why),
            Command::Report { node, trouble, text } => self.report(node, *trouble, text),
            Command::Hello { node, hardware, session, follows, inventory, release } => {
                self.greet(node, hardware, session, *follows, (inventory, release))
            }
            Command::Judge { node, session, verdict } => self.judge(node, session, verdict),
            Command::MajorityBack { from, absence, unheard } => self.majority_back(from, *absence, unheard),
            Command::Ask { node, session, matter } => self.ask(node, session, *matter),
            Command::Breathes(breath) => self.breathes(breath),
            Command::Release { actor, node } => self.release(actor.as_deref(), node),
            Command::Trust { actor, device, trusted } => self.trust(actor, device, *trusted),
            Command::GoAway(speaker) => self.go_away(speaker),
            Command::Fence { target, session, cause, action } => self.fence(target, session, cause, *action),
            Command::FenceGrant { speaker, target, session, devices, lasts } => {
                self.fence_grant(speaker, target, session, devices, *lasts)
            }
            Command::FenceResult { speaker, target, session, attempt, outcome, sent, took } => {
                self.fence_result(speaker, (target, session), *attempt, outcome, (*sent, *took))
            }
            Command::FenceExpire { target, session, attempt } => self.fence_expire(target, session, *attempt),
            Command::FenceCallOff { target, session } => self.call_off(target, session),
            Command::Condemn { target, session } => self.condemn(target, session),
            Command::PowerOnResult { node, session, outcome } => self.power_on_result(node, session, outcome),
            Command::Unfenced(it) => self.unfenced(it),
            Command::Sensors(it) => self.sensors(it),
            Command::Drilled(it) => self.drill(it),
            Command::ConfirmOff { node, session, by } => self.confirm_off(node, session, by),
            Command::Plan { cancel, add } => self.plan_changes(cancel, add),
            Command::Claim { speaker, action, deadline } => self.claim(speaker, *action, *deadline),
            Command::Result { speaker, resource, operation, seen, error, took, reload } => {
                self.result(speaker, resource, *operation, (seen, *took), error.as_ref(), reload.as_ref())
            }
            Command::Gone { speaker, resource, operation, moved } => self.gone(speaker, resource, *operation, *moved),
            Command::Observe { speaker, resource, operation, seen, error } => {
                self.observe(speaker, resource, *operation, seen, error.as_ref())
            }
            Command::Overdue { node, resource, operation } => self.overdue(node, resource, *operation),
            Command::Configure { actor, base, patch, diff } => self.configure(actor, *base, patch, diff),
            Command::SetIntent { actor, node, intent } => self.set_intent(actor, node, *intent),
            Command::SetAttribute { node, name, value } => self.set_attribute(node, name, value.as_deref()),
            Command::Prefer { actor, resource, node, wish, lasts } => self.prefer(actor, resource, node, *wish, *lasts),
            Command::Clear { actor, resource, node } => self.clear(actor, resource, node.as_ref()),
            Command::EndPreferences(ended) => self.end_preferences(ended),
            Command::Wake => self.wake(),
            Command::Recover(recovery) => self.recover(recovery),
            Command::Arm { speaker, follows, device, identity, was_reset, terms, disks, opening } => {
                self.arm(speaker, *follows, (device, identity), *was_reset, (*terms, disks, opening))
            }
            Command::SetTicket { actor, ticket, change, attributes: set } => self.ticket(actor, ticket, *change, set),
            Command::Disarm(speaker) => self.disarm(speaker),
            Command::WatchdogWaited { .. } => self.watchdog_waited(command),
            Command::PillGone(gone) => self.pill_gone(gone),
            Command::Remove { actor, node } => self.remove(actor, node),
            Command::Leave { actor, node, session } => self.leave(actor, node, session),
            Command::Goodbye(speaker) => self.goodbye(speaker),
            Command::SetFailures(it) => self.set_failures(&it.actor, &it.resource, &it.node, it.count),
            Command::Cleanup { actor, resource, node } => self.cleanup(actor, resource, node.as_ref()),
            Command::Notices(steps) => self.notice_steps(steps),
            Command::Noticed(noticed) => self.noticed(noticed),
        };
        done.map(|outcome| self.obeyed(command, outcome)).unwrap_or_else(Outcome::Refused)
    }

    fn obeyed(&mut self, command: &Command, outcome: Outcome) -> Outcome {
        if self.moved == self.index && !command.is_own_work() {
            self.end_trails();
        }
        self.settle_notices(outcome)
    }

    fn remember(&mut self, client: &str, serial: u64, outcome: &Outcome) {
        let index = self.index;
        self.clients.insert(client.to_owned(), Answered { serial, index, outcome: outcome.clone() });
        if self.clients.len() > CLIENTS_KEPT
            && let Some(oldest) = self.clients.iter().min_by_key(|(_, last)| last.index).map(|(name, _)| name.clone())
        {
            self.clients.remove(&oldest);
        }
    }

    /// Writes a line of the timeline.
    fn record(&mut self, kind: EventKind, node: Option<&NodeId>, resource: Option<&ResourceId>, text: String) {
        self.events.push_back(Event {
            number: self.next_event,
            at: self.now,
            index: self.index,
            kind,
            node: node.cloned(),
            resource: resource.cloned(),
            text,
            took_ms: None,
        });
        self.next_event += 1;
        while self.events.len() > EVENTS_KEPT {
            self.events.pop_front();
        }
    }

    /// Adds to the line just written how long it took.
    fn record_took(&mut self, took: Duration) {
        if let Some(event) = self.events.back_mut() {
            event.took_ms = Some(millis(took));
        }
    }

    fn record_fence(&mut self, target: &NodeId, intent: FenceIntent, end: FenceEnd, released: Vec<ResourceId>) {
        let at = self.now;
        self.fences.push_back(FenceRecord { target: target.clone(), intent, end, released, false_since: None, at });
        while self.fences.len() > FENCES_KEPT {
            self.fences.pop_front();
        }
    }
}

/// The answer to a command that does not fit the state any more.
fn stale<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Stale(why.into()))
}

fn refuse_stale(why: String) -> Outcome {
    Outcome::Refused(Refusal::Stale(why))
}
