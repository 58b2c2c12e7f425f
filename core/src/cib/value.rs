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

/// A point in time in every form that Pacemaker takes, in one that `moment` does: weeks of the year, no colons, fractions of a
/// second, the midnight that ends a day, and the end of all time. What is no time is left as it is.
pub fn usual(text: &str) -> String {
    let read = || if moment(text).is_some() { None } else { any_moment(text.trim()) };
    let last = jiff::Timestamp::MAX.as_second();
    let found = read().and_then(|second| jiff::Timestamp::from_second(second.min(last)).ok());
    found.map_or_else(|| text.to_owned(), |at| strtime::format("%Y-%m-%dT%H:%M:%SZ", at).unwrap_or_default())
}

fn any_moment(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let of_week = || {
        let (year, rest) = date.split_once("-W")?;
        let (week, day) = rest.split_once('-')?;
        let day = jiff::civil::Weekday::from_monday_one_offset(day.parse().ok()?).ok()?;
        Some(jiff::civil::ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, day).ok()?.date())
    };
    let of_year = || strtime::parse("%Y-%j", date).ok()?.to_date().ok();
    let date: Date = date.parse().ok().or_else(of_week).or_else(of_year)?;
    let (clock, zone) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
    let (clock, fraction) = clock.trim().split_once('.').unwrap_or((clock.trim(), "0"));
    let digits = clock.replace(':', "");
    let is_even = clock.split(':').all(|part| part.len() == 2) || !clock.contains(':');
    let is_clock = [0, 2, 4, 6].contains(&digits.len()) && (is_even || digits.is_empty());
    if !is_clock || !digits.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let field = |at: usize| digits.get(at..at + 2).map_or(Some(0), |text| text.parse::<i64>().ok());
    let (hour, minute, second) = (field(0)?, field(2)?, field(4)?);
    let of_day = hour * 3600 + minute * 60 + second;
    if minute > 59 || second > 59 || of_day > 86_400 {
        return None;
    }
    let day = date.duration_since(Date::constant(1970, 1, 1)).as_secs();
    Some(day + of_day - i64::from(offset(zone.trim())?.seconds()))
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

    /// What `iso8601 -d` of Pacemaker's makes of them.
    #[test]
    fn pacemakers_times_are_read() {
        let check = |text: &str, wanted: &str| assert_eq!(usual(text), wanted, "{text}");
        check("2026-11-23T12:00", "2026-11-23T12:00");
        check("2026-W48-1", "2026-11-23T00:00:00Z");
        check("20261123T120000Z", "2026-11-23T12:00:00Z");
        check("2026-11-23T1200", "2026-11-23T12:00:00Z");
        check("2026-11-23T12:00:00.5Z", "2026-11-23T12:00:00Z");
        check("2026-11-23T24:00:00+01:00", "2026-11-23T23:00:00Z");
        check("9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z");
        for wrong in
            ["", "now", "2026-13-01", "2026-W54-1", "2026-11-23T25", "2026-11-23T1:2", "2026-11-23T12:60", "12T\u{e9}2"]
        {
            check(wrong, wrong);
        }
        assert_eq!(moment(&usual("9999-12-31T23:59:59Z")), Some(253_402_207_200));
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
