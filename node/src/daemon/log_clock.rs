//! leader stamps: the time of the log goes on at its own pace, whatever is done to the wall clock of who leads.
//!
//! It is the time of the last entry and what the boot-time clock has counted since. A leader whose wall clock says
//! something else draws the log's time there slowly: a jump upsets no window and no life that is counted in it.

use quorate_core::time::{BootTime, Timestamp, millis};

/// The log's time follows the wall clock by at most one part in so many of the time that passes.
const SLEW: u64 = 10;
/// One member's idea of the log's time.
#[derive(Debug)]
pub(super) struct LogClock {
    /// The highest time of any entry applied here.
    applied: Timestamp,
    /// The log's time at a moment of this host's clock; none before this process took part in anything.
    known: Option<(Timestamp, BootTime)>,
}

impl LogClock {
    /// Of a process that has heard of nothing yet.
    pub(super) const fn new() -> Self {
        Self { applied: Timestamp(0), known: None }
    }

    /// An entry was applied. It may be an old one, from before this process was: it draws no conclusion from that.
    pub(super) fn applied(&mut self, at: Timestamp, now: BootTime) {
        self.applied = self.applied.max(at);
        if let Some(known) = self.at(now) {
            self.known = Some((known.max(at), now));
        }
    }

    /// An entry of this process's own was applied just now: the log's time is its time.
    pub(super) fn answered(&mut self, now: BootTime) {
        if self.known.is_none() {
            self.known = Some((self.applied, now));
        }
    }

    /// The time for an entry that this member, who leads, takes in now. Where nobody has led in this process's life, as
    /// after all hosts were off, the wall clock alone says how long that was.
    pub(super) fn stamp(&mut self, wall: Timestamp, now: BootTime) -> Timestamp {
        let stamp = match self.known {
            None => wall,
            Some((then, moment)) => {
                let passed = millis(now.since(moment));
                let due = then.0.saturating_add(passed);
                let most = passed / SLEW;
                Timestamp(wall.0.clamp(due.saturating_sub(most), due.saturating_add(most)))
            }
        };
        let stamp = stamp.max(self.applied);
        self.known = Some((stamp, now));
        stamp
    }

    /// The log's time now, as far as this member can tell.
    pub(super) fn at(&self, now: BootTime) -> Option<Timestamp> {
        self.known.map(|(then, moment)| Timestamp(then.0.saturating_add(millis(now.since(moment)))))
    }

    /// By how many ms the wall clock is ahead of the log's time, or behind it when negative.
    pub(super) fn off_by(&self, wall: Timestamp, now: BootTime) -> i64 {
        let Some(log) = self.at(now) else { return 0 };
        i64::try_from(i128::from(wall.0) - i128::from(log.0)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const START: u64 = 1_800_000_000_000;

    /// A leader's wall clock and boot-time clock.
    struct Host {
        clock: LogClock,
        wall: u64,
        boot: u64,
    }

    impl Host {
        fn new() -> Self {
            Self { clock: LogClock::new(), wall: START, boot: 5000 }
        }

        fn pass(&mut self, ms: u64) -> &mut Self {
            (self.wall, self.boot) = (self.wall + ms, self.boot + ms);
            self
        }

        fn stamp(&mut self) -> u64 {
            let stamp = self.clock.stamp(Timestamp(self.wall), BootTime(self.boot));
            self.clock.applied(stamp, BootTime(self.boot));
            stamp.0
        }
    }

    #[test]
    fn an_even_clock_is_followed() {
        let mut host = Host::new();
        assert_eq!(host.stamp(), START);
        assert_eq!(host.pass(HOUR).stamp(), START + HOUR);
        // A small correction is taken over within seconds.
        host.wall += 500;
        assert_eq!(host.pass(10_000).stamp(), START + HOUR + 10_500);
    }

    #[test]
    fn a_jump_forward_or_back_is_held() {
        for jump in [24 * HOUR.cast_signed(), -24 * HOUR.cast_signed()] {
            let mut host = Host::new();
            host.stamp();
            host.wall = host.wall.checked_add_signed(jump).unwrap();
            let mut last = START;
            for second in 1..=600 {
                let stamp = host.pass(1000).stamp();
                assert!((900..=1100).contains(&(stamp - last)), "second {second}: {} ms", stamp - last);
                last = stamp;
            }
            let off = host.clock.off_by(Timestamp(host.wall), BootTime(host.boot));
            assert!(off.unsigned_abs() > 23 * HOUR && off.signum() == jump.signum(), "{off}");
        }
    }

    #[test]
    fn a_new_leader_with_a_wrong_clock_goes_on_where_the_last_one_was() {
        let mut host = Host::new();
        // It replays what it has, says hello, and hears the leader's entries; its own clock is a day ahead.
        host.clock.applied(Timestamp(START - 9 * HOUR), BootTime(4000));
        host.clock.applied(Timestamp(START), BootTime(5000));
        host.clock.answered(BootTime(5000));
        host.wall += 24 * HOUR;
        host.pass(1000).clock.applied(Timestamp(START + 1000), BootTime(6000));
        let stamp = host.pass(2000).stamp();
        assert!((START + 2800..=START + 3200).contains(&stamp), "{}", stamp - START);
    }

    #[test]
    fn after_all_hosts_were_off_the_wall_clock_says_for_how_long() {
        let mut host = Host::new();
        host.clock.applied(Timestamp(START - 48 * HOUR), BootTime(4000));
        assert_eq!(host.stamp(), START);
        // But it never goes back.
        let mut behind = Host::new();
        behind.clock.applied(Timestamp(START + HOUR), BootTime(4000));
        assert_eq!(behind.stamp(), START + HOUR);
        let next = behind.pass(10_000).stamp();
        assert!((9000..=11_000).contains(&(next - START - HOUR)), "{}", next - START - HOUR);
    }
}
