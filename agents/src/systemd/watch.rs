//! Tells at once when a unit of ours changes: by systemd's own signals, for as long as the daemon runs.
//!
//! A signal only says where to look. What was found running and was last heard of as down is told again each second until
//! somebody has looked: a look that was under way may have seen what was before.

use super::Systemd;
use super::bus::{Link, NAME, UNIT, UNITS, is_away, unit_of};
use crate::ocf::Found;
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{interval, sleep, timeout};
use zbus::{MatchRule, MessageStream, OwnedVariant, fdo, message};

/// Between two tries to hear anything.
const PAUSE: Duration = Duration::from_secs(1);
/// A bus that takes longer is asked again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Signals that wait: one flood of them must not hold up the connection.
const QUEUE: usize = 1024;

/// The units that this daemon has to do with.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<String, Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// So it was found the last time.
    runs: bool,
    /// So it was heard of the last time.
    is_down: bool,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, unit: &str) {
        let mut known = self.lock();
        if !known.contains_key(unit) {
            known.insert(unit.to_owned(), Heard::default());
        }
    }

    pub(super) fn found(&self, unit: &str, found: &Found) {
        if let Some(heard) = self.lock().get_mut(unit) {
            match found {
                Found::Running | Found::Promoted => heard.runs = true,
                Found::Stopped | Found::Failed(_) => heard.runs = false,
                Found::Unknown(_) => {}
            }
        }
    }

    /// Whether it is one of ours.
    fn heard(&self, unit: &str, is_down: bool) -> bool {
        self.lock().get_mut(unit).map(|heard| heard.is_down = is_down).is_some()
    }

    fn overdue(&self) -> Vec<String> {
        let known = self.lock();
        known.iter().filter(|(_, heard)| heard.runs && heard.is_down).map(|(unit, _)| unit.clone()).collect()
    }

    pub(super) fn running(&self) -> Vec<String> {
        self.lock().iter().filter(|(_, heard)| heard.runs).map(|(unit, _)| unit.clone()).collect()
    }

    fn all(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

impl Systemd {
    /// Names every unit of ours that changed, until nobody listens. Nothing is connected before there is one.
    pub async fn follow(self: Arc<Self>, changed: Sender<String>) {
        loop {
            sleep(PAUSE).await;
            if changed.is_closed() {
                return;
            }
            if !self.is_here() || self.known.all().is_empty() {
                continue;
            }
            let link = match timeout(PATIENCE, self.bus.link()).await {
                Ok(Ok(link)) => link,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "systemd cannot be asked: units are only looked at by their monitors");
                    continue;
                }
                Err(_) => continue,
            };
            let Err(error) = self.listen(&link, &changed).await else { return };
            tracing::warn!(%error, "systemd's signals do not flow: they are asked for again");
            self.bus.drop_link(&link).await;
        }
    }

    /// Until the connection breaks, which is an error, or nobody listens.
    async fn listen(&self, link: &Link, changed: &Sender<String>) -> zbus::Result<()> {
        let rule = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .sender(NAME)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path_namespace(UNITS)
            .arg(0, UNIT)
            .build()?;
        let mut signals = MessageStream::for_match_rule(rule, &link.connection, QUEUE.try_into().ok()).await?;
        let bus = fdo::DBusProxy::new(&link.connection).await?;
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
        // What happened before is looked for once.
        for unit in self.known.all() {
            if changed.send(unit).await.is_err() {
                return Ok(());
            }
        }
        let mut again = interval(PAUSE);
        loop {
            let units = tokio::select! {
                signal = signals.next() => {
                    let Some(signal) = signal else { return Err(gone()) };
                    self.changed_unit(&signal?).into_iter().collect()
                }
                owner = owners.next() => {
                    // Another systemd, or none: nobody asked that one for signals yet.
                    let _ = owner;
                    return Err(gone());
                }
                _ = again.tick() => self.known.overdue(),
                () = changed.closed() => return Ok(()),
            };
            for unit in units {
                if changed.send(unit).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn changed_unit(&self, signal: &zbus::Message) -> Option<String> {
        let header = signal.header();
        let unit = unit_of(header.path()?.as_str())?;
        let body = signal.body();
        let (_, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) = body.deserialize().ok()?;
        let state = String::try_from(changed.get("ActiveState")?.clone()).ok()?;
        let is_down = matches!(state.as_str(), "inactive" | "failed");
        // What is just coming up or going down is told when it has.
        (self.known.heard(&unit, is_down) && state != "activating" && state != "deactivating").then_some(unit)
    }
}

fn gone() -> zbus::Error {
    let error = zbus::Error::from(std::io::Error::from(std::io::ErrorKind::NotConnected));
    debug_assert!(is_away(&error));
    error
}
