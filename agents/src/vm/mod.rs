//! Virtual machines on this host: what runs, and how it is started, let go and stopped.
//!
//! The **two-witnesses** rule lives here: [`Seen::Stopped`] is said only when the hypervisor's management knows no
//! running domain *and* no process of it exists. Everything else that is not plainly running or paused is
//! [`Seen::Unknown`], with the reason. Nothing here knows why a VM should run.
//!
//! ```text
//!           start_paused            resume
//! Stopped ---------------> Starting --------> Running <--> Paused
//!    ^                        | destroy_starting  |  stop    |
//!    +------------------------+-------------------+----------+
//! ```

pub mod definition;
pub mod fake;
#[cfg(feature = "libvirt")]
pub mod host;
#[cfg(feature = "libvirt")]
pub mod libvirt;
#[cfg(feature = "libvirt")]
mod migrate;
pub mod process_table;
#[cfg(feature = "libvirt")]
mod slots;
mod way;

use std::fmt;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

pub use process_table::{KillReport, ProcessId};
#[cfg(feature = "libvirt")]
pub use slots::OpenCall;
pub use way::{Transfer, Way};

/// The reason of a VM that stands still because it is being sent to another host.
pub(crate) const MIGRATING: &str = "migrating";

/// What is known of one VM on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Both witnesses say it is not here.
    Stopped,
    /// It runs.
    Running {
        /// Its process.
        process: ProcessId,
    },
    /// Created by us and never let go: may be destroyed without loss.
    StartingPaused {
        /// Its process.
        process: ProcessId,
    },
    /// A copy that is coming in from another host and not complete. Never let go: may be destroyed without loss.
    Incoming {
        /// Its process.
        process: ProcessId,
    },
    /// It has run (or may have) and its CPUs stand still.
    Paused {
        /// Its process.
        process: ProcessId,
        /// Why, in libvirt's words: `migrating`, `by a user`, `input/output error` …
        reason: String,
    },
    /// Nobody can say. Never to be taken for stopped.
    Unknown {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Running { process } => write!(f, "running as {process}"),
            Self::StartingPaused { process } => write!(f, "starting (paused) as {process}"),
            Self::Incoming { process } => write!(f, "coming in as {process}"),
            Self::Paused { process, reason } => write!(f, "paused ({reason}) as {process}"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// A VM that was created with its CPUs standing still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its process.
    pub process: ProcessId,
}

/// How a stop came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopWay {
    /// There was nothing to stop.
    WasStopped,
    /// The guest shut itself down when asked.
    Shutdown,
    /// Destroyed through libvirt.
    Destroyed,
    /// Its process was killed without libvirt.
    Killed,
    /// It is not proved stopped.
    NotStopped,
}

/// The end of a stop: only `seen` counts, `way` is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What was seen last.
    pub seen: Seen,
    /// A process of it is still there: the stop has failed. Without one it did its work, whatever libvirt can say of it.
    pub survives: bool,
    /// How.
    pub way: StopWay,
    /// How long it took.
    pub took: Duration,
}

/// One VM found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its UUID.
    pub uuid: String,
    /// Its name, where known.
    pub name: String,
    /// What is known of it.
    pub seen: Seen,
    /// libvirt keeps a definition: it may be started behind our back.
    pub persistent: bool,
    /// libvirt starts it at boot: must be switched off for a VM of ours.
    pub autostart: bool,
    /// A saved memory image would be resumed at the next plain start: must be removed.
    pub managed_save: bool,
}

/// Everything found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Sorted by UUID. Domains that are merely defined are there too.
    pub entries: Vec<Entry>,
    /// Why the list may lack something; `None` when it is complete.
    pub incomplete: Option<String>,
}

/// Something happened to a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmEvent {
    /// To one VM. A hint to look, not an observation.
    Domain {
        /// Its UUID.
        uuid: String,
        /// Its name.
        name: String,
        /// What.
        kind: EventKind,
    },
    /// A job of one VM was completed, at the source of a migration for one. Nothing to look at by itself.
    JobDone {
        /// Its UUID.
        uuid: String,
        /// Its name.
        name: String,
        /// Bytes that were sent, where it is told.
        sent: Option<u64>,
    },
    /// Events flow (again): what happened before was missed, take an inventory.
    Connected,
    /// No events until further notice.
    Disconnected {
        /// Why.
        why: String,
    },
}

/// What happened to a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was started.
    Started,
    /// It ended in order: shut down, destroyed, migrated away.
    Stopped,
    /// It ended by itself and not in order: its process died or its guest crashed.
    Crashed,
    /// Its CPUs stand still.
    Paused,
    /// Its CPUs run again.
    Resumed,
    /// Its definition came or went.
    Defined,
    /// Anything else.
    Other,
}

/// Why something could not be done to a VM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmError {
    /// No connection.
    #[error("libvirt at {uri} cannot be reached: {why}; see `systemctl status libvirtd`")]
    Unreachable {
        /// The address.
        uri: String,
        /// Why.
        why: String,
    },
    /// The call has not returned. It may still take effect: its slot stays open until it returns.
    #[error("{what} has not returned within {after:.1?}; it may still take effect")]
    Timeout {
        /// The call.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// Too many calls have not returned; this one was not made.
    #[error("{what} was not tried: {open} calls have not returned, {oldest}")]
    Busy {
        /// The call.
        what: &'static str,
        /// How many are open.
        open: usize,
        /// The one open for longest.
        oldest: String,
    },
    /// The call returned with an error: it did not take effect.
    #[error("{what} failed: {why}")]
    Failed {
        /// The call.
        what: &'static str,
        /// libvirt's words.
        why: String,
    },
    /// A process with this UUID exists already.
    #[error("{name} is not started: a process with its UUID exists ({process})")]
    AlreadyRunning {
        /// The VM.
        name: String,
        /// The process.
        process: ProcessId,
    },
    /// The VM runs on two hosts or twice on this one (fake VMs only see it).
    #[error("{name} is not started: another host holds its lock; this is a double run")]
    DoubleRun {
        /// The VM.
        name: String,
    },
    /// The definition cannot be used.
    #[error("{why}")]
    Definition {
        /// Where and what.
        why: String,
    },
    /// The process table cannot be read.
    #[error("/proc cannot be read: {why}")]
    ProcessTable {
        /// Why.
        why: String,
    },
}

/// The VMs of this host, real or fake: one interface for the daemon.
#[derive(Debug, Clone)]
pub enum VmBackend {
    /// QEMU under libvirt.
    #[cfg(feature = "libvirt")]
    Libvirt(host::VmHost),
    /// Processes that stand for VMs, for the loopback demo.
    Fake(fake::FakeVms),
}

macro_rules! each {
    ($self:ident, $vms:ident => $call:expr) => {
        match $self {
            #[cfg(feature = "libvirt")]
            Self::Libvirt($vms) => $call,
            Self::Fake($vms) => $call,
        }
    };
}

impl VmBackend {
    /// What is known of one VM, by both witnesses.
    pub async fn probe(&self, uuid: &str, deadline: Instant) -> Seen {
        each!(self, vms => vms.probe(uuid, deadline).await)
    }

    /// Everything there is.
    ///
    /// # Errors
    /// When not even the process table can be read.
    pub async fn inventory(&self, deadline: Instant) -> Result<Inventory, VmError> {
        each!(self, vms => vms.inventory(deadline).await)
    }

    /// Creates a VM whose CPUs stand still.
    ///
    /// # Errors
    /// [`VmError::Timeout`] leaves it open whether it will exist; after every other error it does not.
    pub async fn start_paused(&self, xml: &str, deadline: Instant) -> Result<Started, VmError> {
        each!(self, vms => vms.start_paused(xml, deadline).await)
    }

    /// Lets the CPUs of a VM go that [`Self::start_paused`] made.
    ///
    /// # Errors
    /// As [`Self::start_paused`].
    pub async fn resume(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        each!(self, vms => vms.resume(uuid, deadline).await)
    }

    /// Stops a VM: asks the guest for `grace`, then pulls the plug, with libvirt or without. Never fails to answer.
    pub async fn stop(&self, uuid: &str, grace: Duration, deadline: Instant) -> Stop {
        each!(self, vms => vms.stop(uuid, grace, deadline).await)
    }

    /// Sends a running VM to another host, where its copy stands still until [`Self::resume`], and comes back when nothing
    /// of it is here. At the deadline it is given up. `told` hears how far it is.
    ///
    /// # Errors
    /// After any error the copy, if there is one, must not run; what is here has to be looked at.
    pub async fn migrate(
        &self,
        uuid: &str,
        way: Way,
        deadline: Instant,
        told: impl Fn(Transfer),
    ) -> Result<Transfer, VmError> {
        each!(self, vms => vms.migrate(uuid, way, deadline, told).await)
    }

    /// Asks a migration that goes out from here to end, if there is one.
    pub async fn call_off(&self, uuid: &str, deadline: Instant) {
        each!(self, vms => vms.call_off(uuid, deadline).await);
    }

    /// Lets a VM run on that a failed migration left standing here; a call for who knows that its copy never will. What
    /// is seen after it.
    pub async fn left_behind(&self, uuid: &str, deadline: Instant) -> Seen {
        match self.probe(uuid, deadline).await {
            Seen::Paused { reason, .. } if reason == MIGRATING => {
                each!(self, vms => vms.left_behind(uuid, deadline).await)
            }
            other => other,
        }
    }

    /// Destroys a VM that was created and never let go; leaves any other alone. What is seen after it.
    pub async fn destroy_starting(&self, uuid: &str, deadline: Instant) -> Seen {
        match self.probe(uuid, deadline).await {
            Seen::StartingPaused { .. } | Seen::Incoming { .. } => self.stop(uuid, Duration::ZERO, deadline).await.seen,
            other => other,
        }
    }

    /// News of VMs. A lagging receiver has missed some: take an inventory.
    pub fn events(&self) -> broadcast::Receiver<VmEvent> {
        each!(self, vms => vms.events())
    }

    /// SIGKILL for the processes of these VMs, without libvirt and without a runtime; for a session that has ended.
    pub fn kill_all(&self, uuids: &[String], patience: Duration) -> KillReport {
        each!(self, vms => vms.kill_all(uuids, patience))
    }
}
