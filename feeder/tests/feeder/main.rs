//! The feeder as it ships, with a FIFO for a watchdog.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]
#![allow(missing_docs)]

mod slots;
mod stage;

use quorate_core::pill::Slots;
use quorate_core::watchdog::{Order, Terms};
use stage::{Stage, now};
use std::time::Duration;

const TERMS: Terms =
    Terms { timeout: Duration::from_secs(1), window: Duration::from_secs(2), grace: Duration::from_secs(3) };

#[test]
fn it_feeds_while_it_may_and_for_the_grace_and_closes_when_told() {
    let mut stage = Stage::set();
    let mut daemon = stage.connect();
    assert_eq!(daemon.told().open, None, "it opens nothing by itself");
    daemon.tell(&Order::Open { terms: TERMS, until: now().after(TERMS.window), slots: Slots::default() });
    assert_eq!(daemon.told().open, Some(TERMS));
    assert!(!stage.writes(Duration::from_millis(1200)).is_empty(), "an answer feeds it");
    stage.pass(TERMS.window + Duration::from_millis(100));
    assert!(stage.writes(Duration::from_millis(800)).is_empty(), "for no longer than the window");
    daemon.tell(&Order::Feed(now().after(TERMS.window)));
    assert!(!stage.writes(Duration::from_millis(800)).is_empty());
    drop(daemon);
    stage.pass(TERMS.window + Duration::from_millis(100));
    assert!(!stage.writes(Duration::from_millis(1000)).is_empty(), "a daemon that is gone has the grace");
    let mut daemon = stage.connect();
    assert_eq!(daemon.told().open, Some(TERMS), "the next one learns of it");
    stage.pass(TERMS.grace + Duration::from_millis(100));
    assert!(
        stage.writes(Duration::from_millis(800)).is_empty(),
        "which another daemon without an answer does not prolong"
    );
    daemon.tell(&Order::Close);
    assert_eq!(daemon.told().open, None);
    assert_eq!(stage.writes(Duration::from_millis(800)), b"V");
}

#[test]
fn a_killed_feeder_leaves_a_watchdog_that_bites() {
    let mut stage = Stage::set();
    let mut daemon = stage.connect();
    daemon.told();
    daemon.tell(&Order::Open { terms: TERMS, until: now().after(TERMS.window), slots: Slots::default() });
    daemon.told();
    stage.process.kill().expect("it runs");
    stage.process.wait().expect("it is ours");
    assert!(!stage.writes(Duration::from_millis(100)).contains(&b'V'));
}
