//! The feeder as it ships, with a FIFO for a watchdog and files for shared disks.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]
#![allow(clippy::unwrap_used, missing_docs)]

use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use quorate_core::pill::Slots;
use quorate_core::pill::format::{Header, Mail, SLOTS, Tag, Wish, taken};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order, Terms};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TERMS: Terms = Terms { timeout: Duration::from_secs(1), window: Duration::from_secs(2), grace: Duration::ZERO };

struct Stage {
    dir: tempfile::TempDir,
    process: Child,
    fifo: File,
    write: UnixStream,
    read: BufReader<UnixStream>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn now() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    BootTime(u64::try_from(i128::from(now.tv_sec()) * 1000 + i128::from(now.tv_nsec()) / 1_000_000).unwrap())
}

impl Stage {
    /// With so many disks, and a feeder that reads n3's slots of the boot b2 there.
    fn open(disks: usize) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("watchdog");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let fifo = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-feeder"));
        let process = command.arg("--device").arg(&path).arg("--socket").arg(dir.path().join("sock")).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let write = loop {
            match UnixStream::connect(dir.path().join("sock")) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            sleep(Duration::from_millis(20));
        };
        let read = BufReader::new(write.try_clone().unwrap());
        let mut stage = Self { dir, process, fifo, write, read };
        for number in 0..disks {
            let header = Header { slots: SLOTS, sector: 512, watchdog: 1, take: 1, each: 1, wait: 2, uuid: None };
            let bytes = [header.write(), taken("n3", None, 512).unwrap()].concat();
            fs::write(stage.path(number), bytes).unwrap();
            File::options().write(true).open(stage.path(number)).unwrap().set_len(1024 * 1024).unwrap();
            // In its slot is a pill for the boot before.
            stage.leave(number, Some("b1"), Wish::Reset);
        }
        stage.told();
        let disks: Vec<String> = (0..disks).map(|number| stage.path(number).display().to_string()).collect();
        let slots = Slots { disks, node: "n3".to_owned(), session: "b2".to_owned() };
        stage.tell(&Order::Open { terms: TERMS, until: now().after(TERMS.window), slots });
        stage.until(|feeder| feeder.disks.iter().all(|disk| disk.trouble.is_none()));
        stage
    }

    fn path(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("disk{number}"))
    }

    fn leave(&self, number: usize, session: Option<&str>, wish: Wish) {
        let tag = session.map(|session| Tag { session: session.to_owned(), note: "1.1".to_owned() });
        let mail = Mail { wish, from: "n1".to_owned(), tag }.write(512).unwrap();
        File::options().write(true).open(self.path(number)).unwrap().write_all_at(&mail, 1024).unwrap();
    }

    fn tell(&mut self, order: &Order) {
        self.write.write_all(format!("{}\n", serde_json::to_string(order).unwrap()).as_bytes()).unwrap();
    }

    fn told(&mut self) -> Feeder {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn until(&mut self, fits: impl Fn(&Feeder) -> bool) {
        while !fits(&self.told()) {}
    }

    /// Whether it is fed in the second after a while: longer than what was read before is good for.
    fn is_fed(&mut self) -> bool {
        sleep(TERMS.window + Duration::from_millis(800));
        let mut bytes = Vec::new();
        // Nothing there, or nobody who writes: either is what there is.
        let _ = self.fifo.read_to_end(&mut bytes);
        bytes.clear();
        sleep(Duration::from_secs(1));
        let _ = self.fifo.read_to_end(&mut bytes);
        !bytes.is_empty()
    }
}

#[test]
fn a_slot_without_a_pill_feeds_it_and_a_pill_for_this_boot_does_not() {
    let mut stage = Stage::open(1);
    assert!(stage.is_fed(), "without an answer, on what it reads; the pill there is for another boot");
    stage.leave(0, Some("b1"), Wish::Off);
    assert!(stage.is_fed(), "one that comes late is none for this boot either");
    stage.leave(0, Some("b2"), Wish::Reset);
    assert!(!stage.is_fed());
    stage.leave(0, None, Wish::Clear);
    stage.tell(&Order::Feed(now().after(TERMS.window)));
    assert!(!stage.is_fed(), "what was swallowed is not taken back");
}

#[test]
fn a_lost_disk_is_told_of_and_the_leader_is_enough_without_it() {
    let mut stage = Stage::open(1);
    let kept = fs::read(stage.path(0)).unwrap();
    File::options().write(true).open(stage.path(0)).unwrap().set_len(0).unwrap();
    stage.until(|feeder| feeder.disks[0].trouble.is_some());
    assert!(!stage.is_fed(), "neither disk nor leader");
    stage.tell(&Order::Feed(now().after(TERMS.window)));
    sleep(Duration::from_millis(600));
    let mut bytes = Vec::new();
    let _ = stage.fifo.read_to_end(&mut bytes);
    assert!(!bytes.is_empty(), "the leader is heard");
    let unmarked = [&kept[..512], &taken("n3", None, 512).unwrap(), &kept[1024..]].concat();
    fs::write(stage.path(0), unmarked).unwrap();
    stage.until(|feeder| feeder.disks[0].trouble.as_ref().is_some_and(|why| why.contains("another disk")));
    assert!(!stage.is_fed(), "another disk by that path, on which nobody leaves a pill");
    fs::write(stage.path(0), kept).unwrap();
    stage.until(|feeder| feeder.disks[0].trouble.is_none());
    assert!(stage.is_fed(), "the disk is back");
}

#[test]
fn one_of_three_disks_may_be_lost_and_one_pill_is_enough() {
    let mut stage = Stage::open(3);
    fs::remove_file(stage.path(1)).unwrap();
    File::options().write(true).open(stage.path(2)).unwrap().set_len(0).unwrap();
    stage.until(|feeder| feeder.disks[2].trouble.is_some());
    // What is open stays readable, whatever becomes of its name.
    assert!(stage.is_fed(), "two of three are read");
    // What `sbd message n3 reset` writes has no tag: it is for whoever reads it.
    stage.leave(0, None, Wish::Reset);
    assert!(!stage.is_fed());
}
