//! How long: `10`, `10s`, `10ms`, `5m`, `1h`, `PT5M`. A bare number is seconds, as in Pacemaker.
//!
//! Months and years have no fixed length and are not understood.

use std::fmt;
use std::time::Duration;

/// Longer times are refused: nothing here waits ten years, and arithmetic on what is left cannot overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads a time; `None` where it is not one.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let read = match text.strip_prefix(['P', 'p']) {
        Some(iso) => iso8601(iso),
        None => plain(text),
    };
    read.filter(|duration| *duration <= LONGEST)
}

/// The shortest way to write a time that `duration` reads back: `90s`, `800ms`, `5m`.
pub fn print_duration(duration: Duration) -> impl fmt::Display {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if !millis.is_multiple_of(1000) => format!("{millis}ms"),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ => format!("{}s", millis / 1000),
    }
}

fn plain(text: &str) -> Option<Duration> {
    let (number, unit) = number(text)?;
    match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => Some(Duration::from_secs(number)),
        "ms" | "msec" => Some(Duration::from_millis(number)),
        "us" | "usec" => Some(Duration::from_micros(number)),
        "m" | "min" => seconds(number, 60),
        "h" | "hr" => seconds(number, 3600),
        "d" => seconds(number, 24 * 3600),
        _ => None,
    }
}

/// What follows the `P`: weeks and days, then after a `T` hours, minutes and seconds.
fn iso8601(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, clock) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, clock)) => (days, clock),
        None if text.is_empty() => return None,
        None => (text.as_str(), ""),
    };
    let days = fields(days, &[('W', 7 * 24 * 3600), ('D', 24 * 3600)])?;
    let clock = fields(clock, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(clock)
}

/// Numbers with these units, each at most once and in this order.
fn fields(mut text: &str, units: &[(char, u64)]) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    let mut units = units.iter();
    while !text.is_empty() {
        let (number, rest) = number(text)?;
        let unit = rest.chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(seconds(number, *length)?)?;
        text = &rest[unit.len_utf8()..];
    }
    Some(sum)
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn seconds(number: u64, length: u64) -> Option<Duration> {
    number.checked_mul(length).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_people_write() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        };
        check("10", Some(10_000));
        check("10s", Some(10_000));
        check("10ms", Some(10));
        check("800msec", Some(800));
        check("5m", Some(300_000));
        check("2min", Some(120_000));
        check("1h", Some(3_600_000));
        check("1d", Some(86_400_000));
        check("0", Some(0));
        check(" 7s ", Some(7_000));
        check("PT5M", Some(300_000));
        check("PT1H30M", Some(5_400_000));
        check("P1DT1S", Some(86_401_000));
        check("P2W", Some(1_209_600_000));
        check("", None);
        check("s", None);
        check("-1", None);
        check("1.5s", None);
        check("10 s", None);
        check("P", None);
        check("PT", None);
        check("P1DT", None);
        check("PT1M1H", None);
        check("P1Y", None);
        check("P1M", None);
        check("20y", None);
        check("99999d", None);
        check("18446744073709551615h", None);
        check("18446744073709551616", None);
        check("P9999999999999999999W", None);
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let check = |text: &str, printed: &str| {
            let read = duration(text).expect("a time of the table");
            assert_eq!(print_duration(read).to_string(), printed, "{text}");
            assert_eq!(duration(printed), Some(read), "{printed}");
        };
        check("0", "0s");
        check("90", "90s");
        check("1500ms", "1500ms");
        check("300", "5m");
        check("PT2H", "2h");
    }
}
