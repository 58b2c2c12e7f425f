//! Times as people read them: in the reader's zone, the date only where it is not today's.

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use quorate_core::time::Timestamp;
use std::time::Duration;

/// The reader's clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    now: Instant,
    zone: TimeZone,
}

impl Clock {
    pub(crate) fn of_process() -> Self {
        Self { now: Instant::now(), zone: TimeZone::system() }
    }

    #[cfg(test)]
    pub(crate) fn fixed(now: Timestamp) -> Self {
        Self { now: instant(now).expect("a time of this age"), zone: TimeZone::UTC }
    }

    /// `03:00:07`, or `21 Nov 23:59:59`.
    pub(crate) fn at(&self, time: Timestamp) -> String {
        let Some(instant) = instant(time) else { return format!("{} ms", time.0) };
        let zoned = instant.to_zoned(self.zone.clone());
        let today = self.now.to_zoned(self.zone.clone()).date();
        let format = match zoned.date() {
            date if date == today => "%H:%M:%S",
            date if date.year() == today.year() => "%-d %b %H:%M:%S",
            _ => "%-d %b %Y %H:%M:%S",
        };
        zoned.strftime(format).to_string()
    }

    /// With milliseconds, for timelines.
    pub(crate) fn exactly(&self, time: Timestamp) -> String {
        format!("{}.{:03}", self.at(time), time.0 % 1000)
    }
}

fn instant(time: Timestamp) -> Option<Instant> {
    Instant::from_millisecond(i64::try_from(time.0).ok()?).ok()
}

/// `0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_shown_only_where_it_is_another_day() {
        let clock = Clock::fixed(Timestamp(1_795_316_400_000));
        let check = |ms: u64, wanted: &str| assert_eq!(clock.at(Timestamp(ms)), wanted);
        check(1_795_316_407_000, "03:00:07");
        check(1_795_305_599_000, "21 Nov 23:59:59");
        check(1_700_000_000_000, "14 Nov 2023 22:13:20");
        check(u64::MAX, "18446744073709551615 ms");
        assert_eq!(clock.exactly(Timestamp(1_795_316_407_042)), "03:00:07.042");
    }

    #[test]
    fn durations_are_as_rough_as_they_are_long() {
        let check = |ms: u64, wanted: &str| assert_eq!(rough(Duration::from_millis(ms)), wanted);
        check(420, "0.4 s");
        check(12_300, "12 s");
        check(200_000, "3 min");
        check(7_300_000, "2 h");
        check(432_000_000, "5 d");
    }
}
