//! Claims, results and observations.
//!
//! Rules claim-check, not active, operation-number and incarnation of SAFETY.md: the planner is never trusted.

use super::stale;
use crate::id::{ActionId, NodeId, Operation, ResourceId};
use crate::planted::{Mistake, planted};
use crate::state::{
    Action, ActionKind, Activity, AgentError, Claim, ClusterState, EventKind, Failure, Intent, Outcome, RELOAD_LEVEL,
    Refusal, Reload, Seen, SessionState, Speaker, Standing,
};
use std::time::Duration;

impl ClusterState {
    pub(super) fn claim(&mut self, speaker: &Speaker, id: ActionId, deadline: Duration) -> Result<Outcome, Refusal> {
        let Some(action) = self.actions.get(&id).filter(|action| action.node == speaker.node).cloned() else {
            return stale(format!("action {id} is not wanted of {} any more", speaker.node));
        };
        if action.claimed {
            return stale(format!("action {id} is claimed already"));
        }
        self.check_speaker(speaker)?;
        if self.is_witness(&speaker.node) {
            return Err(Refusal::Unsafe(format!("{} is a witness: it runs nothing", speaker.node)));
        }
        if let Some(waits_for) = action.after.iter().find(|before| self.actions.contains_key(before)) {
            return stale(format!("action {id} waits for action {waits_for}"));
        }
        let full = self.full_of_migrations(&action).filter(|_| action.kind == ActionKind::Migrate);
        if let Some((node, limit)) = full {
            return stale(format!("action {id} waits: {limit} migrations from or to {node} are under way"));
        }
        if let Err(refusal) = self.check_resource(&action) {
            // It will never fit again: the planner has to think anew.
            self.actions.remove(&id);
            return Err(refusal);
        }
        Ok(Outcome::Granted(self.grant(speaker, &action, deadline)))
    }

    fn check_speaker(&self, speaker: &Speaker) -> Result<(), Refusal> {
        let Some(node) = self.nodes.get(&speaker.node) else {
            return stale(format!("{} is no member", speaker.node));
        };
        let session = node.session.as_ref().filter(|session| session.id == speaker.session);
        match session.map(|session| &session.state) {
            Some(SessionState::Open) => {}
            Some(SessionState::Ended(_)) => return Err(Refusal::SessionEnded(speaker.session.clone())),
            Some(SessionState::Lost) => return Err(Refusal::SessionLost(speaker.session.clone())),
            None => return stale(format!("{} is not in session {}", speaker.node, speaker.session)),
        }
        if node.incarnation != speaker.incarnation && !planted(Mistake::IgnoreIncarnation) {
            return stale(format!("{} has a newer daemon, incarnation {}", speaker.node, node.incarnation));
        }
        Ok(())
    }

    fn check_resource(&self, action: &Action) -> Result<(), Refusal> {
        let here = self.activity(&action.resource, &action.node);
        let operation = here.map_or(Operation(0), |activity| activity.operation);
        if operation != action.basis && !planted(Mistake::IgnoreIncarnation) {
            return stale(format!("{} on {} has moved since this was planned", action.resource, action.node));
        }
        if here.is_some_and(|activity| activity.claim.is_some()) && action.kind != ActionKind::Handover {
            return stale(format!("{} on {} is being worked on", action.resource, action.node));
        }
        match action.kind {
            ActionKind::Probe | ActionKind::Stop => return Ok(()),
            ActionKind::Incoming => return stale("a copy comes in by the migration at its source"),
            ActionKind::Start if planted(Mistake::SkipOneCopy) => return Ok(()),
            ActionKind::Start if !here.is_some_and(Activity::is_stopped) => {
                let what = format!("{} is not known to be stopped on {}", action.resource, action.node);
                return Err(Refusal::Unsafe(what));
            }
            ActionKind::Start => {
                self.check_tickets(action)?;
                self.check_discovery(action, &action.node)?;
                self.check_unfenced(action, &action.node)?;
            }
            // Nothing is started by it: what runs there goes on.
            ActionKind::Reload if here.is_some_and(|activity| activity.seen == Seen::Running) => return Ok(()),
            ActionKind::Reload => return stale(format!("{} does not run on {}", action.resource, action.node)),
            ActionKind::Migrate => {
                let target = action.peer.as_ref().unwrap_or(&action.node);
                self.check_tickets(action)?;
                self.check_discovery(action, target)?;
                self.check_unfenced(action, target)?;
                self.check_migration(action)?;
            }
            ActionKind::Handover => self.check_handover(action)?,
            ActionKind::Demote => return Ok(()),
            ActionKind::Notify => return self.check_notice(action),
            ActionKind::Promote => {
                self.check_tickets(action)?;
                return self.check_promotion(action);
            }
        }
        self.check_alone(action)
    }

    /// tickets: what was planned while one was held begins nothing once it is not.
    fn check_tickets(&self, action: &Action) -> Result<(), Refusal> {
        match self.ticket_forbids(&action.resource, action.kind) {
            Some(why) => stale(format!("no {} of {}: {why}", action.kind.word(), action.resource)),
            None => Ok(()),
        }
    }

    /// discovery: where it is not looked for, nothing of it is started.
    fn check_discovery(&self, action: &Action, node: &NodeId) -> Result<(), Refusal> {
        let looked_for = self.config.shorthand.looked_for.get(&action.resource);
        match looked_for.and_then(|looked_for| looked_for.forbids(node)) {
            Some((id, _)) => stale(format!("{} is not looked for on {node}, by location {id}", action.resource)),
            None => Ok(()),
        }
    }

    /// unfencing: where a device keeps a node from its storage, nothing that needs that is started.
    fn check_unfenced(&self, action: &Action, node: &NodeId) -> Result<(), Refusal> {
        match self.locked_out(&action.resource, node) {
            Some(why) => stale(format!("{} is not started on {node}: {why}", action.resource)),
            None => Ok(()),
        }
    }

    /// claim-check: every other node is not active; of a clone, so few may be that one more may run. A migration's
    /// target is looked at by its own rule.
    fn check_alone(&self, action: &Action) -> Result<(), Refusal> {
        let resource = &action.resource;
        let is_taken_for_dead = |node: &NodeId| {
            planted(Mistake::LostIsDead) && self.nodes.get(node).is_some_and(|state| !state.is_online())
        };
        let others = self.nodes.keys().filter(|node| **node != action.node && !is_taken_for_dead(node));
        let mut others = others.filter(|node| self.stands_against(resource, node));
        match self.copies(resource).checked_sub(1) {
            None => Err(Refusal::Unsafe(format!("none of {resource} may run: its clone-max is 0"))),
            Some(beside) => match others.nth(beside) {
                Some(node) => Err(Refusal::Unsafe(format!("{resource} may be active on {node}"))),
                None => Ok(()),
            },
        }
    }

    /// claim-check, of a promotion: it runs here, and fewer than may be promoted may be so elsewhere.
    fn check_promotion(&self, action: &Action) -> Result<(), Refusal> {
        let (resource, node) = (&action.resource, &action.node);
        if self.activity(resource, node).is_none_or(|here| here.seen != Seen::Running) {
            return Err(Refusal::Unsafe(format!("{resource} is not known to run unpromoted on {node}")));
        }
        if planted(Mistake::PromoteUnchecked) {
            return Ok(());
        }
        let mut others = self.nodes.keys().filter(|other| *other != node && self.may_be_promoted(resource, other));
        match self.promotions(resource).checked_sub(1) {
            None => Err(Refusal::Unsafe(format!("none of {resource} may be promoted"))),
            Some(beside) => match others.nth(beside) {
                Some(other) => Err(Refusal::Unsafe(format!("{resource} may be promoted on {other}"))),
                None => Ok(()),
            },
        }
    }

    /// Only what is there is told anything, and only what is owed to it.
    fn check_notice(&self, action: &Action) -> Result<(), Refusal> {
        let (resource, node) = (&action.resource, &action.node);
        let is_there = |it: &Activity| it.seen.is_running() || matches!(it.seen, Seen::Failed(_));
        let is_owed = self.notices.get(resource).is_some_and(|notices| notices.next_for(node).is_some());
        match is_owed && self.activity(resource, node).is_some_and(is_there) {
            true => Ok(()),
            false => stale(format!("there is nothing to tell {resource} on {node}")),
        }
    }

    fn grant(&mut self, speaker: &Speaker, action: &Action, deadline: Duration) -> Operation {
        let now = self.now;
        let configured = self.config.primitives.get(&action.resource);
        let configured = configured.map(|primitive| self.definition_on(primitive, &action.node));
        let owed = self.notices.get(&action.resource).and_then(|notices| notices.next_for(&action.node));
        let notice = owed.map(|notice| notice.number).filter(|_| action.kind == ActionKind::Notify);
        if planted(Mistake::PayBeforeTold) {
            self.pay(&action.resource, &action.node, notice);
        }
        let mut activity = self.activity_mut(&action.resource, &action.node);
        activity.operation = activity.operation.next();
        let came = activity.claim.take().and_then(|incoming| incoming.migration);
        activity.claim = Some(Claim {
            kind: action.kind,
            action: action.id,
            incarnation: speaker.incarnation,
            granted: now,
            deadline,
            migration: None,
            definition: configured.clone().filter(|_| action.kind == ActionKind::Reload).map(Box::new),
            notice,
        });
        if action.kind == ActionKind::Start {
            activity.definition = configured;
        }
        drop(activity);
        match action.kind {
            ActionKind::Start => self.comes_to(&action.resource, &action.node),
            ActionKind::Stop => self.goes_from(&action.resource, &action.node),
            ActionKind::Migrate => {
                self.goes_from(&action.resource, &action.node);
                self.open_incoming(speaker, action, deadline);
            }
            ActionKind::Handover => {
                self.comes_to(&action.resource, &action.node);
                self.open_handover(action, came);
            }
            ActionKind::Probe
            | ActionKind::Incoming
            | ActionKind::Reload
            | ActionKind::Promote
            | ActionKind::Demote
            | ActionKind::Notify => {}
        }
        let operation = self.activity_mut(&action.resource, &action.node).operation;
        if let Some(planned) = self.actions.get_mut(&action.id) {
            planned.claimed = true;
        }
        if action.kind != ActionKind::Notify {
            let text = format!("{} of {} on {}: {}", action.kind.word(), action.resource, action.node, action.reason);
            self.record(EventKind::Claimed, Some(&action.node), Some(&action.resource), text);
        }
        operation
    }

    pub(super) fn result(
        &mut self,
        speaker: &Speaker,
        resource: &ResourceId,
        operation: Operation,
        (seen, took): (&Seen, Duration),
        error: Option<&AgentError>,
        reload: Option<&Reload>,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let claim = self.take_claim(speaker, resource, operation)?;
        if claim.kind == ActionKind::Migrate {
            self.end_trails();
            return Ok(self.migration_ended(&speaker.node, resource, &claim, seen, error));
        }
        let is_understood = self.level >= RELOAD_LEVEL;
        self.activity_mut(resource, &speaker.node).see(seen.clone(), now);
        self.settle_copies(&speaker.node, resource);
        let mut activity = self.activity_mut(resource, &speaker.node);
        let taken = reload.filter(|_| is_understood && error.is_none() && *seen == Seen::Running);
        if let Some(reload) = taken {
            activity.reload = Some(reload.clone());
            activity.definition = claim.definition.as_deref().cloned().or_else(|| activity.definition.take());
        }
        if let Some(error) = error {
            fail(&mut activity, claim.kind.word(), error, now);
            activity.stop_failed |= claim.kind == ActionKind::Stop && *seen != Seen::Stopped;
        }
        drop(activity);
        // A look that closes a claim nobody began finds what it finds: what waited for the stop, or the start, still waits.
        let is_short = match claim.kind {
            ActionKind::Stop => *seen != Seen::Stopped,
            ActionKind::Start => !matches!(seen, Seen::Running | Seen::Promoted),
            ActionKind::Promote => *seen != Seen::Promoted,
            ActionKind::Demote => *seen == Seen::Promoted,
            ActionKind::Probe
            | ActionKind::Migrate
            | ActionKind::Incoming
            | ActionKind::Handover
            | ActionKind::Reload
            | ActionKind::Notify => false,
        };
        self.finish_action(claim.action, error.is_some() || is_short);
        let is_found = claim.kind == ActionKind::Probe && *seen != Seen::Stopped;
        if error.is_some() || is_short || is_found {
            self.end_trails();
        }
        match &claim.migration {
            Some(migration) if error.is_none() && *seen == Seen::Running => {
                self.tell_handover(&speaker.node, resource, migration);
            }
            _ if claim.kind == ActionKind::Reload && taken.is_some() => {
                let text = format!("{resource} on {} took over its changed parameters", speaker.node);
                self.record(EventKind::Started, Some(&speaker.node), Some(resource), text);
            }
            _ => self.tell_result(&speaker.node, resource, claim.kind, seen, error),
        }
        self.record_took(took);
        if claim.kind == ActionKind::Probe {
            self.tell_copies(&speaker.node, resource);
            self.tell_promoted(&speaker.node, resource);
        }
        self.forget_if_gone(resource);
        Ok(Outcome::Done)
    }

    /// operation-number: the open claim that this result is of, closed; its number rises.
    pub(super) fn take_claim(
        &mut self,
        speaker: &Speaker,
        resource: &ResourceId,
        operation: Operation,
    ) -> Result<Claim, Refusal> {
        let session_fits =
            self.nodes.get(&speaker.node).and_then(|node| node.session.as_ref()).is_some_and(|session| {
                session.id == speaker.session && !matches!(session.state, SessionState::Ended(_))
            });
        if !session_fits {
            return stale(format!("session {} of {} is over", speaker.session, speaker.node));
        }
        // A late result must not bring back a resource that was forgotten.
        let open =
            self.resources.get_mut(resource).and_then(|nodes| nodes.get_mut(&speaker.node)).and_then(|mut activity| {
                let in_force = activity.operation;
                let fits = |claim: &mut Claim| {
                    // What comes in is no operation of the target's: only its source and a handover end it.
                    let is_own = claim.kind != ActionKind::Incoming;
                    is_own && claim.incarnation == speaker.incarnation && in_force == operation
                };
                let claim = activity.claim.take_if(fits)?;
                activity.operation = in_force.next();
                Some(claim)
            });
        open.map_or_else(|| stale(format!("operation {operation} of {resource} on {} is not open", speaker.node)), Ok)
    }

    pub(super) fn tell_result(
        &mut self,
        node: &NodeId,
        resource: &ResourceId,
        kind: ActionKind,
        seen: &Seen,
        error: Option<&AgentError>,
    ) {
        let (event, text) = match (error, seen) {
            (Some(error), _) => {
                (EventKind::Failed, format!("{} of {resource} on {node} failed: {}", kind.word(), error.text))
            }
            (None, Seen::Running) if kind == ActionKind::Demote => {
                (EventKind::Started, format!("{resource} is not promoted on {node} any more"))
            }
            (None, Seen::Running) => (EventKind::Started, format!("{resource} runs on {node}")),
            (None, Seen::Promoted) => (EventKind::Started, format!("{resource} is promoted on {node}")),
            (None, Seen::Stopped) => (EventKind::Stopped, format!("{resource} is stopped on {node}")),
            (None, Seen::Paused(why)) => (EventKind::Failed, format!("{resource} stands still on {node}: {why}")),
            (None, Seen::Failed(why)) => (EventKind::Failed, format!("{resource} does not work on {node}: {why}")),
            (None, Seen::Unknown(why)) => (EventKind::Failed, format!("{resource} on {node} is not known: {why}")),
        };
        self.record(event, Some(node), Some(resource), text);
    }

    pub(super) fn observe(
        &mut self,
        speaker: &Speaker,
        resource: &ResourceId,
        operation: Operation,
        seen: &Seen,
        error: Option<&AgentError>,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let trust = planted(Mistake::TrustLateMonitor);
        if !self.is_current(speaker) && !trust {
            return stale(format!("{} has another current daemon", speaker.node));
        }
        if !self.resources.contains_key(resource) && !self.config.primitives.contains_key(resource) {
            return stale(format!("there is no resource {resource}"));
        }
        if self.nodes.get(&speaker.node).is_some_and(|node| node.intent == Intent::Maintenance) {
            return stale(format!("{} is in maintenance: nobody watches what it has", speaker.node));
        }
        let mut activity = self.activity_mut(resource, &speaker.node);
        if !trust && (activity.claim.is_some() || activity.operation != operation) {
            return stale(format!("{resource} on {} has moved since this look began", speaker.node));
        }
        let (was, since) = (activity.seen.clone(), activity.since);
        activity.operation = activity.operation.next();
        activity.see(seen.clone(), now);
        if let Some(error) = error {
            fail(&mut activity, "monitor", error, now);
            if was.is_running() && *seen == Seen::Stopped {
                activity.count_crash(since, now);
            }
        }
        drop(activity);
        self.settle_copies(&speaker.node, resource);
        self.cancel_planned(|action| action.resource == *resource && !action.claimed);
        if was != *seen {
            self.tell_result(&speaker.node, resource, ActionKind::Probe, seen, error);
        }
        if !was.is_running() {
            self.tell_copies(&speaker.node, resource);
        }
        if *seen == Seen::Promoted && was != Seen::Promoted {
            self.tell_promoted(&speaker.node, resource);
        }
        self.forget_if_gone(resource);
        Ok(Outcome::Done)
    }

    /// A second copy is a broken promise, whoever started it.
    pub(super) fn tell_copies(&mut self, here: &NodeId, resource: &ResourceId) {
        let runs = |node: &NodeId| self.standing(resource, node) == Standing::Active;
        let is_watched = |node: &NodeId| self.nodes.get(node).is_some_and(|at| at.intent != Intent::Maintenance);
        if !runs(here) {
            return;
        }
        let others: Vec<&str> = self
            .nodes
            .keys()
            .filter(|node| *node != here && runs(node) && is_watched(node))
            .map(NodeId::as_str)
            .collect();
        if others.is_empty() || others.len() < self.copies(resource) {
            return;
        }
        let text = format!(
            "{resource} runs on {here}, and on {} too: somebody started it beside the cluster",
            others.join(", ")
        );
        let all: Vec<NodeId> = std::iter::once(here.as_str()).chain(others).map(NodeId::from).collect();
        self.record(EventKind::PromiseBroken, Some(here), Some(resource), text);
        self.mark_copies(resource, &all);
    }

    /// More promoted than may be: somebody promoted it beside the cluster.
    fn tell_promoted(&mut self, here: &NodeId, resource: &ResourceId) {
        let is_promoted =
            |node: &NodeId| self.activity(resource, node).is_some_and(|activity| activity.seen == Seen::Promoted);
        let others: Vec<&str> =
            self.nodes.keys().filter(|node| *node != here && is_promoted(node)).map(NodeId::as_str).collect();
        if !is_promoted(here) || others.is_empty() || others.len() < self.promotions(resource) {
            return;
        }
        let others = others.join(", ");
        let text =
            format!("{resource} is promoted on {here}, and on {others} too: somebody promoted it beside the cluster");
        self.record(EventKind::PromiseBroken, Some(here), Some(resource), text);
    }

    /// Every resource that is no longer configured, once nobody may have it active.
    pub(super) fn forget_gone(&mut self) {
        let all: Vec<ResourceId> = self.resources.keys().cloned().collect();
        for resource in all {
            self.forget_if_gone(&resource);
        }
    }

    /// A resource that is no longer configured is kept until nobody may have it active.
    pub(super) fn forget_if_gone(&mut self, resource: &ResourceId) {
        if self.config.primitives.contains_key(resource) {
            return;
        }
        let idle = self.nodes.keys().all(|node| self.standing(resource, node) == Standing::NotActive);
        if idle {
            self.resources.remove(resource);
        }
    }
}

pub(super) fn fail(activity: &mut Activity, operation: &str, error: &AgentError, at: crate::time::Timestamp) {
    activity.failures = activity.failures.saturating_add(1);
    let is_look = operation == ActionKind::Probe.word();
    let operation = match error.monitor {
        Some(interval) => format!("{operation}_{}", interval.as_millis()),
        None => operation.to_owned(),
    };
    let of_it = activity.failed.entry(operation.clone()).or_default();
    *of_it = of_it.saturating_add(1);
    // A look that fails too says nothing about the next start.
    let start_failed =
        activity.last_failure.as_ref().is_some_and(|failure| failure.operation == ActionKind::Start.word());
    if start_failed && is_look {
        return;
    }
    let (error, severity) = (error.text.clone(), error.severity);
    activity.last_failure = Some(Failure { operation, error, at, severity });
}
