//! The connection to libvirtd, kept by a thread of its own: opens it, registers for events, sees it end, opens again.
//!
//! Opening may hang for as long as libvirtd hangs; only this thread waits for it. No keepalive on purpose: a call
//! ended by a keepalive may still be carried out by a libvirtd that wakes up later.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use virt::connect::Connect;
use virt_sys as sys;

use super::super::{EventKind, VmEvent};
use super::raw::{self, Job, Lifecycle};

/// How often a dead connection is noticed and a lost one tried again.
const LOOK: Duration = Duration::from_millis(100);

/// The connection as it is now.
#[derive(Clone)]
pub(super) enum Link {
    Down(String),
    Up(Connect),
}

/// Ends the keeper when the last handle is gone.
pub(super) struct Keeper {
    stop: Arc<AtomicBool>,
    /// Told to every waiting caller; also readable without waiting.
    pub(super) link: watch::Receiver<()>,
    now: Arc<RwLock<Link>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Keeper {
    pub(super) fn start(uri: String, events: broadcast::Sender<VmEvent>) -> std::io::Result<Self> {
        run_event_loop()?;
        let stop = Arc::new(AtomicBool::new(false));
        let now = Arc::new(RwLock::new(Link::Down("not connected yet".to_owned())));
        let (told, link) = watch::channel(());
        let keep = Keep { uri, events, stop: stop.clone(), now: now.clone(), told };
        std::thread::Builder::new().name("libvirt-link".to_owned()).spawn(move || keep.run())?;
        Ok(Self { stop, link, now })
    }

    pub(super) fn now(&self) -> Link {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Keep {
    uri: String,
    events: broadcast::Sender<VmEvent>,
    stop: Arc<AtomicBool>,
    now: Arc<RwLock<Link>>,
    told: watch::Sender<()>,
}

impl Keep {
    fn run(self) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.open() {
                Ok((connection, ids)) => {
                    self.set(Link::Up(connection.clone()));
                    self.tell(VmEvent::Connected);
                    while !self.stop.load(Ordering::Relaxed) && connection.is_alive().unwrap_or(false) {
                        std::thread::sleep(LOOK);
                    }
                    let why = "the connection ended; libvirtd was stopped or died".to_owned();
                    self.set(Link::Down(why.clone()));
                    self.tell(VmEvent::Disconnected { why });
                    ids.into_iter().for_each(|id| raw::forget(&connection, id));
                }
                Err(why) => {
                    self.set(Link::Down(why));
                    std::thread::sleep(LOOK);
                }
            }
        }
    }

    fn open(&self) -> Result<(Connect, Vec<i32>), String> {
        let connection = Connect::open(Some(&self.uri)).map_err(|e| e.message().to_owned())?;
        let events = self.events.clone();
        let handler = Box::new(move |event: Lifecycle| {
            // Nobody listens: nothing is lost.
            let _ = events.send(told_as(event));
        });
        let id = raw::on_lifecycle(&connection, handler).map_err(|e| format!("no events: {}", e.message()))?;
        let mut ids = vec![id];
        let events = self.events.clone();
        let handler = Box::new(move |Job { uuid, name, sent }: Job| {
            let _ = events.send(VmEvent::JobDone { uuid, name, sent });
        });
        // Without it only the amount that a migration sent is not told.
        match raw::on_job(&connection, handler) {
            Ok(id) => ids.push(id),
            Err(error) => tracing::info!(%error, "libvirt does not tell what a migration came to"),
        }
        Ok((connection, ids))
    }

    fn set(&self, link: Link) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = link;
        // Only fails when all handles are gone, and then this thread ends too.
        let _ = self.told.send(());
    }

    fn tell(&self, event: VmEvent) {
        let _ = self.events.send(event);
    }
}

fn told_as(event: Lifecycle) -> VmEvent {
    let failed = [sys::VIR_DOMAIN_EVENT_STOPPED_FAILED, sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED];
    let kind = match event.event {
        sys::VIR_DOMAIN_EVENT_STARTED => EventKind::Started,
        sys::VIR_DOMAIN_EVENT_STOPPED if failed.contains(&event.detail) => EventKind::Crashed,
        sys::VIR_DOMAIN_EVENT_CRASHED => EventKind::Crashed,
        sys::VIR_DOMAIN_EVENT_STOPPED => EventKind::Stopped,
        sys::VIR_DOMAIN_EVENT_SUSPENDED | sys::VIR_DOMAIN_EVENT_PMSUSPENDED => EventKind::Paused,
        sys::VIR_DOMAIN_EVENT_RESUMED => EventKind::Resumed,
        sys::VIR_DOMAIN_EVENT_DEFINED | sys::VIR_DOMAIN_EVENT_UNDEFINED => EventKind::Defined,
        _ => EventKind::Other,
    };
    VmEvent::Domain { uuid: event.uuid, name: event.name, kind }
}

/// libvirt's default event loop, once per process, before the first connection.
fn run_event_loop() -> std::io::Result<()> {
    static BEGIN: Once = Once::new();
    let mut failed = None;
    BEGIN.call_once(|| {
        // libvirt prints every error to standard error otherwise.
        virt::error::clear_error_callback();
        if let Err(e) = virt::event::event_register_default_impl() {
            failed = Some(std::io::Error::other(e.message().to_owned()));
            return;
        }
        let forever = || {
            loop {
                if let Err(e) = virt::event::event_run_default_impl() {
                    tracing::warn!(error = %e, "libvirt's event loop");
                    std::thread::sleep(LOOK);
                }
            }
        };
        failed = std::thread::Builder::new().name("libvirt-events".to_owned()).spawn(forever).err();
    });
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_died_is_told_apart_from_an_orderly_end() {
        let rows = [
            (sys::VIR_DOMAIN_EVENT_STARTED, 0, EventKind::Started),
            (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_FAILED, EventKind::Crashed),
            (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED, EventKind::Crashed),
            (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, EventKind::Stopped),
            (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_MIGRATED, EventKind::Stopped),
            (sys::VIR_DOMAIN_EVENT_SUSPENDED, 0, EventKind::Paused),
            (99, 0, EventKind::Other),
        ];
        for (event, detail, want) in rows {
            let told = told_as(Lifecycle { uuid: "u".to_owned(), name: "n".to_owned(), event, detail });
            assert_eq!(told, VmEvent::Domain { uuid: "u".to_owned(), name: "n".to_owned(), kind: want });
        }
    }
}
