//! `interval-origin`: from which moment the times of a recurring monitor are counted.

use super::{AgentClass, Attributes, MetaError};
use crate::cib::moment;
use crate::grammar::duration;
use crate::id::ResourceId;
use crate::rule::date::names_no_offset;
use jiff::civil::ISOWeekDate;

/// The attribute.
pub(crate) const ORIGIN: &str = "interval-origin";

/// Seconds since 1970; also of a week's day such as `2026-W01-1`, as people give it to say "on Mondays".
pub(super) fn origin(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, clock) = text.split_at(text.find(['T', ' ']).unwrap_or(text.len()));
    match date.parse::<ISOWeekDate>() {
        Ok(day) => moment(&format!("{}{clock}", day.date())),
        Err(_) => moment(text),
    }
}

/// Whether these say that a look waits, and when it is besides: only one of it can hold.
pub(crate) fn is_said_twice(attributes: &Attributes) -> bool {
    let waits = attributes.get("start-delay").and_then(|delay| duration(delay)).is_some_and(|it| !it.is_zero());
    waits && attributes.contains_key(ORIGIN)
}

/// What is wrong with where the times of this operation are counted from, or may surprise, beside the value itself.
pub(crate) fn origin_errors(
    resource: &ResourceId,
    class: AgentClass,
    operation: &str,
    attributes: &Attributes,
) -> Vec<MetaError> {
    let sound = attributes.get(ORIGIN).filter(|value| class != AgentClass::Stonith && origin(value).is_some());
    let Some(value) = sound.cloned() else { return Vec::new() };
    let name = if operation.is_empty() { ORIGIN.to_owned() } else { format!("op {operation} {ORIGIN}") };
    let resource = resource.clone();
    if is_said_twice(attributes) {
        return vec![MetaError::Excluded { resource, name, value, other: "start-delay" }];
    }
    let recurs = class == AgentClass::Vm || operation.is_empty() || attributes.contains_key("interval");
    match (operation, names_no_offset(&value)) {
        // Nothing but a monitor counts from there, and of that the attribute's own check tells.
        ("" | "monitor", _) if !recurs => vec![MetaError::NotHonoured { resource, name, value }],
        ("" | "monitor", true) => vec![MetaError::NoOffset { resource, name, value }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read() {
        let check = |text: &str, wanted: &str| assert_eq!(origin(text), moment(wanted), "{text}");
        check("2026-11-22T02:00Z", "2026-11-22 02:00:00Z");
        check("2026-11-22 02:00 +01:00", "2026-11-22 01:00:00Z");
        check("2009-W01-1", "2008-12-29");
        check("2026-W47-7T02:00Z", "2026-11-22T02:00Z");
        for text in ["", "at night", "2026-13-01", "2026-W60-1", "2026-11-22T25:00"] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
