//! Small questions to an element of the CIB.

use super::{Element, Reader, value};
use crate::scheduler::Asked;
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};

/// An attribute, empty where there is none.
pub(super) fn text<'a>(element: Element<'a>, name: &str) -> &'a str {
    element.attribute(name).unwrap_or_default()
}

/// A boolean attribute.
pub(super) fn flag(element: Element<'_>, name: &str) -> Option<bool> {
    element.attribute(name).and_then(value::boolean)
}

/// A score attribute, or this.
pub(super) fn score(element: Element<'_>, name: &str, otherwise: Score) -> Score {
    element.attribute(name).map_or(otherwise, value::score)
}

/// A whole number.
pub(super) fn number(element: Element<'_>, name: &str) -> Option<i64> {
    element.attribute(name)?.trim().parse().ok()
}

/// Children of this name.
pub(super) fn named<'a, 'n>(element: Element<'a>, name: &'n str) -> impl Iterator<Item = Element<'a>> + use<'a, 'n> {
    element.children().filter(move |child| child.has_tag_name(name))
}

/// The configured elements that others name: by `id-ref`, as a template, or as a clone of which there is one more instance.
pub(super) fn referred(root: Element<'_>) -> BTreeMap<&str, Element<'_>> {
    let configuration = || named(root, "configuration").flat_map(|section| section.descendants());
    let named: BTreeSet<&str> =
        configuration().flat_map(|e| [e.attribute("id-ref"), e.attribute("template")]).flatten().collect();
    let is_clone = |e: &Element<'_>| e.has_tag_name("clone") || e.has_tag_name("master");
    let found = configuration().filter_map(|e| Some((e.attribute("id")?, e)));
    found.filter(|(id, e)| named.contains(id) || is_clone(e)).collect()
}

/// The node attributes that are read here, or by a rule.
pub(super) fn asked(root: Element<'_>) -> Asked {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut asked = Asked {
        names: owned(&["standby", "maintenance", "shutdown", "terminate"]),
        beginnings: owned(&["#", "fail-count-", "last-failure-"]),
    };
    let configured = named(root, "configuration").flat_map(|section| section.descendants());
    for part in configured.filter(|e| e.has_tag_name("expression") || e.has_tag_name("rule")) {
        let names = ["attribute", "score-attribute"].into_iter().filter_map(|name| part.attribute(name));
        asked.names.extend(names.map(ToOwned::to_owned));
    }
    asked
}

/// Elements within elements: what reads them calls itself for each. Rules are the only ones that need many.
pub(super) const DEEPEST: usize = 100;

/// The first element that stands too deep.
pub(super) fn too_deep(root: Element<'_>) -> Option<Element<'_>> {
    let mut open = vec![root.children()];
    while let Some(children) = open.last_mut() {
        match children.next() {
            Some(element) if open.len() > DEEPEST => return Some(element),
            Some(element) if element.has_children() => open.push(element.children()),
            Some(_) => {}
            None => _ = open.pop(),
        }
    }
    None
}

impl<'a> Reader<'a> {
    /// The element itself, or the one that its `id-ref` names.
    pub(super) fn resolve(&self, element: Element<'a>) -> Element<'a> {
        element.attribute("id-ref").and_then(|id| self.ids.get(id)).copied().unwrap_or(element)
    }
}
