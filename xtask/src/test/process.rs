//! One process of a step: its output passes through and is counted on the way, it has a time limit, and it does not outlive
//! us. Whether what happened is good is for others to say.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::count::Count;

/// Some CI machines end what is silent for long.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);
/// What is left in the pipe is read in no time, unless something that outlived the process holds it open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// So many of its last lines are kept, to be shown again where a step failed.
const LINES_KEPT: usize = 40;

/// The process group that a signal to us has to end; 0 is none.
static GROUP: AtomicI32 = AtomicI32::new(0);

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
    OutOfTime,
}

/// What a process said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) count: Count,
    /// Its last lines.
    pub(super) last: VecDeque<String>,
}

impl Said {
    fn add(&mut self, line: String) {
        self.count.add(&line);
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// From here on a signal to us ends the running process and its children too: they are in a group of their own, which
/// Ctrl-C does not reach. By handlers, which a child does not inherit: a blocked signal would stay blocked in it.
pub(super) fn forward_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("wait for signals")?;
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        end_group();
        std::process::exit(128 + signal);
    });
    Ok(())
}

fn end_group() {
    let group = GROUP.swap(0, Ordering::SeqCst);
    if group != 0 {
        // It may be gone already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Runs a command to its end or to the deadline; whatever of it is left then is killed. What it says goes to our standard
/// output, errors too, or they would come out of order.
pub(super) fn run(name: &str, command: Command, deadline: Instant) -> Result<(End, Said)> {
    run_into(std::io::stdout(), name, command, deadline)
}

fn run_into(
    out: impl Write + Send + 'static,
    name: &str,
    mut command: Command,
    deadline: Instant,
) -> Result<(End, Said)> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    command.stdin(Stdio::null()).stderr(writer.try_clone().context("share a pipe")?).stdout(writer).process_group(0);
    let mut child = command.spawn().with_context(|| format!("run {:?}", command.get_program()))?;
    // It holds the other end of the pipe, whose end would never come.
    drop(command);
    GROUP.store(i32::try_from(child.id()).context("a process number")?, Ordering::SeqCst);
    let lines = pass_on(reader, out);
    let status = wait(name, &mut child, deadline);
    end_group();
    let status = match status? {
        Some(status) => Some(status),
        None => {
            child.wait().context("wait for what was killed")?;
            None
        }
    };
    let mut said = Said::default();
    while let Ok(Some(line)) = lines.recv_timeout(LAST_WORDS) {
        said.add(line);
    }
    Ok((status.map_or(End::OutOfTime, end), said))
}

/// `None` at the deadline.
fn wait(name: &str, child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    let begin = Instant::now();
    let mut sign_at = begin + SIGN_OF_LIFE;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("wait for {name}"))? {
            return Ok(Some(status));
        }
        let now = Instant::now();
        if now >= deadline {
            return Ok(None);
        }
        if now >= sign_at {
            eprintln!("   ({name} has been running for {} s)", begin.elapsed().as_secs());
            sign_at = now + SIGN_OF_LIFE;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn end(status: ExitStatus) -> End {
    match status.code() {
        Some(code) => End::Code(code),
        None => End::Signal(status.signal().unwrap_or_default()),
    }
}

/// Copies lines as they come. `None` stands for the end.
fn pass_on(output: impl Read + Send + 'static, mut out: impl Write + Send + 'static) -> Receiver<Option<String>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            // Who reads us may have gone away; the tests go on.
            let _ = out.write_all(&line).and_then(|()| out.flush());
            if sender.send(Some(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
        let _ = sender.send(None);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> (End, Said) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run_into(std::io::sink(), "sh", command, Instant::now() + limit).expect("sh runs")
    }

    /// One test for all: only one process at a time may be ended by a signal to us.
    #[test]
    fn a_process_ends_by_itself_or_by_its_limit_and_leaves_nothing() {
        let (end, said) = sh("echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured'; exit 7", LAST_WORDS);
        assert_eq!((end, said.count.passed), (End::Code(7), 3));
        let (_, said) = sh("seq 100", LAST_WORDS);
        assert_eq!((said.last.len(), said.last[0].as_str()), (LINES_KEPT, "61\n"));
        assert_eq!(sh("kill -9 $$", LAST_WORDS).0, End::Signal(9));
        // What we do with a signal is not handed down: `timeout` in a test has to end what it runs.
        forward_signals().expect("handlers can be set");
        assert_eq!(sh("kill -TERM $$; sleep 1000", Duration::from_secs(20)).0, End::Signal(15));

        let begin = Instant::now();
        assert_eq!(sh("sleep 1000 & wait", Duration::from_millis(200)).0, End::OutOfTime);
        assert!(begin.elapsed() < Duration::from_secs(30), "the child of the child held us up");

        // The background process has our pipe, and would keep it open for long.
        let begin = Instant::now();
        assert_eq!(sh("sleep 1000 & exit 0", Duration::from_secs(100)).0, End::Code(0));
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
