//! What location constraints say of a resource on a node, by the ids that people gave them.

use crate::config::shorthand::{Want, whole};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::ClusterState;
use std::collections::BTreeMap;

/// Every location that says something, and how much.
pub(super) fn locations<'s>(state: &'s ClusterState, resource: &ResourceId, node: &NodeId) -> Vec<(&'s str, Score)> {
    let plain = state.config.locations.iter().filter(|(_, it)| it.resource == *resource && it.node == *node);
    let mut found: Vec<(&str, Score)> = plain.map(|(id, it)| (whole(id), it.score)).collect();
    let wide = &state.config.shorthand;
    let Some(ruled) = wide.ruled.get(resource) else { return found };
    let attributes = attributes(state, node);
    for id in ruled {
        let Some((id, location)) = wide.locations.get_key_value(id) else { continue };
        let Want::Rules(rules) = &location.want else { continue };
        found.extend(rules.iter().filter_map(|rule| Some((id.as_str(), rule.worth(&attributes)?))));
    }
    found
}

/// What is said of a node: configured, then observed, which wins.
pub(super) fn attributes(state: &ClusterState, node: &NodeId) -> BTreeMap<String, String> {
    let config = state.config.nodes.get(node);
    let mut attributes = config.map(|config| config.attributes.clone()).unwrap_or_default();
    attributes.extend(state.attributes.get(node).cloned().unwrap_or_default());
    attributes.insert("#uname".to_owned(), node.as_str().to_owned());
    attributes
}
