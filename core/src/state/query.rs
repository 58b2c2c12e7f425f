//! Questions about the state that safety and planning ask in the same words.

use super::{Action, ActionKind, Activity, Claim, ClusterState, NodeState, Seen, SessionState, Speaker};
use crate::config::{Config, HostCheck, Primitive, Properties, Requires, ResourceMeta};
use crate::id::{NodeId, ResourceId};
use crate::planted::{Mistake, planted};
use std::collections::BTreeSet;

/// Whether a resource may be active on a node: the answer of the rule `not active`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not: never a session, the session ended, or this session was looked at and nothing granted since.
    NotActive,
    /// It runs there, as far as is known.
    Active,
    /// It is there, at least in part, and does not work.
    Failed(String),
    /// An operation is under way.
    Busy,
    /// It may be.
    Unknown(String),
}

/// Nodes that trusted devices fence.
#[derive(Default)]
pub(crate) struct Fenced {
    everybody: bool,
    named: BTreeSet<NodeId>,
}

impl Fenced {
    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.everybody || self.named.contains(node)
    }
}

impl Standing {
    /// By what is known of a resource in a session that is not ended.
    pub(crate) fn of(activity: Option<&Activity>) -> Self {
        match activity {
            None => Self::Unknown("not looked at yet".to_owned()),
            // Whoever is told something goes on as it was.
            Some(activity) if activity.claim.as_ref().is_some_and(|it| it.kind != ActionKind::Notify) => Self::Busy,
            Some(activity) => match &activity.seen {
                Seen::Stopped => Self::NotActive,
                Seen::Failed(_) if planted(Mistake::FailedIsStopped) => Self::NotActive,
                Seen::Running | Seen::Promoted => Self::Active,
                Seen::Failed(why) => Self::Failed(why.clone()),
                Seen::Paused(why) | Seen::Unknown(why) => Self::Unknown(why.clone()),
            },
        }
    }
}

impl ClusterState {
    /// Whether `resource` may be active on `node`.
    pub fn standing(&self, resource: &ResourceId, node: &NodeId) -> Standing {
        let Some(state) = self.nodes.get(node) else {
            return Standing::NotActive;
        };
        if state.living_session().is_none() || self.is_witness(node) || !self.is_looked_for(resource, node) {
            return Standing::NotActive;
        }
        Standing::of(self.activity(resource, node))
    }

    /// Whether a resource is looked for on a node: not where `resource-discovery` says so, unless something of it is known
    /// there, which is looked for until it is gone.
    pub fn is_looked_for(&self, resource: &ResourceId, node: &NodeId) -> bool {
        let said = self.config.shorthand.looked_for.get(resource).and_then(|looked_for| looked_for.forbids(node));
        if said.is_none() {
            return true;
        }
        // What a false proof let go may be anywhere there.
        let is_disarmed = || self.nodes.get(node).is_some_and(|node| node.disarmed.is_some());
        let is_known = |activity: &Activity| {
            let is_there = !matches!(activity.seen, Seen::Stopped | Seen::Unknown(_));
            is_there || activity.claim.is_some() || activity.definition.is_some()
        };
        self.activity(resource, node).is_some_and(is_known) || is_disarmed()
    }

    /// Whether what `resource` is on this node keeps it from being started on another. A person's waiver
    /// (`requires=quorum`) lets it start before a node that was judged lost is proven dead, and nothing else.
    pub fn stands_against(&self, resource: &ResourceId, node: &NodeId) -> bool {
        let is_lost = || {
            let session = self.nodes.get(node).and_then(NodeState::living_session);
            session.is_some_and(|session| session.state == SessionState::Lost || planted(Mistake::WaiveBesideLiving))
        };
        self.standing(resource, node) != Standing::NotActive && !(self.is_proof_waived(resource) && is_lost())
    }

    /// Whether this member may be granted an off to `target`: it takes part, and nobody fences itself.
    pub fn may_fence(&self, node: &NodeId, target: &NodeId) -> bool {
        node != target && self.nodes.get(node).is_some_and(NodeState::is_online)
    }

    /// Whether somebody is there who could fence this node: without anybody it would be lost, and nothing would follow.
    pub fn can_be_fenced(&self, target: &NodeId) -> bool {
        self.nodes.keys().any(|node| self.may_fence(node, target))
    }

    /// On how many nodes at once a resource may be active: one, and of a clone as many as it says.
    pub fn copies(&self, resource: &ResourceId) -> usize {
        self.config.primitives.get(resource).map_or(1, |primitive| primitive.copies_among(self.nodes.len()))
    }

    /// How many of it may be promoted at once; none of what is no promotable clone.
    pub fn promotions(&self, resource: &ResourceId) -> usize {
        let spec = self.config.primitives.get(resource).and_then(Primitive::clone_spec);
        spec.and_then(|spec| spec.promoted_max).unwrap_or(0)
    }

    /// Whether an instance may be promoted on a node: it was seen so, or something was granted that makes it so, or nobody
    /// knows. What was seen running as one of the others stays one of them until a promotion is granted.
    pub fn may_be_promoted(&self, resource: &ResourceId, node: &NodeId) -> bool {
        if !self.stands_against(resource, node) {
            return false;
        }
        let Some(activity) = self.activity(resource, node) else { return true };
        let changes = |claim: &Claim| matches!(claim.kind, ActionKind::Promote | ActionKind::Demote);
        activity.claim.as_ref().is_some_and(changes) || !matches!(activity.seen, Seen::Stopped | Seen::Running)
    }

    /// Whether a person gave up one-copy for this resource; for a VM nobody can.
    pub fn is_proof_waived(&self, resource: &ResourceId) -> bool {
        let primitive = self.config.primitives.get(resource);
        primitive.is_some_and(|primitive| Self::waives_proof(primitive, &self.meta(resource, primitive)))
    }

    /// The same of one whose meta attributes are these.
    pub(crate) fn waives_proof(primitive: &Primitive, meta: &ResourceMeta) -> bool {
        let is_waived = meta.requires == Requires::Quorum || planted(Mistake::WaiveEveryProof);
        primitive.is_service() && is_waived
    }

    /// Whether a node votes and runs nothing.
    pub fn is_witness(&self, node: &NodeId) -> bool {
        self.members.get(node).is_some_and(|member| member.witness) && !planted(Mistake::WitnessIsHost)
    }

    /// What is known of a resource on a node.
    pub fn activity(&self, resource: &ResourceId, node: &NodeId) -> Option<&Activity> {
        self.resources.get(resource)?.get(node)
    }

    /// The node at which a migration has to wait for others that are under way, and how many may be
    /// (`migration-limit`). Both ends count, a copy that is let run too.
    pub fn full_of_migrations(&self, migration: &Action) -> Option<(NodeId, u32)> {
        let limit = self.properties().migration_limit?;
        let is_one =
            |claim: &Claim| matches!(claim.kind, ActionKind::Migrate | ActionKind::Incoming | ActionKind::Handover);
        let count = |node: &NodeId| {
            let here = self.resources.values().filter_map(|nodes| nodes.get(node)?.claim.as_ref());
            u32::try_from(here.filter(|claim| is_one(claim)).count()).unwrap_or(u32::MAX)
        };
        let mut ends = std::iter::once(&migration.node).chain(&migration.peer);
        ends.find(|node| count(node) >= limit).map(|node| (node.clone(), limit))
    }

    /// Whether the speaker is the node's current daemon start, in an open session.
    pub fn is_current(&self, speaker: &Speaker) -> bool {
        self.nodes
            .get(&speaker.node)
            .is_some_and(|node| node.is_open(&speaker.session) && node.incarnation == speaker.incarnation)
    }

    /// The properties with their meaning.
    pub fn properties(&self) -> Properties {
        Properties::read(&self.config.properties).0
    }

    /// Nodes that take part now.
    pub fn online(&self) -> impl Iterator<Item = (&NodeId, &NodeState)> {
        self.nodes.iter().filter(|(_, node)| node.is_online())
    }

    /// What to stop or probe a resource with on a node: what it was started with, else what is configured,
    /// else what it was started with elsewhere.
    pub fn definition(&self, resource: &ResourceId, node: &NodeId) -> Option<&Primitive> {
        let elsewhere = || self.resources.get(resource)?.values().find_map(|activity| activity.definition.as_ref());
        self.activity(resource, node)
            .and_then(|activity| activity.definition.as_ref())
            .or_else(|| self.config.primitives.get(resource))
            .or_else(elsewhere)
    }

    /// Why nobody may try to fence this node now, if so; a device that does not work is no such reason.
    pub fn held(&self, target: &NodeId) -> Option<String> {
        if !self.properties().stonith_enabled {
            return Some("fencing is disabled (stonith-enabled=false)".to_owned());
        }
        if self.fence_levels(target).is_empty() {
            // Its watchdog bites by itself: nobody has to be there, and no brake holds it.
            return self.watchdog_proves(target).is_err().then(|| "it has no fence device".to_owned());
        }
        if !self.online().any(|(node, _)| node != target) {
            return Some("no other node takes part".to_owned());
        }
        self.brake(target)
    }

    /// The fence levels of a node, in the order of trying, without those in which a device is distrusted.
    pub fn fence_levels(&self, target: &NodeId) -> Vec<Vec<ResourceId>> {
        let mut levels = fence_levels(&self.config, target);
        levels.retain(|level| level.iter().all(|device| !self.distrusted.contains_key(device)));
        // A pill is for whoever reads its slot.
        levels.retain(|level| level.iter().all(|device| !self.is_pill(device) || self.takes_pills(target, device)));
        levels
    }

    /// Whom fence levels are there for, said of all nodes at once; `None` where a topology says it of each.
    pub(crate) fn fenced(&self) -> Option<Fenced> {
        if !self.config.fencing_topology.is_empty() {
            return None;
        }
        let mut fenced = Fenced::default();
        // A pill proves what the watchdog behind it is worth.
        let proves = |it: &Primitive| it.is_fence_device() && !it.is_watchdog() && !it.is_pill();
        let devices = self.config.primitives.iter().filter(|(_, it)| proves(it));
        for (_, device) in devices.filter(|(id, _)| !self.distrusted.contains_key(*id)) {
            let named = device.fence_targets();
            fenced.everybody |= named.is_empty() && device.host_check() != HostCheck::StaticList;
            fenced.named.extend(named);
        }
        Some(fenced)
    }
}

/// The fence levels by topology, else every device that names the node, one by one.
pub(super) fn fence_levels(config: &Config, target: &NodeId) -> Vec<Vec<ResourceId>> {
    // A watchdog cannot be told to bite: it is waited for, beside whatever the levels do.
    let is_dog = |id: &ResourceId| config.primitives.get(id).is_some_and(Primitive::is_watchdog);
    if let Some(row) = config.fencing_row(target) {
        return row.levels.iter().filter(|level| !level.iter().any(is_dog)).cloned().collect();
    }
    let is_for_it = |(_, primitive): &(&ResourceId, &Primitive)| {
        primitive.is_fence_device() && !primitive.is_watchdog() && primitive.fences(target)
    };
    config.primitives.iter().filter(is_for_it).map(|(id, _)| vec![id.clone()]).collect()
}
