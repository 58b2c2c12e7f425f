//! The only place that reads clocks.

use nix::time::{ClockId, clock_gettime};
use quorate_core::time::{BootTime, Timestamp};

/// Milliseconds on the boot-time clock: it counts suspend, and nobody can set it.
pub fn boot_time() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has a boot-time clock");
    let millis = i128::from(now.tv_sec()) * 1000 + i128::from(now.tv_nsec()) / 1_000_000;
    BootTime(u64::try_from(millis).expect("the boot-time clock is never negative"))
}

/// Wall-clock milliseconds, for people.
pub fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, quorate_core::time::millis))
}
