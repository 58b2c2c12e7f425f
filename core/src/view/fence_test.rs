//! What a node's fence devices answered when they were tested, as people are shown it.

use super::Document;
use crate::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};

/// A test of every fence device of a node. Nothing was switched by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceTest {
    /// Whose devices.
    pub node: NodeId,
    /// Who asked them.
    pub from: NodeId,
    /// Each device, in the order of its fence levels.
    pub devices: Vec<DeviceTest>,
    /// Whether the node is armed, now that they were read.
    #[serde(default)]
    pub is_armed: bool,
    /// Why it is not, or that a device by which it is fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arming: Option<String>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceTest {
    /// Which.
    pub device: ResourceId,
    /// Its agent.
    pub agent: String,
    /// In which level it is tried, from 1.
    pub level: usize,
    /// `on`, `off` or `unknown (…)`.
    pub power: Option<String>,
    /// Why there is no reading.
    pub error: Option<String>,
    /// The system GUID that it shows.
    pub guid: Option<String>,
    /// Whether it is this node's own; `None` where that cannot be told.
    pub own: Option<bool>,
    /// Whose it is, in words.
    pub whose: String,
    /// What an off reading of its agent's type is worth.
    pub strength: String,
    /// Whether an off reading of it would prove the node off.
    pub proves: bool,
    /// How long it took.
    pub took_ms: u64,
}

impl FenceTest {
    /// Whether every device answers, is not another's, and would prove something.
    pub fn is_good(&self) -> bool {
        let is_good = |it: &DeviceTest| {
            let reads = it.power.as_ref().is_some_and(|power| power == "on" || power == "off");
            reads && it.own != Some(false) && it.proves
        };
        !self.devices.is_empty() && self.devices.iter().all(is_good)
    }
}

impl Document for FenceTest {
    const SCHEMA: &'static str = "fence-test/1";
}
