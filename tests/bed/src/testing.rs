//! What tests on the bed share: a bed or a clear word why there is none, waiting for conditions, guests started by hand.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::bed::Bed;
use crate::command::wait_for;
use crate::evidence::{Auditor, Life};
use crate::machine::Machine;
use crate::options::Options;
use crate::setup;

/// Less than ten seconds where nothing else runs.
const BOOT: Duration = Duration::from_secs(180);

/// A bed for one test. `None`, with the reason on standard error, where the machine cannot carry one; in CI that is a failure.
///
/// # Panics
/// In CI when the machine cannot carry a bed, and anywhere when one that it can carry does not come up.
#[must_use]
pub fn bed_or_skip(options: Options) -> Option<Bed> {
    can_carry("the test bed")
        .then(|| Bed::up(options).unwrap_or_else(|error| panic!("the bed does not come up: {error:#}")))
}

/// A machine that the real systemd has booted, for one test. `None` as of [`bed_or_skip`].
///
/// # Panics
/// In CI when this machine cannot carry another, and anywhere when one that it can carry does not boot.
#[must_use]
pub fn machine_or_skip(dir: &Path) -> Option<Machine> {
    if !can_carry("another") {
        return None;
    }
    let machine = Machine::with_systemd(dir).unwrap_or_else(|error| panic!("it is not switched on: {error:#}"));
    eventually("systemd to boot", BOOT, || !machine.boots().is_empty());
    Some(machine)
}

fn can_carry(what: &str) -> bool {
    let Some(obstacle) = setup::obstacle() else { return true };
    assert!(!setup::in_ci(), "CI=true, and this machine cannot carry {what}: {obstacle}");
    eprintln!("SKIPPED: this machine cannot carry {what}: {obstacle}");
    false
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
