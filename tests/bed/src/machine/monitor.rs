//! What the emulator itself tells (QMP): the truth about resets, whatever anybody in the machine believes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use serde_json::Value;

/// One thing that it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When, by its own clock, which is ours.
    pub at: SystemTime,
    /// Its own word: `WATCHDOG`, `RESET`, `SHUTDOWN` …
    pub event: String,
    /// What it did then, where it says so: `reset` …
    pub action: String,
}

#[derive(Debug)]
pub(super) struct Monitor {
    told: Arc<Mutex<Vec<Told>>>,
    // Closed, it would end nothing; kept, it shows who listens.
    _stream: UnixStream,
}

/// A socket that is about to be there.
pub(super) fn connect(path: &Path, until: Instant) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= until => {
                return Err(error).with_context(|| format!("connect to {}", path.display()));
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Monitor {
    pub(super) fn connect(path: &Path, until: Instant) -> Result<Monitor> {
        let mut stream = connect(path, until)?;
        // Without this it tells nothing.
        stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n").context("speak to QEMU's monitor")?;
        let lines = BufReader::new(stream.try_clone().context("listen to QEMU's monitor")?).lines();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        thread::spawn(move || {
            for event in lines.map_while(Result::ok).filter_map(|line| read(&line)) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        Ok(Monitor { told, _stream: stream })
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `None` for what is no event.
fn read(line: &str) -> Option<Told> {
    let value: Value = serde_json::from_str(line).ok()?;
    let stamp = value.get("timestamp")?;
    let since = Duration::from_secs(stamp.get("seconds")?.as_u64()?)
        + Duration::from_micros(stamp.get("microseconds")?.as_u64()?);
    let action = value.pointer("/data/action").and_then(Value::as_str).unwrap_or_default();
    Some(Told {
        at: SystemTime::UNIX_EPOCH + since,
        event: value.get("event")?.as_str()?.to_owned(),
        action: action.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_with_its_time_and_an_answer_is_none() {
        let line = r#"{"timestamp": {"seconds": 7, "microseconds": 500000}, "event": "WATCHDOG", "data": {"action": "reset"}}"#;
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(7500);
        let wanted = Told { at, event: "WATCHDOG".to_owned(), action: "reset".to_owned() };
        assert_eq!(read(line), Some(wanted));
        assert_eq!(read(r#"{"return": {}}"#), None);
        assert_eq!(read("QEMU"), None);
    }
}
