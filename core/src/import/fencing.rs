//! `<fencing-topology>`: levels by node.

use super::{Element, Fate, Import};
use crate::config::FencingTopology;
use crate::grammar::is_id;
use crate::id::{NodeId, ResourceId};
use std::collections::BTreeMap;

impl<'a> Import<'a, '_> {
    pub(super) fn fencing_topology(&mut self, section: Element<'a>) {
        let mut levels: BTreeMap<NodeId, BTreeMap<i64, Vec<ResourceId>>> = BTreeMap::new();
        for level in section.children().filter(|child| child.has_tag_name("fencing-level")) {
            self.see(level);
            let id = level.attribute("id").unwrap_or_default();
            let Some(node) = self.attribute(level, "target").filter(|node| is_id(node)) else {
                let mend = "write a level for each node: `fencing_topology NODE: DEVICE`";
                self.lose(id, level, "fence levels by attribute or pattern are not supported", mend);
                continue;
            };
            let index = self.attribute(level, "index").and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
            let devices = self.attribute(level, "devices").unwrap_or_default();
            let devices = devices.split(',').map(str::trim).filter(|id| !id.is_empty()).map(ResourceId::from).collect();
            if levels.entry(NodeId::from(node)).or_default().insert(index, devices).is_some() {
                self.tell(
                    Fate::LeftOut,
                    id,
                    level,
                    format!("{node} has another level of this index"),
                    "give it another",
                );
            }
        }
        let row = |(node, levels): (NodeId, BTreeMap<i64, Vec<ResourceId>>)| FencingTopology {
            node: Some(node),
            levels: levels.into_values().collect(),
        };
        self.config.fencing_topology = levels.into_iter().map(row).collect();
    }

    /// Devices that were not taken leave their levels, and each is told.
    pub(super) fn check_levels(&mut self) {
        let mut rows = std::mem::take(&mut self.config.fencing_topology);
        for row in &mut rows {
            let node = row.node.clone().map(|node| node.to_string()).unwrap_or_default();
            for level in &mut row.levels {
                let is_whole = level.iter().all(|device| self.serves(device, row.node.as_ref()));
                if !is_whole {
                    let names: Vec<&str> = level.iter().map(ResourceId::as_str).collect();
                    let what =
                        format!("the fence level {} of {node} is not whole without what was left out", names.join(","));
                    let root = self.root;
                    self.tell(Fate::LeftOut, "fencing_topology", root, what, "define its devices, then the level");
                    level.clear();
                }
            }
            row.levels.retain(|level| !level.is_empty());
        }
        rows.retain(|row| !row.levels.is_empty());
        self.config.fencing_topology = rows;
    }

    fn serves(&self, device: &ResourceId, node: Option<&NodeId>) -> bool {
        let device = self.config.primitives.get(device).filter(|device| device.is_fence_device());
        device.is_some_and(|device| node.is_none_or(|node| device.fences(node)))
    }
}
