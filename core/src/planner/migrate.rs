//! Live migration in the plan: when a move is one, when one under way is called off, and what waits for it.
//!
//! A move is a migration where the VM allows it, runs for sure, and both ends take part; else it is a stop and a start.

use super::actions::Draft;
use super::eligible::unfit;
use super::model::last_resort;
use super::placement::Wanted;
use super::survey::{Survey, Touched};
use crate::config::{AgentClass, Order, OrderKind, Primitive};
use crate::id::{NodeId, ResourceId};
use crate::planted::{Mistake, planted};
use crate::state::{
    AGENTS_MIGRATE_LEVEL, ActionKind, Activity, Claim, ClusterState, Intent, Liveness, NodeState, Seen, SessionState,
};

impl Draft<'_> {
    /// What is to be done about a migration that is under way; whether there is one, and nothing else may be done.
    pub(super) fn migration(&mut self, id: &ResourceId, want: &Wanted) -> bool {
        for (node, activity) in self.state.touched(id).iter().filter_map(Touched::known) {
            let Some(claim) = &activity.claim else { continue };
            let Some(end) = &claim.migration else { continue };
            match claim.kind {
                ActionKind::Migrate => {
                    let is_over = called_for(self.state, id, claim).is_none();
                    let is_unwanted = match want {
                        // An agent cannot take back what its hypervisor sends: it is waited for.
                        _ if self.state.runs_as_it_comes(id, node) => false,
                        Wanted::On(target, _) => *target != end.peer,
                        Wanted::Stopped(_) => true,
                        Wanted::Each(_) => true,
                        Wanted::HandsOff => false,
                    };
                    if (is_over || is_unwanted) && !end.called_off && self.is_online(node) {
                        self.called_off.insert(claim.action);
                    }
                    return true;
                }
                // What has come is let run, whatever is wanted by now: a guest is not thrown away on its way.
                ActionKind::Incoming
                    if self.may_hand_over(id, &end.peer, end.gone.is_some())
                        && self.is_online(node)
                        && self.is_nowhere_else(id, node) =>
                {
                    let why = format!("it has left {}", end.peer);
                    let place = self.add(ActionKind::Handover, id, node, why, Vec::new());
                    self.actions[place as usize].peer = Some(end.peer.clone());
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn may_hand_over(&self, id: &ResourceId, source: &NodeId, is_gone: bool) -> bool {
        let is_stopped = || self.state.activity(id, source).is_some_and(Activity::is_stopped);
        is_gone || (planted(Mistake::HandoverWithoutGone) && is_stopped())
    }

    /// What may be elsewhere is looked for first.
    fn is_nowhere_else(&self, id: &ResourceId, node: &NodeId) -> bool {
        let mut others = self.state.touched(id).iter().filter(|other| other.node != node);
        !others.any(Touched::may_be_active)
    }

    fn is_online(&self, node: &NodeId) -> bool {
        self.state.nodes.get(node).is_some_and(NodeState::is_online)
    }

    /// Whether this move may be a live one.
    pub(super) fn may_migrate(&self, id: &ResourceId, source: &NodeId, target: &NodeId) -> bool {
        let state = self.state;
        let Some(primitive) = state.config.primitives.get(id) else { return false };
        let allows = can_migrate(state, id, primitive);
        let is_well = |node: &NodeId| {
            let at = state.nodes.get(node);
            at.is_some_and(|at| at.is_online() && at.intent != Intent::Maintenance)
        };
        let runs = state.activity(id, source).is_some_and(|here| here.seen == Seen::Running && !here.stop_failed);
        // What an agent could not send once moves by a stop and a start, as with Pacemaker, until it is cleaned up.
        let failed =
            |here: &Activity| here.last_failure.as_ref().is_some_and(|it| it.operation == ActionKind::Migrate.word());
        let is_agents = primitive.agent.class == AgentClass::Ocf;
        let runs = runs && !(is_agents && state.activity(id, source).is_some_and(failed));
        let is_free = state.activity(id, target).is_some_and(Activity::is_stopped);
        allows && runs && is_free && is_well(source) && is_well(target)
    }

    /// What it has there, and what it must not stay for.
    pub(super) fn why_it_moves(&self, id: &ResourceId, source: &NodeId, target: &NodeId, reason: &str) -> String {
        let rule = self.state.config.primitives.get(id).and_then(|primitive| unfit(self.state, id, primitive, source));
        let away = rule.map(|rule| rule.to_string()).or_else(|| last_resort(self.state, id, source));
        let away = away.map(|why| format!("; not on {source}: {why}")).unwrap_or_default();
        format!("it moves to {target}: {reason}{away}")
    }

    pub(super) fn add_migration(&mut self, id: &ResourceId, source: &NodeId, target: &NodeId, reason: &str) {
        let why = self.why_it_moves(id, source, target, reason);
        let place = self.add(ActionKind::Migrate, id, source, why, Vec::new());
        self.actions[place as usize].peer = Some(target.clone());
    }

    /// What has to run before it is stopped on the way: then it cannot stay running itself, and moves by stop and start.
    pub(super) fn stop_what_cannot_migrate(&mut self) {
        let binds = |it: &&Order| it.kind == OrderKind::Mandatory && it.requires_all && it.is_of_starts();
        let orders: Vec<_> = self.state.config.orders.values().filter(binds).collect();
        // What is turned into a stop may in its turn be what another has to run after.
        while let Some(then) = orders.iter().find_map(|order| {
            let first_stops = !self.find(ActionKind::Stop, &order.first).is_empty()
                || !self.find(ActionKind::Start, &order.first).is_empty()
                || !self.pending(&order.first, &[ActionKind::Stop]).is_empty();
            let then = first_stops && order.symmetrical;
            let migration = self.find(ActionKind::Migrate, &order.then).first().copied().filter(|_| then)?;
            // It goes from one instance of a clone to another, and both run while it does.
            let target = self.actions[migration as usize].peer.as_ref()?;
            (!self.is_clone(&order.first) || !self.goes_on_at(&order.first, target)).then_some(migration)
        }) {
            self.turn_into_stop(then);
        }
    }

    pub(super) fn turn_into_stop(&mut self, place: u32) {
        let migration = &mut self.actions[place as usize];
        migration.kind = ActionKind::Stop;
        let (id, reason) = (migration.resource.clone(), migration.reason.clone());
        if let Some(target) = migration.peer.take() {
            self.add(ActionKind::Start, &id, &target, reason, vec![place]);
        }
    }
}

/// Whether it ever moves while it runs: it is allowed to, and what runs it can send it.
pub(super) fn can_migrate(state: &Survey<'_>, id: &ResourceId, primitive: &Primitive) -> bool {
    let is_sent = match primitive.agent.class {
        AgentClass::Vm => true,
        AgentClass::Ocf => primitive.clone_spec().is_none() && state.level >= AGENTS_MIGRATE_LEVEL,
        AgentClass::Stonith | AgentClass::Systemd => false,
    };
    is_sent && state.meta(id, primitive).allow_migrate
}

/// From where to where a VM goes, until it runs at the target.
pub(super) fn under_way(state: &Survey<'_>, id: &ResourceId) -> Option<(NodeId, NodeId)> {
    state.touched(id).iter().filter_map(Touched::known).find_map(|(node, activity)| {
        let claim = activity.claim.as_ref()?;
        let peer = claim.migration.as_ref()?.peer.clone();
        match claim.kind {
            ActionKind::Migrate => called_for(state, id, claim).map(|target| (node.clone(), target)),
            ActionKind::Incoming | ActionKind::Handover => Some((peer, node.clone())),
            ActionKind::Promote | ActionKind::Demote | ActionKind::Notify => None,
            ActionKind::Probe | ActionKind::Start | ActionKind::Stop | ActionKind::Reload => None,
        }
    })
}

/// The target of a migration that can still come to its end there.
fn called_for(state: &ClusterState, id: &ResourceId, claim: &Claim) -> Option<NodeId> {
    let target = &claim.migration.as_ref()?.peer;
    let there = state.activity(id, target)?.claim.as_ref()?;
    let is_open = state.nodes.get(target)?.session.as_ref().is_some_and(|session| session.state == SessionState::Open);
    (there.kind == ActionKind::Incoming && there.action == claim.action && is_open).then(|| target.clone())
}

/// Where a VM goes, while one of the ends is silent and not lost: a moment's silence calls nothing off.
pub(super) fn held_at_target(state: &Survey<'_>, id: &ResourceId) -> Option<NodeId> {
    let (source, target) = under_way(state, id)?;
    let is_silent = |node: &NodeId| {
        state
            .nodes
            .get(node)
            .is_some_and(|at| !at.is_online() && !matches!(at.liveness, Liveness::Lost | Liveness::Off))
    };
    (is_silent(&source) || is_silent(&target)).then_some(target)
}
