//! How well a node is, by attributes whose names begin with `#health`, and what the cluster makes of it.
//!
//! Agents say so (`HealthSMART`, by `attrd_updater`), and people. Nothing about safety rests on it.

use super::ClusterState;
use crate::config::{HEALTH_PREFIX, HealthStrategy};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;

/// One thing that says how well a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSign {
    /// The attribute's name.
    pub name: String,
    /// `green`, `yellow`, `red` or a number.
    pub value: String,
    /// What it is worth.
    pub score: Score,
}

impl HealthSign {
    /// For people.
    pub fn words(&self) -> String {
        format!("{} is {}", self.name, self.value)
    }
}

impl ClusterState {
    /// Everything that says how well a node is.
    pub fn health_signs(&self, node: &NodeId) -> Vec<HealthSign> {
        let by = self.properties().node_health;
        let attributes = self.attributes_of(node).into_iter().filter(|(name, _)| name.starts_with(HEALTH_PREFIX));
        attributes.map(|(name, value)| HealthSign { score: by.worth(&value), name, value }).collect()
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
