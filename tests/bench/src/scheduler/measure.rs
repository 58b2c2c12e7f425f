//! What a plan costs: processor time of the plan alone and of whole programs, and the memory that a plan takes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use quorate_core::scheduler::{Model, Outcome, schedule};

use super::allocated;

/// Processor seconds used by these so far. It is the time that counts on a busy machine, and planning waits for nothing.
fn processor(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who).context("ask what was used")?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Milliseconds that some work of this thread takes, and what came of it.
pub(super) fn milliseconds<T>(work: impl FnOnce() -> T) -> Result<(f64, T)> {
    // The kernel counts up to now when a thread lets another run, else up to its last tick.
    std::thread::yield_now();
    let before = processor(UsageWho::RUSAGE_THREAD)?;
    let done = work();
    std::thread::yield_now();
    Ok(((processor(UsageWho::RUSAGE_THREAD)? - before) * 1000.0, done))
}

/// One plan of this model.
pub(super) fn plan(model: &Model) -> Result<(f64, Outcome)> {
    let model = model.clone();
    milliseconds(|| schedule(model))
}

/// The most bytes that a plan holds at one time, over the model that it is given.
pub(super) fn plan_memory(model: &Model) -> usize {
    let model = model.clone();
    most(|| schedule(model))
}

/// The most bytes that some work holds at one time.
pub(super) fn most<T>(work: impl FnOnce() -> T) -> usize {
    allocated::count(work).0.most
}

/// Bytes that are kept by what this makes.
pub(super) fn kept<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let (counted, made) = allocated::count(make);
    (counted.kept, made)
}

/// Processor seconds of a program from its start to its end; `None` if it did not end in time, and was ended.
pub(super) fn program(program: &Path, arguments: &[&str], patience: Duration) -> Result<Option<f64>> {
    let before = processor(UsageWho::RUSAGE_CHILDREN)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let end = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait().context("wait for it")? {
            break status;
        }
        if Instant::now() >= end {
            child.kill().context("end what takes too long")?;
            child.wait().context("wait for it")?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    ensure!(status.success(), "{} {} ended with {status}", program.display(), arguments.join(" "));
    Ok(Some(processor(UsageWho::RUSAGE_CHILDREN)? - before))
}
