//! Blocks of name and value: `instance_attributes`, `meta_attributes`, `utilization`, `cluster_property_set`.

use super::dom::{named, score, text};
use super::rule::{Scene, all_hold};
use super::{Element, Reader};
use crate::score::Score;
use std::collections::BTreeMap;

impl<'a> Reader<'a> {
    /// What the blocks of this name say together: the highest score first, and who comes first wins.
    pub(super) fn pairs(&self, parent: Element<'a>, block: &str, scene: &Scene<'_>) -> BTreeMap<String, String> {
        let mut blocks: Vec<(Score, Element<'a>)> = named(parent, block)
            .map(|element| self.resolve(element))
            .map(|element| (score(element, "score", Score::ZERO), element))
            .collect();
        blocks.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        // Pacemaker reads the options of this block before all others.
        blocks.sort_by_key(|(_, element)| text(*element, "id") != "cib-bootstrap-options");
        let mut found = BTreeMap::new();
        for (_, element) in blocks.into_iter().filter(|(_, element)| all_hold(*element, scene)) {
            for pair in named(element, "nvpair").map(|pair| self.resolve(pair)) {
                // By `#default` the option is as if it were not there.
                if let Some(value) = pair.attribute("value").filter(|value| !value.eq_ignore_ascii_case("#default")) {
                    found.entry(text(pair, "name").to_owned()).or_insert_with(|| value.to_owned());
                }
            }
        }
        found
    }
}
