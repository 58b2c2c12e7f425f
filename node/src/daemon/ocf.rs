//! The worker's hands for OCF resources: agents run one at a time for each resource, and what their ends say in the
//! log's words.

use crate::engine::{Executed, Job};
use quorate_agents::ocf::{Agents, Call, End, Found, Name, OcfExit, Purpose, Reach, Report, Verb, Verdict, verdict};
use quorate_core::config::{Attributes, Primitive};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ActionKind, AgentError, Seen, Severity};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// So many agents run at once on this host.
const AT_ONCE: usize = 16;
/// A look that is under way may end within this, when something is to be done; then it is killed.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Runs agents; made once for each daemon.
pub struct Ocf {
    agents: Arc<Agents>,
    node: NodeId,
    lanes: Mutex<BTreeMap<ResourceId, Arc<Lane>>>,
    turns: Semaphore,
}

/// One resource's: OCF agents are never run beside themselves.
#[derive(Default)]
struct Lane {
    busy: tokio::sync::Mutex<()>,
    stop_looking: Notify,
}

impl Ocf {
    /// Hands over these agents, on this node.
    pub fn new(agents: Arc<Agents>, node: NodeId) -> Self {
        agents.prepare();
        Self { agents, node, lanes: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    fn lane(&self, resource: &ResourceId) -> Arc<Lane> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(resource.clone()).or_default().clone()
    }

    /// Carries out a claimed operation. A look that is in its way gives way.
    pub(super) async fn operate(&self, job: &Job) -> Executed {
        let lane = self.lane(&job.resource);
        let _alone = match timeout(LOOK_PATIENCE, lane.busy.lock()).await {
            Ok(alone) => alone,
            Err(_) => {
                lane.stop_looking.notify_waiters();
                lane.busy.lock().await
            }
        };
        let (verb, purpose) = match job.kind {
            ActionKind::Start => (Verb::Start, Purpose::Start),
            ActionKind::Stop => (Verb::Stop, Purpose::Stop),
            ActionKind::Probe | ActionKind::Migrate | ActionKind::Incoming | ActionKind::Handover => {
                (PROBE, Purpose::Probe)
            }
        };
        let told = self.run(&job.resource, &job.definition, verb, purpose, job.timeout).await;
        match &told.error {
            // It says that it cannot work here: where nothing came of the start, nothing has to be stopped.
            Some((_, reach)) if purpose == Purpose::Start && *reach != Reach::Soft => {
                let look = self.run(&job.resource, &job.definition, PROBE, Purpose::Probe, job.timeout).await;
                let found = if look.found == Found::Stopped { look.found } else { told.found.clone() };
                executed(Verdict { found, ..told })
            }
            _ => executed(told),
        }
    }

    /// Looks whether it still works, outside of any operation.
    pub(super) async fn watch(&self, job: &Job) -> Executed {
        let lane = self.lane(&job.resource);
        let stopped = lane.stop_looking.notified();
        let Ok(_alone) = lane.busy.try_lock() else { return unseen("it is being worked on") };
        let verb = Verb::Monitor { interval: job.interval.max(Duration::from_millis(1)) };
        tokio::select! {
            told = self.run(&job.resource, &job.definition, verb, Purpose::Watch, job.timeout) => executed(told),
            () = stopped => unseen("the look gave way to an operation"),
        }
    }

    /// What is there when the daemon starts.
    pub(super) async fn found(&self, resource: &ResourceId, definition: &Primitive, timeout: Duration) -> Seen {
        let lane = self.lane(resource);
        let _alone = lane.busy.lock().await;
        executed(self.run(resource, definition, PROBE, Purpose::Probe, timeout).await).seen
    }

    async fn run(
        &self,
        resource: &ResourceId,
        definition: &Primitive,
        verb: Verb,
        purpose: Purpose,
        timeout: Duration,
    ) -> Verdict {
        let agent = &definition.agent;
        let Some(name) = Name::new(agent.provider.as_deref().unwrap_or_default(), &agent.kind) else {
            return never_ran(format!("{} cannot be the name of an agent", agent.text()));
        };
        let Ok(_turn) = self.turns.acquire().await else { return never_ran("this daemon ends".to_owned()) };
        let call = Call {
            action: self.agents.action_id(resource.as_str(), verb.word()),
            name,
            instance: resource.to_string(),
            verb,
            params: definition.params.clone(),
            operation: written(definition, verb),
            node: self.node.to_string(),
            timeout,
        };
        match self.agents.run(&call).await {
            Ok(report) => {
                note(resource, verb, &report);
                verdict(purpose, &report)
            }
            Err(error) => never_ran(error.to_string()),
        }
    }
}

const PROBE: Verb = Verb::Monitor { interval: Duration::ZERO };

fn note(resource: &ResourceId, verb: Verb, report: &Report) {
    let is_fine = matches!(report.end, End::Exit(OcfExit::Success | OcfExit::NotRunning));
    match (verb, is_fine) {
        (Verb::Monitor { .. }, true) => tracing::debug!(%resource, %report, "monitor"),
        (_, true) => tracing::info!(%resource, action = verb.word(), %report, "done"),
        (_, false) => tracing::warn!(%resource, action = verb.word(), %report, "failed"),
    }
}

/// What its `op` line says; of several monitors the one with this interval, of a probe that with interval 0.
fn written(definition: &Primitive, verb: Verb) -> BTreeMap<String, String> {
    let every = |attributes: &Attributes| {
        let every = attributes.get("interval").and_then(|text| quorate_core::grammar::duration(text));
        every.unwrap_or_default()
    };
    let is_meant = |attributes: &Attributes| match verb {
        Verb::Monitor { interval } => every(attributes) == interval,
        _ => true,
    };
    let mut lines = definition.operations.iter().filter(|operation| operation.name == verb.word());
    lines.find(|line| is_meant(&line.attributes)).map(|line| line.attributes.clone()).unwrap_or_default()
}

/// Nothing was begun, and nothing is known.
fn never_ran(why: String) -> Verdict {
    Verdict { found: Found::Unknown(why.clone()), error: Some((why, Reach::Soft)) }
}

fn unseen(why: &str) -> Executed {
    Executed { seen: Seen::Unknown(why.to_owned()), error: None }
}

fn executed(verdict: Verdict) -> Executed {
    let seen = match verdict.found {
        Found::Running => Seen::Running,
        Found::Stopped => Seen::Stopped,
        Found::Failed(why) => Seen::Failed(why),
        Found::Unknown(why) => Seen::Unknown(why),
    };
    let error = verdict.error.map(|(text, reach)| AgentError {
        text,
        severity: match reach {
            Reach::Soft => Severity::Soft,
            Reach::Node => Severity::Hard,
            Reach::Everywhere => Severity::Fatal,
        },
        monitor: None,
    });
    Executed { seen, error }
}
