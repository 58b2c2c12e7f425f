//! A feeder that reads its host's slots on shared disks, which are files.

use crate::stage::{Daemon, Stage, now};
use quorate_core::pill::Slots;
use quorate_core::pill::format::{Header, Mail, SLOTS, Tag, Wish, taken};
use quorate_core::watchdog::{Feeder, Order, Terms};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

const TERMS: Terms = Terms { timeout: Duration::from_secs(1), window: Duration::from_secs(2), grace: Duration::ZERO };
const SECTOR: usize = 512;

struct Host {
    stage: Stage,
    daemon: Daemon,
}

/// A slot of n3's that nobody has marked.
fn unmarked() -> Vec<u8> {
    taken("n3", None, SECTOR).expect("it fits")
}

impl Host {
    /// With so many disks, and a feeder that reads n3's slots of the boot b2 there.
    fn open(disks: usize) -> Self {
        let stage = Stage::set();
        let daemon = stage.connect();
        let mut host = Self { stage, daemon };
        for number in 0..disks {
            let header = Header { slots: SLOTS, sector: SECTOR, watchdog: 1, take: 1, each: 1, wait: 2, uuid: None };
            fs::write(host.path(number), [header.write(), unmarked()].concat()).expect("room");
            host.resize(number, 1024 * 1024);
            // In its slot is a pill for the boot before.
            host.leave(number, Some("b1"), Wish::Reset);
        }
        host.daemon.told();
        let disks: Vec<String> = (0..disks).map(|number| host.path(number).display().to_string()).collect();
        let slots = Slots { disks, node: "n3".to_owned(), session: "b2".to_owned() };
        host.daemon.tell(&Order::Open { terms: TERMS, until: now().after(TERMS.window), slots });
        host.until(|feeder| feeder.disks.iter().all(|disk| disk.trouble.is_none()));
        host
    }

    fn path(&self, number: usize) -> PathBuf {
        self.stage.path(&format!("disk{number}"))
    }

    fn disk(&self, number: usize) -> File {
        File::options().write(true).open(self.path(number)).expect("it is there")
    }

    fn resize(&self, number: usize, size: u64) {
        self.disk(number).set_len(size).expect("room");
    }

    fn leave(&self, number: usize, session: Option<&str>, wish: Wish) {
        let tag = session.map(|session| Tag { session: session.to_owned(), note: "1.1".to_owned() });
        let mail = Mail { wish, from: "n1".to_owned(), tag }.write(SECTOR).expect("it fits");
        self.disk(number).write_all_at(&mail, 2 * SECTOR as u64).expect("room");
    }

    /// The leader answers.
    fn answer(&mut self) {
        self.daemon.tell(&Order::Feed(now().after(TERMS.window)));
    }

    fn until(&mut self, fits: impl Fn(&Feeder) -> bool) {
        self.daemon.until(fits);
    }

    /// Whether it is fed after a while: longer than what was read before is good for.
    fn is_fed(&mut self) -> bool {
        self.stage.pass(TERMS.window + Duration::from_millis(800));
        !self.stage.writes(Duration::from_secs(1)).is_empty()
    }
}

#[test]
fn a_slot_without_a_pill_feeds_it_and_a_pill_for_this_boot_does_not() {
    let mut host = Host::open(1);
    assert!(host.is_fed(), "without an answer, on what it reads; the pill there is for another boot");
    host.leave(0, Some("b1"), Wish::Off);
    assert!(host.is_fed(), "one that comes late is none for this boot either");
    host.leave(0, Some("b2"), Wish::Reset);
    assert!(!host.is_fed());
    host.leave(0, None, Wish::Clear);
    host.answer();
    assert!(!host.is_fed(), "what was swallowed is not taken back");
}

#[test]
fn a_lost_disk_is_told_of_and_the_leader_is_enough_without_it() {
    let mut host = Host::open(1);
    let kept = fs::read(host.path(0)).expect("it is there");
    host.resize(0, 0);
    host.until(|feeder| feeder.disks[0].trouble.is_some());
    assert!(!host.is_fed(), "neither disk nor leader");
    host.answer();
    assert!(!host.stage.writes(TERMS.window).is_empty(), "the leader is heard");
    let another = [&kept[..SECTOR], &unmarked(), &kept[2 * SECTOR..]].concat();
    fs::write(host.path(0), another).expect("room");
    host.until(|feeder| feeder.disks[0].trouble.as_ref().is_some_and(|why| why.contains("another disk")));
    assert!(!host.is_fed(), "another disk by that path, on which nobody leaves a pill");
    fs::write(host.path(0), kept).expect("room");
    host.until(|feeder| feeder.disks[0].trouble.is_none());
    assert!(host.is_fed(), "the disk is back");
    host.disk(0).write_all_at(&unmarked(), SECTOR as u64).expect("room");
    host.until(|feeder| feeder.disks[0].trouble.as_ref().is_some_and(|why| why.contains("not n3's any more")));
    assert!(!host.is_fed(), "its slot was given away while it was read");
}

#[test]
fn one_of_three_disks_may_be_lost_and_one_pill_is_enough() {
    let mut host = Host::open(3);
    fs::remove_file(host.path(1)).expect("it is there");
    host.resize(2, 0);
    host.until(|feeder| feeder.disks[2].trouble.is_some());
    // What is open stays readable, whatever becomes of its name.
    assert!(host.is_fed(), "two of three are read");
    // What `sbd message n3 reset` writes has no tag: it is for whoever reads it.
    host.leave(0, None, Wish::Reset);
    assert!(!host.is_fed());
}
