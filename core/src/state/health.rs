//! How well a node is, by attributes whose names begin with `#health`, and what the cluster makes of it.
//!
//! Agents say so (`HealthSMART`, by `attrd_updater`), and people; what a BMC's sensors and event log say is the attribute
//! `#health-ipmi`. Nothing about safety rests on it.

use super::ClusterState;
use crate::config::{Colour, HEALTH_PREFIX, HealthStrategy};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many signs of one device are kept, the worst first.
pub const SIGNS_KEPT: usize = 16;

/// A sensor, or an event of a BMC's log, that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorSign {
    /// How bad it is.
    pub colour: Colour,
    /// The sensor's name, as the BMC has it.
    pub sensor: String,
    /// What is wrong with it.
    pub what: String,
    /// What it read then, with its unit.
    pub value: Option<String>,
}

impl SensorSign {
    /// Whether it is the same thing that is wrong, whatever it reads by now.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.colour, &self.sensor, &self.what) == (other.colour, &other.sensor, &other.what)
    }

    /// For people.
    pub fn words(&self) -> String {
        match &self.value {
            Some(value) => format!("{} {value}: {}", self.sensor, self.what),
            None => format!("{}: {}", self.sensor, self.what),
        }
    }
}

/// Whether two readings say the same.
pub fn are_same(one: &[SensorSign], other: &[SensorSign]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
}

/// What a device's sensors say of a node that is not well; of one that is, nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorHealth {
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, the worst first; never empty.
    pub signs: Vec<SensorSign>,
}

/// What a member read of a node's sensors, where that is something else than what was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorWord {
    /// Who read them.
    pub by: NodeId,
    /// Whose they are.
    pub node: NodeId,
    /// By which device.
    pub device: ResourceId,
    /// The revision of the configuration that it was read with.
    pub revision: u64,
    /// What is wrong, the worst first.
    pub signs: Vec<SensorSign>,
}

/// One thing that says how well a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSign {
    /// The attribute's name.
    pub name: String,
    /// `green`, `yellow`, `red` or a number.
    pub value: String,
    /// What it is worth.
    pub score: Score,
    /// What sensors say, where it is theirs.
    pub why: Vec<String>,
}

impl HealthSign {
    /// Whether it says that all is well.
    pub fn is_good(&self) -> bool {
        self.value == Colour::Green.word() || (self.score == Score::ZERO && self.value.parse::<u32>().is_ok())
    }

    /// For people.
    pub fn words(&self) -> String {
        match self.why.is_empty() {
            true => format!("{} is {}", self.name, self.value),
            false => format!("{} is {}: {}", self.name, self.value, self.why.join("; ")),
        }
    }
}

impl ClusterState {
    /// What the sensors of a node's devices come to, by the attribute's name.
    pub(super) fn sensor_attributes(&self, node: &NodeId) -> BTreeMap<String, String> {
        let mut worst: BTreeMap<String, Colour> = BTreeMap::new();
        for (name, health) in self.sensor_healths(node) {
            let colour = health.signs.iter().map(|sign| sign.colour).max().unwrap_or_default();
            let known = worst.entry(name).or_default();
            *known = colour.max(*known);
        }
        worst.into_iter().map(|(name, colour)| (name, colour.word().to_owned())).collect()
    }

    fn sensor_healths(&self, node: &NodeId) -> impl Iterator<Item = (String, &SensorHealth)> {
        let of = self.nodes.get(node).into_iter().flat_map(|at| &at.sensors);
        of.filter_map(|(device, health)| {
            let device = self.config.primitives.get(device)?;
            Some((format!("{HEALTH_PREFIX}-{}", device.agent.kind), health))
        })
    }

    /// Everything that says how well a node is.
    pub fn health_signs(&self, node: &NodeId) -> Vec<HealthSign> {
        let by = self.properties().node_health;
        let attributes = self.attributes_of(node).into_iter().filter(|(name, _)| name.starts_with(HEALTH_PREFIX));
        let why = |name: &String| {
            let of = self.sensor_healths(node).filter(|(of, _)| of == name);
            of.flat_map(|(_, health)| health.signs.iter().map(SensorSign::words)).collect()
        };
        attributes.map(|(name, value)| HealthSign { score: by.worth(&value), why: why(&name), name, value }).collect()
    }

    /// What a node's health is worth to a resource, and by which signs; `None` where that is nothing.
    pub fn health(&self, resource: &ResourceId, node: &NodeId) -> Option<(Score, String)> {
        // The answer is nothing for nearly everybody, and cheap.
        if self.has_health() && self.minds_health(resource) { self.health_of(node) } else { None }
    }

    /// Whether the health of nodes counts.
    pub(crate) fn has_health(&self) -> bool {
        let is_said = self.config.properties.contains_key("node-health-strategy");
        is_said && self.properties().node_health.strategy != HealthStrategy::None
    }

    /// Whether a resource minds where nodes are not well.
    pub(crate) fn minds_health(&self, resource: &ResourceId) -> bool {
        let primitive = self.config.primitives.get(resource);
        primitive.is_some_and(|primitive| !self.meta(resource, primitive).allow_unhealthy_nodes)
    }

    /// What a node's health is worth to who minds it, and by which signs; `None` where that is nothing.
    pub(crate) fn health_of(&self, node: &NodeId) -> Option<(Score, String)> {
        let by = self.properties().node_health;
        let signs = self.health_signs(node);
        let score = signs.iter().fold(by.base(), |sum, sign| sum + sign.score);
        let words = |counts: fn(&HealthSign) -> bool| {
            let which = signs.iter().filter(|sign| counts(sign));
            which.map(HealthSign::words).collect::<Vec<_>>().join(", ")
        };
        let why = match score.forbids() {
            true => words(|sign| sign.score.forbids()),
            false => words(|sign| sign.score != Score::ZERO),
        };
        (score != Score::ZERO).then_some((score, if why.is_empty() { "node-health-base".to_owned() } else { why }))
    }

    /// Why a resource should leave a node, and nothing comes there, if the node's health forbids it.
    pub fn unhealthy(&self, resource: &ResourceId, node: &NodeId) -> Option<String> {
        self.health(resource, node).filter(|(score, _)| score.forbids()).map(|(_, why)| why)
    }
}
