//! The VMs of a libvirt host, by both witnesses: libvirt's word and the process table.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

use super::definition::mark;
use super::libvirt::{DomainState, Libvirt, PausedReason};
use super::process_table::{self, KillReport, ProcessId, VmProcess, qemu_processes};
use super::{Entry, Inventory, MIGRATING, Seen, Started, Stop, StopWay, VmError, VmEvent};

/// How long one question to libvirtd may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(5);
/// What destroying gets: libvirt itself waits up to 15 s for a QEMU to die.
const DESTROY_PATIENCE: Duration = Duration::from_secs(20);
/// A guest that still runs is asked again after this to shut down.
const ASKED_AGAIN: Duration = Duration::from_secs(5);
/// What QEMU gets to end by itself when libvirt cannot be used.
const TERM: Duration = Duration::from_secs(2);
/// What reading the process table gets at least, even past a deadline.
const TABLE: Duration = Duration::from_secs(1);
/// Between two looks at something that is to end.
const LOOK: Duration = Duration::from_millis(50);

/// A host's VMs.
#[derive(Debug, Clone)]
pub struct VmHost {
    libvirt: Libvirt,
}

type Processes = BTreeMap<String, Vec<VmProcess>>;

impl VmHost {
    /// The VMs under this libvirt.
    pub fn new(libvirt: Libvirt) -> Self {
        Self { libvirt }
    }

    /// The libvirt it uses.
    pub fn libvirt(&self) -> &Libvirt {
        &self.libvirt
    }

    /// See [`super::VmBackend::probe`].
    pub async fn probe(&self, uuid: &str, deadline: Instant) -> Seen {
        self.look(uuid, deadline).await.0
    }

    /// What is seen, and whether libvirt had a say in it.
    async fn look(&self, uuid: &str, deadline: Instant) -> (Seen, bool) {
        // Asked first: a call that returns meanwhile has taken effect before the two looks below.
        let open = self.libvirt.slots.changing(uuid).map(|c| c.to_string());
        let word = self.libvirt.state(uuid, patient(deadline)).await;
        let processes = self.processes(deadline).await;
        (judge(uuid, open.as_deref(), &word, &processes), word.is_ok())
    }

    /// See [`super::VmBackend::inventory`].
    ///
    /// # Errors
    /// When the process table cannot be read.
    pub async fn inventory(&self, deadline: Instant) -> Result<Inventory, VmError> {
        let open: BTreeMap<String, String> = self
            .libvirt
            .open_calls()
            .into_iter()
            .filter(|c| c.changes)
            .map(|c| (c.uuid.clone(), c.to_string()))
            .collect();
        let listed = self.libvirt.list(patient(deadline)).await;
        let processes = self.processes(deadline).await?;
        let (listed, failed) = match listed {
            Ok(listed) => (listed, None),
            Err(e) => (Vec::new(), Some(e)),
        };
        let mut entries = BTreeMap::new();
        let (found, complete) = (Ok(processes), failed.clone());
        for domain in listed {
            let open = open.get(&domain.uuid).map(String::as_str);
            let seen = judge(&domain.uuid, open, &Ok(domain.state), &found);
            let (uuid, name) = (domain.uuid, domain.name);
            let (persistent, autostart, managed_save) = (domain.persistent, domain.autostart, domain.managed_save);
            entries.insert(uuid.clone(), Entry { uuid, name, seen, persistent, autostart, managed_save });
        }
        for (uuid, strays) in found.iter().flatten() {
            let word = failed.clone().map_or(Ok(DomainState::NotFound), Err);
            let open = open.get(uuid).map(String::as_str);
            entries.entry(uuid.clone()).or_insert_with(|| Entry {
                uuid: uuid.clone(),
                name: strays.first().map(|p| p.name.clone()).unwrap_or_default(),
                seen: judge(uuid, open, &word, &found),
                persistent: false,
                autostart: false,
                managed_save: false,
            });
        }
        Ok(Inventory { entries: entries.into_values().collect(), incomplete: complete.map(|e| e.to_string()) })
    }

    /// See [`super::VmBackend::start_paused`].
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn start_paused(&self, xml: &str, deadline: Instant) -> Result<Started, VmError> {
        let marked = mark(xml)?;
        let what = "creating the domain";
        self.nothing_open(what, &marked.uuid)?;
        let find = async || Ok::<_, VmError>(self.processes(deadline).await?.remove(&marked.uuid).unwrap_or_default());
        if let Some(process) = find().await?.first() {
            return Err(VmError::AlreadyRunning { name: marked.name, process: process.id });
        }
        self.libvirt.create_paused(&marked.uuid, marked.xml.clone(), deadline).await?;
        match find().await?.as_slice() {
            [process] => Ok(Started { process: process.id, uuid: marked.uuid.clone(), name: marked.name.clone() }),
            [] => Err(VmError::Failed { what, why: "libvirt says it is created, but it has no process".to_owned() }),
            many => Err(VmError::Failed { what, why: format!("{} processes have its UUID", many.len()) }),
        }
    }

    /// See [`super::VmBackend::resume`].
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn resume(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        self.nothing_open("resuming the domain", uuid)?;
        self.libvirt.resume(uuid, deadline).await
    }

    /// An earlier call that is still under way could hit what is begun now: a late destroy a fresh VM.
    pub(super) fn nothing_open(&self, what: &'static str, uuid: &str) -> Result<(), VmError> {
        match self.libvirt.slots.changing(uuid) {
            None => Ok(()),
            Some(call) => Err(VmError::Failed { what, why: format!("it was not tried: {call}") }),
        }
    }

    /// See [`super::VmBackend::stop`].
    pub async fn stop(&self, uuid: &str, grace: Duration, deadline: Instant) -> Stop {
        let begun = Instant::now();
        let (mut seen, answers) = self.look(uuid, share(deadline, 4)).await;
        let mut way = StopWay::WasStopped;
        if matches!(seen, Seen::Running { .. }) && !grace.is_zero() {
            way = StopWay::Shutdown;
            seen = self.ask_guest(uuid, begun + grace, deadline).await;
        }
        if seen != Seen::Stopped && answers {
            way = StopWay::Destroyed;
            let until = share(deadline, 2).min(Instant::now() + DESTROY_PATIENCE);
            match self.libvirt.destroy(uuid, until).await {
                Ok(()) => seen = self.wait_stopped(uuid, share(deadline, 2)).await,
                Err(e) => tracing::warn!(uuid, error = %e, "not destroyed through libvirt"),
            }
        }
        if seen != Seen::Stopped {
            way = StopWay::Killed;
            self.kill(uuid, deadline).await;
            seen = self.wait_stopped(uuid, patient(deadline)).await;
        }
        if seen != Seen::Stopped {
            way = StopWay::NotStopped;
        }
        let survives = seen != Seen::Stopped
            && self.processes(deadline).await.is_ok_and(|all| all.get(uuid).is_some_and(|found| !found.is_empty()));
        Stop { seen, survives, way, took: begun.elapsed() }
    }

    /// Asks it again and again: one whose system is not up yet hears nothing, and is not told later either.
    async fn ask_guest(&self, uuid: &str, until: Instant, deadline: Instant) -> Seen {
        // What is left afterwards must do for destroying it.
        let until = until.min(share(deadline, 2));
        let mut was_asked = false;
        loop {
            match self.libvirt.shutdown(uuid, share(deadline, 4)).await {
                Ok(()) => was_asked = true,
                // It may just be ending.
                Err(e) if was_asked => tracing::debug!(uuid, error = %e, "the guest was not asked again to shut down"),
                Err(e) => {
                    tracing::warn!(uuid, error = %e, "the guest was not asked to shut down");
                    return self.probe(uuid, share(deadline, 4)).await;
                }
            }
            let seen = self.wait_stopped(uuid, until.min(Instant::now() + ASKED_AGAIN)).await;
            if seen == Seen::Stopped || Instant::now() >= until {
                return seen;
            }
        }
    }

    /// Looks until it is stopped or `until`; at least once.
    pub(super) async fn wait_stopped(&self, uuid: &str, until: Instant) -> Seen {
        loop {
            let seen = self.probe(uuid, until).await;
            if seen == Seen::Stopped || Instant::now() >= until {
                return seen;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The way without libvirt.
    pub(super) async fn kill(&self, uuid: &str, deadline: Instant) {
        let processes = match self.processes(deadline).await {
            Ok(mut processes) => processes.remove(uuid).unwrap_or_default(),
            Err(e) => {
                tracing::warn!(uuid, error = %e, "no process killed");
                return;
            }
        };
        let ids: Vec<ProcessId> = processes.iter().map(|p| p.id).collect();
        let left = deadline.saturating_duration_since(Instant::now()).max(TABLE);
        let body = move || process_table::end(&ids, TERM.min(left / 4), PATIENCE.min(left / 2));
        let until = Instant::now() + left;
        match self.libvirt.slots.run("killing its process", uuid, true, until, body).await {
            Ok(report) if report.survivors.is_empty() => {}
            Ok(report) => tracing::warn!(uuid, ?report, "a process survives SIGKILL"),
            Err(e) => tracing::warn!(uuid, error = %e, "killing took too long"),
        }
    }

    async fn processes(&self, deadline: Instant) -> Result<Processes, VmError> {
        // A libvirtd that used the time up must not silence the other witness.
        let deadline = patient(deadline).max(Instant::now() + TABLE);
        let read = self.libvirt.slots.run("reading the process table", "", false, deadline, qemu_processes).await?;
        read.map_err(|e| VmError::ProcessTable { why: e.to_string() })
    }

    /// See [`super::VmBackend::events`].
    pub fn events(&self) -> broadcast::Receiver<VmEvent> {
        self.libvirt.events()
    }

    /// See [`super::VmBackend::kill_all`].
    pub fn kill_all(&self, uuids: &[String], patience: Duration) -> KillReport {
        process_table::kill_all(uuids, patience, qemu_processes)
    }
}

fn patient(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + PATIENCE)
}

/// A part of the time that is left, so that something is left for the next step.
fn share(deadline: Instant, parts: u32) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / parts
}

/// The **two-witnesses** rule. `open`: a call that may still change the VM.
fn judge(
    uuid: &str,
    open: Option<&str>,
    word: &Result<DomainState, VmError>,
    processes: &Result<Processes, VmError>,
) -> Seen {
    let unknown = |why: String| Seen::Unknown { why };
    let found = match processes {
        Ok(all) => all.get(uuid).map(Vec::as_slice).unwrap_or_default(),
        Err(e) => return unknown(e.to_string()),
    };
    let process = match found {
        [] => None,
        [one] => Some(one.id),
        [a, b, ..] => return unknown(format!("two processes have its UUID: {} and {}", a.id, b.id)),
    };
    let there = process.map_or("no process has its UUID".to_owned(), |p| format!("its process exists ({p})"));
    if let Some(open) = open {
        return unknown(format!("{open}; {there}"));
    }
    let word = match word {
        Ok(word) => word,
        Err(e) => return unknown(format!("{e}; {there}")),
    };
    match (word, process) {
        (DomainState::NotFound | DomainState::ShutOff | DomainState::Crashed, None) => Seen::Stopped,
        (DomainState::Running, Some(process)) => Seen::Running { process },
        (DomainState::Paused(PausedReason::StartingUp), Some(process)) => Seen::StartingPaused { process },
        (DomainState::Paused(PausedReason::Incoming), Some(process)) => Seen::Incoming { process },
        (DomainState::Paused(reason), Some(process)) => {
            let reason = match reason {
                PausedReason::StartingUp => "starting up",
                PausedReason::Incoming => "coming in",
                PausedReason::Migrating => MIGRATING,
                PausedReason::User => "by a user",
                PausedReason::Other(reason) => reason,
            };
            Seen::Paused { process, reason: reason.to_owned() }
        }
        (DomainState::Unknown(state), _) => unknown(format!("{state}; {there}")),
        (word, Some(process)) => unknown(format!("libvirt says {}, but its process exists ({process})", say(word))),
        (word, None) => unknown(format!("libvirt says {}, but no process has its UUID", say(word))),
    }
}

fn say(word: &DomainState) -> &'static str {
    match word {
        DomainState::NotFound => "there is no such domain",
        DomainState::Running => "it runs",
        DomainState::Paused(_) => "it is paused",
        DomainState::ShutOff => "it is shut off",
        DomainState::Crashed => "it has crashed",
        DomainState::Unknown(_) => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "u1";

    fn table(pids: &[u32]) -> Result<Processes, VmError> {
        let process = |pid: &u32| VmProcess {
            id: ProcessId { pid: *pid, started: 1 },
            uuid: UUID.to_owned(),
            name: "vm1".to_owned(),
        };
        Ok(BTreeMap::from([(UUID.to_owned(), pids.iter().map(process).collect())]))
    }

    #[test]
    fn stopped_needs_both_witnesses() {
        let process = ProcessId { pid: 7, started: 1 };
        let paused = |reason| Ok(DomainState::Paused(reason));
        let hung = || Err(VmError::Timeout { what: "asking", after: Duration::from_secs(5) });
        type Row<'a> = (Option<&'a str>, Result<DomainState, VmError>, &'a [u32], &'a str);
        let rows: Vec<Row> = vec![
            (None, Ok(DomainState::NotFound), &[], "stopped"),
            (None, Ok(DomainState::ShutOff), &[], "stopped"),
            (None, Ok(DomainState::Crashed), &[], "stopped"),
            (
                None,
                Ok(DomainState::NotFound),
                &[7],
                "unknown: libvirt says there is no such domain, but its process exists",
            ),
            (None, Ok(DomainState::Running), &[], "unknown: libvirt says it runs, but no process"),
            (None, hung(), &[], "unknown: asking has not returned within 5.0s; it may still take effect; no process"),
            (
                None,
                hung(),
                &[7],
                "unknown: asking has not returned within 5.0s; it may still take effect; its process exists",
            ),
            (None, Ok(DomainState::NotFound), &[7, 8], "unknown: two processes have its UUID"),
            (
                Some("creating has not returned"),
                Ok(DomainState::NotFound),
                &[],
                "unknown: creating has not returned; no process",
            ),
            (None, Ok(DomainState::Unknown("state 42".to_owned())), &[], "unknown: state 42"),
            (None, Ok(DomainState::Running), &[7], "running as pid 7"),
            (None, paused(PausedReason::StartingUp), &[7], "starting (paused) as pid 7"),
            (None, paused(PausedReason::Migrating), &[7], "paused (migrating) as pid 7"),
            (None, paused(PausedReason::Incoming), &[7], "coming in as pid 7"),
            (None, paused(PausedReason::StartingUp), &[], "unknown: libvirt says it is paused, but no process"),
        ];
        for (open, word, pids, want) in rows {
            let seen = judge(UUID, open, &word, &table(pids));
            assert!(seen.to_string().starts_with(want), "{open:?} {word:?} {pids:?}\n got  {seen}\n want {want}");
        }
        let unread = Err(VmError::ProcessTable { why: "denied".to_owned() });
        let seen = judge(UUID, None, &Ok(DomainState::NotFound), &unread);
        assert_eq!(seen.to_string(), "unknown: /proc cannot be read: denied");
        assert_eq!(judge(UUID, None, &Ok(DomainState::Running), &table(&[7])), Seen::Running { process });
    }
}
