//! A watchdog for a host: what the feeder writes to is a pipe with the bytes of a real device, and what reads it cuts the
//! host's power when nothing comes in time. It stands outside the host, as the chip does.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::bed::Bed;

/// Between two looks at the pipe.
const LOOK: Duration = Duration::from_millis(20);
/// Below the directory of a host, and in the host itself.
const DEVICE: &str = "run/quorate-bed/watchdog";

/// A host's watchdog with its feeder; both are gone when it is dropped, and nobody is reset by that.
#[derive(Debug)]
pub struct Watchdog {
    feeder: Child,
    stop: Arc<AtomicBool>,
    bit: Arc<Mutex<Option<SystemTime>>>,
    thread: Option<JoinHandle<()>>,
}

impl Bed {
    /// Builds a watchdog with this timeout into a host that is on, and starts its feeder there.
    ///
    /// # Errors
    /// When the bed was brought up without the programs, or the host is off.
    pub fn watchdog(&self, host: &str, timeout: Duration) -> Result<Watchdog> {
        let path = self.layout.home(host).join(DEVICE);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        mkfifo(&path, Mode::S_IRWXU).with_context(|| format!("make {}", path.display()))?;
        let open = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path);
        let pipe = open.with_context(|| format!("open {}", path.display()))?;

        let qrm = self.options.qrm.first().context("this bed was brought up without programs")?;
        let program = Path::new(qrm).with_file_name("quorate-feeder").to_string_lossy().into_owned();
        let log = self.layout.home(host).join("log/feeder.log");
        let log = File::create(&log).with_context(|| format!("write {}", log.display()))?;
        let mut command = self.command(host, &[program.as_str(), "--device", &format!("/{DEVICE}")])?;
        let feeder =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("start the feeder")?;

        let mut cut = Command::new(self.layout.dir.join("power.sh"));
        cut.args([&self.layout.number(host)?.to_string(), "off"]).stdin(Stdio::null());
        let (stop, bit) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (stopped, told) = (stop.clone(), bit.clone());
        let thread = thread::spawn(move || {
            if watch(pipe, timeout, &stopped) {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
                // Whether the host is off is seen by whoever looks at it.
                let _ = cut.status();
            }
        });
        Ok(Watchdog { feeder, stop, bit, thread: Some(thread) })
    }
}

/// Until it bites, or is not wanted any more. It counts from the first byte on, and `V` is the end of that.
fn watch(mut pipe: File, timeout: Duration, stopped: &AtomicBool) -> bool {
    let mut fed: Option<Instant> = None;
    let mut bytes = [0; 64];
    while !stopped.load(Ordering::Relaxed) {
        match pipe.read(&mut bytes) {
            Ok(count @ 1..) => fed = (bytes[count - 1] != b'V').then(Instant::now),
            // Nobody has it open: what was begun goes on.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        if fed.is_some_and(|fed| fed.elapsed() >= timeout) {
            return true;
        }
        thread::sleep(LOOK);
    }
    false
}

impl Watchdog {
    /// When it cut its host's power, if it did.
    #[must_use]
    pub fn bit(&self) -> Option<SystemTime> {
        *self.bit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It may have died with its host.
        let _ = self.feeder.kill();
        let _ = self.feeder.wait();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
