//! Runs outside programs with a deadline and turns a failure into an error that names the command and its words.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The standard output of a command that had to succeed.
    ///
    /// # Errors
    /// When the exit code is not 0; the message carries both streams.
    pub fn ok(self) -> Result<String> {
        if self.success() {
            return Ok(self.stdout);
        }
        bail!("{self}")
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit code {code}")?,
            None => write!(f, "ended by a signal")?,
        }
        for text in [self.stderr.trim(), self.stdout.trim()] {
            if !text.is_empty() {
                write!(f, ": {text}")?;
            }
        }
        Ok(())
    }
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A read error ends the text early; the exit code still tells what happened.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<std::process::ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Runs to the end or to the time limit; the command is killed at the limit and an error returned.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}: is the package installed? (cargo xtask setup)"))?;
    let stdout = drain(child.stdout.take().context("stdout was piped")?);
    let stderr = drain(child.stderr.take().context("stderr was piped")?);
    let Some(status) = wait_until(&mut child, Instant::now() + limit)? else {
        // Already gone is as good as killed. The readers end when the last holder of the pipes does.
        let _ = child.kill();
        let _ = child.wait();
        bail!("no answer within {limit:?} from {command:?}");
    };
    let text = |reader: JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Output { code: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

/// A short command that has to succeed; returns its standard output.
pub(crate) fn must(program: &str, arguments: &[&str]) -> Result<String> {
    let output = run(Command::new(program).args(arguments), Duration::from_secs(60))?;
    output.ok().with_context(|| format!("{program} {}", arguments.join(" ")))
}

/// Polls until the condition holds.
///
/// # Errors
/// When it does not in time (the message names what was waited for), or when asking fails.
pub fn wait_for(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds()? {
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain for: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
