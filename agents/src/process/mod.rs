//! The only place that starts processes.
//!
//! Answers: what did this program say, how did it end, and is everything it started gone? The **contained** rule:
//! every agent action runs in a cgroup of its own, entered before the program is executed, and killed and seen
//! empty before the action counts as over. Where the host gives us no cgroup, a process group is the weaker
//! stand-in, and the outcome says so.
//!
//! ```text
//! spawn (sh enters the cgroup, then exec) -> exit | deadline -> cgroup.kill -> empty -> outcome
//! ```
#![allow(
    clippy::disallowed_methods,
    reason = "what is started elsewhere with a deadline and in a cgroup is started here"
)]

mod cgroup;
mod controller;
mod limit;
mod output;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

pub use cgroup::{CgroupBase, Leftovers, own_cgroup2};
pub use limit::{Bound, PROCESSES_MOST};
pub use output::Captured;

use cgroup::{Cgroup, EMPTYING};
use output::Tail;

/// What is kept of each output stream unless asked otherwise.
pub const OUTPUT_CAP: usize = 64 * 1024;

/// So long an output is waited for whose writers should be dead.
const HELD: Duration = Duration::from_millis(500);
/// So long, where a service may hold it open for good.
const HELD_BY_A_SERVICE: Duration = Duration::from_millis(50);

/// Printed by the wrapper when it could not enter the cgroup, with exit code 125.
const NOT_CONTAINED: &str = "quorate: cannot enter the cgroup of this action";

/// Enters the cgroup, and its counterparts that hold processes and memory where those are others; then becomes the program.
/// `0` stands for the writer itself, in any pid namespace.
const ENTER: &str = r#"echo 0 >"$0/cgroup.procs" && { [ -z "$1" ] || echo 0 >"$1/cgroup.procs"; } && { [ -z "$2" ] || echo 0 >"$2/cgroup.procs"; } || { echo "quorate: cannot enter the cgroup of this action" >&2; exit 125; }; shift 2; exec "$@""#;

/// Why a process did not run, or cannot be spoken of.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program cannot be executed.
    #[error("cannot run {}: {why}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        why: String,
    },
    /// The cgroup base or the action's cgroup cannot be used.
    #[error("cannot contain actions in {}: {why}; give the daemon a cgroup v2 directory it may write (Delegate=yes)", path.display())]
    NoCgroup {
        /// The directory.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The id would not make a file name.
    #[error("action id `{action}` cannot name a cgroup; letters, digits, `-`, `_`, `.`, `:` can")]
    BadActionId {
        /// The id.
        action: String,
    },
    /// An action with this id runs, or its remains were not cleared.
    #[error("action {action} runs already, or an earlier run of it left processes behind")]
    AlreadyRunning {
        /// The id.
        action: String,
    },
}

/// One program to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The action's id: names its cgroup.
    pub action: String,
    /// Absolute path.
    pub program: PathBuf,
    /// Arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Fed to standard input, which is closed after it.
    pub stdin: Vec<u8>,
    /// When it is killed.
    pub deadline: Instant,
    /// Bytes kept of each output stream.
    pub output_cap: usize,
    /// When it ends with success, what it leaves running goes on as this service; else that is killed.
    pub keep: Option<String>,
}

impl Spec {
    /// A program without arguments, with a plain environment and a deadline from now.
    pub fn new(action: impl Into<String>, program: impl Into<PathBuf>, time: Duration) -> Self {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self {
            action: action.into(),
            program: program.into(),
            args: Vec::new(),
            env: vec![("PATH".to_owned(), path.to_owned()), ("LC_ALL".to_owned(), "C".to_owned())],
            stdin: Vec::new(),
            deadline: Instant::now() + time,
            output_cap: OUTPUT_CAP,
            keep: None,
        }
    }

    /// With these arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// Killed by us at its deadline.
    Deadline,
    /// Killed, since it had so much and wanted more.
    Limited(Bound),
}

/// What is known of the processes the program started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Its cgroup was killed and seen empty.
    Empty,
    /// No cgroup: its process group was killed, but a child in a session of its own would not be seen.
    GroupOnly,
    /// Something survives SIGKILL: whatever the program did may still be going on.
    Remains,
}

/// A program's end.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// From the spawn until all was cleared.
    pub took: Duration,
    /// What is known of its children.
    pub cleared: Cleared,
    /// Whether children outlived the program and were killed.
    pub stragglers: bool,
}

/// Runs programs, contained where the host allows it.
#[derive(Debug, Clone)]
pub struct Processes {
    base: Option<CgroupBase>,
}

impl Processes {
    /// Each action in a cgroup below `base`; in a mere process group when there is none.
    pub fn new(base: Option<CgroupBase>) -> Self {
        Self { base }
    }

    /// Whether actions are contained by cgroups.
    pub fn contained(&self) -> bool {
        self.base.is_some()
    }

    /// The action that runs and that this process belongs to. Nothing is known without a cgroup base.
    pub fn action_of(&self, process: u32) -> Option<String> {
        self.base.as_ref()?.action_of(process)
    }

    /// See [`CgroupBase::kill_leftovers`]; nothing is known without a cgroup base.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub async fn kill_leftovers(&self) -> Result<Leftovers, ProcessError> {
        match &self.base {
            Some(base) => base.kill_leftovers().await,
            None => Ok(Leftovers::default()),
        }
    }

    /// Runs one program to its end or its deadline and clears what it leaves. A dropped future kills too.
    ///
    /// # Errors
    /// Only when the program never ran; everything later is in the [`Outcome`].
    pub async fn run(&self, spec: Spec) -> Result<Outcome, ProcessError> {
        executable(&spec.program)?;
        let started = Instant::now();
        let cgroup = self.base.as_ref().map(|b| b.create(&spec.action, spec.keep.is_some())).transpose()?;
        let mut cage = Cage { cgroup, group: None };
        let mut child = spawn(&spec, cage.cgroup.as_ref())?;
        cage.group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let streams = Streams::attach(&mut child, &spec);
        let (ended, limited) = tokio::select! {
            biased;
            ended = timeout_at(spec.deadline, child.wait()) => (Some(ended), cage.limited()),
            bound = cage.until_limited() => (None, Some(bound)),
        };
        let is_success = limited.is_none() && matches!(&ended, Some(Ok(Ok(status))) if status.success());
        if let Some(service) = spec.keep.as_ref().filter(|_| is_success) {
            self.let_go(&mut cage, service).await;
        }
        let stragglers = cage.cgroup.as_ref().is_some_and(|c| matches!(ended, Some(Ok(_))) && !c.is_empty());
        cage.kill();
        // Reaps it when the deadline ended it; a child stuck in the kernel must not hold us.
        let reaped = timeout(EMPTYING, child.wait()).await;
        let cleared = cage.clear(reaped.is_ok()).await;
        let (stdout, stderr) = streams.finish(if spec.keep.is_some() { HELD_BY_A_SERVICE } else { HELD }).await;
        let exit = match (ended, limited) {
            (_, Some(bound)) => Exit::Limited(bound),
            (Some(Ok(Ok(status))), None) => exit_of(status),
            (_, None) => Exit::Deadline,
        };
        if exit == Exit::Code(125) && stderr.text().contains(NOT_CONTAINED) {
            let path = self.base.as_ref().map(|b| b.path().to_owned()).unwrap_or_default();
            return Err(ProcessError::NoCgroup { path, why: stderr.last_line() });
        }
        Ok(Outcome { exit, stdout, stderr, took: started.elapsed(), cleared, stragglers })
    }
}

impl Processes {
    /// What a successful action leaves running is the service it was asked for: it goes on in a cgroup of its own.
    async fn let_go(&self, cage: &mut Cage, service: &str) {
        cage.group = None;
        if let (Some(base), Some(cgroup)) = (&self.base, &cage.cgroup)
            && !base.adopt(cgroup, service).await
        {
            tracing::warn!(service, "it forks faster than it can be followed: the rest of it is killed");
        }
    }

    /// Kills what a service still has running; whether nothing of it is left, as far as a cgroup can tell.
    pub async fn end_service(&self, service: &str) -> bool {
        match &self.base {
            Some(base) => base.end_service(service).await,
            None => true,
        }
    }

    /// Earlier actions whose processes survive their SIGKILL, of those that `is_meant`. Nothing is known without a cgroup.
    pub async fn survivors(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        match &self.base {
            Some(base) => base.survivors(is_meant).await,
            None => Vec::new(),
        }
    }

    /// Kills every service at once, without a runtime; for a session that has ended.
    pub fn kill_services(&self) {
        if let Some(base) = &self.base {
            base.kill_services();
        }
    }
}

/// Starts a program that is meant to outlive this process: own session, no streams. For the fake VM agent only.
///
/// # Errors
/// When it cannot be executed.
pub(crate) fn spawn_detached(program: &Path, args: &[OsString], env: &[(String, String)]) -> Result<u32, ProcessError> {
    executable(program)?;
    let mut command = Command::new("/usr/bin/setsid");
    command.arg("--").arg(program).args(args).env_clear().envs(env.iter().cloned()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| not_run(program, &e))?;
    let id = child.id().unwrap_or_default();
    // Reaped in the background when it ends before us; otherwise init inherits it.
    tokio::spawn(async move { child.wait().await });
    Ok(id)
}

/// Starts a program and waits for it without a runtime: the last resort must work when nothing else does.
pub(crate) fn run_blocking(program: &str, args: &[String]) -> std::io::Result<ExitStatus> {
    std::process::Command::new(program).args(args).stdin(Stdio::null()).status()
}

fn executable(program: &Path) -> Result<(), ProcessError> {
    use std::os::unix::fs::PermissionsExt;
    let refuse = |why: &str| ProcessError::Program { program: program.to_owned(), why: why.to_owned() };
    if !program.is_absolute() {
        return Err(refuse("give an absolute path"));
    }
    let meta = std::fs::metadata(program).map_err(|e| not_run(program, &e))?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(refuse("it is not an executable file"));
    }
    Ok(())
}

fn not_run(program: &Path, error: &std::io::Error) -> ProcessError {
    ProcessError::Program { program: program.to_owned(), why: error.to_string() }
}

fn spawn(spec: &Spec, cgroup: Option<&Cgroup>) -> Result<Child, ProcessError> {
    let mut command = match cgroup {
        Some(cgroup) => {
            let mut sh = Command::new("/bin/sh");
            sh.arg("-c").arg(ENTER).arg(&cgroup.path);
            let mut others = cgroup.holds().filter_map(|hold| hold.v1.clone());
            sh.arg(others.next().unwrap_or_default()).arg(others.next().unwrap_or_default()).arg(&spec.program);
            sh
        }
        None => Command::new(&spec.program),
    };
    command.args(&spec.args).env_clear().envs(spec.env.iter().cloned()).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command.spawn().map_err(|e| not_run(&spec.program, &e))
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

/// The walls around a running action; dropping it kills what is inside.
struct Cage {
    cgroup: Option<Cgroup>,
    group: Option<Pid>,
}

impl Cage {
    /// The limit that the action has run into.
    fn limited(&self) -> Option<Bound> {
        let limits = &self.cgroup.as_ref()?.limits;
        limits.iter().find(|limit| limit.is_reached()).map(|limit| limit.bound)
    }

    /// Returns when the action has run into a limit.
    async fn until_limited(&self) -> Bound {
        loop {
            tokio::time::sleep(limit::LOOKED_AT).await;
            if let Some(bound) = self.limited() {
                return bound;
            }
        }
    }

    fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        if let Some(group) = self.group {
            // ESRCH: the group is empty, which is what we want.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }

    async fn clear(&mut self, reaped: bool) -> Cleared {
        let Some(cgroup) = &self.cgroup else {
            self.group = None;
            return if reaped { Cleared::GroupOnly } else { Cleared::Remains };
        };
        let empty = cgroup.wait_empty(Instant::now() + EMPTYING).await;
        if empty {
            cgroup.remove();
            self.cgroup = None;
        }
        self.group = None;
        if empty && reaped { Cleared::Empty } else { Cleared::Remains }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        if self.cgroup.is_none() && self.group.is_none() {
            return;
        }
        self.kill();
        if let (Some(cgroup), Ok(runtime)) = (self.cgroup.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if cgroup.wait_empty(Instant::now() + EMPTYING).await {
                    cgroup.remove();
                }
            });
        }
    }
}

/// The child's pipes, each served by a task of its own.
struct Streams {
    stdout: Tail,
    stderr: Tail,
    readers: Vec<tokio::task::JoinHandle<()>>,
    writer: Option<tokio::task::JoinHandle<()>>,
}

impl Streams {
    fn attach(child: &mut Child, spec: &Spec) -> Self {
        let (stdout, stderr) = (Tail::new(spec.output_cap), Tail::new(spec.output_cap));
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(tokio::spawn(stdout.clone().fill(pipe)));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(tokio::spawn(stderr.clone().fill(pipe)));
        }
        let data = spec.stdin.clone();
        let writer = child.stdin.take().map(|mut pipe| {
            tokio::spawn(async move {
                // A program that does not read its input is free not to.
                let _ = pipe.write_all(&data).await;
            })
        });
        Self { stdout, stderr, readers, writer }
    }

    /// Whoever could write is dead by now, save a child that fled our process group: it must not hold us.
    async fn finish(mut self, patience: Duration) -> (Captured, Captured) {
        for reader in &mut self.readers {
            if timeout(patience, &mut *reader).await.is_err() {
                reader.abort();
            }
        }
        (self.stdout.captured(), self.stderr.captured())
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for task in self.readers.iter().chain(&self.writer) {
            task.abort();
        }
    }
}
