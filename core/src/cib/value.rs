//! Values as Pacemaker writes them: booleans, scores, times, roles.

use crate::scheduler::Role;
use crate::score::Score;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

/// A boolean; anything else is `None`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    crate::config::boolean(text)
}

/// A score; what cannot be read counts as zero, as Pacemaker does.
pub(crate) fn score(text: &str) -> Score {
    text.trim().parse().unwrap_or_else(|_| leading_number(text).map_or(Score::ZERO, Score::new))
}

fn leading_number(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('+');
    let end = text.char_indices().skip(1).find(|(_, c)| !c.is_ascii_digit()).map_or(text.len(), |(at, _)| at);
    text.get(..end)?.parse().ok()
}

/// A time span in milliseconds: a number with `ms`, `s` (or nothing), `m`, `min`, `h`, or an ISO 8601 duration.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.starts_with('P') {
        // Pacemaker takes a time without its T.
        let is_clock = !text.contains('T') && text.ends_with(['S', 's', 'H', 'h']);
        let repaired = if is_clock { text.replacen('P', "PT", 1) } else { text.to_owned() };
        let span: jiff::Span = repaired.parse().ok()?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        return i64::try_from(span.total((jiff::Unit::Millisecond, days)).ok()?.round() as i128).ok();
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim() {
        "ms" | "msec" => return Some(number),
        "us" | "usec" => return Some(number / 1000),
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A role by its present or former name.
pub(super) fn role(text: &str) -> Option<Role> {
    match text.to_ascii_lowercase().as_str() {
        "stopped" => Some(Role::Stopped),
        "started" => Some(Role::Started),
        "unpromoted" | "slave" => Some(Role::Unpromoted),
        "promoted" | "master" => Some(Role::Promoted),
        _ => None,
    }
}

/// A point in time in seconds since 1970: seconds, or ISO 8601 with calendar or ordinal date.
pub fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, rest) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let date: Date = date.parse().ok().or_else(|| strtime::parse("%Y-%j", date).ok()?.to_date().ok())?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = (rest[..zone_at].trim(), rest[zone_at..].trim());
    let mut fields = clock.split(':').filter(|field| !field.is_empty()).map(|field| field.parse::<i8>());
    let mut field = || fields.next().transpose().ok().map(Option::unwrap_or_default);
    let (hour, minute, second) = (field()?, field()?, field()?);
    let at = DateTime::from_parts(date, jiff::civil::Time::new(hour, minute, second, 0).ok()?);
    at.to_zoned(TimeZone::fixed(offset(zone)?)).ok().map(|zoned| zoned.timestamp().as_second())
}

fn offset(zone: &str) -> Option<Offset> {
    if zone.is_empty() || zone == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, rest) = if let Some(rest) = zone.strip_prefix('-') { (-1, rest) } else { (1, zone.strip_prefix('+')?) };
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..4).map_or(Some(0), |text| text.parse().ok())?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let check = |text: &str, wanted: Option<i64>| assert_eq!(moment(text), wanted, "{text}");
        check("1648835858", Some(1_648_835_858));
        check("1970-01-02", Some(86_400));
        check("1970-002", Some(86_400));
        check("1970-002T12:30", Some(86_400 + 45_000));
        check("1970-01-01 01:00:00 -05:00", Some(6 * 3600));
        check("1970-01-01 00:00:00Z", Some(0));
        check("yesterday", None);
    }

    #[test]
    fn spans_are_read() {
        let check = |text: &str, wanted: Option<i64>| assert_eq!(milliseconds(text), wanted, "{text}");
        check("10", Some(10_000));
        check("10s", Some(10_000));
        check("250ms", Some(250));
        check("2min", Some(120_000));
        check("PT1M", Some(60_000));
        check("soon", None);
    }
}
