//! The boot-time clock: runs on through suspend and is never set. Orders carry their send-by on it.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since this host's boot. Means nothing on another host or after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has a boot-time clock");
        Self(Duration::from(time))
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// Whether it is over.
    pub fn has_passed(self) -> bool {
        Self::now() > self
    }

    /// What is left until it.
    pub fn left(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }
}
