//! Unfencing: a node that a device keeps from its storage is let to it again, once in each boot, before anything that needs
//! that is started there.
//!
//! Devices say so with `provides=unfencing` (fence_scsi, fence_mpath). Every node does it for itself, as their agents want
//! it. It is never done while something that needs it may be active on the node: an `on` that comes late, after a fence by
//! the same device, then lets nothing write.

use super::command::Speaker;
use super::{ClusterState, SessionState};
use crate::config::{AgentClass, Primitive, Requires};
use crate::id::{NodeId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What came of the last try to let a node to its storage, in its present boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfenced {
    /// When it was heard of.
    pub at: Timestamp,
    /// Why it is not, if so.
    pub error: Option<String>,
}

/// A node's own word on what a device did for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfencing {
    /// Who was let to its storage, or was not.
    pub speaker: Speaker,
    /// By which device.
    pub device: ResourceId,
    /// Read on after the on; or the device's error.
    pub outcome: Result<(), String>,
}

impl Primitive {
    /// Whether it is a fence device that has to let a node in again after each boot.
    pub fn unfences(&self) -> bool {
        let says_so = |text: &String| text.trim().eq_ignore_ascii_case("unfencing");
        self.is_fence_device() && self.meta.get("provides").is_some_and(says_so)
    }
}

impl ClusterState {
    /// The devices that have to let a node in.
    pub fn unfencing_devices(&self, node: &NodeId) -> Vec<ResourceId> {
        if !self.properties().stonith_enabled || self.is_witness(node) {
            return Vec::new();
        }
        let devices = self.config.primitives.iter().filter(|(_, device)| device.unfences() && device.fences(node));
        devices.map(|(id, _)| id.clone()).collect()
    }

    /// Those of them that have not done so in this boot.
    pub fn to_unfence(&self, node: &NodeId) -> Vec<ResourceId> {
        let mut devices = self.unfencing_devices(node);
        let done = |device: &ResourceId| {
            let last = self.nodes.get(node).and_then(|at| at.unfenced.get(device));
            last.is_some_and(|last| last.error.is_none())
        };
        devices.retain(|device| !done(device));
        devices
    }

    /// Whether a resource needs its node unfenced: it does unless `requires` says less.
    pub fn needs_unfencing(&self, resource: &ResourceId) -> bool {
        let Some(primitive) = self.config.primitives.get(resource) else { return true };
        primitive.agent.class != AgentClass::Stonith && self.meta(resource, primitive).requires == Requires::Unfencing
    }

    /// Why a resource may not be started on a node that is not unfenced.
    pub fn locked_out(&self, resource: &ResourceId, node: &NodeId) -> Option<String> {
        // The answer is no for nearly everybody, and cheap.
        if !self.config.primitives.values().any(Primitive::unfences) || !self.needs_unfencing(resource) {
            return None;
        }
        self.not_unfenced(node)
    }

    /// Why a node is not unfenced, if it is not and should be.
    pub fn not_unfenced(&self, node: &NodeId) -> Option<String> {
        let device = self.to_unfence(node).into_iter().next()?;
        let last = self.nodes.get(node).and_then(|at| at.unfenced.get(&device));
        Some(match (last.and_then(|last| last.error.as_deref()), self.in_the_way_of_unfencing(node)) {
            (_, Some(resource)) => format!(
                "{device} has not unfenced it, which is not done while {resource} may be active there: `qrm node standby {node}`, \
                 then `qrm node online {node}`"
            ),
            (Some(error), None) => format!("{device} could not unfence it: {error}"),
            (None, None) => format!("{device} is about to unfence it"),
        })
    }

    /// What may be active on a node and needs it unfenced.
    pub fn in_the_way_of_unfencing(&self, node: &NodeId) -> Option<ResourceId> {
        let here = self.resources.iter().filter_map(|(id, nodes)| Some((id, nodes.get(node)?)));
        let mut active = here.filter(|(id, activity)| !activity.is_stopped() && self.needs_unfencing(id));
        active.next().map(|(id, _)| id.clone())
    }

    /// Whether a node may be let in by a device now, in a session that is open.
    pub fn may_unfence(&self, node: &NodeId, device: &ResourceId) -> bool {
        let session = self.nodes.get(node).and_then(|at| at.session.as_ref());
        session.is_some_and(|session| session.state == SessionState::Open)
            && self.to_unfence(node).contains(device)
            && self.in_the_way_of_unfencing(node).is_none()
    }
}
