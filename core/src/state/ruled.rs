//! What rules come to in this state: attributes of nodes, meta attributes as of now, and a definition on a node.

use super::ClusterState;
use crate::config::{Primitive, ResourceMeta};
use crate::id::{NodeId, ResourceId};
use std::collections::BTreeMap;

impl ClusterState {
    /// What is said of a node: configured, then observed, which wins.
    pub fn attributes_of(&self, node: &NodeId) -> BTreeMap<String, String> {
        let config = self.config.nodes.get(node);
        let mut attributes = config.map(|config| config.attributes.clone()).unwrap_or_default();
        attributes.extend(self.attributes.get(node).cloned().unwrap_or_default());
        attributes.extend(self.sensor_attributes(node));
        attributes.insert("#uname".to_owned(), node.as_str().to_owned());
        attributes
    }

    /// The meta attributes of a resource, as of now.
    pub fn meta(&self, id: &ResourceId, primitive: &Primitive) -> ResourceMeta {
        ResourceMeta::at(id, primitive, (&self.config.rsc_defaults, &self.config.rsc_rules), self.now)
    }

    /// What a resource would be on a node if it were started or looked for there now; what was started keeps what it was
    /// started with.
    pub fn definition_on(&self, primitive: &Primitive, node: &NodeId) -> Primitive {
        match primitive.ruled.is_empty() {
            true => primitive.clone(),
            false => primitive.on(&self.attributes_of(node), self.now),
        }
    }
}
