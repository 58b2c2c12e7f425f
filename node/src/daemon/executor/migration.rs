//! Sending a VM to another host, letting one run that came, and what a failed migration leaves here.

use super::{Executor, Prepared, limited, words};
use crate::engine::{Event, Executed, Job, Tag, Target};
use quorate_agents::vm::{Seen as VmSeen, Transfer, Way};
use quorate_core::config::MigrationOptions;
use quorate_core::state::{Moved, Seen};
use quorate_core::time::Timestamp;
use quorate_core::view::Progress;
use std::time::Duration;
use tokio::time::Instant;

/// After a failed migration libvirt may need so long to say what is here; it may be starting again itself.
const SETTLING: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);
/// So many migrations that were called off too late are remembered.
const LATE_MOST: usize = 100;
/// What giving up may take.
const CALL: Duration = Duration::from_secs(5);

impl Executor {
    /// Sends a VM; `tell` hears how far it is.
    pub(super) async fn migrate(&self, job: &Job, uuid: String, deadline: Instant, tell: impl Fn(Event)) -> Event {
        let way = match job
            .target
            .as_ref()
            .ok_or_else(|| "it has no target".to_owned())
            .and_then(|target| way(job, target))
        {
            Ok(way) => way,
            Err(why) => return self.not_sent(job.tag, &uuid, why).await,
        };
        let tag = job.tag;
        if !self.begins(tag, &uuid) {
            return self.not_sent(tag, &uuid, "it was called off before it began".to_owned()).await;
        }
        let told = |now: Transfer| tell(Event::Progress(tag, progress(&now)));
        let sent = self.backend.migrate(&uuid, way, deadline, told).await;
        self.shared().sending.remove(&job.tag);
        match sent {
            Ok(transfer) => {
                tracing::info!(resource = %job.resource, ?transfer, "complete at the target, and gone from here");
                let Transfer { took_ms, paused_ms, sent: bytes, .. } = transfer;
                Event::Gone(job.tag, Moved { took_ms, paused_ms, bytes, at: Timestamp::default() })
            }
            Err(error) => self.not_sent(job.tag, &uuid, error.to_string()).await,
        }
    }

    /// It stays: looked at until somebody knows how it is.
    async fn not_sent(&self, tag: Tag, uuid: &str, why: String) -> Event {
        tracing::warn!(uuid, why, "it was not sent");
        let end = Instant::now() + SETTLING;
        loop {
            // The claim is still ours, and without our word the copy never runs: what stands still here may go on.
            let seen = self.backend.left_behind(uuid, end).await;
            if !matches!(seen, VmSeen::Unknown { .. } | VmSeen::Paused { .. }) || Instant::now() + PAUSE >= end {
                return Event::Executed(tag, Executed { seen: words(&seen), error: Some(limited(why).into()) });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// From here on it can be called off; whether it was not yet.
    fn begins(&self, tag: Tag, uuid: &str) -> bool {
        let mut shared = self.shared();
        if shared.called_off.remove(&tag) {
            return false;
        }
        shared.sending.insert(tag, uuid.to_owned());
        true
    }

    /// Gives a migration up for as long as it is under way: one that is just beginning cannot be given up yet. One that has
    /// not begun, for its task comes to run later than this, does not begin.
    pub(in crate::daemon) async fn call_off(&self, tag: Tag) {
        let uuid = || self.shared().sending.get(&tag).cloned();
        {
            let mut shared = self.shared();
            if !shared.sending.contains_key(&tag) {
                shared.called_off.insert(tag);
                // One that had ended already is never asked for again.
                while shared.called_off.len() > LATE_MOST {
                    shared.called_off.pop_first();
                }
            }
        }
        while let Some(uuid) = uuid() {
            self.backend.call_off(&uuid, Instant::now() + CALL).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A complete copy stands here: the engine says whether it may run.
    pub(super) async fn arrived(&self, job: &Job, uuid: String, deadline: Instant) -> Event {
        let seen = self.backend.probe(&uuid, deadline).await;
        if matches!(seen, VmSeen::StartingPaused { .. }) {
            self.shared().prepared.insert(job.tag, Prepared::Vm(uuid, deadline));
            return Event::Prepared(job.tag);
        }
        let error = Some(limited(format!("there is no complete copy of it here: {seen}")).into());
        Event::Executed(job.tag, Executed { seen: words(&seen), error })
    }

    /// What is here, once what was begun and never finished is undone: what was never let run is destroyed, and what a
    /// migration left standing goes on.
    pub(super) async fn settle(&self, uuid: &str, deadline: Instant) -> Seen {
        match self.backend.destroy_starting(uuid, deadline).await {
            VmSeen::Paused { .. } => words(&self.backend.left_behind(uuid, deadline).await),
            seen => words(&seen),
        }
    }
}

fn progress(now: &Transfer) -> Progress {
    let speed = now.sent.saturating_mul(1000) / now.took_ms.max(1);
    Progress { took_ms: now.took_ms, sent: now.sent, left: now.left, speed }
}

/// How this VM goes to that host.
fn way(job: &Job, target: &Target) -> Result<Way, String> {
    let options = MigrationOptions::read(&job.definition.params).map_err(|(_, why)| why)?;
    let (host, _) = target.address.rsplit_once(':').ok_or_else(|| format!("{} has no address", target.node))?;
    let transport = options.transport.map_or_else(String::new, |transport| format!("+{transport}"));
    Ok(Way {
        host: target.node.to_string(),
        uri: format!("qemu{transport}://{host}/system"),
        data_uri: Some(format!("tcp://{host}")),
        speed: options.speed,
        downtime: options.downtime,
        is_unsafe: options.is_unsafe,
        auto_converge: options.auto_converge,
        compressed: options.compressed,
        tls: options.tls,
        tunnelled: options.tunnelled,
        peer_to_peer: options.peer_to_peer,
    })
}

#[cfg(test)]
#[path = "migration_tests.rs"]
mod tests;
