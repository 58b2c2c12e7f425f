//! What a host's own watchdog is good for: on which terms it is fed, and how long it is waited for until it has reset
//! its host. Whoever asks brings the time; nothing here reads a clock.
//!
//! Rule watchdog of SAFETY.md, and docs/decisions/0033-watchdog.md.

use crate::pill::{DiskSeen, Looks, Slots};
use crate::time::BootTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest that a leader may still believe to lead. Its answers come from rounds and not from a lease; it is kept for
/// what a lease in some other place might add.
pub const LEASE: Duration = Duration::from_secs(1);
/// The feeder outlives a daemon for at least so much longer than others wait for that daemon.
pub const GRACE_BEYOND: Duration = Duration::from_secs(5);
/// At the end of every wait.
const MARGIN: Duration = Duration::from_secs(1);

/// What a feeder is committed to for one session. All of it is on its own host's boot-time clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The device resets the host when it was not fed for so long.
    pub timeout: Duration,
    /// A leader's answer allows feeding for so long, counted from when its beat was sent.
    pub window: Duration,
    /// For so long it is fed on after that when the daemon is gone, and only then.
    pub grace: Duration,
}

impl Terms {
    /// After so long without an answer the host has been reset. The timeout counts twice: a feeder that stood still
    /// between its look at the clock and the write feeds up to one timeout too late, and not later, for by then the
    /// device has reset the host.
    pub fn wait(&self) -> Duration {
        let sum = LEASE + self.window + self.grace + self.timeout * 2;
        sum + sum / 10 + MARGIN
    }
}

/// Whether a kernel's name for a watchdog is that of a timer in software: it stops with the kernel it is to watch.
pub fn is_software(identity: &str) -> bool {
    let lower = identity.to_ascii_lowercase();
    lower.contains("software watchdog") || lower.contains("softdog")
}

/// The process that feeds this host's watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feeder {
    /// What the kernel calls the watchdog.
    pub identity: String,
    /// Whether it was what reset this host before this boot.
    pub was_reset: bool,
    /// On which terms it is fed, where it is open.
    pub open: Option<Terms>,
    /// The disks that it reads for pills, while it is open.
    // An older feeder lives on through an upgrade of the daemon, and must be understood: it reads none.
    #[serde(default)]
    pub disks: Vec<DiskSeen>,
    /// What it has marked its slots with since it was opened.
    #[serde(default)]
    pub opening: String,
}

/// What the feeder is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Open the device: from here on it bites.
    Open {
        /// On which terms.
        terms: Terms,
        /// Until when it may be fed, by this host's boot-time clock.
        until: BootTime,
        /// Where it is to read whether it still may.
        #[serde(default)]
        slots: Slots,
    },
    /// Feed until then.
    Feed(BootTime),
    /// Close the device so that it does not bite.
    Close,
}

/// When a feeder may feed.
#[derive(Clone, Debug)]
pub struct Ration {
    terms: Terms,
    /// Until when the last answer allows it.
    until: BootTime,
    /// The daemon that is connected has handed an answer over.
    is_sure: bool,
    /// What was read of the host's slots.
    looks: Looks,
    /// A pill was in one of them.
    is_poisoned: bool,
}

impl Ration {
    /// A device that is opened on the word of an answer which is good until then, with so many disks to read.
    pub fn new(terms: Terms, now: BootTime, until: BootTime, disks: usize) -> Self {
        let mut ration = Self { terms, until: now, is_sure: false, looks: Looks::new(disks), is_poisoned: false };
        ration.answered(now, until);
        ration
    }

    /// No pill was in this host's slot of a disk, read from then on: good for the window, as an answer is.
    pub fn clean(&mut self, disk: usize, begun: BootTime) {
        self.looks.clean(disk, begun);
    }

    /// A pill was there: nothing feeds it any more.
    pub fn poison(&mut self) {
        self.is_poisoned = true;
    }

    /// On which terms.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The daemon hands an answer over; none is good for longer than the window from now.
    pub fn answered(&mut self, now: BootTime, until: BootTime) {
        self.until = self.until.max(until.min(now.after(self.terms.window)));
        self.is_sure = true;
    }

    /// The daemon is gone, or another one has come and has no answer yet: the grace counts from the last answer, however
    /// many come and go.
    pub fn unsure(&mut self) {
        self.is_sure = false;
    }

    /// Whether the device may be fed now.
    pub fn may_feed(&self, now: BootTime) -> bool {
        if self.is_poisoned {
            return false;
        }
        let by_answer = if self.is_sure { self.until } else { self.until.after(self.terms.grace) };
        let by_disks = self.looks.since().map(|begun| begun.after(self.terms.window));
        now < by_answer || by_disks.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { timeout: Duration::from_secs(10), window: Duration::from_secs(5), grace: Duration::from_secs(35) };

    #[test]
    fn an_answer_feeds_for_its_window_and_a_dead_daemon_for_the_grace() {
        let at = |seconds: u64| BootTime(seconds * 1000);
        let mut ration = Ration::new(TERMS, at(100), at(104), 0);
        assert!(
            ration.may_feed(at(103)) && !ration.may_feed(at(104)),
            "a daemon that hangs, or is alone, gets no grace"
        );
        ration.unsure();
        assert!(ration.may_feed(at(138)) && !ration.may_feed(at(139)), "a daemon that is gone does");
        ration.unsure();
        assert!(!ration.may_feed(at(139)), "and another one that has no answer adds nothing");
        ration.answered(at(138), at(900));
        assert!(ration.may_feed(at(142)) && !ration.may_feed(at(143)), "no answer is good for longer than the window");
        ration.answered(at(139), at(120));
        assert!(ration.may_feed(at(142)), "an old answer takes nothing back");
    }

    #[test]
    fn a_slot_without_a_pill_feeds_too_and_a_pill_ends_it() {
        let at = |seconds: u64| BootTime(seconds * 1000);
        let terms = Terms { grace: Duration::ZERO, ..TERMS };
        let mut ration = Ration::new(terms, at(100), at(104), 3);
        ration.unsure();
        ration.clean(0, at(110));
        assert!(!ration.may_feed(at(110)), "one disk of three says nothing");
        ration.clean(2, at(111));
        assert!(ration.may_feed(at(114)) && !ration.may_feed(at(115)), "from when the older reading began");
        ration.answered(at(115), at(119));
        assert!(ration.may_feed(at(118)), "without its disks a host lives on the leader's word");
        ration.poison();
        assert!(!ration.may_feed(at(116)), "and by a pill it dies, whatever else it hears");
    }

    #[test]
    fn the_wait_is_longer_than_any_feeding() {
        assert_eq!(TERMS.wait(), Duration::from_millis(61_000 + 6_100 + 1_000));
    }

    #[test]
    fn a_timer_in_software_is_told_by_its_name() {
        assert!(is_software("Software Watchdog"));
        assert!(!is_software("i6300ESB timer") && !is_software("iTCO_wdt"));
    }
}
