//! `<fencing-topology>`: levels by node, attribute and pattern.

use super::{Element, Fate, Import};
use crate::config::{FencingTopology, LevelTarget};
use crate::grammar::is_id;
use crate::id::{NodeId, ResourceId};
use std::collections::BTreeMap;

impl<'a> Import<'a, '_> {
    pub(super) fn fencing_topology(&mut self, section: Element<'a>) {
        let mut levels: BTreeMap<LevelTarget, BTreeMap<i64, Vec<ResourceId>>> = BTreeMap::new();
        for level in section.children().filter(|child| child.has_tag_name("fencing-level")) {
            self.see(level);
            let id = level.attribute("id").unwrap_or_default();
            let Some(target) = self.level_target(level) else {
                let mend = "write levels for the nodes: `fencing_topology NODE: DEVICE`";
                self.lose(id, level, "for whom this fence level is cannot be said here", mend);
                continue;
            };
            let index = self.attribute(level, "index").and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
            let devices = self.attribute(level, "devices").unwrap_or_default();
            let devices = devices.split(',').map(str::trim).filter(|id| !id.is_empty()).map(ResourceId::from).collect();
            if levels.entry(target.clone()).or_default().insert(index, devices).is_some() {
                self.tell(
                    Fate::LeftOut,
                    id,
                    level,
                    format!("{target} has another level of this index"),
                    "give it another",
                );
            }
        }
        let row = |(target, levels): (LevelTarget, BTreeMap<i64, Vec<ResourceId>>)| FencingTopology {
            target,
            levels: levels.into_values().collect(),
        };
        self.config.fencing_topology = levels.into_iter().map(row).collect();
    }

    fn level_target(&mut self, level: Element<'a>) -> Option<LevelTarget> {
        if let Some(node) = self.attribute(level, "target").filter(|node| is_id(node)) {
            return Some(LevelTarget::Node(NodeId::from(node)));
        }
        if let Some(pattern) = self.attribute(level, "target-pattern") {
            let is_good = !pattern.is_empty() && regex_lite::Regex::new(pattern).is_ok();
            return is_good.then(|| LevelTarget::Pattern(pattern.to_owned()));
        }
        let (name, value) = (self.attribute(level, "target-attribute")?, self.attribute(level, "target-value")?);
        let is_good = is_id(name) && !value.is_empty();
        is_good.then(|| LevelTarget::Attribute(name.to_owned(), value.to_owned()))
    }

    /// Devices that were not taken leave their levels, and each is told.
    pub(super) fn check_levels(&mut self) {
        let mut rows = std::mem::take(&mut self.config.fencing_topology);
        for row in &mut rows {
            let node = match &row.target {
                LevelTarget::Node(node) => Some(node),
                _ => None,
            };
            for level in &mut row.levels {
                let is_whole = level.iter().all(|device| self.serves(device, node));
                if !is_whole {
                    let names: Vec<&str> = level.iter().map(ResourceId::as_str).collect();
                    let what = format!(
                        "the fence level {} of {} is not whole without what was left out",
                        names.join(","),
                        row.target
                    );
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
