//! The feeder as it ships, with a FIFO for a watchdog.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]
#![allow(clippy::unwrap_used, missing_docs)]

use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use quorate_core::pill::Slots;
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order, Terms};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TERMS: Terms =
    Terms { timeout: Duration::from_secs(1), window: Duration::from_secs(2), grace: Duration::from_secs(3) };

fn now() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    BootTime(u64::try_from(i128::from(now.tv_sec()) * 1000 + i128::from(now.tv_nsec()) / 1_000_000).unwrap())
}

struct Stage {
    dir: tempfile::TempDir,
    process: Child,
    fifo: File,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Daemon {
    write: UnixStream,
    read: BufReader<UnixStream>,
}

impl Daemon {
    fn tell(&mut self, order: Order) {
        self.write.write_all(format!("{}\n", serde_json::to_string(&order).unwrap()).as_bytes()).unwrap();
    }

    fn told(&mut self) -> Feeder {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Stage {
    fn set() -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("watchdog");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let fifo = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-feeder"));
        let process = command.arg("--device").arg(&path).arg("--socket").arg(dir.path().join("sock")).spawn().unwrap();
        Self { dir, process, fifo }
    }

    fn connect(&self) -> Daemon {
        let end = Instant::now() + Duration::from_secs(10);
        let write = loop {
            match UnixStream::connect(self.dir.path().join("sock")) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            sleep(Duration::from_millis(20));
        };
        let read = BufReader::new(write.try_clone().unwrap());
        Daemon { write, read }
    }

    /// What was written within this time.
    fn written(&mut self, within: Duration) -> Vec<u8> {
        sleep(within);
        let mut bytes = Vec::new();
        // Nothing there, or nobody who writes: either is what there is.
        let _ = self.fifo.read_to_end(&mut bytes);
        bytes
    }
}

#[test]
fn it_feeds_while_it_may_and_for_the_grace_and_closes_when_told() {
    let mut stage = Stage::set();
    let mut daemon = stage.connect();
    assert_eq!(daemon.told().open, None, "it opens nothing by itself");
    daemon.tell(Order::Open { terms: TERMS, until: now().after(TERMS.window), slots: Slots::default() });
    assert_eq!(daemon.told().open, Some(TERMS));
    assert!(!stage.written(Duration::from_millis(1200)).is_empty(), "an answer feeds it");
    stage.written(Duration::from_millis(900));
    assert!(stage.written(Duration::from_millis(800)).is_empty(), "for no longer than the window");
    daemon.tell(Order::Feed(now().after(TERMS.window)));
    assert!(!stage.written(Duration::from_millis(800)).is_empty());
    drop(daemon);
    stage.written(Duration::from_millis(1500));
    assert!(!stage.written(Duration::from_millis(1000)).is_empty(), "a daemon that is gone has the grace");
    let mut daemon = stage.connect();
    assert_eq!(daemon.told().open, Some(TERMS), "the next one learns of it");
    stage.written(Duration::from_millis(2000));
    assert!(
        stage.written(Duration::from_millis(800)).is_empty(),
        "which another daemon without an answer does not prolong"
    );
    daemon.tell(Order::Close);
    assert_eq!(daemon.told().open, None);
    assert_eq!(stage.written(Duration::from_millis(100)), b"V");
}

#[test]
fn a_killed_feeder_leaves_a_watchdog_that_bites() {
    let mut stage = Stage::set();
    let mut daemon = stage.connect();
    daemon.told();
    daemon.tell(Order::Open { terms: TERMS, until: now().after(TERMS.window), slots: Slots::default() });
    daemon.told();
    stage.process.kill().unwrap();
    stage.process.wait().unwrap();
    assert!(!stage.written(Duration::from_millis(100)).contains(&b'V'));
}
