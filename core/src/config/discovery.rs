//! `resource-discovery`: on which nodes a resource is looked for at all.
//!
//! Where it is not looked for nothing of it is started, and what its agent would find there counts for nothing: that is
//! who writes it so to answer for. What was started there before is looked for until it is gone (`state::query`).

use crate::id::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a location says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discovery {
    /// It is looked for there, as everywhere.
    #[default]
    Always,
    /// It is not looked for there.
    Never,
    /// It is looked for there, and on no node that no such location names.
    Exclusive,
}

impl Discovery {
    /// Its word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Exclusive => "exclusive",
        }
    }

    /// What people write for it.
    pub fn read(text: &str) -> Option<Self> {
        let all = [Self::Always, Self::Never, Self::Exclusive];
        all.into_iter().find(|discovery| text.eq_ignore_ascii_case(discovery.word()))
    }
}

/// Where one resource is looked for: what its locations come to, each node with the constraint that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedFor {
    /// Not there.
    never: BTreeMap<NodeId, String>,
    /// Only there, where there is any.
    only: BTreeMap<NodeId, String>,
}

impl LookedFor {
    /// Adds what one location says.
    pub(super) fn add(&mut self, constraint: &str, node: &NodeId, discovery: Discovery) {
        let said = match discovery {
            Discovery::Always => return,
            Discovery::Never => &mut self.never,
            Discovery::Exclusive => &mut self.only,
        };
        said.insert(node.clone(), constraint.to_owned());
    }

    /// The constraint by which it is not looked for on a node, and what it says.
    pub fn forbids(&self, node: &NodeId) -> Option<(&str, Discovery)> {
        if let Some(constraint) = self.never.get(node) {
            return Some((constraint, Discovery::Never));
        }
        let (_, constraint) = self.only.first_key_value().filter(|_| !self.only.contains_key(node))?;
        Some((constraint, Discovery::Exclusive))
    }
}
