//! Live migration in the log: what is sent, what comes in, and when the copy may run.
//!
//! Rule handover of SAFETY.md. A migration is two claims, one at each end, opened by one entry. Only the migration's own
//! word that it is complete and its source gone lets the copy run; any other end of it voids the copy, which then can
//! only be destroyed. What the hypervisor does of itself, finish or give up, changes nothing in here.
//!
//! What an agent sends runs at its target as soon as it is there, and nobody can hold it. So its copy is void, and looked
//! at, only when nothing can come any more: until its source is known to run it still, or not at all, it may be at both.

use super::stale;
use crate::config::AgentClass;
use crate::id::{ActionId, NodeId, Operation, ResourceId};
use crate::planted::{Mistake, planted};
use crate::state::release::AGENTS_MIGRATE_LEVEL;
use crate::state::{
    Action, ActionKind, Activity, AgentError, Claim, ClusterState, EventKind, Failure, Migration, Moved, Outcome,
    Refusal, Seen, Speaker,
};
use std::time::Duration;

impl ClusterState {
    /// Only what runs is sent, and only to where nothing of it is.
    pub(super) fn check_migration(&self, action: &Action) -> Result<(), Refusal> {
        let (resource, source) = (&action.resource, &action.node);
        let Some(target) = action.peer.as_ref().filter(|target| *target != source) else {
            return stale(format!("the migration of {resource} names no other node"));
        };
        let definition = self.definition(resource, source);
        if definition.is_some_and(|it| it.agent.class == AgentClass::Systemd) {
            return stale(format!("{resource} is a unit of systemd, which is not sent"));
        }
        if definition.is_some_and(|it| it.agent.class == AgentClass::Ocf && it.clone_spec().is_some()) {
            return stale(format!("{resource} is a clone: its instances are not sent"));
        }
        if definition.is_some_and(|it| it.agent.class == AgentClass::Ocf) && self.level < AGENTS_MIGRATE_LEVEL {
            return stale(format!("not every member can read yet how an agent sends {resource}"));
        }
        if self.activity(resource, source).is_none_or(|activity| activity.seen != Seen::Running) {
            return stale(format!("{resource} is not known to run on {source}"));
        }
        if !self.nodes.get(target).is_some_and(crate::state::NodeState::is_online) {
            return stale(format!("{target} does not take part now"));
        }
        if !self.activity(resource, target).is_some_and(Activity::is_stopped) {
            return Err(Refusal::Unsafe(format!("{resource} is not known to be stopped on {target}")));
        }
        Ok(())
    }

    /// handover: the copy that came in under this very number is complete, and its source is gone.
    pub(super) fn check_handover(&self, action: &Action) -> Result<(), Refusal> {
        let (resource, node) = (&action.resource, &action.node);
        let claim = self.activity(resource, node).and_then(|activity| activity.claim.as_ref());
        let Some(incoming) = claim.filter(|claim| claim.kind == ActionKind::Incoming) else {
            return stale(format!("no copy of {resource} comes in on {node}"));
        };
        let is_gone = incoming.migration.as_ref().is_some_and(|migration| migration.gone.is_some());
        if !is_gone && !planted(Mistake::HandoverWithoutGone) {
            return Err(Refusal::Unsafe(format!(
                "{resource} may still run where it came from: its migration has not said that it is gone"
            )));
        }
        Ok(())
    }

    /// The other half of a migration's grant: from here on a copy may be at the target.
    pub(super) fn open_incoming(&mut self, speaker: &Speaker, action: &Action, deadline: Duration) {
        let Some(target) = &action.peer else { return };
        let now = self.now;
        let definition = self.definition(&action.resource, &action.node).cloned();
        let incarnation = self.nodes.get(target).map(|node| node.incarnation).unwrap_or_default();
        let end = |peer: &NodeId| Some(Migration { peer: peer.clone(), called_off: false, gone: None });
        if let Some(claim) = &mut self.activity_mut(&action.resource, &speaker.node).claim {
            claim.migration = end(target);
        }
        let mut activity = self.activity_mut(&action.resource, target);
        activity.operation = activity.operation.next();
        activity.definition = definition;
        activity.claim = Some(Claim {
            kind: ActionKind::Incoming,
            action: action.id,
            incarnation,
            granted: now,
            deadline,
            migration: end(&speaker.node),
            definition: None,
            notice: None,
        });
    }

    /// The copy that came in is being let run: what is known of its way stays with the claim.
    pub(super) fn open_handover(&mut self, action: &Action, came: Option<Migration>) {
        if let Some(claim) = &mut self.activity_mut(&action.resource, &action.node).claim {
            claim.migration = came;
        }
    }

    /// The migration's own word that it is complete: nothing is here any more, and the copy may be handed over to.
    pub(super) fn gone(
        &mut self,
        speaker: &Speaker,
        resource: &ResourceId,
        operation: Operation,
        moved: Moved,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let source = &speaker.node;
        let is_migration = self.activity(resource, source).and_then(|activity| activity.claim.as_ref());
        if is_migration.is_none_or(|claim| claim.kind != ActionKind::Migrate) {
            return stale(format!("no migration of {resource} from {source} is open"));
        }
        let claim = self.take_claim(speaker, resource, operation)?;
        let mut here = self.activity_mut(resource, source);
        here.see(Seen::Stopped, now);
        here.last_failure.take_if(|failure| failure.operation == ActionKind::Migrate.word());
        drop(here);
        let moved = Moved { at: now, ..moved };
        let target = claim.migration.map(|migration| migration.peer);
        let arrived =
            target.and_then(|target| Some((self.arrive(resource, source, &target, claim.action, moved)?, target)));
        let Some((basis, target)) = arrived else {
            // The target has a new daemon or was given up: whatever is there will be destroyed.
            self.finish_action(claim.action, true);
            self.tell_result(source, resource, ActionKind::Stop, &Seen::Stopped, None);
            self.forget_if_gone(resource);
            return Ok(Outcome::Done);
        };
        // The planned action goes on at the other end, so that what waits for it goes on waiting.
        if let Some(action) = self.actions.get_mut(&claim.action) {
            action.kind = ActionKind::Handover;
            action.node = target.clone();
            action.peer = Some(source.clone());
            action.basis = basis;
            action.claimed = false;
        }
        let text = format!("{resource} has left {source} for {target}: {}", amount(&moved));
        self.record(EventKind::Migrated, Some(source), Some(resource), text);
        Ok(Outcome::Done)
    }

    /// The copy is complete; its number, if it still is the one that this migration brought.
    fn arrive(
        &mut self,
        resource: &ResourceId,
        source: &NodeId,
        target: &NodeId,
        action: ActionId,
        moved: Moved,
    ) -> Option<Operation> {
        let mut there = self.activity_mut(resource, target);
        let operation = there.operation;
        let incoming =
            there.claim.as_mut().filter(|claim| claim.kind == ActionKind::Incoming && claim.action == action)?;
        let migration = incoming.migration.as_mut().filter(|migration| migration.peer == *source)?;
        migration.gone = Some(moved);
        Some(operation)
    }

    /// A migration ended otherwise than by being complete: what runs at its source goes on, and its copy is void.
    pub(super) fn migration_ended(
        &mut self,
        source: &NodeId,
        resource: &ResourceId,
        claim: &Claim,
        seen: &Seen,
        error: Option<&AgentError>,
    ) -> Outcome {
        let now = self.now;
        if !self.runs_as_it_comes(resource, source) {
            self.void_copy(source, resource, claim);
        }
        let called_off = claim.migration.as_ref().is_some_and(|migration| migration.called_off);
        let mut activity = self.activity_mut(resource, source);
        activity.see(seen.clone(), now);
        if let Some(error) = error.filter(|_| !called_off) {
            // It is no fault of the VM's where it runs: it counts for no threshold.
            let operation = ActionKind::Migrate.word().to_owned();
            activity.last_failure =
                Some(Failure { operation, error: error.text.clone(), severity: error.severity, at: now });
        }
        drop(activity);
        self.settle_copies(source, resource);
        self.finish_action(claim.action, true);
        let target = claim.migration.as_ref().map_or("another node", |migration| migration.peer.as_str());
        let text = match error {
            Some(_) if called_off => format!("the migration of {resource} from {source} to {target} was called off"),
            Some(error) => format!("the migration of {resource} from {source} to {target} failed: {}", error.text),
            None => format!("the migration of {resource} from {source} to {target} was not carried out"),
        };
        let kind = if called_off || error.is_none() { EventKind::Migrated } else { EventKind::Failed };
        self.record(kind, Some(source), Some(resource), text);
        if *seen != Seen::Running {
            self.tell_result(source, resource, ActionKind::Probe, seen, None);
        }
        self.forget_if_gone(resource);
        Outcome::Done
    }

    /// Everything that this node was sending has no end any more that could be believed.
    pub(super) fn void_migrations_from(&mut self, node: &NodeId) {
        let open: Vec<(ResourceId, Claim)> = self
            .resources
            .iter()
            .filter_map(|(resource, nodes)| Some((resource.clone(), nodes.get(node)?.claim.clone()?)))
            .filter(|(resource, claim)| claim.kind == ActionKind::Migrate && !self.runs_as_it_comes(resource, node))
            .collect();
        for (resource, claim) in open {
            self.void_copy(node, &resource, &claim);
        }
    }

    /// An agent sends it: nobody holds the copy until it is let run.
    pub fn runs_as_it_comes(&self, resource: &ResourceId, node: &NodeId) -> bool {
        self.definition(resource, node).is_some_and(|definition| definition.agent.class == AgentClass::Ocf)
    }

    /// What an agent was sending from here can come no more, for it is known what became of it here: what is at the target
    /// is looked at. To be asked whenever something is seen of it here.
    pub(super) fn settle_copies(&mut self, source: &NodeId, resource: &ResourceId) {
        let is_known = self.activity(resource, source).is_some_and(|here| {
            let sends = here.claim.as_ref().is_some_and(|claim| claim.kind == ActionKind::Migrate);
            !sends && matches!(here.seen, Seen::Stopped | Seen::Running)
        });
        let now = self.now;
        let Some(places) = self.resources.get_mut(resource).filter(|_| is_known) else { return };
        let comes = |there: &Activity| {
            let claim = there.claim.as_ref().filter(|claim| claim.kind == ActionKind::Incoming);
            let migration = claim.and_then(|claim| claim.migration.as_ref());
            let is_agents = there.definition.as_ref().is_some_and(|it| it.agent.class == AgentClass::Ocf);
            is_agents && migration.is_some_and(|it| it.peer == *source && it.gone.is_none())
        };
        let coming: Vec<NodeId> =
            places.touched().filter(|(_, there)| comes(there)).map(|(node, _)| node.clone()).collect();
        for node in coming {
            let Some(mut there) = places.get_mut(&node) else { continue };
            there.operation = there.operation.next();
            there.claim = None;
            there.see(Seen::Unknown(format!("it may have come from {source}; to be looked at")), now);
        }
    }

    /// What comes in by an agent comes whatever became of the daemon here: its claim stands until its source is known.
    pub(super) fn comes_by_an_agent(&self, resource: &ResourceId, node: &NodeId) -> bool {
        self.runs_as_it_comes(resource, node)
            && self
                .activity(resource, node)
                .and_then(|activity| activity.claim.as_ref())
                .is_some_and(|claim| claim.kind == ActionKind::Incoming)
    }

    /// The copy may be half, or older than what the source has written since: it is never let run.
    fn void_copy(&mut self, source: &NodeId, resource: &ResourceId, claim: &Claim) {
        let now = self.now;
        let Some(target) = claim.migration.as_ref().map(|migration| migration.peer.clone()) else { return };
        if planted(Mistake::HandoverWithoutGone) {
            return;
        }
        let mut there = self.activity_mut(resource, &target);
        let is_its_copy = there.claim.as_ref().is_some_and(|there| {
            let from = there.migration.as_ref().is_some_and(|migration| migration.peer == *source);
            there.kind == ActionKind::Incoming && there.action == claim.action && from
        });
        if is_its_copy {
            there.operation = there.operation.next();
            there.claim = None;
            there.see(Seen::Unknown(format!("what came in from {source} is incomplete; to be destroyed")), now);
        }
    }

    /// The plan does not want this migration any more: its source is told by its own claim.
    pub(super) fn call_off_migration(&mut self, id: ActionId) {
        let Some(action) = self.actions.get(&id).filter(|action| action.claimed && action.kind == ActionKind::Migrate)
        else {
            return;
        };
        let (resource, node) = (action.resource.clone(), action.node.clone());
        let mut activity = self.activity_mut(&resource, &node);
        let claim = activity.claim.as_mut().filter(|claim| claim.action == id);
        let Some(migration) = claim.and_then(|claim| claim.migration.as_mut()) else { return };
        migration.called_off = true;
        let text = format!("the migration of {resource} to {} is to be called off", migration.peer);
        drop(activity);
        self.record(EventKind::Migrated, Some(&node), Some(&resource), text);
    }

    /// The copy runs: how long nobody heard of the guest, where that is known.
    pub(super) fn tell_handover(&mut self, node: &NodeId, resource: &ResourceId, migration: &Migration) {
        let now = self.now;
        let downtime = migration.gone.filter(|moved| moved.bytes > 0).map(|moved| {
            moved.paused_ms.saturating_add(now.since(moved.at).as_millis().try_into().unwrap_or(u64::MAX))
        });
        let downtime = downtime.map_or_else(String::new, |ms| format!(", it stood still for {ms} ms"));
        let text = format!("{resource} runs on {node}: it came from {} without a restart{downtime}", migration.peer);
        self.record(EventKind::Started, Some(node), Some(resource), text);
    }
}

/// `96 MiB in 2.1 s (45 MiB/s)`
fn amount(moved: &Moved) -> String {
    if moved.bytes == 0 {
        // An agent does not say how much it sent.
        return format!("it took {}.{} s", moved.took_ms / 1000, moved.took_ms % 1000 / 100);
    }
    let mib = moved.bytes >> 20;
    let (seconds, tenths) = (moved.took_ms / 1000, moved.took_ms % 1000 / 100);
    let speed = mib.saturating_mul(1000) / moved.took_ms.max(1);
    format!("{mib} MiB in {seconds}.{tenths} s ({speed} MiB/s)")
}
