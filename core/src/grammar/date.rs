//! `date …` in a rule: lt, gt, in and spec, in crmsh's words and in those of a CIB.

use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::token::{Word, quote};
use crate::rule::date::{FIELDS, UNITS, When};
use std::collections::BTreeMap;

const HINT: &str = "write date lt TIME, date gt TIME, date in start=TIME end=TIME, date in start=TIME hours=8, or \
                    date spec hours=9-16 weekdays=1-5; a TIME is 2026-11-22T18:00Z";

/// What follows `date`.
pub(super) fn when(cursor: &mut Cursor<'_, '_>, date: &Word) -> Parsed<When> {
    let word = cursor.need("lt, gt, in or spec")?;
    let when = match word.text.as_str() {
        "lt" => When::Before(time(cursor, "end")?),
        "gt" => When::After(time(cursor, "start")?),
        "in" | "in_range" => range(cursor)?,
        "spec" | "date_spec" => When::Spec(pairs(cursor, FIELDS)?),
        other => return Err(SyntaxError::new(word.at, format!("{} is no question to a date", shown(other))).hint(HINT)),
    };
    match when.fault() {
        None => Ok(when),
        Some(fault) => Err(SyntaxError::new(date.at, fault).hint(HINT)),
    }
}

/// `TIME`, or `NAME=TIME`
fn time(cursor: &mut Cursor<'_, '_>, name: &str) -> Parsed<String> {
    let word = cursor.need("a time, such as 2026-11-22T18:00Z,")?;
    let named = word.text.split_once('=').filter(|(given, _)| *given == name);
    Ok(named.map_or(word.text.as_str(), |(_, time)| time).to_owned())
}

/// `start=TIME (end=TIME | UNIT=NUMBER…)`, or `START END`
fn range(cursor: &mut Cursor<'_, '_>) -> Parsed<When> {
    let bare = |word: &&Word| !word.text.contains('=') && !is_joint(word);
    if cursor.peek().filter(bare).is_some() {
        let start = Some(time(cursor, "start")?);
        let end = cursor.peek().filter(bare).is_some().then(|| time(cursor, "end")).transpose()?;
        let lasts = if end.is_none() { pairs(cursor, UNITS)? } else { BTreeMap::new() };
        return Ok(When::Within { start, end, lasts });
    }
    let mut known = vec!["start", "end"];
    known.extend_from_slice(UNITS);
    let mut lasts = pairs(cursor, &known)?;
    let (start, end) = (lasts.remove("start"), lasts.remove("end"));
    Ok(When::Within { start, end, lasts })
}

/// `NAME=VALUE…`, as long as the names are of these.
fn pairs(cursor: &mut Cursor<'_, '_>, known: &[&str]) -> Parsed<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    while let Some(word) = cursor.peek() {
        let Some((name, value)) = word.text.split_once('=').filter(|(name, _)| known.contains(name)) else { break };
        // With its name in quotes it begins what follows the rule.
        if !word.is_bare_from(0) {
            break;
        }
        cursor.take();
        if found.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(SyntaxError::new(word.at, format!("{name} is given twice")).hint("keep one"));
        }
    }
    Ok(found)
}

fn is_joint(word: &Word) -> bool {
    ["and", "or", "rule"].contains(&word.text.as_str())
}

/// Whether a pair of this name would be read as part of a date before it, were it not in quotes.
pub(super) fn takes(name: &str) -> bool {
    FIELDS.contains(&name) || UNITS.contains(&name) || ["start", "end"].contains(&name)
}

/// As it is written.
pub(super) fn print(when: &When) -> String {
    let list = |pairs: &BTreeMap<String, String>| {
        pairs.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect::<Vec<_>>().join(" ")
    };
    match when {
        When::Before(end) => format!("date lt {}", quote(end)),
        When::After(start) => format!("date gt {}", quote(start)),
        When::Within { start, end, lasts } => {
            let named = |name: &str, at: &Option<String>| at.as_ref().map(|at| format!("{name}={}", quote(at)));
            let lasts = (!lasts.is_empty()).then(|| list(lasts));
            let parts = [named("start", start), named("end", end), lasts];
            format!("date in {}", parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        When::Spec(fields) => format!("date spec {}", list(fields)),
    }
}
