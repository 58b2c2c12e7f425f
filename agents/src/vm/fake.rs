//! Processes that stand for VMs, for the loopback demo: same interface as real ones, same witnesses.
//!
//! A fake VM is a detached `sleep` that outlives the daemon. It holds an exclusive lock on a file in a directory all
//! hosts share, so a second one of the same VM cannot start unnoticed: the attempt is written to `UUID.double`.
//! Standing still is SIGSTOP; one that was never let go is still the shell that became `sleep` later.

mod migrate;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::definition::mark;
use super::process_table::{self, KillReport, ProcessId, VmProcess};
use super::{Entry, EventKind, Inventory, Seen, Started, Stop, StopWay, Transfer, VmError, VmEvent, Way};
use crate::process::spawn_detached;

const LOOK: Duration = Duration::from_millis(20);
/// How often the processes of known VMs are looked at for events.
const WATCH: Duration = Duration::from_millis(100);
/// How often those that nobody told of are looked for, which reads every process of the machine.
const WATCH_ALL: Duration = Duration::from_secs(1);
/// The same where there are none.
const WATCH_NONE: Duration = Duration::from_secs(5);
const UUID: &str = "QUORATE_FAKE_VM";
const HOST: &str = "QUORATE_FAKE_HOST";
const NAME: &str = "QUORATE_FAKE_NAME";

/// Takes the lock, stands still until SIGCONT, then runs. Arguments: lock file, file of double runs, host.
const SCRIPT: &str = r#"exec 9>>"$1" || exit 74
flock -n 9 || { echo "$3" >>"$2"; exit 75; }
echo "$3" >&9
kill -STOP $$
exec sleep infinity"#;

/// The fake VMs of one host.
#[derive(Debug, Clone)]
pub struct FakeVms {
    host: String,
    shared: PathBuf,
    events: broadcast::Sender<VmEvent>,
    /// One was started here just now.
    appeared: Arc<Notify>,
    /// Migrations that were asked to end.
    called_off: Arc<Mutex<BTreeSet<String>>>,
}

impl FakeVms {
    /// `shared` is the directory of the locks, the same for all hosts of a cluster. Needs a runtime.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(host: &str, shared: impl Into<PathBuf>) -> Result<Self, VmError> {
        let shared = shared.into();
        let refuse = |e: std::io::Error| VmError::Failed { what: "making the shared directory", why: e.to_string() };
        std::fs::create_dir_all(&shared).map_err(refuse)?;
        let (host, events) = (host.to_owned(), broadcast::channel(1024).0);
        let it = Self { host, shared, events, appeared: Arc::default(), called_off: Arc::default() };
        tokio::spawn(watch(it.host.clone(), it.events.downgrade(), it.appeared.clone()));
        Ok(it)
    }

    fn called_off(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.called_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`super::VmBackend::probe`].
    pub async fn probe(&self, uuid: &str, _deadline: Instant) -> Seen {
        match find(&self.host) {
            Ok(mut found) => found.remove(uuid).map_or(Seen::Stopped, |p| seen(&p)),
            Err(e) => Seen::Unknown { why: e.to_string() },
        }
    }

    /// See [`super::VmBackend::inventory`].
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub async fn inventory(&self, _deadline: Instant) -> Result<Inventory, VmError> {
        let found = find(&self.host).map_err(|e| VmError::ProcessTable { why: e.to_string() })?;
        let entry = |(uuid, processes): (String, Vec<VmProcess>)| Entry {
            uuid,
            name: processes.first().map(|p| p.name.clone()).unwrap_or_default(),
            seen: seen(&processes),
            persistent: false,
            autostart: false,
            managed_save: false,
        };
        Ok(Inventory { entries: found.into_iter().map(entry).collect(), incomplete: None })
    }

    /// See [`super::VmBackend::start_paused`].
    ///
    /// # Errors
    /// [`VmError::DoubleRun`] when the VM runs anywhere.
    pub async fn start_paused(&self, xml: &str, deadline: Instant) -> Result<Started, VmError> {
        let marked = mark(xml)?;
        if let Seen::Running { process } = self.probe(&marked.uuid, deadline).await {
            return Err(VmError::AlreadyRunning { name: marked.name, process });
        }
        let file = |kind: &str| self.shared.join(format!("{}.{kind}", marked.uuid)).into_os_string();
        let args: Vec<OsString> =
            ["-c".into(), SCRIPT.into(), "fake-vm".into(), file("lock"), file("double"), self.host.clone().into()]
                .into();
        let env =
            [(UUID, &marked.uuid), (HOST, &self.host), (NAME, &marked.name)].map(|(k, v)| (k.to_owned(), v.clone()));
        let what = "starting the fake VM";
        let failed = |why: String| VmError::Failed { what, why };
        let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        let env: Vec<_> = env.into_iter().chain([path]).collect();
        let pid = spawn_detached(Path::new("/bin/sh"), &args, &env).map_err(|e| failed(e.to_string()))?;
        let dir = Path::new("/proc").join(pid.to_string());
        loop {
            match process_table::stat(&dir) {
                Some(s) if s.state == 'T' => {
                    let process = ProcessId { pid, started: s.started };
                    self.appeared.notify_one();
                    return Ok(Started { uuid: marked.uuid, name: marked.name, process });
                }
                Some(s) if s.state != 'Z' => {}
                _ => return Err(VmError::DoubleRun { name: marked.name }),
            }
            if Instant::now() >= deadline {
                return Err(VmError::Timeout { what, after: LOOK });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// See [`super::VmBackend::resume`].
    ///
    /// # Errors
    /// When there is nothing to resume, or it does not run by the deadline.
    pub async fn resume(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        let what = "resuming the fake VM";
        loop {
            match self.probe(uuid, deadline).await {
                Seen::Running { .. } => return Ok(()),
                Seen::StartingPaused { process } | Seen::Paused { process, .. } => {
                    process_table::signal(process, Signal::SIGCONT);
                }
                other => return Err(VmError::Failed { what, why: other.to_string() }),
            }
            if Instant::now() >= deadline {
                return Err(VmError::Timeout { what, after: LOOK });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// See [`super::VmBackend::stop`].
    pub async fn stop(&self, uuid: &str, grace: Duration, deadline: Instant) -> Stop {
        let begun = Instant::now();
        let (mut seen, mut way) = (self.probe(uuid, deadline).await, StopWay::WasStopped);
        let orders =
            [(Signal::SIGTERM, StopWay::Shutdown, grace), (Signal::SIGKILL, StopWay::Killed, deadline - begun)];
        for (signal, as_way, time) in orders {
            let until = (Instant::now() + time).min(deadline);
            while seen != Seen::Stopped && Instant::now() < until {
                way = as_way;
                for process in find(&self.host).ok().and_then(|mut f| f.remove(uuid)).unwrap_or_default() {
                    process_table::signal(process.id, signal);
                }
                tokio::time::sleep(LOOK).await;
                seen = self.probe(uuid, deadline).await;
            }
        }
        if seen != Seen::Stopped {
            way = StopWay::NotStopped;
        }
        Stop { survives: seen != Seen::Stopped, seen, way, took: begun.elapsed() }
    }

    /// See [`super::VmBackend::events`].
    pub fn events(&self) -> broadcast::Receiver<VmEvent> {
        self.events.subscribe()
    }

    /// See [`super::VmBackend::kill_all`].
    pub fn kill_all(&self, uuids: &[String], patience: Duration) -> KillReport {
        process_table::kill_all(uuids, patience, || find(&self.host))
    }
}

/// Cuts the power of a fake host, as far as its VMs go: SIGKILL for all of them. For the demo's power switch.
pub fn power_off(host: &str, patience: Duration) -> KillReport {
    match find(host) {
        Ok(found) => {
            let all: Vec<String> = found.into_keys().collect();
            process_table::kill_all(&all, patience, || find(host))
        }
        Err(e) => KillReport { unread: Some(e.to_string()), ..KillReport::default() },
    }
}

/// Hosts whose attempt to start this VM found it running elsewhere: each line breaks the one promise that matters.
pub fn double_runs(shared: &Path, uuid: &str) -> Vec<String> {
    let text = std::fs::read_to_string(shared.join(format!("{uuid}.double"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn find(host: &str) -> std::io::Result<BTreeMap<String, Vec<VmProcess>>> {
    process_table::scan(Path::new("/proc"), |dir, stat| {
        // The lock's helper is not the VM.
        matches!(stat.comm.as_str(), "sh" | "dash" | "bash" | "setsid" | "sleep").then_some(())?;
        matches!(stat.state, 'Z' | 'X').then_some(()).map_or(Some(()), |()| None)?;
        let environment = environment(dir)?;
        let value = |name: &str| {
            let mut variables = environment.split(|b| *b == 0);
            let found = variables.find_map(|v| v.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
            Some(String::from_utf8_lossy(found).into_owned())
        };
        (value(HOST)? == host).then_some(())?;
        Some((value(UUID)?, value(NAME).unwrap_or_default()))
    })
}

fn seen(processes: &[VmProcess]) -> Seen {
    let process = match processes {
        [] => return Seen::Stopped,
        [one] => one.id,
        [a, b, ..] => return Seen::Unknown { why: format!("two processes: {} and {}", a.id, b.id) },
    };
    match process_table::stat(&Path::new("/proc").join(process.pid.to_string())) {
        None => Seen::Stopped,
        Some(s) if s.comm != "sleep" => Seen::StartingPaused { process },
        Some(s) if s.state == 'T' => Seen::Paused { process, reason: "by a user".to_owned() },
        Some(_) => Seen::Running { process },
    }
}

/// What a process was started with. While one becomes another program its environment reads as empty for a moment.
fn environment(process: &Path) -> Option<Vec<u8>> {
    let read = || std::fs::read(process.join("environ")).ok();
    let mut found = read()?;
    for _ in 0..20 {
        if !found.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        found = read()?;
    }
    Some(found)
}

/// Compares what runs every now and then, as long as somebody has the VMs.
async fn watch(host: String, events: broadcast::WeakSender<VmEvent>, appeared: Arc<Notify>) {
    let mut known: Option<BTreeMap<String, Vec<VmProcess>>> = None;
    let mut looked = Instant::now();
    loop {
        let none = known.as_ref().is_some_and(BTreeMap::is_empty);
        let is_told = tokio::select! {
            () = appeared.notified() => true,
            () = tokio::time::sleep(if none { WATCH_NONE } else { WATCH }) => false,
        };
        let Some(events) = events.upgrade() else { return };
        let live =
            |known: &BTreeMap<_, Vec<VmProcess>>| known.values().flatten().all(|p| !process_table::is_gone(p.id));
        let is_same = known.as_ref().is_some_and(|known| !known.is_empty() && live(known));
        if !is_told && is_same && looked.elapsed() < WATCH_ALL {
            continue;
        }
        let Ok(now) = find(&host) else { continue };
        looked = Instant::now();
        if let Some(before) = &known {
            let all: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for uuid in all {
                let (kind, processes) = match (before.get(uuid), now.get(uuid)) {
                    (None, Some(processes)) => (EventKind::Started, processes),
                    // How it ended nobody can tell afterwards; the worse is assumed.
                    (Some(processes), None) => (EventKind::Crashed, processes),
                    (Some(_), Some(_)) | (None, None) => continue,
                };
                let name = processes.first().map(|process| process.name.clone()).unwrap_or_default();
                // Nobody listens: nothing is lost.
                let _ = events.send(VmEvent::Domain { uuid: uuid.clone(), name, kind });
            }
        }
        known = Some(now);
    }
}

#[cfg(test)]
#[path = "fake_tests.rs"]
mod tests;
