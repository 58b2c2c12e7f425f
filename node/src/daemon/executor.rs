//! The worker's hands: what the engine wants done to VMs, through the backend, as the engine's own words.

mod migration;

use super::ocf::Ocf;
use crate::engine::{Event, Executed, Job, Known, Tag};
use futures::StreamExt;
use quorate_agents::process::Processes;
use quorate_agents::vm::{Inventory, Seen as VmSeen, VmBackend, VmEvent};
use quorate_core::config::{AgentClass, Primitive};
use quorate_core::id::ResourceId;
use quorate_core::state::{ActionKind, Seen};
use quorate_core::text::limited;
use quorate_core::vmdef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio::time::Instant;

/// A hypervisor that has just booted may need so long until it can say what is there.
const INVENTORY_PATIENCE: Duration = Duration::from_secs(10);
const INVENTORY_PAUSE: Duration = Duration::from_millis(300);
/// So many OCF resources are looked for at once.
const LOOKS_AT_ONCE: usize = 4;
/// A guest that is asked to shut down gets all of the stop's timeout but this; then the plug is pulled.
const STOP_RESERVE: Duration = Duration::from_secs(15);
/// Killed processes may need so long to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Carries out jobs on this host; clones are handles to the same one.
#[derive(Clone)]
pub struct Executor {
    backend: VmBackend,
    processes: Arc<Processes>,
    reboot_command: Option<Vec<String>>,
    ocf: Arc<Ocf>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Starts that wait to be let go or discarded.
    prepared: BTreeMap<Tag, Prepared>,
    /// VMs that are just being sent to another host.
    sending: BTreeMap<Tag, String>,
    /// Migrations that were called off before they began.
    called_off: BTreeSet<Tag>,
    /// Which resource a VM is, of all that were ever spoken of.
    resources: BTreeMap<String, ResourceId>,
}

/// A start that waits for the engine's word.
enum Prepared {
    /// A VM that stands there with its CPUs stopped: its UUID, and until when it may take.
    Vm(String, Instant),
    /// An OCF resource or a unit, of which nothing is begun yet.
    Ocf(Box<Job>),
}

impl Executor {
    /// Hands over this backend; agents that are programs run below `processes`.
    pub fn new(
        backend: VmBackend,
        processes: Arc<Processes>,
        reboot_command: Option<Vec<String>>,
        ocf: Arc<Ocf>,
    ) -> Self {
        Self { backend, processes, reboot_command, ocf, shared: Arc::default() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The UUID of a resource's VM, remembered for its events.
    fn uuid(&self, resource: &ResourceId, definition: &Primitive) -> Result<String, String> {
        let xml = definition.params.get("xml").ok_or_else(|| format!("{resource} has no parameter xml"))?;
        let read = vmdef::parse(xml).map_err(|error| format!("the xml of {resource}: {error}"))?;
        self.shared().resources.insert(read.uuid.clone(), resource.clone());
        Ok(read.uuid)
    }

    /// Remembers which VMs these are, for whatever becomes of them.
    pub(super) fn know<'a>(&self, definitions: impl Iterator<Item = (&'a ResourceId, &'a Primitive)>) {
        for (resource, definition) in definitions.filter(|(_, definition)| definition.agent.class == AgentClass::Vm) {
            if let Err(why) = self.uuid(resource, definition) {
                tracing::warn!(%resource, why, "its VM is not known");
            }
        }
    }

    /// contained: kills what an earlier daemon left running, sees it gone, then looks for everything that is known.
    pub(super) async fn inventory(&self, known: BTreeMap<ResourceId, Known>) -> BTreeMap<ResourceId, Seen> {
        if let Err(error) = self.processes.kill_leftovers().await {
            tracing::error!(%error, "what an earlier daemon left running could not be cleared");
            let unknown =
                |id| (id, Seen::Unknown(format!("an earlier daemon's actions could not be cleared: {error}")));
            return known.into_keys().map(unknown).collect();
        }
        let end = Instant::now() + INVENTORY_PATIENCE;
        let (ocf, vms): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, it)| it.definition.is_service());
        let hands = &self.ocf;
        let looks = ocf.into_iter().map(|(resource, known)| async move {
            let seen = hands.found(&resource, Known { look: known.look.min(INVENTORY_PATIENCE), ..known }).await;
            (resource, seen)
        });
        let looks = futures::stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).collect::<BTreeMap<_, _>>();
        let mut found = looks.await;
        for (resource, known) in vms {
            let seen = match self.uuid(&resource, &known.definition) {
                Ok(uuid) => self.settled(&uuid, end).await,
                Err(why) => Seen::Unknown(why),
            };
            found.insert(resource, seen);
        }
        found
    }

    /// Looks until there is an answer, or the time is up.
    async fn settled(&self, uuid: &str, end: Instant) -> Seen {
        // contained: what an earlier daemon was sending is an action of its own.
        self.backend.call_off(uuid, end).await;
        loop {
            let seen = words(&self.backend.destroy_starting(uuid, end).await);
            if !matches!(seen, Seen::Unknown(_)) || Instant::now() + INVENTORY_PAUSE >= end {
                return seen;
            }
            tokio::time::sleep(INVENTORY_PAUSE).await;
        }
    }

    /// Everything that is on this host, ours or not.
    pub(super) async fn survey(&self, deadline: Instant) -> Option<Inventory> {
        self.backend.inventory(deadline).await.ok().filter(|found| found.incomplete.is_none())
    }

    /// Carries an operation out; `tell` hears what happens on the way.
    pub(super) async fn execute(&self, job: Job, tell: impl Fn(Event)) -> Event {
        match (job.definition.agent.class, job.kind) {
            (AgentClass::Ocf | AgentClass::Systemd, ActionKind::Start | ActionKind::Promote) => {
                let tag = job.tag;
                self.shared().prepared.insert(tag, Prepared::Ocf(Box::new(job)));
                Event::Prepared(tag)
            }
            // Only a VM is ever sent; a claim of another kind is closed by a look.
            (AgentClass::Ocf | AgentClass::Systemd, _) => self.ocf.operate(&job).await,
            (AgentClass::Vm | AgentClass::Stonith, _) => self.execute_vm(job, tell).await,
        }
    }

    async fn execute_vm(&self, job: Job, tell: impl Fn(Event)) -> Event {
        let uuid = match self.uuid(&job.resource, &job.definition) {
            Ok(uuid) => uuid,
            Err(why) => {
                return Event::Executed(
                    job.tag,
                    Executed { seen: Seen::Unknown(why.clone()), error: Some(why.into()) },
                );
            }
        };
        let deadline = Instant::now() + job.timeout;
        match job.kind {
            ActionKind::Start => self.start(&job, uuid, deadline).await,
            ActionKind::Stop => {
                let grace = job.timeout.saturating_sub(STOP_RESERVE).max(job.timeout / 2);
                let stop = self.backend.stop(&uuid, grace, deadline).await;
                let seen = words(&stop.seen);
                // unknown, not failed: what libvirt cannot say just now is no reason to fence a host whose VM was ended.
                let error = stop.survives.then(|| limited(format!("it did not stop: {}", stop.seen)).into());
                Event::Executed(job.tag, Executed { seen, error })
            }
            ActionKind::Migrate => self.migrate(&job, uuid, deadline, tell).await,
            ActionKind::Handover => self.arrived(&job, uuid, deadline).await,
            // A VM is neither reloaded nor promoted; a claim of another kind is closed by a look.
            ActionKind::Probe
            | ActionKind::Incoming
            | ActionKind::Reload
            | ActionKind::Promote
            | ActionKind::Demote
            | ActionKind::Notify => {
                let seen = self.settle(&uuid, deadline).await;
                Event::Executed(job.tag, Executed { seen, error: None })
            }
        }
    }

    /// transient: created with its CPUs standing still; the engine says whether it may run.
    async fn start(&self, job: &Job, uuid: String, deadline: Instant) -> Event {
        let xml = job.definition.params.get("xml").map_or("", String::as_str);
        match self.backend.start_paused(xml, deadline).await {
            Ok(started) => {
                tracing::info!(resource = %job.resource, process = %started.process, "created, with its CPUs standing still");
                self.shared().prepared.insert(job.tag, Prepared::Vm(uuid, deadline));
                Event::Prepared(job.tag)
            }
            Err(error) => {
                let seen = words(&self.backend.destroy_starting(&uuid, deadline).await);
                Event::Executed(job.tag, Executed { seen, error: Some(limited(error.to_string()).into()) })
            }
        }
    }

    fn take_prepared(&self, tag: Tag) -> Option<Prepared> {
        self.shared().prepared.remove(&tag)
    }

    pub(super) async fn resume(&self, tag: Tag) -> Event {
        let (uuid, deadline) = match self.take_prepared(tag) {
            Some(Prepared::Vm(uuid, deadline)) => (uuid, deadline),
            Some(Prepared::Ocf(job)) => return self.ocf.operate(&job).await,
            None => {
                let why = "nothing was prepared under this number".to_owned();
                return Event::Executed(tag, Executed { seen: Seen::Unknown(why.clone()), error: Some(why.into()) });
            }
        };
        let executed = match self.backend.resume(&uuid, deadline).await {
            Ok(()) => Executed { seen: Seen::Running, error: None },
            Err(error) => {
                let seen = words(&self.backend.probe(&uuid, deadline).await);
                Executed { seen, error: Some(limited(error.to_string()).into()) }
            }
        };
        Event::Executed(tag, executed)
    }

    pub(super) async fn discard(&self, tag: Tag, why: String) -> Executed {
        let uuid = match self.take_prepared(tag) {
            Some(Prepared::Vm(uuid, _)) => uuid,
            Some(Prepared::Ocf(job)) => {
                let error = Some(format!("it was not started: {why}").into());
                let Job { resource, definition, timeout: look, stop, .. } = *job;
                return Executed { seen: self.ocf.found(&resource, Known { definition, look, stop }).await, error };
            }
            None => return Executed { seen: Seen::Unknown(why.clone()), error: Some(why.into()) },
        };
        let deadline = Instant::now() + KILL_PATIENCE;
        let seen = words(&self.backend.destroy_starting(&uuid, deadline).await);
        Executed { seen, error: Some(format!("it was not let run: {why}").into()) }
    }

    pub(super) async fn look(&self, job: &Job) -> Executed {
        if job.definition.is_service() {
            return self.ocf.watch(job).await;
        }
        match self.uuid(&job.resource, &job.definition) {
            Ok(uuid) => {
                Executed { seen: words(&self.backend.probe(&uuid, Instant::now() + job.timeout).await), error: None }
            }
            Err(why) => Executed { seen: Seen::Unknown(why), error: None },
        }
    }

    /// breathing: every VM of ours is killed by force, then this host reboots. Does not come back where it can.
    pub(super) async fn self_fence(&self, why: &str) {
        tracing::error!(why, "killing every VM of this cluster on this host, then rebooting it");
        let uuids: Vec<String> = self.shared().resources.keys().cloned().collect();
        self.processes.kill_services();
        let ocf = self.ocf.clone();
        let units = tokio::spawn(async move { ocf.kill_units().await });
        let backend = self.backend.clone();
        let killed = tokio::task::spawn_blocking(move || backend.kill_all(&uuids, KILL_PATIENCE)).await;
        match killed {
            Ok(report) => tracing::error!(?report, "killed"),
            Err(error) => tracing::error!(%error, "the killing itself failed"),
        }
        // It ends in time by itself, whatever systemd does.
        let _ = units.await;
        let command = self.reboot_command.clone();
        let failed =
            tokio::task::spawn_blocking(move || quorate_agents::last_resort::reboot_now(command.as_deref())).await;
        tracing::error!(?failed, "this host did not reboot: only its VMs are dead");
    }

    /// removal: nothing was active here when this host was removed, or what proved it dead was wrong. Then it is as with
    /// any session that was proven dead.
    pub(super) async fn abandon(&self, why: &str) {
        let uuids: Vec<String> = self.shared().resources.keys().cloned().collect();
        tracing::warn!(why, "this host runs nothing for the cluster any more");
        self.processes.kill_services();
        self.ocf.kill_units().await;
        let backend = self.backend.clone();
        match tokio::task::spawn_blocking(move || backend.kill_all(&uuids, KILL_PATIENCE)).await {
            Ok(report) if report.is_complete() && report.killed.is_empty() => {}
            found => self.self_fence(&format!("a removed member still had VMs: {found:?}")).await,
        }
    }

    /// Tells the engine which resource the hypervisor speaks of, as long as the daemon runs.
    pub async fn follow_events(self, events: mpsc::Sender<Event>) {
        tokio::spawn(self.ocf.clone().follow_units(events.clone()));
        let mut news = self.backend.events();
        loop {
            let changed: Vec<ResourceId> = match news.recv().await {
                Ok(VmEvent::Domain { uuid, .. }) => self.shared().resources.get(&uuid).cloned().into_iter().collect(),
                Ok(VmEvent::JobDone { .. }) => Vec::new(),
                // A look will say so where people see it.
                Ok(VmEvent::Disconnected { why }) => {
                    tracing::warn!(why, "the hypervisor's events do not flow");
                    self.shared().resources.values().cloned().collect()
                }
                // What happened meanwhile was missed: look at everything.
                Ok(VmEvent::Connected) | Err(RecvError::Lagged(_)) => {
                    self.shared().resources.values().cloned().collect()
                }
                Err(RecvError::Closed) => return,
            };
            for resource in changed {
                if events.send(Event::Changed(resource)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What the backend saw, in the log's words; what the hypervisor itself said of it is cut to a limit.
fn words(seen: &VmSeen) -> Seen {
    match seen {
        VmSeen::Stopped => Seen::Stopped,
        VmSeen::Running { .. } => Seen::Running,
        VmSeen::StartingPaused { .. } => Seen::Paused("it was created and never let run".to_owned()),
        VmSeen::Incoming { .. } => Seen::Paused("it comes in from another host".to_owned()),
        VmSeen::Paused { reason, .. } => Seen::Paused(limited(reason.clone())),
        VmSeen::Unknown { why } => Seen::Unknown(limited(why.clone())),
    }
}
