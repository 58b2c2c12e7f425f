//! Sending what an agent runs to another node, and letting it in there: `migrate_to` here, `migrate_from` there.
//!
//! An agent's own success is the only word that a migration is complete, and what it leaves here is stopped before that is
//! told. An agent that was cut off, at its deadline or with its daemon, may have left a hypervisor behind that goes on
//! sending: a mark on disk says so, and while it stands a look at the resource is a stop. So what is known of it here is known
//! after the last moment at which it could have left. Nothing here decides where it may run.

use super::{Ocf, PROBE, Turn, executed};
use crate::engine::{Event, Executed, Job};
use quorate_agents::ocf::{End, Found, Purpose, Reach, Verb, Verdict, file_name, verdict};
use quorate_agents::process::Cleared;
use quorate_core::config::Primitive;
use quorate_core::id::ResourceId;
use quorate_core::state::{ActionKind, Moved, Seen};
use quorate_core::text::limited;
use quorate_core::time::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

impl Ocf {
    /// Sends it; the caller has its lane.
    pub(super) async fn send(&self, job: &Job) -> Event {
        let target = job.target.as_ref().map(|target| target.node.to_string());
        let Some(target) = target else { return self.not_sent(job, "it has no target".to_owned()).await };
        if let Err(error) = self.mark(&job.resource) {
            let why = format!("{}: {error}; without a mark there it is not sent", self.marks.display());
            return self.not_sent(job, why).await;
        }
        let begun = Instant::now();
        let here = self.node.to_string();
        let turn = Turn::of(job, Verb::MigrateTo, job.timeout).between(&here, &target);
        let report = match self.report(self.turns.of(Some(job.kind)), &turn).await {
            Ok(report) => report,
            Err(why) => {
                self.unmark(&job.resource);
                return self.not_sent(job, why).await;
            }
        };
        let is_its_word = matches!(report.end, End::Exit(_)) && report.cleared != Cleared::Remains;
        let failed = verdict(Purpose::Start, &report).error;
        match failed {
            None if is_its_word => {}
            Some((why, _)) if is_its_word => {
                self.unmark(&job.resource);
                return self.not_sent(job, why).await;
            }
            why => {
                let why = why.map_or_else(|| "it was cut off".to_owned(), |(why, _)| why);
                let (seen, _) = self.end_here(&job.resource, &job.definition, job.stop).await;
                let why = limited(format!("{why}; it may be on its way and was stopped here"));
                return Event::Executed(job.tag, Executed { seen, error: Some(why.into()) });
            }
        }
        // What it left here: of a domain that has gone there is nothing, and its agent says so.
        let (seen, error) = self.end_here(&job.resource, &job.definition, job.stop).await;
        if seen != Seen::Stopped {
            let why = error.unwrap_or_else(|| "it was sent and is still here".to_owned());
            return Event::Executed(job.tag, Executed { seen, error: Some(why.into()) });
        }
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Event::Gone(job.tag, Moved { took_ms, paused_ms: 0, bytes: 0, at: Timestamp::default() })
    }

    /// Its agent says that it was not sent, or was never asked: it is looked at.
    async fn not_sent(&self, job: &Job, why: String) -> Event {
        tracing::warn!(resource = %job.resource, why, "it was not sent");
        let look = self.run(self.turns.of(Some(job.kind)), &Turn::probe(job), Purpose::Probe).await;
        let seen = executed(look, &job.definition).seen;
        Event::Executed(job.tag, Executed { seen, error: Some(limited(why).into()) })
    }

    /// Stops it here for good; what did not stop may still be sent, and counts as there.
    async fn end_here(&self, resource: &ResourceId, definition: &Primitive, limit: Duration) -> (Seen, Option<String>) {
        let turn = Turn::new(resource, definition, Verb::Stop, limit);
        let told = self.run(self.turns.of(Some(ActionKind::Stop)), &turn, Purpose::Stop).await;
        if told.found == Found::Stopped {
            // What it says of its stop is believed when its monitor says so too: while the mark is there, it may leave yet.
            let turn = Turn::new(resource, definition, PROBE, limit);
            let look = self.run(self.turns.of(Some(ActionKind::Stop)), &turn, Purpose::Probe).await;
            if look.found == Found::Stopped {
                self.unmark(resource);
                return (Seen::Stopped, None);
            }
            let why = format!("its stop says that it is down, and its monitor does not: {:?}", look.found);
            return (Seen::Failed(why.clone()), Some(why));
        }
        let why = told.error.map_or_else(|| "it did not stop".to_owned(), |(why, _)| why);
        (Seen::Failed(why.clone()), Some(why))
    }

    /// What a migration that was cut off left here is stopped before it is looked at; `None` where there was none.
    pub(super) async fn settled(
        &self,
        resource: &ResourceId,
        definition: &Primitive,
        stop: Duration,
    ) -> Option<Verdict> {
        if !self.mark_of(resource).exists() {
            return None;
        }
        tracing::warn!(%resource, "a migration of it was cut off: it is stopped before anything is believed of it");
        match self.end_here(resource, definition, stop).await {
            (Seen::Stopped, _) => Some(Verdict { found: Found::Stopped, error: None }),
            (_, why) => {
                let why = format!("a migration of it was cut off, and it does not stop: {}", why.unwrap_or_default());
                Some(Verdict { found: Found::Unknown(why.clone()), error: Some((why, Reach::Soft)) })
            }
        }
    }

    fn mark_of(&self, resource: &ResourceId) -> PathBuf {
        self.marks.join(file_name(resource.as_str()))
    }

    /// It outlives this daemon. After a boot it says too much, which costs one stop of what is stopped.
    fn mark(&self, resource: &ResourceId) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.marks)?;
        std::fs::write(self.mark_of(resource), resource.as_str())
    }

    pub(super) fn unmark(&self, resource: &ResourceId) {
        match std::fs::remove_file(self.mark_of(resource)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%resource, %error, "the mark of its migration stays: the next look will stop it");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "migration_tests.rs"]
mod tests;
