//! The worker's hands for OCF resources and units of systemd: agents run one at a time for each resource, and what their
//! ends say in the log's words.

mod migration;
mod units;

use crate::engine::{Event, Executed, Job, Known};
use quorate_agents::ocf::{Agents, Call, End, Found, Name, OcfExit, Purpose, Reach, Report, Verb, Verdict, verdict};
use quorate_agents::systemd::Systemd;
use quorate_core::config::{AgentClass, Attributes, Primitive, full_unit_name};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ActionKind, AgentError, Reload, Seen, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// So many agents look at once on this host, so many carry out operations, and so many stop something beside those.
const AT_ONCE: usize = 16;
/// A look that is under way may end within this, when something is to be done; then it is killed.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// So long a start waits for its agent's description, where nobody has it yet.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(5);
/// So many names go into the log.
const PARAMETERS_MOST: usize = 256;

/// Runs agents; made once for each daemon.
pub struct Ocf {
    agents: Arc<Agents>,
    systemd: Arc<Systemd>,
    node: NodeId,
    lanes: Mutex<BTreeMap<ResourceId, Arc<Lane>>>,
    /// Which resources a unit is.
    units: Mutex<BTreeMap<String, BTreeSet<ResourceId>>>,
    turns: Turns,
    /// Where a file for each resource says that its migration may go on although nobody waits for it any more.
    marks: PathBuf,
}

/// One run of an agent: of what, and for how long.
struct Turn<'a> {
    resource: &'a ResourceId,
    definition: &'a Primitive,
    verb: Verb,
    limit: Duration,
    /// From where to where it goes.
    ends: Option<(&'a str, &'a str)>,
    /// What it is told of its clone.
    notice: Option<&'a Attributes>,
}

impl<'a> Turn<'a> {
    fn new(resource: &'a ResourceId, definition: &'a Primitive, verb: Verb, limit: Duration) -> Self {
        Self { resource, definition, verb, limit, ends: None, notice: None }
    }

    fn of(job: &'a Job, verb: Verb, limit: Duration) -> Self {
        Self { notice: Some(&job.notice), ..Self::new(&job.resource, &job.definition, verb, limit) }
    }

    fn probe(job: &'a Job) -> Self {
        Self::of(job, PROBE, job.timeout)
    }

    fn between(self, source: &'a str, target: &'a str) -> Self {
        Self { ends: Some((source, target)), ..self }
    }
}

/// Room for agents. What hangs in one kind of action holds up no other: looks hang most, and stops are what a recovery
/// waits for.
struct Turns {
    looks: Semaphore,
    operations: Semaphore,
    stops: Semaphore,
}

impl Turns {
    fn new() -> Self {
        let [looks, operations, stops] = [0; 3].map(|_| Semaphore::new(AT_ONCE));
        Self { looks, operations, stops }
    }

    fn of(&self, kind: Option<ActionKind>) -> &Semaphore {
        match kind {
            None => &self.looks,
            Some(ActionKind::Stop | ActionKind::Demote) => &self.stops,
            Some(_) => &self.operations,
        }
    }
}

/// One resource's: OCF agents are never run beside themselves.
#[derive(Default)]
struct Lane {
    busy: tokio::sync::Mutex<()>,
    stop_looking: Notify,
}

impl Lane {
    /// Waits for its turn; a look that is in the way gives way.
    async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        match timeout(LOOK_PATIENCE, self.busy.lock()).await {
            Ok(alone) => alone,
            Err(_) => {
                self.stop_looking.notify_waiters();
                self.busy.lock().await
            }
        }
    }
}

impl Ocf {
    /// Hands over these agents and units, on this node; `marks` is a directory that outlives the daemon.
    pub fn new(agents: Arc<Agents>, systemd: Arc<Systemd>, node: NodeId, marks: PathBuf) -> Self {
        agents.prepare();
        let (lanes, units) = (Mutex::default(), Mutex::default());
        Self { agents, systemd, node, lanes, units, turns: Turns::new(), marks }
    }

    fn lane(&self, resource: &ResourceId) -> Arc<Lane> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(resource.clone()).or_default().clone()
    }

    /// Carries out a claimed operation. A look that is in its way gives way.
    pub(super) async fn operate(&self, job: &Job) -> Event {
        if job.kind == ActionKind::Migrate {
            let lane = self.lane(&job.resource);
            let _alone = lane.alone().await;
            return self.send(job).await;
        }
        let reload = match job.kind {
            ActionKind::Start | ActionKind::Reload => self.reload(&job.definition).await,
            _ => None,
        };
        let executed = self.operation(job, reload.as_ref()).await;
        match reload.filter(|_| executed.error.is_none() && executed.seen == Seen::Running) {
            Some(reload) => Event::Reloads(job.tag, executed, reload),
            None => Event::Executed(job.tag, executed),
        }
    }

    /// What the agent of this host takes over without a restart. Whoever does not say so soon takes over nothing.
    async fn reload(&self, definition: &Primitive) -> Option<Reload> {
        let name = Name::new(definition.agent.provider.as_deref()?, &definition.agent.kind)?;
        let described = timeout(DESCRIBE_PATIENCE, self.agents.metadata(&name)).await.ok()?.ok()?;
        let (action, names) = described.reload()?;
        let parameters = names.into_iter().take(PARAMETERS_MOST).map(str::to_owned).collect();
        Some(Reload { action: action.to_owned(), parameters })
    }

    async fn operation(&self, job: &Job, reload: Option<&Reload>) -> Executed {
        let lane = self.lane(&job.resource);
        let _alone = lane.alone().await;
        if job.kind == ActionKind::Notify {
            return self.tell(job).await;
        }
        let (verb, purpose) = match job.kind {
            ActionKind::Start => (Verb::Start, Purpose::Start),
            ActionKind::Stop => (Verb::Stop, Purpose::Stop),
            ActionKind::Reload => match reload.map(|reload| reload.action.as_str()) {
                Some("reload-agent") => (Verb::ReloadAgent, Purpose::Reload),
                Some(_) => (Verb::Reload, Purpose::Reload),
                None => {
                    let why = format!("{} cannot reload here any more", job.definition.agent.text());
                    return Executed { seen: Seen::Failed(why.clone()), error: Some(why.into()) };
                }
            },
            ActionKind::Promote => (Verb::Promote, Purpose::Promote),
            ActionKind::Demote => (Verb::Demote, Purpose::Demote),
            // What has come counts as started there.
            ActionKind::Handover => (Verb::MigrateFrom, Purpose::Start),
            ActionKind::Probe | ActionKind::Migrate | ActionKind::Incoming | ActionKind::Notify => {
                (PROBE, Purpose::Probe)
            }
        };
        if purpose == Purpose::Probe
            && let Some(settled) = self.settled(&job.resource, &job.definition, job.stop).await
        {
            return executed(settled, &job.definition);
        }
        let mut limit = job.timeout;
        if purpose == Purpose::Stop && job.definition.is_promotable() {
            limit = self.demote_what_is_promoted(job).await;
        }
        let turns = self.turns.of(Some(job.kind));
        let here = self.node.to_string();
        let source = job.target.as_ref().map(|source| source.node.to_string());
        let turn = Turn::of(job, verb, limit);
        let turn = match source.as_ref().filter(|_| verb == Verb::MigrateFrom) {
            Some(source) => turn.between(source, &here),
            None => turn,
        };
        let told = self.run(turns, &turn, purpose).await;
        if purpose == Purpose::Stop && told.found == Found::Stopped {
            self.unmark(&job.resource);
        }
        match &told.error {
            // It says that it cannot work here: where nothing came of the start, nothing has to be stopped.
            Some((_, reach)) if purpose == Purpose::Start && *reach != Reach::Soft => {
                let look = self.run(turns, &Turn::probe(job), Purpose::Probe).await;
                let found = if look.found == Found::Stopped { look.found } else { told.found.clone() };
                executed(Verdict { found, ..told }, &job.definition)
            }
            _ => executed(told, &job.definition),
        }
    }

    /// What it answers says nothing of what is there, only whether it heard.
    async fn tell(&self, job: &Job) -> Executed {
        let turns = self.turns.of(Some(job.kind));
        let error = match self.report(turns, &Turn::of(job, Verb::Notify, job.timeout)).await {
            Ok(report) if report.end == End::Exit(OcfExit::Success) => None,
            Ok(report) => Some(report.to_string().into()),
            Err(why) => Some(why.into()),
        };
        Executed { seen: Seen::Running, error }
    }

    /// Agents refuse to stop what is promoted. Whoever was found working was demoted by an operation of its own; here it is
    /// what failed, of which nobody knows the role. What is left of the stop's time.
    async fn demote_what_is_promoted(&self, job: &Job) -> Duration {
        let begun = Instant::now();
        let turns = self.turns.of(Some(job.kind));
        let look = self.run(turns, &Turn::of(job, PROBE, job.timeout / 6), Purpose::Probe).await;
        if !matches!(look.found, Found::Running | Found::Stopped) {
            let _ = self.run(turns, &Turn::of(job, Verb::Demote, job.timeout / 3), Purpose::Demote).await;
        }
        job.timeout.saturating_sub(begun.elapsed()).max(job.timeout / 2)
    }

    /// Looks whether it still works, outside of any operation.
    pub(super) async fn watch(&self, job: &Job) -> Executed {
        let lane = self.lane(&job.resource);
        let stopped = lane.stop_looking.notified();
        let Ok(_alone) = lane.busy.try_lock() else { return unseen("it is being worked on") };
        let verb = Verb::Monitor { interval: job.interval.max(Duration::from_millis(1)) };
        if let Some(settled) = self.settled(&job.resource, &job.definition, job.stop).await {
            return executed(settled, &job.definition);
        }
        let (turns, turn) = (self.turns.of(None), Turn::of(job, verb, job.timeout));
        let purpose = if job.is_absent { Purpose::Probe } else { Purpose::Watch };
        tokio::select! {
            told = self.run(turns, &turn, purpose) => executed(told, &job.definition),
            () = stopped => unseen("the look gave way to an operation"),
        }
    }

    /// What is there when the daemon starts.
    pub(super) async fn found(&self, resource: &ResourceId, known: Known) -> Seen {
        let Known { definition, look, stop } = &known;
        let lane = self.lane(resource);
        let _alone = lane.busy.lock().await;
        if let Some(settled) = self.settled(resource, definition, *stop).await {
            return executed(settled, definition).seen;
        }
        let turn = Turn::new(resource, definition, PROBE, *look);
        executed(self.run(self.turns.of(Some(ActionKind::Probe)), &turn, Purpose::Probe).await, definition).seen
    }

    async fn run(&self, turns: &Semaphore, turn: &Turn<'_>, purpose: Purpose) -> Verdict {
        let agent = &turn.definition.agent;
        if agent.class == AgentClass::Systemd {
            // No process of ours: it takes nobody's turn.
            return self.unit(turn.resource, &full_unit_name(&agent.kind), purpose, turn.limit).await;
        }
        match self.report(turns, turn).await {
            Ok(report) => verdict(purpose, &report),
            Err(why) => never_ran(why),
        }
    }

    /// What an agent answered; an error where it never ran.
    async fn report(&self, turns: &Semaphore, turn: &Turn<'_>) -> Result<Report, String> {
        let Turn { resource, definition, verb, limit, ends, notice } = *turn;
        let agent = &definition.agent;
        let Some(name) = Name::new(agent.provider.as_deref().unwrap_or_default(), &agent.kind) else {
            return Err(format!("{} cannot be the name of an agent", agent.text()));
        };
        let Ok(_turn) = turns.acquire().await else { return Err("this daemon ends".to_owned()) };
        let mut meta = definition.clone_attributes();
        meta.extend(notice.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        if let Some((source, target)) = ends {
            meta.extend(
                [("migrate_source", source), ("migrate_target", target)]
                    .map(|(name, node)| (name.to_owned(), node.to_owned())),
            );
        }
        let call = Call {
            action: self.agents.action_id(resource.as_str(), verb.word()),
            name,
            instance: resource.to_string(),
            verb,
            params: definition.params.clone(),
            operation: written(definition, verb),
            meta,
            node: self.node.to_string(),
            timeout: limit,
        };
        let report = self.agents.run(&call).await.map_err(|error| error.to_string())?;
        note(resource, verb, &report);
        Ok(report)
    }
}

#[cfg(test)]
#[path = "ocf_tests.rs"]
mod tests;

const PROBE: Verb = Verb::Monitor { interval: Duration::ZERO };

fn note(resource: &ResourceId, verb: Verb, report: &Report) {
    let is_fine = matches!(report.end, End::Exit(OcfExit::Success | OcfExit::NotRunning));
    let is_promoted = matches!(report.end, End::Exit(OcfExit::RunningPromoted | OcfExit::DegradedPromoted));
    match (verb, is_fine || (is_promoted && matches!(verb, Verb::Monitor { .. }))) {
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

fn executed(verdict: Verdict, definition: &Primitive) -> Executed {
    let seen = match verdict.found {
        // Of what is no promotable clone no role is known.
        Found::Promoted if definition.is_promotable() => Seen::Promoted,
        Found::Running | Found::Promoted => Seen::Running,
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
