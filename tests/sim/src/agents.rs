//! OCF agents of one host: what they brought up, and those that run just now.
//!
//! Of one resource one agent at a time runs for a daemon; a look gives way to an operation. An agent outlives the daemon
//! that ran it, until the next daemon start kills it. What its end means is read as the daemon reads it; that a code is
//! read rightly is a matter of `agents::ocf`'s own tests.

use crate::event::{Scope, What};
use crate::services::Mood;
use crate::world::World;
use quorate_core::config::{AgentClass, Primitive};
use quorate_core::id::ResourceId;
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{ActionKind, AgentError, Seen, Severity};
use quorate_core::time::millis;
use quorate_node::engine::{Event, Executed, Job, Tag};
use std::collections::{BTreeMap, VecDeque};

/// A look that is in the way of an operation is killed after this.
const LOOK_PATIENCE: u64 = 2000;

/// The ground truth.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// What is there, and whether it works.
    pub(crate) services: BTreeMap<ResourceId, Health>,
    /// Agents that run.
    runs: BTreeMap<u64, Run>,
    /// Operations that wait for an agent of their resource to end.
    waiting: BTreeMap<ResourceId, VecDeque<Job>>,
    /// Starts of which nothing is begun yet, by process.
    prepared: BTreeMap<(u64, Tag), Job>,
    pub(crate) mood: Mood,
}

/// How something is that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Works,
    /// At least a part of it is there, and it does not work.
    Broken,
}

/// An agent that runs.
#[derive(Debug)]
struct Run {
    process: u64,
    job: Job,
    verb: Verb,
    /// What it will end with; `None` as long as it hangs.
    exit: Option<i32>,
    /// The start that failed for good before this look.
    before: Option<Executed>,
    acted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Probe,
    Watch,
}

/// What happens to an agent that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It does what it is there for.
    Act,
    End,
    /// Its time is over.
    Deadline,
    /// An operation has waited long enough for this look.
    GiveWay,
}

/// What a daemon is told that asked.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Prepared(ResourceId),
    Looked(Executed),
}

/// Whether agents do the work for it.
pub(crate) fn is_service(primitive: &Primitive) -> bool {
    primitive.agent.class == AgentClass::Ocf && !crate::clones::is_cloned(primitive)
}

impl Agents {
    /// A boot ends: nothing of it is left but what its agents are like.
    pub(crate) fn end_boot(&mut self) {
        *self = Self { mood: self.mood, ..Self::default() };
    }

    fn is_busy(&self, process: u64, resource: &ResourceId) -> bool {
        self.runs.values().any(|run| run.process == process && run.job.resource == *resource)
    }
}

impl World {
    /// Carries an operation on a service out, or looks.
    pub(crate) fn execute_agent(&mut self, h: usize, job: Job, is_look: bool) {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        self.trace(|world| {
            let word = if is_look { "watches" } else { job.kind.word() };
            format!("{} {word} {} (number {})", world.names[h], job.resource, job.operation)
        });
        let (tag, scope) = (job.tag, Scope::Process(h, process));
        let is_busy = self.hosts[h].agents.is_busy(process, &job.resource);
        if is_look {
            if is_busy {
                let told = Told::Looked(unknown("it is being worked on", false));
                return self.queue.push(self.now + 1, scope, What::Told(tag, Box::new(told)));
            }
            return self.run_agent(h, process, job, Verb::Watch, None);
        }
        if job.kind == ActionKind::Start {
            let told = Told::Prepared(job.resource.clone());
            self.hosts[h].agents.prepared.insert((process, tag), job);
            return self.queue.push(self.now + 1, scope, What::Told(tag, Box::new(told)));
        }
        self.operate(h, process, job);
    }

    /// An operation that does not wait for a word any more.
    fn operate(&mut self, h: usize, process: u64, job: Job) {
        let agents = &mut self.hosts[h].agents;
        if !agents.is_busy(process, &job.resource) {
            return self.run_agent_for(h, process, job);
        }
        let is_its = |run: &Run| run.process == process && run.job.resource == job.resource;
        let way = agents.runs.iter().find(|(_, run)| is_its(run) && run.verb == Verb::Watch).map(|(id, _)| *id);
        agents.waiting.entry(job.resource.clone()).or_default().push_back(job);
        if let Some(id) = way {
            let scope = Scope::Boot(h, self.hosts[h].boot);
            self.queue.push(self.now + LOOK_PATIENCE, scope, What::Agent(id, Step::GiveWay));
        }
    }

    fn run_agent_for(&mut self, h: usize, process: u64, job: Job) {
        let verb = match job.kind {
            ActionKind::Start => Verb::Start,
            ActionKind::Stop => Verb::Stop,
            _ => Verb::Probe,
        };
        self.run_agent(h, process, job, verb, None);
    }

    fn run_agent(&mut self, h: usize, process: u64, job: Job, verb: Verb, before: Option<Executed>) {
        let id = self.fresh();
        let mood = self.hosts[h].agents.mood;
        let dice = &mut self.agency.dice;
        let (act, end) = match verb {
            Verb::Start if mood.slow => (dice.of(500..=6000), dice.of(500..=4000)),
            Verb::Stop if mood.slow => (dice.of(500..=4000), dice.of(100..=3000)),
            Verb::Start => (dice.of(10..=300), dice.of(10..=300)),
            Verb::Stop => (dice.of(10..=400), dice.of(10..=200)),
            Verb::Probe | Verb::Watch if mood.slow => (dice.of(10..=3000), dice.of(1..=1000)),
            Verb::Probe | Verb::Watch => (dice.of(5..=40), dice.of(1..=30)),
        };
        let (scope, timeout) = (Scope::Boot(h, self.hosts[h].boot), millis(job.timeout));
        self.hosts[h].agents.runs.insert(id, Run { process, job, verb, exit: None, before, acted: false });
        self.queue.push(self.now + act, scope, What::Agent(id, Step::Act));
        self.queue.push(self.now + act + end, scope, What::Agent(id, Step::End));
        self.queue.push(self.now + timeout, scope, What::Agent(id, Step::Deadline));
    }

    pub(crate) fn agent_steps(&mut self, h: usize, id: u64, step: Step) {
        let Some(run) = self.hosts[h].agents.runs.get(&id) else { return };
        let is_alone = self.hosts[h].daemon.as_ref().is_none_or(|daemon| daemon.process != run.process);
        match step {
            Step::Act => self.act(h, id),
            // Nobody hears how it ended, nor kills it when its time is over.
            Step::End | Step::Deadline | Step::GiveWay if is_alone => {}
            Step::End if run.exit.is_none() => {}
            Step::End => self.agent_ended(h, id),
            Step::Deadline => self.agent_killed(h, id),
            Step::GiveWay => {
                let Some(run) = self.hosts[h].agents.runs.remove(&id) else { return };
                let looked = unknown("the look gave way to an operation", false);
                self.next_operation(h, run.process, &run.job.resource);
                self.step(h, Event::Looked(run.job.tag, looked));
            }
        }
    }

    /// It does what it is there for, or fails in one way or another.
    fn act(&mut self, h: usize, id: u64) {
        let Some(run) = self.hosts[h].agents.runs.get_mut(&id) else { return };
        run.acted = true;
        let (verb, process, resource) = (run.verb, run.process, run.job.resource.clone());
        if matches!(verb, Verb::Start | Verb::Stop) {
            self.check_contained(h, process, &resource);
        }
        let (mood, there) = (self.hosts[h].agents.mood, self.hosts[h].agents.services.get(&resource).copied());
        let dice = &mut self.agency.dice;
        let chance = match verb {
            Verb::Start => mood.bad_starts,
            Verb::Stop => mood.bad_stops,
            Verb::Probe | Verb::Watch => mood.bad_looks,
        };
        let how = (chance > 0 && dice.chance(chance)).then(|| dice.of(0..=4));
        let (exit, after) = match (verb, how) {
            (Verb::Start, None) => (Some(0), Some(Health::Works)),
            (Verb::Start, Some(0)) => (Some(1), there),
            (Verb::Start, Some(1)) => (Some(1), Some(Health::Broken)),
            (Verb::Start, Some(2)) => (Some(5), there),
            (Verb::Start, Some(3)) => (None, Some(Health::Works)),
            (Verb::Start, Some(_)) => (None, there),
            (Verb::Stop, None) => (Some(0), None),
            (Verb::Stop, Some(0 | 1)) => (Some(1), there),
            (Verb::Stop, Some(2)) => (Some(1), None),
            (Verb::Stop, Some(3)) => (None, there),
            (Verb::Stop, Some(_)) => (None, None),
            (Verb::Probe | Verb::Watch, Some(0 | 1)) => (Some(1), there),
            (Verb::Probe | Verb::Watch, Some(2)) => (Some(4), there),
            (Verb::Probe | Verb::Watch, Some(_)) => (None, there),
            (Verb::Probe | Verb::Watch, None) => {
                let exit = there.map_or(7, |health| i32::from(health == Health::Broken));
                (Some(exit), there)
            }
        };
        let agents = &mut self.hosts[h].agents;
        if let Some(run) = agents.runs.get_mut(&id) {
            run.exit = exit;
        }
        match after {
            Some(health) => agents.services.insert(resource.clone(), health),
            None => agents.services.remove(&resource),
        };
        self.counts.bad_agents += u64::from(how.is_some());
        if there.is_none() && after.is_some() {
            self.service_begins(h, &resource);
        }
    }

    fn agent_ended(&mut self, h: usize, id: u64) {
        let Some(run) = self.hosts[h].agents.runs.remove(&id) else { return };
        let Some(exit) = run.exit else { return };
        let told = read(run.verb, exit);
        self.trace(|world| format!("{:?} of {} on {} ends with {exit}", run.verb, run.job.resource, world.names[h]));
        let for_good = told.error.as_ref().is_some_and(|error| error.severity != Severity::Soft);
        if run.verb == Verb::Start && for_good {
            // It says that it cannot work here: where nothing came of the start, nothing has to be stopped.
            return self.run_agent(h, run.process, run.job, Verb::Probe, Some(told));
        }
        self.report_agent(h, run, told);
    }

    fn agent_killed(&mut self, h: usize, id: u64) {
        let Some(run) = self.hosts[h].agents.runs.remove(&id) else { return };
        self.trace(|world| format!("{:?} of {} on {} is killed", run.verb, run.job.resource, world.names[h]));
        self.leave_behind(h, &run);
        let why = "no answer in time, killed";
        let told = match run.verb {
            Verb::Start | Verb::Watch => Executed { seen: Seen::Failed(why.to_owned()), error: Some(why.into()) },
            Verb::Stop => unknown(why, true),
            Verb::Probe => unknown(why, false),
        };
        self.report_agent(h, run, told);
    }

    /// What a start that is killed had begun goes with it, or some of it stays.
    fn leave_behind(&mut self, h: usize, run: &Run) {
        if run.verb != Verb::Start || !run.acted {
            return;
        }
        let services = &mut self.hosts[h].agents.services;
        match self.agency.dice.of(0..=2) {
            0 => _ = services.remove(&run.job.resource),
            1 => services.get_mut(&run.job.resource).into_iter().for_each(|health| *health = Health::Broken),
            _ => {}
        }
    }

    /// Tells the daemon that asked, and lets what waited begin.
    fn report_agent(&mut self, h: usize, run: Run, told: Executed) {
        let told = match run.before {
            // A start that failed for good failed, unless nothing came of it; what was not begun is as it is seen.
            Some(Executed { seen: Seen::Failed(why), error }) if told.seen != Seen::Stopped => {
                Executed { seen: Seen::Failed(why), error }
            }
            Some(before) => Executed { seen: told.seen, ..before },
            None => told,
        };
        self.note_agent(h, &run.job.resource, run.job.kind, &told);
        self.next_operation(h, run.process, &run.job.resource);
        let event = if run.verb == Verb::Watch { Event::Looked } else { Event::Executed };
        self.step(h, event(run.job.tag, told));
    }

    fn next_operation(&mut self, h: usize, process: u64, resource: &ResourceId) {
        let next = self.hosts[h].agents.waiting.get_mut(resource).and_then(VecDeque::pop_front);
        if let Some(job) = next {
            self.run_agent_for(h, process, job);
        }
    }

    /// The daemon's own word comes back to it.
    pub(crate) fn told(&mut self, h: usize, tag: Tag, told: Told) {
        match told {
            Told::Prepared(resource) => {
                self.note_prepared(h, &resource);
                self.step(h, Event::Prepared(tag));
            }
            Told::Looked(looked) => self.step(h, Event::Looked(tag, looked)),
        }
    }

    /// Whether it was the start of a service that waited: it begins now, or a look says what is there instead.
    pub(crate) fn continue_agent(&mut self, h: usize, tag: Tag, discarded: Option<&str>) -> bool {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return false };
        let Some(job) = self.hosts[h].agents.prepared.remove(&(process, tag)) else { return false };
        let Some(why) = discarded else {
            self.check_resume(h, &job.resource);
            self.operate(h, process, job);
            return true;
        };
        let error = AgentError::from(format!("it was not started: {why}"));
        let before = Executed { seen: Seen::Unknown(why.to_owned()), error: Some(error) };
        self.run_agent(h, process, job, Verb::Probe, Some(before));
        true
    }

    /// contained: agents that an earlier daemon ran are killed, with what they brought up and nobody took over.
    pub(crate) fn kill_agents(&mut self, h: usize) {
        if planted(Mistake::LeaveChildren) {
            return;
        }
        let runs = std::mem::take(&mut self.hosts[h].agents.runs);
        self.hosts[h].agents.waiting.clear();
        self.hosts[h].agents.prepared.clear();
        for run in runs.into_values() {
            self.leave_behind(h, &run);
        }
    }

    /// What is there when a daemon starts.
    pub(crate) fn services_found(
        &mut self,
        h: usize,
        known: &BTreeMap<ResourceId, Primitive>,
    ) -> BTreeMap<ResourceId, Seen> {
        let mood = self.hosts[h].agents.mood;
        let ids: Vec<&ResourceId> = known.iter().filter(|(_, it)| is_service(it)).map(|(id, _)| id).collect();
        let mut found = BTreeMap::new();
        for id in ids {
            let hangs = mood.bad_looks > 0 && self.agency.dice.chance(mood.bad_looks);
            let seen = match self.hosts[h].agents.services.get(id) {
                _ if hangs => Seen::Unknown("no answer in time, killed".to_owned()),
                Some(Health::Works) => Seen::Running,
                Some(Health::Broken) => Seen::Failed("it does not work".to_owned()),
                None => Seen::Stopped,
            };
            if matches!(seen, Seen::Failed(_)) {
                self.note_broken(h, id);
            }
            found.insert(id.clone(), seen);
        }
        found
    }
}

fn unknown(why: &str, is_error: bool) -> Executed {
    Executed { seen: Seen::Unknown(why.to_owned()), error: is_error.then(|| why.into()) }
}

/// What an agent's end says, by its purpose.
fn read(verb: Verb, exit: i32) -> Executed {
    let severity = if (2..=5).contains(&exit) { Severity::Hard } else { Severity::Soft };
    let text = format!("exit code {exit}");
    let error = |severity| Some(AgentError { text: text.clone(), severity, monitor: None });
    match (verb, exit) {
        (Verb::Start | Verb::Probe | Verb::Watch, 0) => Executed { seen: Seen::Running, error: None },
        (Verb::Stop, 0 | 7) | (Verb::Probe, 7) => Executed { seen: Seen::Stopped, error: None },
        (Verb::Watch, 7) => Executed { seen: Seen::Stopped, error: error(Severity::Soft) },
        (Verb::Probe, 5) => Executed { seen: Seen::Stopped, error: error(severity) },
        (Verb::Probe, 2..=4) => Executed { seen: Seen::Unknown(text.clone()), error: error(severity) },
        (Verb::Stop, _) => Executed { seen: Seen::Failed(text.clone()), error: error(Severity::Soft) },
        _ => Executed { seen: Seen::Failed(text.clone()), error: error(severity) },
    }
}
