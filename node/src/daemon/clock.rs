//! The only place that reads clocks.

use super::log_clock::LogClock;
use nix::time::{ClockId, clock_gettime};
use quorate_core::time::{BootTime, Timestamp};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The log's time as this process knows it; a process is one member.
static LOG: Mutex<LogClock> = Mutex::new(LogClock::new());

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

fn log() -> MutexGuard<'static, LogClock> {
    // Numbers only: a panic elsewhere cannot leave it half changed.
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// leader stamps: the time for an entry that this member, who leads, takes in now.
pub(super) fn stamp() -> Timestamp {
    log().stamp(wall_clock(), boot_time())
}

/// An entry was applied here.
pub(super) fn applied(at: Timestamp) {
    log().applied(at, boot_time());
}

/// An entry that this process has asked for was applied here just now.
pub(super) fn answered() {
    log().answered(boot_time());
}

/// The log's time now, as far as this member can tell.
pub fn log_time() -> Timestamp {
    log().at(boot_time()).unwrap_or_else(wall_clock)
}

/// By how many ms this host's wall clock is ahead of the log's time; negative where it is behind.
pub(super) fn ahead_ms() -> i64 {
    log().off_by(wall_clock(), boot_time())
}
