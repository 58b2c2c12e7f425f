//! Fence levels: which devices are tried in which order, and for whom.

use super::Config;
use crate::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One row of `fencing_topology`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingTopology {
    /// For which nodes.
    pub target: LevelTarget,
    /// Tried in this order; all devices of one level must succeed together.
    pub levels: Vec<Vec<ResourceId>>,
}

/// For which nodes fence levels are; in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LevelTarget {
    /// Every node that no other row is for.
    Rest,
    /// `NODE:`
    Node(NodeId),
    /// `attr:NAME=VALUE`, of the attributes that are configured: what is observed may be gone when its node is.
    Attribute(String, String),
    /// `pattern:REGEX`, of the node's name.
    Pattern(String),
}

impl LevelTarget {
    /// Whether it names this node in some way.
    fn names(&self, config: &Config, node: &NodeId) -> bool {
        match self {
            Self::Rest => false,
            Self::Node(named) => named == node,
            Self::Attribute(name, value) => {
                config.nodes.get(node).and_then(|node| node.attributes.get(name)) == Some(value)
            }
            Self::Pattern(pattern) => regex_lite::Regex::new(pattern).is_ok_and(|it| it.is_match(node.as_str())),
        }
    }
}

impl fmt::Display for LevelTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest => f.write_str("every other node"),
            Self::Node(node) => write!(f, "{node}"),
            Self::Attribute(name, value) => write!(f, "attr:{name}={value}"),
            Self::Pattern(pattern) => write!(f, "pattern:{pattern}"),
        }
    }
}

impl Config {
    /// The row that is for a node: its own, else the first that fits it, else that for the rest.
    pub fn fencing_row(&self, node: &NodeId) -> Option<&FencingTopology> {
        let rows = &self.fencing_topology;
        let own = rows.iter().filter(|row| row.target.names(self, node)).min_by(|a, b| a.target.cmp(&b.target));
        own.or_else(|| rows.iter().find(|row| row.target == LevelTarget::Rest))
    }
}
