//! A feeder as it ships, with a FIFO for a watchdog, and a daemon that speaks to it.

use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks at what was written.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn now() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("every kernel has it");
    let millis = i128::from(now.tv_sec()) * 1000 + i128::from(now.tv_nsec()) / 1_000_000;
    BootTime(u64::try_from(millis).expect("no clock runs for so long"))
}

pub(crate) struct Stage {
    dir: tempfile::TempDir,
    pub(crate) process: Child,
    fifo: File,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Daemon {
    write: UnixStream,
    read: BufReader<UnixStream>,
}

impl Daemon {
    pub(crate) fn tell(&mut self, order: &Order) {
        let line = serde_json::to_string(order).expect("it is JSON");
        self.write.write_all(format!("{line}\n").as_bytes()).expect("the feeder listens");
    }

    pub(crate) fn told(&mut self) -> Feeder {
        let mut line = String::new();
        self.read.read_line(&mut line).expect("the feeder speaks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    pub(crate) fn until(&mut self, fits: impl Fn(&Feeder) -> bool) {
        while !fits(&self.told()) {}
    }
}

impl Stage {
    pub(crate) fn set() -> Self {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("watchdog");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a FIFO");
        let fifo = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).expect("it opens");
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-feeder"));
        command.arg("--device").arg(&path).arg("--socket").arg(dir.path().join("sock"));
        let process = command.spawn().expect("it was built");
        Self { dir, process, fifo }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn connect(&self) -> Daemon {
        let end = Instant::now() + Duration::from_secs(10);
        let write = loop {
            match UnixStream::connect(self.path("sock")) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            sleep(LOOK);
        };
        // Who waits for what is never told has failed.
        write.set_read_timeout(Some(Duration::from_secs(10))).expect("it is a while");
        let read = BufReader::new(write.try_clone().expect("a descriptor is left"));
        Daemon { write, read }
    }

    /// What was written up to now.
    fn written(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Nothing there, or nobody who writes: either is what there is.
        let _ = self.fifo.read_to_end(&mut bytes);
        bytes
    }

    /// Lets it write for so long, whatever it is.
    pub(crate) fn pass(&mut self, time: Duration) {
        sleep(time);
        self.written();
    }

    /// What it writes first, within this time; nothing where it writes nothing.
    pub(crate) fn writes(&mut self, within: Duration) -> Vec<u8> {
        let end = Instant::now() + within;
        loop {
            let bytes = self.written();
            if !bytes.is_empty() || Instant::now() >= end {
                return bytes;
            }
            sleep(LOOK);
        }
    }
}
