//! Units of systemd, by the same hands: what becomes of them is told for the resources that they are.

use super::Ocf;
use crate::engine::Event;
use quorate_agents::ocf::{Purpose, Verdict};
use quorate_core::id::ResourceId;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Units that changed and wait to be looked at.
const QUEUE: usize = 256;

impl Ocf {
    pub(super) async fn unit(&self, resource: &ResourceId, unit: &str, purpose: Purpose, timeout: Duration) -> Verdict {
        self.units
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(unit.to_owned())
            .or_default()
            .insert(resource.clone());
        let begun = Instant::now();
        let verdict = self.systemd.run(unit, purpose, timeout).await;
        let took = begun.elapsed();
        match (&verdict.error, purpose) {
            (Some((why, _)), _) => tracing::warn!(%resource, unit, ?purpose, why, ?took, "failed"),
            (None, Purpose::Probe | Purpose::Watch) => {
                tracing::debug!(%resource, unit, found = ?verdict.found, "looked")
            }
            (None, _) => tracing::info!(%resource, unit, ?purpose, ?took, "done"),
        }
        verdict
    }

    /// breathing: what no cgroup of ours holds is killed by its own manager.
    pub(in crate::daemon) async fn kill_units(&self) {
        self.systemd.kill_all().await;
    }

    /// Tells the engine which resource systemd speaks of, as long as the daemon runs.
    pub(in crate::daemon) async fn follow_units(self: Arc<Self>, events: mpsc::Sender<Event>) {
        let (sender, mut changed) = mpsc::channel(QUEUE);
        tokio::spawn(self.systemd.clone().follow(sender));
        while let Some(unit) = changed.recv().await {
            let resources = self.units.lock().unwrap_or_else(PoisonError::into_inner).get(&unit).cloned();
            for resource in resources.into_iter().flatten() {
                if events.send(Event::Changed(resource)).await.is_err() {
                    return;
                }
            }
        }
    }
}
