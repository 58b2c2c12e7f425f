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
/// What a migration gets to end once it was given up: libvirt waits for the other side's keepalive.
const GIVING_UP: Duration = Duration::from_secs(45);
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
        let still = Arc::new(Mutex::new(None::<Instant>));
        let watch = tokio::spawn(stands_still(self.events(), uuid.to_owned(), still.clone()));
        let last = self.send(uuid, way, deadline, told).await;
        watch.abort();
        let last = last?;
        let paused =
            still.lock().unwrap_or_else(PoisonError::into_inner).map_or(Duration::ZERO, |since| since.elapsed());
        let seen = self.wait_stopped(uuid, Instant::now() + LEAVING).await;
        if seen != Seen::Stopped {
            return Err(VmError::Failed { what, why: format!("libvirt says it is complete, but here it is {seen}") });
        }
        Ok(Transfer { took_ms: millis(begun.elapsed()), paused_ms: millis(paused), left: 0, ..last })
    }

    /// Waits for the call, tells how far it is, and gives it up at the deadline.
    async fn send(
        &self,
        uuid: &str,
        way: Way,
        deadline: Instant,
        told: impl Fn(Transfer),
    ) -> Result<Transfer, VmError> {
        let mut last = Transfer::default();
        let call = self.libvirt().migrate(uuid, way, deadline + GIVING_UP);
        tokio::pin!(call);
        let mut ask = tokio::time::interval(ASK);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_given_up = false;
        loop {
            tokio::select! {
                ended = &mut call => {
                    return ended.map(|()| last).map_err(|error| match error {
                        VmError::Failed { what, why } if is_given_up => {
                            VmError::Failed { what, why: format!("it took longer than its timeout and was given up: {why}") }
                        }
                        other => other,
                    });
                }
                () = tokio::time::sleep_until(deadline), if !is_given_up => {
                    is_given_up = true;
                    self.call_off(uuid, Instant::now() + PATIENCE).await;
                }
                _ = ask.tick() => {
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

/// Remembers since when the CPUs of a VM stand still.
async fn stands_still(mut news: broadcast::Receiver<VmEvent>, of: String, since: Arc<Mutex<Option<Instant>>>) {
    while let Ok(event) = news.recv().await {
        let VmEvent::Domain { uuid, kind, .. } = event else { continue };
        if uuid != of {
            continue;
        }
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            EventKind::Paused => _ = since.get_or_insert_with(Instant::now),
            EventKind::Resumed => *since = None,
            _ => {}
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
