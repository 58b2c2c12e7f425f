//! `<rule>`: whether it holds, for a node, a resource, an operation and a time.

use super::dom::{named, text};
use super::{Element, value};
use crate::rule::test;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
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
    let start = part.attribute("start").and_then(value::moment);
    let end = part.attribute("end").and_then(value::moment).or_else(|| ends_after(part, start?));
    match text(part, "operation") {
        "gt" => start.is_some_and(|start| now > start),
        "lt" => end.is_some_and(|end| now < end),
        "date_spec" => named(part, "date_spec").all(|spec| is_within(spec, now)),
        // in_range is what is meant where nothing is said.
        _ => start.is_none_or(|start| now >= start) && end.is_none_or(|end| now <= end),
    }
}

/// The end that a `<duration>` gives to a range.
fn ends_after(part: Element<'_>, start: i64) -> Option<i64> {
    const UNITS: &[(&str, i64)] = &[
        ("seconds", 1),
        ("minutes", 60),
        ("hours", 3600),
        ("days", 86_400),
        ("weeks", 604_800),
        ("months", 2_592_000),
    ];
    let duration = named(part, "duration").next()?;
    let seconds =
        UNITS.iter().filter_map(|(unit, worth)| Some(duration.attribute(*unit)?.parse::<i64>().ok()? * worth));
    Some(start + seconds.sum::<i64>())
}

fn is_within(spec: Element<'_>, now: i64) -> bool {
    let Ok(at) = Timestamp::from_second(now) else { return false };
    let at: Zoned = at.to_zoned(TimeZone::UTC);
    let fields: [(&str, i64); 10] = [
        ("years", at.year().into()),
        ("months", at.month().into()),
        ("monthdays", at.day().into()),
        ("hours", at.hour().into()),
        ("minutes", at.minute().into()),
        ("seconds", at.second().into()),
        ("yeardays", at.day_of_year().into()),
        ("weeks", at.date().iso_week_date().week().into()),
        ("weekyears", at.date().iso_week_date().year().into()),
        ("weekdays", at.weekday().to_monday_one_offset().into()),
    ];
    fields.into_iter().all(|(name, actual)| spec.attribute(name).is_none_or(|wanted| range_has(wanted, actual)))
}

/// `N`, `N-M`, `N-`, `-M`
fn range_has(range: &str, value: i64) -> bool {
    let Some((from, to)) = range.split_once('-') else { return range.trim().parse() == Ok(value) };
    let open = |text: &str, otherwise: i64| text.trim().parse().unwrap_or(otherwise);
    (open(from, i64::MIN)..=open(to, i64::MAX)).contains(&value)
}
