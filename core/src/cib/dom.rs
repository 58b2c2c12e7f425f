//! Small questions to an element of the CIB.

use super::{Element, Reader, value};
use crate::score::Score;

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

impl<'a> Reader<'a> {
    /// The element itself, or the one that its `id-ref` names.
    pub(super) fn resolve(&self, element: Element<'a>) -> Element<'a> {
        element.attribute("id-ref").and_then(|id| self.ids.get(id)).copied().unwrap_or(element)
    }
}
