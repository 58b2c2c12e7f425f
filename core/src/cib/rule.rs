//! `<rule>`: whether it holds, for a node, a resource, an operation and a time.

use super::dom::{named, text};
use super::{Element, value};
use crate::rule::date::When;
use crate::rule::test;
use std::collections::BTreeMap;

/// What a rule is asked about.
#[derive(Clone, Copy, Default)]
pub(super) struct Scene<'s> {
    /// The time of planning.
    pub(super) now: i64,
    /// The node's attributes.
    pub(super) node: Option<&'s BTreeMap<String, String>>,
    /// The resource's class, provider and type.
    pub(super) agent: Option<[&'s str; 3]>,
    /// The operation's name and interval in milliseconds.
    pub(super) operation: Option<(&'s str, i64)>,
    /// The resource's parameters and meta attributes.
    pub(super) params: Option<&'s BTreeMap<String, String>>,
    pub(super) meta: Option<&'s BTreeMap<String, String>>,
}

/// Whether the rule holds; one without expressions does.
pub(super) fn holds(rule: Element<'_>, scene: &Scene<'_>) -> bool {
    let mut parts = rule.children().filter(roxmltree::Node::is_element).map(|part| match part.tag_name().name() {
        "rule" => holds(part, scene),
        "expression" => expression(part, scene),
        "date_expression" => date(part, scene.now),
        "rsc_expression" => agent(part, scene),
        "op_expression" => operation(part, scene),
        _ => true,
    });
    if text(rule, "boolean-op") == "or" { parts.any(|part| part) } else { parts.all(|part| part) }
}

/// Whether all rules below an element hold, or there are none.
pub(super) fn all_hold(element: Element<'_>, scene: &Scene<'_>) -> bool {
    named(element, "rule").all(|rule| holds(rule, scene))
}

fn expression(part: Element<'_>, scene: &Scene<'_>) -> bool {
    let actual = scene.node.and_then(|attributes| attributes.get(text(part, "attribute"))).map(String::as_str);
    let wanted = match (text(part, "value-source"), part.attribute("value")) {
        ("param", Some(name)) => scene.params.and_then(|params| params.get(name)).map(String::as_str),
        ("meta", Some(name)) => scene.meta.and_then(|meta| meta.get(name)).map(String::as_str),
        (_, value) => value,
    };
    test(actual, text(part, "operation"), text(part, "type"), wanted)
}

fn agent(part: Element<'_>, scene: &Scene<'_>) -> bool {
    let Some(actual) = scene.agent else { return false };
    let fits = |(name, actual): (&str, &str)| part.attribute(name).is_none_or(|wanted| wanted == actual);
    ["class", "provider", "type"].into_iter().zip(actual).all(fits)
}

fn operation(part: Element<'_>, scene: &Scene<'_>) -> bool {
    let Some((name, interval)) = scene.operation else { return false };
    let wanted = part.attribute("interval").map(|text| value::milliseconds(text).unwrap_or(-1));
    text(part, "name") == name && wanted.is_none_or(|wanted| wanted == interval)
}

fn date(part: Element<'_>, now: i64) -> bool {
    when(part).holds(now)
}

/// The question to the time that a `<date_expression>` is.
pub(super) fn when(part: Element<'_>) -> When {
    let text = |name: &str| part.attribute(name).map(value::usual);
    let bound = |name: &str| text(name).unwrap_or_default();
    let of = |name: &str| named(part, name).next().map(fields).unwrap_or_default();
    match part.attribute("operation") {
        Some("gt") => When::After(bound("start")),
        Some("lt") => When::Before(bound("end")),
        Some("date_spec") => When::Spec(of("date_spec")),
        // in_range is what is meant where nothing is said. An end counts more than how long it lasts.
        _ => {
            let lasts = if part.has_attribute("end") { BTreeMap::new() } else { of("duration") };
            When::Within { start: text("start"), end: text("end"), lasts }
        }
    }
}

/// All that an element says, but for its name.
pub(crate) fn fields(element: Element<'_>) -> BTreeMap<String, String> {
    let said = element.attributes().filter(|attribute| attribute.name() != "id");
    said.map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned())).collect()
}
