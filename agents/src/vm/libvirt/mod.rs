//! libvirt's word: calls with deadlines, events, and a connection that comes back by itself.
//!
//! Every call runs on a thread of its own (`slots`): a libvirtd that hangs costs the caller its deadline and nobody
//! else anything. What libvirt says is one witness of two; `vm::host` hears the other.

mod link;
mod migrate;
mod raw;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

use super::definition::{NAMESPACE, RESUMED, says_starting};
use super::slots::{OpenCall, Slots};
use super::{VmError, VmEvent};
use link::{Keeper, Link};

const KEY: &str = "quorate";

/// libvirt's view of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainState {
    /// No such domain.
    NotFound,
    /// Its CPUs run (or it is about to end by itself).
    Running,
    /// Its CPUs stand still.
    Paused(PausedReason),
    /// Defined, not active.
    ShutOff,
    /// Crashed; its process may be kept for a look.
    Crashed,
    /// A state this program does not know.
    Unknown(String),
}

/// Why a domain is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PausedReason {
    /// Being created, or created by us and never let go.
    StartingUp,
    /// Going out by live migration, or coming in by one that is not ours.
    Migrating,
    /// Coming in by a live migration of ours, and not complete.
    Incoming,
    /// By somebody.
    User,
    /// Anything else.
    Other(&'static str),
}

/// A domain in libvirt's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDomain {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: DomainState,
    /// See [`super::Entry`].
    pub persistent: bool,
    /// See [`super::Entry`].
    pub autostart: bool,
    /// See [`super::Entry`].
    pub managed_save: bool,
}

/// A libvirtd, reachable or not.
#[derive(Clone)]
pub struct Libvirt {
    uri: Arc<str>,
    keeper: Arc<Keeper>,
    pub(super) slots: Slots,
    events: broadcast::Sender<VmEvent>,
}

impl std::fmt::Debug for Libvirt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "libvirt at {}", self.uri)
    }
}

impl Libvirt {
    /// Begins to keep a connection, and waits for it at most this long. A libvirtd that is not there yet is no
    /// error: calls say so until it is.
    ///
    /// # Errors
    /// When this process cannot make the threads for it.
    pub async fn connect(uri: &str, wait: Duration) -> Result<Self, VmError> {
        let (events, _) = broadcast::channel(1024);
        let unreachable = |e: std::io::Error| VmError::Unreachable { uri: uri.to_owned(), why: e.to_string() };
        let keeper = Arc::new(Keeper::start(uri.to_owned(), events.clone()).map_err(unreachable)?);
        let it = Self { uri: uri.into(), keeper, slots: Slots::default(), events };
        // Not there in time: calls will say so.
        let _ = timeout_at(Instant::now() + wait, it.wait_up()).await;
        Ok(it)
    }

    async fn wait_up(&self) {
        let mut link = self.keeper.link.clone();
        while matches!(self.keeper.now(), Link::Down(_)) {
            if link.changed().await.is_err() {
                return;
            }
        }
    }

    /// News of domains.
    pub fn events(&self) -> broadcast::Receiver<VmEvent> {
        self.events.subscribe()
    }

    /// Calls that have not returned, oldest first.
    pub fn open_calls(&self) -> Vec<OpenCall> {
        self.slots.open()
    }

    async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        uuid: &str,
        changes: bool,
        deadline: Instant,
        body: impl FnOnce(&Connect) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, VmError> {
        let connection = match self.keeper.now() {
            Link::Up(connection) => connection,
            Link::Down(why) => return Err(VmError::Unreachable { uri: self.uri.to_string(), why }),
        };
        let result = self.slots.run(what, uuid, changes, deadline, move || body(&connection)).await?;
        result.map_err(|e| VmError::Failed { what, why: e.message().to_owned() })
    }

    /// Creates a transient domain with its CPUs standing still.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn create_paused(&self, uuid: &str, xml: String, deadline: Instant) -> Result<(), VmError> {
        self.call("creating the domain", uuid, true, deadline, move |connection| {
            connection.create_domain_xml(&xml, sys::VIR_DOMAIN_START_PAUSED).map(|_| ())
        })
        .await
    }

    /// Takes back the note of an unfinished start, then lets the CPUs go.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn resume(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        let id = uuid.to_owned();
        self.call("resuming the domain", uuid, true, deadline, move |connection| {
            let domain = connection.lookup_domain_by_uuid_string(&id)?;
            let kind = sys::VIR_DOMAIN_METADATA_ELEMENT.cast_signed();
            let live = sys::VIR_DOMAIN_AFFECT_LIVE;
            domain.set_metadata(kind, Some(RESUMED), Some(KEY), Some(NAMESPACE), live)?;
            domain.resume()
        })
        .await
    }

    /// Asks the guest to shut down. Returns at once; `Ok` says that it was asked.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn shutdown(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        let id = uuid.to_owned();
        self.call("asking the guest to shut down", uuid, true, deadline, move |connection| {
            connection.lookup_domain_by_uuid_string(&id)?.shutdown()
        })
        .await
    }

    /// Pulls the plug. A domain that is not there or not active is a success.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn destroy(&self, uuid: &str, deadline: Instant) -> Result<(), VmError> {
        let id = uuid.to_owned();
        self.call("destroying the domain", uuid, true, deadline, move |connection| {
            let result = connection.lookup_domain_by_uuid_string(&id).and_then(|d| d.destroy());
            match result {
                Err(e) if is(&e, ErrorNumber::NoDomain) || is(&e, ErrorNumber::OperationInvalid) => Ok(()),
                other => other,
            }
        })
        .await
    }

    /// The state of one domain.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn state(&self, uuid: &str, deadline: Instant) -> Result<DomainState, VmError> {
        let id = uuid.to_owned();
        self.call("asking for the domain's state", uuid, false, deadline, move |connection| {
            match connection.lookup_domain_by_uuid_string(&id).and_then(|d| state_of(&d)) {
                Err(e) if is(&e, ErrorNumber::NoDomain) => Ok(DomainState::NotFound),
                other => other,
            }
        })
        .await
    }

    /// Every domain, active or only defined.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn list(&self, deadline: Instant) -> Result<Vec<ListedDomain>, VmError> {
        self.call("listing the domains", "", false, deadline, |connection| {
            let mut listed = Vec::new();
            for domain in connection.list_all_domains(0)? {
                match list_entry(&domain) {
                    Ok(entry) => listed.push(entry),
                    // It went away while we asked.
                    Err(e) if is(&e, ErrorNumber::NoDomain) => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(listed)
        })
        .await
    }
}

fn list_entry(domain: &Domain) -> Result<ListedDomain, Error> {
    let (uuid, name, state) = (domain.uuid_string()?, domain.name()?, state_of(domain)?);
    let persistent = domain.is_persistent()?;
    let autostart = persistent && domain.autostart()?;
    let managed_save = persistent && domain.has_managed_save(0)?;
    Ok(ListedDomain { uuid, name, state, persistent, autostart, managed_save })
}

fn state_of(domain: &Domain) -> Result<DomainState, Error> {
    let (state, reason) = raw::state(domain)?;
    Ok(match judge(state, reason) {
        // Between creation and resume libvirt calls it paused by a user; the note tells whether it was us.
        DomainState::Paused(PausedReason::User) if never_let_go(domain)? => {
            DomainState::Paused(PausedReason::StartingUp)
        }
        DomainState::Paused(PausedReason::Migrating) if never_let_go(domain)? => {
            DomainState::Paused(PausedReason::Incoming)
        }
        other => other,
    })
}

fn never_let_go(domain: &Domain) -> Result<bool, Error> {
    let kind = sys::VIR_DOMAIN_METADATA_ELEMENT.cast_signed();
    match domain.metadata(kind, Some(NAMESPACE), sys::VIR_DOMAIN_AFFECT_LIVE) {
        Ok(text) => Ok(says_starting(&text)),
        Err(e) if is(&e, ErrorNumber::NoDomainMetadata) => Ok(false),
        Err(e) => Err(e),
    }
}

fn judge(state: u32, reason: u32) -> DomainState {
    match state {
        sys::VIR_DOMAIN_RUNNING | sys::VIR_DOMAIN_BLOCKED | sys::VIR_DOMAIN_SHUTDOWN => DomainState::Running,
        sys::VIR_DOMAIN_PAUSED => DomainState::Paused(match reason {
            sys::VIR_DOMAIN_PAUSED_STARTING_UP => PausedReason::StartingUp,
            sys::VIR_DOMAIN_PAUSED_MIGRATION => PausedReason::Migrating,
            sys::VIR_DOMAIN_PAUSED_USER => PausedReason::User,
            sys::VIR_DOMAIN_PAUSED_SAVE => PausedReason::Other("being saved"),
            sys::VIR_DOMAIN_PAUSED_DUMP => PausedReason::Other("being dumped"),
            sys::VIR_DOMAIN_PAUSED_IOERROR => PausedReason::Other("input/output error on a disk"),
            sys::VIR_DOMAIN_PAUSED_WATCHDOG => PausedReason::Other("its watchdog fired"),
            sys::VIR_DOMAIN_PAUSED_SNAPSHOT | sys::VIR_DOMAIN_PAUSED_FROM_SNAPSHOT => PausedReason::Other("snapshot"),
            sys::VIR_DOMAIN_PAUSED_SHUTTING_DOWN => PausedReason::Other("shutting down"),
            sys::VIR_DOMAIN_PAUSED_CRASHED => PausedReason::Other("its guest crashed"),
            sys::VIR_DOMAIN_PAUSED_POSTCOPY => PausedReason::Other("post-copy migration"),
            sys::VIR_DOMAIN_PAUSED_POSTCOPY_FAILED => PausedReason::Other("post-copy migration failed"),
            _ => PausedReason::Other("for an unknown reason"),
        }),
        sys::VIR_DOMAIN_PMSUSPENDED => DomainState::Paused(PausedReason::Other("suspended by its guest")),
        sys::VIR_DOMAIN_SHUTOFF => DomainState::ShutOff,
        sys::VIR_DOMAIN_CRASHED => DomainState::Crashed,
        other => DomainState::Unknown(format!("libvirt's domain state {other}")),
    }
}

fn is(error: &Error, number: ErrorNumber) -> bool {
    error.code().to_raw() == virt::error::ErrorNumberEnum::from(number).to_raw()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
