//! Whether the machine under all beds stood still: every clock and every host of every bed stands still with it, and what a row
//! measured then says nothing of what it tests.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Result;

/// Hosts take each other for lost after as long.
const LONG: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(500);

/// What stood still, from when on, and for how long.
#[derive(Clone)]
struct Standstill {
    what: &'static str,
    from: SystemTime,
    took: Duration,
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        write!(f, "{} for {:.1} s from {} on", self.what, self.took.as_secs_f64(), from.as_secs())
    }
}

/// Looks all the time, and keeps what it saw.
pub(crate) struct Watch(Arc<Mutex<Vec<Standstill>>>);

impl Watch {
    /// Begins to look: at the clock, at processes that begin, and at writes to the disk that this directory lies on.
    pub(crate) fn begin(directory: &Path) -> Result<Watch> {
        let seen = Arc::default();
        let file = tempfile::tempfile_in(directory)?;
        for (what, act) in [
            ("no process ran, or the clock jumped,", Box::new(|| ()) as Box<dyn Fn() + Send>),
            ("the disk took no write", Box::new(move || write(&file))),
            ("no process began", Box::new(start)),
        ] {
            let seen: Arc<Mutex<Vec<Standstill>>> = Arc::clone(&seen);
            thread::spawn(move || {
                loop {
                    let from = SystemTime::now();
                    thread::sleep(EVERY);
                    act();
                    let took = from.elapsed().unwrap_or_default();
                    if took > LONG {
                        seen.lock().unwrap_or_else(PoisonError::into_inner).push(Standstill { what, from, took });
                    }
                }
            });
        }
        Ok(Watch(seen))
    }

    /// What stood still since then, a line each.
    pub(crate) fn since(&self, begin: SystemTime) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| seen.from + seen.took > begin).map(Standstill::to_string).collect()
    }
}

fn start() {
    // Where nothing can be started no row gets anywhere.
    let _ = Command::new("true").status();
}

fn write(file: &File) {
    // A disk that takes no writes at all fails every row by itself.
    let _ = file.write_all_at(&[1; 4096], 0).and_then(|()| file.sync_data());
}
