//! The way into a machine that no cut of a network closes: a shell on its second serial line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::monitor::connect;
use crate::command::{Output, wait_for};

/// What its own words begin with; no program prints it.
const MARK: &str = "\u{4}";

#[derive(Debug)]
pub(super) struct Shell {
    stream: Mutex<(UnixStream, u64)>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    boots: Vec<String>,
    text: String,
    /// The last that ended: its number, its exit code, what it printed.
    ended: Option<(u64, i32, String)>,
}

impl Heard {
    fn take(&mut self, line: &str) {
        // What was printed may not have ended in a new line.
        let (text, word) = line.split_once(MARK).map_or((line, None), |(text, word)| (text, Some(word)));
        self.text.push_str(text);
        let words: Vec<&str> = word.unwrap_or_default().split(' ').collect();
        match words[..] {
            ["ready", boot] => {
                self.boots.push(boot.to_owned());
                self.text.clear();
            }
            ["exit", number, code] => {
                let text = std::mem::take(&mut self.text);
                if let (Ok(number), Ok(code)) = (number.parse(), code.parse()) {
                    self.ended = Some((number, code, text));
                }
            }
            _ => self.text.push('\n'),
        }
    }
}

impl Shell {
    pub(super) fn connect(path: &Path, until: Instant) -> Result<Shell> {
        let stream = connect(path, until)?;
        let lines = BufReader::new(stream.try_clone().context("listen to the machine's shell")?);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let hears = heard.clone();
        thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                hears.lock().unwrap_or_else(PoisonError::into_inner).take(line.trim_end_matches('\r'));
            }
        });
        Ok(Shell { stream: Mutex::new((stream, 0)), heard })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn boots(&self) -> Vec<String> {
        self.heard().boots.clone()
    }

    pub(super) fn exec(&self, line: &str, limit: Duration) -> Result<Output> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let boots = self.heard().boots.len();
        if boots == 0 || line.contains('\n') {
            bail!("{line:?} cannot be run: the machine is not up, or it is more than one line");
        }
        stream.1 += 1;
        let number = stream.1;
        stream.0.write_all(format!("{number} {line}\n").as_bytes()).context("speak to the machine's shell")?;
        wait_for(&format!("the machine to have run {line}"), limit, || {
            let heard = self.heard();
            if heard.boots.len() != boots {
                bail!("it was reset while it ran {line}");
            }
            Ok(heard.ended.as_ref().is_some_and(|(ended, ..)| *ended == number))
        })?;
        let (_, code, stdout) = self.heard().ended.take().context("it has just ended")?;
        Ok(Output { code: Some(code), stdout, stderr: String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_told_from_what_it_says() {
        let mut heard = Heard::default();
        for line in ["junk of a boot", "\u{4}ready abc", "one", "", "two\u{4}exit 4 7"] {
            heard.take(line);
        }
        assert_eq!(heard.boots, ["abc"]);
        assert_eq!(heard.ended, Some((4, 7, "one\n\ntwo".to_owned())));
        assert_eq!(heard.text, "");
    }
}
