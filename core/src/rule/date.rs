//! Rules on dates: what they say, whether they hold at a moment, and when that changes next. No clock is read here.
//!
//! The moment is the log's own, and so is the same for every member. Times without an offset, and the fields of
//! `date spec`, are UTC: hosts of one cluster may be set to different zones.

use crate::cib::moment;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One question to the time, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// `date lt END`
    Before(String),
    /// `date gt START`
    After(String),
    /// `date in [start=START] [end=END | UNIT=NUMBER…]`, both ends included.
    Within {
        /// From here.
        start: Option<String>,
        /// To here.
        end: Option<String>,
        /// In the place of an end: for so long, by unit.
        lasts: BTreeMap<String, String>,
    },
    /// `date spec FIELD=RANGE…`: all of them.
    Spec(BTreeMap<String, String>),
}

/// Units of how long a range lasts.
pub const UNITS: &[&str] = &["years", "months", "weeks", "days", "hours", "minutes", "seconds"];
/// Fields of a `date spec`.
pub const FIELDS: &[&str] =
    &["years", "months", "monthdays", "hours", "minutes", "seconds", "yeardays", "weeks", "weekyears", "weekdays"];
/// So far ahead a change of a `date spec` is looked for, in days; then it is looked for anew.
const FORESIGHT: u32 = 400;
const DAY: i64 = 86_400;

impl When {
    /// Whether it holds at this second since 1970. What cannot be read holds never, or does not count.
    pub fn holds(&self, now: i64) -> bool {
        match self {
            Self::Before(end) => moment(end).is_some_and(|end| now < end),
            Self::After(start) => moment(start).is_some_and(|start| now > start),
            Self::Within { .. } => {
                let (start, end) = self.bounds();
                start.is_none_or(|start| now >= start) && end.is_none_or(|end| now <= end)
            }
            Self::Spec(fields) => Day::of(now).is_some_and(|day| day.fits(fields)) && clock_fits(fields, now),
        }
    }

    /// The next second at which it holds and did not, or the other way round, or at which it has to be looked for
    /// again; `None` where it never changes.
    pub fn next_change(&self, now: i64) -> Option<i64> {
        match self {
            Self::Before(end) => moment(end).filter(|end| now < *end),
            Self::After(start) => moment(start).and_then(|start| start.checked_add(1)).filter(|from| now < *from),
            Self::Within { .. } => {
                let (start, end) = self.bounds();
                let over = end.and_then(|end| end.checked_add(1));
                [start, over].into_iter().flatten().filter(|at| now < *at).min()
            }
            Self::Spec(fields) => next_of_spec(fields, now),
        }
    }

    /// What is wrong with it, if anything, in words.
    pub fn fault(&self) -> Option<String> {
        let no_time = |text: &String| moment(text).is_none().then(|| format!("'{text}' is no time"));
        match self {
            Self::Before(at) | Self::After(at) => no_time(at),
            Self::Within { start: None, end: None, .. } => Some("the range has no start and no end".to_owned()),
            Self::Within { end: Some(_), lasts, .. } if !lasts.is_empty() => {
                Some("the range has an end, and says how long it lasts too".to_owned())
            }
            Self::Within { start, end, lasts } => {
                let unit = |(unit, number): (&String, &String)| match number.parse::<u32>() {
                    _ if !UNITS.contains(&unit.as_str()) => Some(format!("there is no unit '{unit}'")),
                    Err(_) => Some(format!("{unit}={number}: a whole number is wanted")),
                    Ok(_) => None,
                };
                let times = start.iter().chain(end).find_map(no_time).or_else(|| lasts.iter().find_map(unit));
                times.or_else(|| match self.bounds() {
                    (Some(start), Some(end)) if end < start => Some("the range ends before it starts".to_owned()),
                    (_, None) if !lasts.is_empty() => Some("the range lasts too long".to_owned()),
                    _ => None,
                })
            }
            Self::Spec(fields) if fields.is_empty() => Some("it names no field".to_owned()),
            Self::Spec(fields) => fields.iter().find_map(|(field, range)| match range_of(range) {
                _ if !FIELDS.contains(&field.as_str()) => Some(format!("there is no field '{field}'")),
                Some((from, to)) if from <= to && from <= most(field) => None,
                Some((from, _)) if from > most(field) => Some(format!("{field}={range} never comes")),
                _ => Some(format!("{field}={range}: a number or a range such as 9-16 is wanted")),
            }),
        }
    }

    /// Times in it that name no offset, and so are UTC.
    pub fn without_offset(&self) -> Option<&str> {
        let times: [Option<&String>; 2] = match self {
            Self::Before(at) | Self::After(at) => [Some(at), None],
            Self::Within { start, end, .. } => [start.as_ref(), end.as_ref()],
            Self::Spec(_) => [None, None],
        };
        times.into_iter().flatten().find(|text| names_no_offset(text)).map(String::as_str)
    }

    /// Start and end of a range, in seconds since 1970.
    fn bounds(&self) -> (Option<i64>, Option<i64>) {
        let Self::Within { start, end, lasts } = self else { return (None, None) };
        let read = |text: &Option<String>| text.as_deref().and_then(moment);
        let start = read(start);
        let after = || if lasts.is_empty() { None } else { ends_after(start?, lasts) };
        (start, read(end).or_else(after))
    }
}

/// A time of day that is UTC because it says nothing else.
pub fn names_no_offset(text: &str) -> bool {
    let clock = text.find(['T', ' ']).map(|at| &text[at..]);
    clock.is_some_and(|clock| !clock.contains(['Z', '+', '-']))
}

/// The largest number that a field can have.
fn most(field: &str) -> i64 {
    match field {
        "months" => 12,
        "monthdays" => 31,
        "hours" => 23,
        "minutes" | "seconds" => 59,
        "yeardays" => 366,
        "weeks" => 53,
        "weekdays" => 7,
        _ => i64::MAX,
    }
}

/// As the calendar counts: a month is as long as that month is.
fn ends_after(start: i64, lasts: &BTreeMap<String, String>) -> Option<i64> {
    let of = |unit: &str| lasts.get(unit).and_then(|number| number.parse::<u32>().ok()).map_or(0, i64::from);
    let days = Span::new().try_years(of("years")).ok()?.try_months(of("months")).ok()?;
    let days = days.try_weeks(of("weeks")).ok()?.try_days(of("days")).ok()?;
    let at = utc(start)?.checked_add(days).ok()?.timestamp().as_second();
    Some(at + of("hours") * 3600 + of("minutes") * 60 + of("seconds"))
}

fn utc(second: i64) -> Option<Zoned> {
    Some(Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC))
}

/// One day, in every way that a `date spec` may name it.
struct Day {
    date: jiff::civil::Date,
}

impl Day {
    fn of(second: i64) -> Option<Self> {
        Some(Self { date: utc(second)?.date() })
    }

    fn next(&self) -> Option<Self> {
        Some(Self { date: self.date.checked_add(1.day()).ok()? })
    }

    fn fits(&self, fields: &BTreeMap<String, String>) -> bool {
        fields.iter().all(|(field, range)| {
            let date = self.date;
            let actual: i64 = match field.as_str() {
                "years" => date.year().into(),
                "months" => date.month().into(),
                "monthdays" => date.day().into(),
                "yeardays" => date.day_of_year().into(),
                "weeks" => date.iso_week_date().week().into(),
                "weekyears" => date.iso_week_date().year().into(),
                "weekdays" => date.weekday().to_monday_one_offset().into(),
                // The clock's fields are asked for by themselves, and what else there is says nothing.
                _ => return true,
            };
            has(range, actual)
        })
    }
}

/// Whether the time of day is as the fields want it.
fn clock_fits(fields: &BTreeMap<String, String>, second: i64) -> bool {
    let of_day = second.rem_euclid(DAY);
    let fits = |(field, actual): (&str, i64)| fields.get(field).is_none_or(|range| has(range, actual));
    [("hours", of_day / 3600), ("minutes", of_day / 60 % 60), ("seconds", of_day % 60)].into_iter().all(fits)
}

fn next_of_spec(fields: &BTreeMap<String, String>, now: i64) -> Option<i64> {
    let mut day = Day::of(now)?;
    let midnight = now - now.rem_euclid(DAY);
    let holds = day.fits(fields) && clock_fits(fields, now);
    let change = |day: &Day, midnight: i64, from: i64| match day.fits(fields) {
        false => holds.then_some(midnight + from),
        true => change_in_day(fields, holds, from).map(|second| midnight + second),
    };
    let rest = now.rem_euclid(DAY) + 1;
    if let Some(at) = change(&day, midnight, rest).filter(|_| rest < DAY) {
        return Some(at);
    }
    for ahead in 1..=i64::from(FORESIGHT) {
        day = day.next()?;
        if let Some(at) = change(&day, midnight + ahead * DAY, 0) {
            return Some(at);
        }
    }
    Some(midnight + (i64::from(FORESIGHT) + 1) * DAY)
}

/// The first second of a day, from this one on, at which the clock is otherwise. Few are looked at, whatever is asked: this
/// is done in every plan.
fn change_in_day(fields: &BTreeMap<String, String>, holds: bool, from: i64) -> Option<i64> {
    let fits = |field: &str, actual: i64| fields.get(field).is_none_or(|range| has(range, actual));
    if !holds {
        // The first hour that fits, in it the first minute, in it the first second.
        let hours = (from / 3600..24).filter(|hour| fits("hours", *hour));
        let minutes = hours.flat_map(|hour| (0..60).map(move |minute| hour * 60 + minute));
        let minutes = minutes.filter(|minute| *minute >= from / 60 && fits("minutes", minute % 60));
        let mut seconds = minutes.flat_map(|minute| (0..60).map(move |second| minute * 60 + second));
        return match (0..60).any(|second| fits("seconds", second)) && (0..60).any(|minute| fits("minutes", minute)) {
            true => seconds.find(|second| *second >= from && fits("seconds", second % 60)),
            false => None,
        };
    }
    // A range that fits now ends within its own unit, or not at all.
    let units = [("seconds", 1, 60), ("minutes", 60, 60), ("hours", 3600, 24)];
    let ends =
        units.into_iter().filter(|(field, ..)| fields.contains_key(*field)).filter_map(|(field, unit, count)| {
            let first = from + (unit - from.rem_euclid(unit)) % unit;
            let bounds = std::iter::once(from).chain((0..count).map(|at| first + at * unit));
            bounds.filter(|at| *at < DAY).find(|at| !fits(field, at / unit % count))
        });
    ends.min()
}

/// Whether a range has this number in it; what is no range has nothing.
fn has(range: &str, number: i64) -> bool {
    range_of(range).is_some_and(|(from, to)| (from..=to).contains(&number))
}

/// `N`, `N-M`, `N-`, `-M`
fn range_of(range: &str) -> Option<(i64, i64)> {
    let read = |text: &str| text.trim().parse::<u32>().ok().map(i64::from);
    let Some((from, to)) = range.split_once('-') else { return read(range).map(|number| (number, number)) };
    let open = |text: &str, otherwise: i64| if text.trim().is_empty() { Some(otherwise) } else { read(text) };
    if from.trim().is_empty() && to.trim().is_empty() {
        return None;
    }
    Some((open(from, i64::MIN)?, open(to, i64::MAX)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn at(text: &str) -> i64 {
        moment(text).expect("a time of the table")
    }

    #[test]
    fn a_change_is_foretold() {
        let spec = |fields: &str| When::Spec(pairs(fields));
        let within =
            |start: &str, lasts: &str| When::Within { start: Some(start.to_owned()), end: None, lasts: pairs(lasts) };
        let check = |when: &When, now: &str, holds: bool, next: Option<&str>| {
            assert_eq!(when.holds(at(now)), holds, "{when:?} at {now}");
            assert_eq!(when.next_change(at(now)), next.map(at), "{when:?} from {now}");
        };
        let before = When::Before("2026-11-22T18:00".to_owned());
        check(&before, "2026-11-22T17:59:59", true, Some("2026-11-22T18:00"));
        check(&before, "2026-11-22T18:00", false, None);
        let after = When::After("2026-11-22T18:00:00+01:00".to_owned());
        check(&after, "2026-11-22T17:00", false, Some("2026-11-22T17:00:01"));
        check(&after, "2026-11-22T17:00:01", true, None);
        let month = within("2026-01-31", "months=1 hours=2");
        check(&month, "2026-01-30", false, Some("2026-01-31"));
        check(&month, "2026-02-28T02:00", true, Some("2026-02-28T02:00:01"));
        // 2026-11-22 is a Sunday.
        let office = spec("hours=9-16 weekdays=1-5");
        check(&office, "2026-11-22T12:00", false, Some("2026-11-23T09:00"));
        check(&office, "2026-11-23T09:00", true, Some("2026-11-23T17:00"));
        check(&office, "2026-11-27T17:00", false, Some("2026-11-30T09:00"));
        let night = spec("minutes=30 hours=2");
        check(&night, "2026-11-22T02:29:59", false, Some("2026-11-22T02:30"));
        check(&night, "2026-11-22T02:30:59", true, Some("2026-11-22T02:31"));
        check(&spec("seconds=59"), "2026-11-22T02:30:00", false, Some("2026-11-22T02:30:59"));
        check(&spec("weekdays=7"), "2026-11-22T23:00", true, Some("2026-11-23"));
        check(&spec("monthdays=29 months=2"), "2026-11-22T23:00", false, Some("2027-12-28"));
        check(&spec("monthdays=1"), "2026-11-22T23:00", false, Some("2026-12-01"));
    }

    /// It is asked in every plan: what never comes costs no more than what does.
    #[test]
    fn what_never_comes_is_soon_known() {
        for text in
            ["seconds=60", "minutes=60-", "hours=24", "seconds=0-59", "months=13 seconds=5", "years=1990 minutes=5"]
        {
            let next = When::Spec(pairs(text)).next_change(at("2026-11-22T22:10:07"));
            assert_eq!(next, Some(at("2027-12-28")), "{text}");
        }
    }

    /// What is foretold is the first second at which it is otherwise, by looking at each.
    #[test]
    fn nothing_changes_before_it_is_foretold() {
        let fields = [
            "hours=2-3",
            "hours=23 minutes=50-",
            "minutes=10-20 seconds=30-40",
            "weekdays=1",
            "hours=5 weekdays=3",
            "seconds=5-",
            "hours=-22 seconds=10-50",
        ];
        for text in fields {
            let spec = When::Spec(pairs(text));
            let (mut now, mut next) = (at("2026-11-22T22:10:07"), 0);
            let mut was = spec.holds(now);
            for _ in 0..(3 * DAY) {
                if now >= next {
                    next = spec.next_change(now).expect("it changes");
                }
                now += 1;
                let is = spec.holds(now);
                assert_eq!(is != was, now == next, "{text} at {now}");
                was = is;
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |when: When, wanted: Option<&str>| assert_eq!(when.fault().as_deref(), wanted, "{when:?}");
        let text = |text: &str| Some(text.to_owned());
        let within =
            |start: Option<String>, end: Option<String>, lasts: &str| When::Within { start, end, lasts: pairs(lasts) };
        check(When::Before("soon".to_owned()), Some("'soon' is no time"));
        check(within(None, None, "hours=1"), Some("the range has no start and no end"));
        check(within(text("2026-01-02"), text("2026-01-01"), ""), Some("the range ends before it starts"));
        check(within(text("2026-01-02"), None, "moons=1"), Some("there is no unit 'moons'"));
        check(within(text("2026-01-02"), None, "hours=x"), Some("hours=x: a whole number is wanted"));
        check(within(text("2026-01-02"), None, "hours=2"), None);
        check(When::Spec(pairs("hours=9-16 weekdays=1-5")), None);
        check(When::Spec(pairs("hours=16-9")), Some("hours=16-9: a number or a range such as 9-16 is wanted"));
        check(When::Spec(pairs("seconds=60")), Some("seconds=60 never comes"));
        check(When::Spec(pairs("moon=4")), Some("there is no field 'moon'"));
        check(When::Spec(pairs("")), Some("it names no field"));
    }
}
