//! per node, arming: whether a node's death can be proven, as far as that was tried before it is needed.
//!
//! A fence device that is new, was changed, or is for a new node, has to be read on once by another member, as the node's own
//! device whose off would prove something. Until then nothing new is started on the node by its word. What passed and then
//! fails makes its node a last resort: where all devices fail, as when their network is down, everything goes on.

use super::ClusterState;
use super::query::fence_levels;
use crate::config::{Config, Primitive};
use crate::id::{NodeId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is known of a device that was configured or changed, or whose node joined, since nodes are armed by drills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// The revision of the configuration that brought it: what was read before that counts no more.
    pub revision: u64,
    /// When it passed its first drill.
    pub passed: Option<Timestamp>,
    /// Since when it does not answer as it should, and what it said then.
    pub failing: Option<(Timestamp, String)>,
}

/// What a member found when it read a device, where that is something else than what was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillWord {
    /// Who read it.
    pub by: NodeId,
    /// For which node, which is heard.
    pub node: NodeId,
    /// Which.
    pub device: ResourceId,
    /// The revision of the configuration that it was read with.
    pub revision: u64,
    /// It read on, is the node's own, and its off would prove something; else what is wrong.
    pub outcome: Result<(), String>,
}

/// How well a node is armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arming {
    /// By a device that passed its last drill, or a watchdog that proves.
    Armed,
    /// It was, and no level of its devices passes by now: why.
    Failing(String),
    /// No level of its devices has passed a drill yet: why.
    Untested(String),
    /// Nothing is there that could prove it off.
    NoDevice,
}

impl ClusterState {
    /// The revision since which a device is what it is, for this node.
    pub fn device_revision(&self, device: &ResourceId, node: &NodeId) -> u64 {
        self.drilled(device, node).map_or(0, |drilled| drilled.revision)
    }

    /// What is known of a device's drills; nothing of one from before there was this rule.
    pub fn drilled(&self, device: &ResourceId, node: &NodeId) -> Option<&Drilled> {
        self.nodes.get(node)?.drilled.get(device)
    }

    /// Whether anything could be tried to prove a node dead without a person.
    pub fn has_fence(&self, node: &NodeId) -> bool {
        self.fence_levels(node).iter().any(|level| !self.has_pill(level)) || self.watchdog_proves(node).is_ok()
    }

    /// A pill proves what the watchdog behind it is worth, and so does a level that has one.
    fn has_pill(&self, level: &[ResourceId]) -> bool {
        level.iter().any(|device| self.is_pill(device))
    }

    /// How well a node is armed, by the best of its levels.
    pub fn arming(&self, node: &NodeId) -> Arming {
        if self.watchdog_proves(node).is_ok() {
            return Arming::Armed;
        }
        let (mut failing, mut untested) = (None, None);
        for level in self.fence_levels(node).into_iter().filter(|level| !self.has_pill(level)) {
            let drills = || level.iter().filter_map(|device| Some((device, self.drilled(device, node)?)));
            let never = drills().find(|(_, drilled)| drilled.passed.is_none());
            if let Some((device, drilled)) = never {
                let why = match &drilled.failing {
                    Some((_, error)) => format!("{device} has passed no drill: {error}"),
                    None => format!("{device} was not read yet since it was configured"),
                };
                untested = untested.or(Some(why));
                continue;
            }
            let fails = drills().find_map(|(device, drilled)| Some((device, drilled.failing.as_ref()?)));
            let Some((device, (_, error))) = fails else { return Arming::Armed };
            failing = failing.or_else(|| Some(format!("{device} fails its drill: {error}")));
        }
        match (failing, untested) {
            (Some(why), _) => Arming::Failing(why),
            (None, Some(why)) => Arming::Untested(why),
            (None, None) => Arming::NoDevice,
        }
    }

    /// Nodes that get nothing new because no device of theirs has passed, and why; what is about to be read is none.
    pub fn unarmed(&self) -> Vec<(NodeId, String)> {
        if !self.properties().stonith_enabled {
            return Vec::new();
        }
        let why = |node: &NodeId| match self.arming(node) {
            Arming::Untested(why) => {
                let has_failed = self.nodes.get(node)?.drilled.values().any(|drilled| drilled.failing.is_some());
                has_failed.then_some(why)
            }
            Arming::NoDevice | Arming::Armed | Arming::Failing(_) => None,
        };
        let runs = self.nodes.keys().filter(|node| !self.is_witness(node));
        runs.filter_map(|node| Some((node.clone(), why(node)?))).collect()
    }

    /// Whether a node has to read its own devices: nobody else takes part who could.
    pub fn reads_own_devices(&self, node: &NodeId) -> bool {
        self.online().all(|(other, _)| other == node)
    }

    /// Whether it was tried, and found, that a node's death can be proven without a person.
    pub fn is_armed(&self, node: &NodeId) -> bool {
        matches!(self.arming(node), Arming::Armed | Arming::Failing(_))
    }

    /// Devices that are new for a node, or were changed, have to pass a drill for it; `old` is what was configured.
    pub(super) fn renew_drills(&mut self, old: &Config) {
        let (config, revision) = (&self.config, self.revision);
        for (node, at) in &mut self.nodes {
            let (before, now) = (drilled_devices(old, node), drilled_devices(config, node));
            at.drilled.retain(|device, _| now.contains(device));
            let is_new = |device: &&ResourceId| {
                let same = old.primitives.get(*device).zip(config.primitives.get(*device));
                !before.contains(*device) || same.is_none_or(|(before, now)| !now.reads_as(before))
            };
            for device in now.iter().filter(is_new) {
                at.drilled.insert(device.clone(), Drilled { revision, ..Drilled::default() });
            }
        }
    }

    /// So have those that are for a node that joins.
    pub(super) fn drill_for(&mut self, node: &NodeId) {
        let revision = self.revision;
        let all = drilled_devices(&self.config, node).into_iter();
        if let Some(at) = self.nodes.get_mut(node) {
            at.drilled = all.map(|device| (device, Drilled { revision, ..Drilled::default() })).collect();
        }
    }
}

/// The devices that have to pass a drill for a node: all that are for it, but those of which a person says that they are not read.
fn drilled_devices(config: &Config, node: &NodeId) -> BTreeSet<ResourceId> {
    let named = config.primitives.iter().filter(|(_, it)| it.is_fence_device() && it.fences(node)).map(|(id, _)| id);
    let levels = fence_levels(config, node).into_iter().flatten();
    let all = named.cloned().chain(levels);
    all.filter(|id| config.primitives.get(id).is_some_and(|it| !it.is_watchdog() && !it.is_pill() && it.is_drilled()))
        .collect()
}

impl Primitive {
    /// Whether what was read by the other says something of this one: it is the same but for when it is asked, and for whom.
    fn reads_as(&self, other: &Self) -> bool {
        let says_nothing =
            |name: &str| name.starts_with("pcmk_delay_") || name.starts_with("sensors") || name == "pcmk_host_list";
        let params = |it: &Self| {
            let mut params = it.params.clone();
            params.retain(|name, _| !says_nothing(name));
            params
        };
        self.agent == other.agent && self.ruled == other.ruled && params(self) == params(other)
    }
}
