//! Looks, claims and results: what a worker puts into the log.

use super::world::{Granted, World, number};
use quorate_core::config::Primitive;
use quorate_core::id::{ActionId, Incarnation, NodeId, ResourceId};
use quorate_core::state::{
    Action, ActionKind, AgentError, Command, Moved, NewAction, Noticed, Outcome, Seen, Severity,
};
use quorate_core::time::Timestamp;
use std::time::Duration;

impl World {
    pub(super) fn observe(
        &mut self,
        resource: &ResourceId,
        word: &str,
        node: &NodeId,
        error: Option<&str>,
    ) -> Result<(), String> {
        self.look(resource, node)?;
        self.tell_seen(resource, word, node, error)
    }

    /// A look begins: what it will find is of this moment.
    pub(super) fn look(&mut self, resource: &ResourceId, node: &NodeId) -> Result<(), String> {
        let begun = (self.speaker(node)?, self.operation(resource, node));
        self.looks.insert((resource.clone(), node.clone()), begun);
        Ok(())
    }

    pub(super) fn seen(&mut self, resource: &ResourceId, word: &str, node: &NodeId) -> Result<(), String> {
        self.tell_seen(resource, word, node, None)
    }

    fn tell_seen(
        &mut self,
        resource: &ResourceId,
        word: &str,
        node: &NodeId,
        error: Option<&str>,
    ) -> Result<(), String> {
        let begun = self.looks.remove(&(resource.clone(), node.clone()));
        let (speaker, operation) = begun.ok_or_else(|| format!("nobody looks at {resource} on {node}"))?;
        // As the engine does: another monitor than the first is named by its interval.
        let is_promoted = self.state.activity(resource, node).is_some_and(|activity| activity.seen == Seen::Promoted);
        let defaults = &self.state.config.op_defaults;
        let promoted = self.state.definition(resource, node).filter(|_| is_promoted);
        let monitor = promoted.and_then(|it| it.promoted_monitors(defaults).first().map(|monitor| monitor.interval));
        let error = error.map(|text| AgentError { monitor, ..AgentError::from(text) });
        let (resource, seen) = (resource.clone(), seen(word)?);
        self.tell(Command::Observe { speaker, resource, operation, seen, error });
        Ok(())
    }

    pub(super) fn claim(&mut self, id: ActionId, rest: &[&str]) -> Result<(), String> {
        let action = self.planned.get(&id).cloned().ok_or("there is no such action")?;
        let mut speaker = self.speaker(&action.node)?;
        if let Some(incarnation) = number(rest, "as")? {
            speaker.incarnation = Incarnation(incarnation);
        }
        let command = Command::Claim { speaker: speaker.clone(), action: id, deadline: Duration::from_secs(60) };
        if let Outcome::Granted(operation) = self.tell(command) {
            self.granted.insert(id, Granted { action, speaker, operation });
        }
        Ok(())
    }

    /// A plan that wants this, whatever the planner thinks of it, and its claim.
    pub(super) fn by_hand(&mut self, kind: ActionKind, resource: &ResourceId, node: &NodeId) -> Result<(), String> {
        let basis = self.operation(resource, node);
        let id = self.state.next_action;
        let (resource, node) = (resource.clone(), node.clone());
        let (after, after_new, reason) = (Vec::new(), Vec::new(), "by hand".to_owned());
        let action = NewAction { kind, resource, node, peer: None, basis, after_new, after, reason };
        self.tell(Command::Plan { cancel: Vec::new(), add: vec![action] });
        self.planned.extend(self.state.actions.get(&id).cloned().map(|action| (id, action)));
        self.claim(id, &[])
    }

    /// What a host says after it did as asked: of what is no promotable clone by its definition no role is known.
    fn seen_after(&self, action: &Action) -> &'static str {
        let definition = self.state.definition(&action.resource, &action.node);
        match action.kind {
            ActionKind::Promote if definition.is_some_and(Primitive::is_promotable) => "promoted",
            ActionKind::Promote
            | ActionKind::Start
            | ActionKind::Handover
            | ActionKind::Demote
            | ActionKind::Reload
            | ActionKind::Notify => "running",
            ActionKind::Probe | ActionKind::Stop | ActionKind::Migrate | ActionKind::Incoming => "stopped",
        }
    }

    pub(super) fn result(&mut self, id: ActionId, how: &str, rest: &[&str]) -> Result<(), String> {
        // A migration goes on as its handover, under the same number.
        let goes_on =
            |granted: &Granted| self.state.actions.get(&id).is_some_and(|now| now.kind != granted.action.kind);
        if self.granted.get(&id).is_none_or(goes_on) {
            let now = self.state.actions.get(&id).cloned();
            self.planned.extend(now.map(|action| (id, action)));
            self.claim(id, &[])?;
        }
        let Some(Granted { action, speaker, operation }) = self.granted.get(&id).cloned() else { return Ok(()) };
        if action.kind == ActionKind::Notify && rest.is_empty() {
            let error = (how == "failed").then(|| AgentError::from("it did not listen"));
            let (resource, took) = (action.resource, Duration::ZERO);
            self.tell(Command::Noticed(Box::new(Noticed { speaker, resource, operation, error, took })));
            return Ok(());
        }
        if action.kind == ActionKind::Migrate && how == "ok" {
            let moved = Moved { took_ms: 2000, paused_ms: 40, bytes: 96 << 20, at: Timestamp::default() };
            self.tell(Command::Gone { speaker, resource: action.resource, operation, moved });
            return Ok(());
        }
        let (expected, error) = match how {
            "ok" => (self.seen_after(&action), None),
            "failed" if action.kind == ActionKind::Migrate => ("running", Some(AgentError::from("the link broke"))),
            "failed" if action.kind == ActionKind::Reload => ("failed", Some(AgentError::from("it did not work"))),
            "failed" => ("unknown", Some(AgentError::from("it did not work"))),
            other => return Err(format!("'{other}' is no result")),
        };
        let seen = seen(rest.first().copied().unwrap_or(expected))?;
        let severity = match rest.get(1).copied() {
            None => Severity::Soft,
            Some("hard") => Severity::Hard,
            Some("fatal") => Severity::Fatal,
            Some(other) => return Err(format!("'{other}' is no severity")),
        };
        let error = error.map(|error| AgentError { severity, ..error });
        let reload = self.reloads.get(&action.resource).filter(|_| error.is_none() && seen == Seen::Running).cloned();
        let (resource, took) = (action.resource, Duration::ZERO);
        self.tell(Command::Result { speaker, resource, operation, seen, error, took, reload });
        Ok(())
    }
}

pub(super) fn seen(word: &str) -> Result<Seen, String> {
    match word {
        "started" | "running" => Ok(Seen::Running),
        "promoted" => Ok(Seen::Promoted),
        "stopped" => Ok(Seen::Stopped),
        "paused" => Ok(Seen::Paused("starting up".to_owned())),
        "failed" => Ok(Seen::Failed("it does not answer".to_owned())),
        "unknown" => Ok(Seen::Unknown("no answer".to_owned())),
        other => Err(format!("'{other}' is nothing that can be seen")),
    }
}
