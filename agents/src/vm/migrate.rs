//! Sending a VM of this host to another, and what is left here of one that was sent.
//!
//! [`VmHost::migrate`] succeeds only when the hypervisor says that the migration is complete *and* both witnesses find
//! nothing of the VM here. Every other end is an error: the copy elsewhere is worth nothing then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

use super::host::VmHost;
use super::{EventKind, Seen, Transfer, VmError, VmEvent, Way};

/// Between two questions how far it is.
const ASK: Duration = Duration::from_millis(400);
/// What one such question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a migration gets to end once it was given up: it waits for the other side's keepalive, where the libvirtds talk to
/// each other (tunnelled) for theirs.
const GIVING_UP: Duration = Duration::from_secs(45);
/// A guest that stands still for so long after its migration was given up is ended, to be started anew.
const STILL: Duration = Duration::from_secs(20);
const ENDED: &str = "it stood still, did not come back, and was ended";
/// How long it waits for libvirt to tell how much was sent.
const AMOUNT: Duration = Duration::from_millis(30);
/// The source's process may need so long to be gone.
const LEAVING: Duration = Duration::from_secs(10);

impl VmHost {
    /// See [`super::VmBackend::migrate`].
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn migrate(
        &self,
        uuid: &str,
        way: Way,
        deadline: Instant,
        told: impl Fn(Transfer),
    ) -> Result<Transfer, VmError> {
        let what = "migrating the domain";
        self.nothing_open(what, uuid)?;
        let begun = Instant::now();
        let watched = Arc::new(Mutex::new(Watched::default()));
        let watch = tokio::spawn(watch(self.events(), uuid.to_owned(), watched.clone()));
        let last = self.send(uuid, way, deadline, told, &watched).await;
        let now = || *watched.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_ok() {
            // The event that tells the amount comes about with the answer; it is worth no downtime.
            let patience = Instant::now() + AMOUNT;
            while now().sent.is_none() && Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        watch.abort();
        let last = last?;
        let Watched { still_since, sent } = now();
        let seen = self.wait_stopped(uuid, Instant::now() + LEAVING).await;
        let paused = still_since.map_or(Duration::ZERO, |since| since.elapsed());
        if seen != Seen::Stopped {
            return Err(VmError::Failed { what, why: format!("libvirt says it is complete, but here it is {seen}") });
        }
        let (took_ms, paused_ms) = (millis(begun.elapsed()), millis(paused));
        Ok(Transfer { took_ms, paused_ms, sent: sent.unwrap_or(last.sent), left: 0 })
    }

    /// Waits for the call, tells how far it is, and gives it up at the deadline.
    async fn send(
        &self,
        uuid: &str,
        way: Way,
        deadline: Instant,
        told: impl Fn(Transfer),
        watched: &Mutex<Watched>,
    ) -> Result<Transfer, VmError> {
        let mut last = Transfer::default();
        let there = self.libvirt().reach(&way, deadline).await?;
        let call = self.libvirt().migrate(uuid, way, &there, deadline + GIVING_UP);
        tokio::pin!(call);
        let mut ask = tokio::time::interval(ASK);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut given_up = None;
        loop {
            tokio::select! {
                ended = &mut call => {
                    return ended.map(|()| last).map_err(|error| match error {
                        VmError::Failed { what, why } => {
                            let because = given_up.map_or_else(String::new, |because| format!("{because}: "));
                            VmError::Failed { what, why: format!("{because}{why}") }
                        }
                        other => other,
                    });
                }
                () = tokio::time::sleep_until(deadline), if given_up.is_none() => {
                    given_up = Some("it took longer than its timeout and was given up");
                    self.call_off(uuid, Instant::now() + PATIENCE).await;
                }
                _ = ask.tick() => {
                    let still = watched.lock().unwrap_or_else(PoisonError::into_inner).still_since;
                    if given_up.is_some_and(|because| because != ENDED) && still.is_some_and(|it| it.elapsed() > STILL) {
                        // QEMU hangs in a write of its last pages, which nobody can break off, and TCP gives up only
                        // after a quarter of an hour: for so long the guest would be dead.
                        given_up = Some(ENDED);
                        tracing::warn!(uuid, "it stands still and does not come back: ending it");
                        self.kill(uuid, Instant::now() + PATIENCE).await;
                    }
                    // Nobody else looks: the hypervisor would send into the void until its own patience ends.
                    if given_up.is_none() && !there.is_alive() {
                        given_up = Some("the other host's libvirtd gives no sign of life, and it was given up");
                        self.call_off(uuid, Instant::now() + PATIENCE).await;
                    }
                    // A libvirtd that does not say is no news.
                    if let Ok(Some(now)) = self.libvirt().transfer(uuid, Instant::now() + PATIENCE).await {
                        last = now;
                        told(now);
                    }
                }
            }
        }
    }

    /// See [`super::VmBackend::call_off`].
    pub async fn call_off(&self, uuid: &str, deadline: Instant) {
        match self.libvirt().abort_migration(uuid, deadline).await {
            Ok(true) => tracing::info!(uuid, "its migration is given up"),
            Ok(false) => {}
            Err(error) => tracing::warn!(uuid, %error, "its migration was not given up"),
        }
    }

    /// See [`super::VmBackend::left_behind`].
    pub async fn left_behind(&self, uuid: &str, deadline: Instant) -> Seen {
        match self.libvirt().transfer(uuid, deadline.min(Instant::now() + PATIENCE)).await {
            // It is still being sent: who sends it will say what becomes of it.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => {
                if let Err(error) = self.resume(uuid, deadline).await {
                    tracing::warn!(uuid, %error, "what a failed migration left standing here does not run on");
                }
            }
        }
        self.probe(uuid, deadline).await
    }
}

/// What libvirt's events tell of a migration.
#[derive(Debug, Clone, Copy, Default)]
struct Watched {
    /// Since when the CPUs stand still.
    still_since: Option<Instant>,
    /// Bytes sent, all in all.
    sent: Option<u64>,
}

async fn watch(mut news: broadcast::Receiver<VmEvent>, of: String, watched: Arc<Mutex<Watched>>) {
    while let Ok(event) = news.recv().await {
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            VmEvent::Domain { uuid, kind: EventKind::Paused, .. } if uuid == of => {
                watched.still_since.get_or_insert_with(Instant::now);
            }
            VmEvent::Domain { uuid, kind: EventKind::Resumed, .. } if uuid == of => watched.still_since = None,
            VmEvent::JobDone { uuid, sent, .. } if uuid == of => watched.sent = sent.or(watched.sent),
            _ => {}
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
