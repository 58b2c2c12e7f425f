//! Node health in Pacemaker's words: what attributes of a node whose names begin with `#health` do to what may run there.

use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Attributes of a node that begin so say how well it is.
pub const HEALTH_PREFIX: &str = "#health";

/// How well a node is, best first, in the words that such an attribute has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Nothing is wrong.
    #[default]
    Green,
    /// Something should be looked after.
    Yellow,
    /// It is about to fail.
    Red,
}

impl Colour {
    /// The attribute's value.
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What follows from health, whatever the colours are worth: `node-health-strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStrategy {
    /// Nothing.
    #[default]
    None,
    /// Red forbids.
    MigrateOnRed,
    /// Yellow and red forbid.
    OnlyGreen,
    /// Each colour is worth its score, and every node begins with `node-health-base`.
    Progressive,
    /// Each colour is worth its score.
    Custom,
}

impl HealthStrategy {
    /// From a property's value.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "migrate-on-red" => Self::MigrateOnRed,
            "only-green" => Self::OnlyGreen,
            "progressive" => Self::Progressive,
            "custom" => Self::Custom,
            _ => return None,
        })
    }
}

/// The properties of node health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// `node-health-strategy`
    pub strategy: HealthStrategy,
    /// `node-health-base`
    pub base: Score,
    /// `node-health-green`
    pub green: Score,
    /// `node-health-yellow`
    pub yellow: Score,
    /// `node-health-red`
    pub red: Score,
}

impl Default for NodeHealth {
    fn default() -> Self {
        Self {
            strategy: HealthStrategy::None,
            base: Score::ZERO,
            green: Score::ZERO,
            yellow: Score::ZERO,
            red: Score::NEG_INFINITY,
        }
    }
}

impl NodeHealth {
    /// What every node begins with.
    pub fn base(&self) -> Score {
        if self.strategy == HealthStrategy::Progressive { self.base } else { Score::ZERO }
    }

    /// What an attribute of this value is worth; a number is worth itself.
    pub fn worth(&self, value: &str) -> Score {
        let [green, yellow, red] = match self.strategy {
            HealthStrategy::None => return Score::ZERO,
            HealthStrategy::MigrateOnRed => [Score::ZERO, Score::ZERO, Score::NEG_INFINITY],
            HealthStrategy::OnlyGreen => [Score::ZERO, Score::NEG_INFINITY, Score::NEG_INFINITY],
            HealthStrategy::Progressive | HealthStrategy::Custom => [self.green, self.yellow, self.red],
        };
        match value {
            "green" => green,
            "yellow" => yellow,
            "red" => red,
            number => crate::cib::score(number),
        }
    }
}
