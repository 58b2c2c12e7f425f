//! What tests on the bed share: a bed or a clear word why there is none, waiting for conditions, guests started by hand.

use std::time::Duration;

use anyhow::Result;

use crate::bed::Bed;
use crate::command::wait_for;
use crate::evidence::{Auditor, Life};
use crate::options::Options;
use crate::setup;

/// A bed for one test. `None`, with the reason on standard error, where the machine cannot carry one; in CI that is a failure.
///
/// # Panics
/// In CI when the machine cannot carry a bed, and anywhere when one that it can carry does not come up.
#[must_use]
pub fn bed_or_skip(options: Options) -> Option<Bed> {
    if let Some(obstacle) = setup::obstacle() {
        assert!(!setup::in_ci(), "CI=true, and this machine cannot carry the test bed: {obstacle}");
        eprintln!("SKIPPED: this machine cannot carry the test bed: {obstacle}");
        return None;
    }
    Some(Bed::up(options).unwrap_or_else(|error| panic!("the bed does not come up: {error:#}")))
}

/// Waits for a condition.
///
/// # Panics
/// When it does not come true in time.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    if let Err(error) = wait_for(what, limit, || Ok(holds())) {
        panic!("{error:#}");
    }
}

/// The life of a guest on a host that began after `count` lives were known; waits for it to show itself.
///
/// # Panics
/// When it does not within 40 seconds.
#[track_caller]
#[must_use]
pub fn new_life(auditor: &Auditor, vm: &str, host: &str, known: usize) -> Life {
    let find = || auditor.lives().into_iter().skip(known).find(|life| life.vm == vm && life.host == host);
    eventually(&format!("{vm} to run on {host}"), Duration::from_secs(40), || find().is_some());
    find().expect("it was there an instant ago, and lives are only added")
}

impl Bed {
    /// Starts a guest behind the cluster's back.
    ///
    /// # Errors
    /// When libvirt refuses.
    pub fn start_by_hand(&self, host: &str, vm: &str) -> Result<()> {
        let xml = self.layout().shared().join(format!("{vm}.xml"));
        let xml = xml.to_string_lossy();
        self.exec(host, &["virsh", "-c", "qemu:///system", "create", xml.as_ref()])?.ok().map(drop)
    }
}
