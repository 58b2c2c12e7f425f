//! When a monitor looks next: so long after its last look, or at the times of the wall clock that `interval-origin`
//! says.

use quorate_core::config::OperationSpec;
use quorate_core::time::{BootTime, Timestamp, millis};
use std::time::Duration;

/// The clocks of this host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub now: BootTime,
    /// May be set at any time, in both directions.
    pub wall: Timestamp,
}

/// One monitor's next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// It looks then; with an origin at the time of the wall clock that is nearest to then.
    around: BootTime,
    origin: Option<i64>,
}

impl Schedule {
    /// Of a monitor that begins.
    pub(super) fn new(monitor: &OperationSpec, now: BootTime) -> Self {
        let wait = match monitor.origin {
            // The nearest to the middle of an interval is the next.
            Some(_) => monitor.interval / 2,
            None if monitor.start_delay.is_zero() => monitor.interval,
            None => monitor.start_delay,
        };
        Self { around: now.after(wait), origin: monitor.origin }
    }

    /// After a look that begins now.
    pub(super) fn looks(&mut self, interval: Duration, now: BootTime) {
        self.around = now.after(interval);
    }

    /// Its times are counted from elsewhere by now.
    pub(super) fn is_of(&self, monitor: &OperationSpec) -> bool {
        self.origin == monitor.origin
    }

    /// For how long it has been due, in milliseconds.
    ///
    /// With an origin this is asked of the wall clock again each time. However that is set meanwhile, the nearest time is no
    /// further than half an interval from `around`, by the boot-time clock: two looks are never closer together than half an
    /// interval, nor further apart than one and a half.
    pub(super) fn overdue(&self, interval: Duration, clocks: Clocks) -> Option<i128> {
        let late = i128::from(clocks.now.0) - i128::from(self.around.0);
        let late = match self.origin {
            None => late,
            Some(origin) => {
                let wall = i128::from(clocks.wall.0);
                let (interval, origin) = (i128::from(millis(interval)).max(1), i128::from(origin) * 1000);
                // What the wall clock says, or will say, at `around`.
                let around = wall - late;
                let number = (around - origin + interval / 2).div_euclid(interval);
                wall - (origin + number * interval)
            }
        };
        (late >= 0).then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::config::Attributes;
    use quorate_core::grammar;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;
    /// Some midnight.
    const MIDNIGHT: u64 = 20_000 * DAY;

    fn monitor(attributes: &str) -> OperationSpec {
        let text = format!("primitive r ocf:a:b op monitor {attributes}\n");
        let config = grammar::read(&text, &mut |_| Err(String::new())).expect("the text is valid");
        config.primitives.values().next().expect("it is there").operation("monitor", &Attributes::new())
    }

    /// A host, and the times at which its monitor looked by both clocks.
    struct Host {
        clocks: Clocks,
        monitor: OperationSpec,
        schedule: Schedule,
        looks: Vec<Clocks>,
    }

    impl Host {
        fn new(attributes: &str, wall: u64) -> Self {
            let monitor = monitor(attributes);
            let clocks = Clocks { now: BootTime(7_777), wall: Timestamp(wall) };
            Self { clocks, schedule: Schedule::new(&monitor, clocks.now), monitor, looks: Vec::new() }
        }

        /// Time passes, in steps of a second.
        fn pass(&mut self, time: u64) {
            for _ in 0..time / 1000 {
                if self.schedule.overdue(self.monitor.interval, self.clocks).is_some() {
                    self.looks.push(self.clocks);
                    self.schedule.looks(self.monitor.interval, self.clocks.now);
                }
                self.clocks.now.0 += 1000;
                self.clocks.wall.0 += 1000;
            }
        }

        fn set(&mut self, by: i64) {
            self.clocks.wall.0 = self.clocks.wall.0.checked_add_signed(by).expect("after 1970");
        }

        /// The hours of the wall clock at which it looked, counted from that midnight.
        fn hours(&self) -> Vec<f64> {
            self.looks.iter().map(|at| (at.wall.0 as f64 - MIDNIGHT as f64) / HOUR as f64).collect()
        }
    }

    /// Two in the morning.
    const NIGHTLY: &str = "interval=1d interval-origin=2026-11-22T02:00Z";

    #[test]
    fn with_an_origin_it_looks_at_those_times() {
        let check = |attributes: &str, begins: u64, wanted: &[f64]| {
            let mut host = Host::new(attributes, MIDNIGHT + begins);
            host.pass(2 * DAY);
            assert_eq!(host.hours(), wanted, "{attributes} from {begins}");
        };
        check(NIGHTLY, 12 * HOUR, &[26.0, 50.0]);
        check(NIGHTLY, 3 * HOUR, &[26.0, 50.0]);
        check(NIGHTLY, HOUR, &[2.0, 26.0]);
        // It may be long ago, or in the future, and is a time of another zone.
        check("interval=1d interval-origin=1990-01-01T04:00+02:00", 12 * HOUR, &[26.0, 50.0]);
        check("interval=1d interval-origin=2099-01-01T02:00Z", 12 * HOUR, &[26.0, 50.0]);
        check("interval=16h interval-origin=2024-10-04", HOUR, &[16.0, 32.0, 48.0]);
        // 2024-10-04, that midnight, was a Friday.
        check("interval=P7D interval-origin=2009-W01-6", HOUR, &[24.0]);
        check("interval=1d", 12 * HOUR, &[36.0]);
        check("interval=1d start-delay=1h", 12 * HOUR, &[13.0, 37.0]);
    }

    #[test]
    fn what_came_late_draws_no_later_look_after_it() {
        let mut host = Host::new(NIGHTLY, MIDNIGHT + HOUR);
        host.pass(HOUR);
        // Another look of its resource took half an hour.
        host.clocks = Clocks { now: BootTime(host.clocks.now.0 + HOUR / 2), wall: Timestamp(MIDNIGHT + 5 * HOUR / 2) };
        host.pass(2 * DAY);
        assert_eq!(host.hours(), [2.5, 26.0, 50.0]);
    }

    #[test]
    fn a_clock_that_is_set_runs_it_neither_twice_nor_never() {
        // Just after it looked the clock is set back to before that time: that night is done.
        let mut host = Host::new(NIGHTLY, MIDNIGHT + HOUR);
        host.pass(HOUR + 10_000);
        host.set(-60_000);
        host.pass(DAY + 120_000);
        assert_eq!(host.hours(), [2.0, 26.0]);
        // Just before it looks the clock is set past that time: it looks at once.
        let mut host = Host::new(NIGHTLY, MIDNIGHT + HOUR);
        host.pass(HOUR - 10_000);
        host.set(60_000);
        host.pass(DAY);
        assert!((2.0..2.1).contains(&host.hours()[0]), "{:?}", host.hours());
        assert_eq!(host.hours()[1..], [26.0]);
        // The clock was wrong by a year and is put right: from then on it looks by the right one.
        for year in [365 * DAY.cast_signed(), -365 * DAY.cast_signed()] {
            let mut host = Host::new(NIGHTLY, (MIDNIGHT + HOUR).checked_add_signed(year).expect("after 1970"));
            host.pass(12 * HOUR);
            host.set(-year);
            host.pass(2 * DAY);
            assert_eq!(host.hours()[1..], [26.0, 50.0], "{:?}", host.hours());
        }
    }

    #[test]
    fn whatever_is_done_to_the_clock_its_looks_are_about_an_interval_apart() {
        for step in [-97, -50, -24, -13, -12, -11, -1, 1, 11, 12, 13, 24, 50, 97] {
            let mut host = Host::new(NIGHTLY, MIDNIGHT + 12 * HOUR);
            let begun = host.clocks.now;
            for _ in 0..40 {
                host.pass(7 * HOUR);
                host.set(step * HOUR.cast_signed() + 1_234);
            }
            let first = host.looks.first().expect("it looks").now.since(begun);
            assert!(first <= Duration::from_millis(DAY + 1000), "{step}: {first:?}");
            for pair in host.looks.windows(2) {
                let apart = millis(pair[1].now.since(pair[0].now));
                assert!((DAY / 2 - 1000..=3 * DAY / 2 + 1000).contains(&apart), "{step}: {apart} ms");
            }
            assert!(host.looks.len() >= 7, "{step}: {}", host.looks.len());
        }
    }
}
