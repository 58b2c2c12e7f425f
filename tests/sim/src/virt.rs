//! The hypervisor of one host, and the actions that use it: domains are created paused and run when resumed.
//!
//! A call reaches its domain, then returns. Calls on one domain go one after the other. An action outlives the daemon
//! that began it, until the next daemon start kills it.

use crate::event::{Scope, What};
use crate::migration::Flow;
use crate::world::World;
use quorate_core::config::Primitive;
use quorate_core::id::ResourceId;
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{ActionKind, Moved, Seen};
use quorate_node::engine::{Event, Executed, Job, Tag};
use std::collections::{BTreeMap, BTreeSet};

/// A call that has no timeout of the engine's takes so long at most.
const SHORT: u64 = 6000;

/// The hypervisor's own state: the ground truth.
#[derive(Debug, Default)]
pub(crate) struct Virt {
    /// What is there.
    pub(crate) domains: BTreeMap<ResourceId, Vm>,
    /// What is being sent to other hosts.
    pub(crate) flows: BTreeMap<ResourceId, Flow>,
    pub(crate) calls: BTreeMap<u64, Call>,
    /// Calls that have not reached their domain, in their order.
    pub(crate) queues: BTreeMap<ResourceId, Vec<u64>>,
    /// Which resource an operation of a process is about.
    pub(crate) jobs: BTreeMap<(u64, Tag), ResourceId>,
    /// What of it is promoted, for as long as it runs.
    pub(crate) promoted: BTreeSet<ResourceId>,
    /// Promotions that wait for a read.
    pub(crate) promoting: BTreeSet<(u64, Tag)>,
    pub(crate) hung_until: u64,
    pub(crate) slow_looks: bool,
    pub(crate) slow_calls: bool,
    /// Per thousand.
    pub(crate) bad_starts: u64,
    pub(crate) bad_stops: u64,
}

/// How a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vm {
    /// Created, and never let go.
    Starting,
    /// Its CPUs run.
    Running,
    /// It was sent and stands still, until its hypervisor ends it or lets it go on.
    Leaving,
    /// The half of a copy, of this migration.
    Arriving(u64),
    /// A complete copy, as new as the disk.
    Whole,
    /// A complete copy, and older than the disk.
    Outdated,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) process: u64,
    tag: Tag,
    pub(crate) resource: ResourceId,
    kind: Kind,
    /// Who made it was answered, or is dead: what it does now nobody hears of.
    answered: bool,
    /// Its caller was killed when the hypervisor had it already.
    orphaned: bool,
    /// From here on a stop goes its way without the hypervisor.
    killed_at: u64,
    outcome: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Resume,
    Discard(String),
    Stop,
    Probe,
    Look,
    Migrate(usize),
    Arrived,
    /// Is it there, to be promoted?
    Promote,
    Promoted,
    Demote,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Prepared,
    Gone(Moved),
    Ended(Executed),
}

impl Call {
    /// What it comes to.
    pub(crate) fn answer(&mut self, answer: Answer) {
        self.outcome = Some(answer);
    }
}

pub(crate) fn ended(seen: Seen, error: Option<&str>) -> Answer {
    Answer::Ended(Executed { seen, error: error.map(Into::into) })
}

impl World {
    /// Carries an operation out, or looks.
    pub(crate) fn execute(&mut self, h: usize, job: Job, is_look: bool) {
        if !is_look {
            self.check_grant(h, &job);
        }
        if job.kind == ActionKind::Notify {
            self.hears(h, &job);
        }
        if crate::agents::is_service(&job.definition) {
            return self.execute_agent(h, job, is_look);
        }
        let kind = match (job.kind, is_look) {
            (_, true) => Kind::Look,
            (ActionKind::Probe | ActionKind::Reload | ActionKind::Notify, _) => Kind::Probe,
            (ActionKind::Start, _) => Kind::Create,
            (ActionKind::Stop, _) => Kind::Stop,
            (ActionKind::Migrate, _) => {
                let target = job.target.as_ref().map(|target| &target.node);
                let target = self.names.iter().position(|name| Some(name) == target);
                Kind::Migrate(target.expect("it goes to a member"))
            }
            (ActionKind::Handover | ActionKind::Incoming, _) => Kind::Arrived,
            (ActionKind::Promote, _) => Kind::Promote,
            (ActionKind::Demote, _) => Kind::Demote,
        };
        if kind == Kind::Promote
            && let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process)
        {
            self.hosts[h].virt.promoting.insert((process, job.tag));
        }
        let timeout = quorate_core::time::millis(job.timeout);
        self.trace(|world| format!("{} {kind:?} {} (number {})", world.names[h], job.resource, job.operation));
        self.call(h, job.tag, job.resource, kind, timeout);
    }

    pub(crate) fn resume(&mut self, h: usize, tag: Tag) {
        if !self.continue_agent(h, tag, None) {
            self.continue_job(h, tag, Kind::Resume);
        }
    }

    pub(crate) fn discard(&mut self, h: usize, tag: Tag, why: String) {
        if !self.continue_agent(h, tag, Some(&why)) {
            self.continue_job(h, tag, Kind::Discard(why));
        }
    }

    fn continue_job(&mut self, h: usize, tag: Tag, kind: Kind) {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        let Some(resource) = self.hosts[h].virt.jobs.get(&(process, tag)).cloned() else { return };
        let is_promotion = self.hosts[h].virt.promoting.remove(&(process, tag));
        if kind == Kind::Resume {
            self.check_resume(h, &resource);
        }
        let kind = match kind {
            Kind::Resume if is_promotion => Kind::Promoted,
            // What is not promoted runs on.
            Kind::Discard(_) if is_promotion => Kind::Probe,
            kind => kind,
        };
        self.trace(|world| format!("{} {kind:?} {resource}", world.names[h]));
        self.call(h, tag, resource, kind, SHORT);
    }

    fn call(&mut self, h: usize, tag: Tag, resource: ResourceId, kind: Kind, timeout: u64) {
        let id = self.fresh();
        let slow = self.hosts[h].virt.slow_calls && self.dice.chance(500);
        let latency = match &kind {
            Kind::Create if slow => self.dice.of(1000..=9000),
            Kind::Stop if slow => self.dice.of(1000..=6000),
            Kind::Create => self.dice.of(60..=500),
            Kind::Stop => self.dice.of(100..=900),
            Kind::Resume | Kind::Discard(_) if slow => self.dice.of(10..=3000),
            Kind::Look if self.hosts[h].virt.slow_looks => self.dice.of(10..=2000),
            _ => self.dice.of(5..=50),
        };
        let host = &mut self.hosts[h];
        let Some(daemon) = &host.daemon else { return };
        let (process, killed_at) = (daemon.process, self.now + timeout * 3 / 4);
        host.virt.jobs.insert((process, tag), resource.clone());
        host.virt.queues.entry(resource.clone()).or_default().push(id);
        let call = Call { process, tag, resource, kind, answered: false, orphaned: false, killed_at, outcome: None };
        host.virt.calls.insert(id, call);
        let scope = Scope::Boot(h, host.boot);
        self.queue.push(self.now + latency, scope, What::CallEffect(id));
        self.queue.push(self.now + timeout, scope, What::CallTimeout(id));
    }

    /// A call reaches its domain, when those before it have.
    pub(crate) fn call_effect(&mut self, h: usize, id: u64) {
        let host = &mut self.hosts[h];
        let scope = Scope::Boot(h, host.boot);
        let Some(call) = host.virt.calls.get(&id) else { return };
        let is_first = host.virt.queues.get(&call.resource).and_then(|queue| queue.first()) == Some(&id);
        // Stop has a way without the hypervisor: the process is killed, and nobody can say more than that it is gone.
        if host.virt.hung_until > self.now && is_first && call.kind == Kind::Stop && call.killed_at <= self.now {
            return self.kill_without(h, id);
        }
        if host.virt.hung_until > self.now || !is_first {
            let wait =
                if is_first { host.virt.hung_until - self.now + self.dice.of(2..=40) } else { self.dice.of(5..=20) };
            return self.queue.push(self.now + wait, scope, What::CallEffect(id));
        }
        let resource = call.resource.clone();
        if let Some(queue) = host.virt.queues.get_mut(&resource) {
            queue.remove(0);
        }
        let (kind, process, orphaned) = (call.kind.clone(), call.process, call.orphaned);
        if !matches!(kind, Kind::Probe | Kind::Look) && !orphaned {
            self.check_contained(h, process, &resource);
        }
        let answer = match kind {
            Kind::Migrate(target) => self.begin_flow(h, id, &resource, target),
            _ => Some(self.carry_out(h, &resource, &kind)),
        };
        let slow_look = kind == Kind::Look && self.hosts[h].virt.slow_looks;
        let latency = if slow_look { self.dice.of(10..=6000) } else { self.dice.of(1..=10) };
        let Some(answer) = answer else { return };
        if let Some(call) = self.hosts[h].virt.calls.get_mut(&id) {
            call.outcome = Some(answer);
        }
        self.queue.push(self.now + latency, scope, What::CallReturn(id));
    }

    fn kill_without(&mut self, h: usize, id: u64) {
        let host = &mut self.hosts[h];
        let Some(call) = host.virt.calls.get_mut(&id) else { return };
        let (resource, process, orphaned) = (call.resource.clone(), call.process, call.orphaned);
        call.outcome = Some(ended(Seen::Unknown("the hypervisor does not answer".to_owned()), None));
        if let Some(queue) = host.virt.queues.get_mut(&resource) {
            queue.retain(|other| *other != id);
        }
        if !orphaned {
            self.check_contained(h, process, &resource);
        }
        self.counts.killed += 1;
        self.trace(|world| format!("{resource} is killed on {} without its hypervisor", world.names[h]));
        let host = &mut self.hosts[h];
        host.virt.domains.remove(&resource);
        host.virt.flows.remove(&resource);
        let scope = Scope::Boot(h, host.boot);
        self.queue.push(self.now + 5, scope, What::CallReturn(id));
    }

    /// A migration is not wanted any more.
    pub(crate) fn call_off(&mut self, h: usize, tag: Tag) {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        let virt = &mut self.hosts[h].virt;
        let calls = &virt.calls;
        let is_its =
            |flow: &&mut Flow| calls.get(&flow.call).is_some_and(|call| (call.process, call.tag) == (process, tag));
        if let Some(flow) = virt.flows.values_mut().find(is_its) {
            flow.called_off = true;
        }
    }

    fn carry_out(&mut self, h: usize, resource: &ResourceId, kind: &Kind) -> Answer {
        let (bad_start, bad_stop) = (self.hosts[h].virt.bad_starts, self.hosts[h].virt.bad_stops);
        let fails = match kind {
            Kind::Create => bad_start > 0 && self.dice.chance(bad_start),
            Kind::Stop => bad_stop > 0 && self.dice.chance(bad_stop),
            _ => false,
        };
        let domains = &mut self.hosts[h].virt.domains;
        let there = domains.get(resource).copied();
        let paused = || ended(Seen::Paused("migrating".to_owned()), None);
        match (kind, there) {
            (Kind::Create | Kind::Probe | Kind::Look, Some(Vm::Running)) => ended(self.role(h, resource), None),
            (Kind::Promote, Some(Vm::Running)) => Answer::Prepared,
            (Kind::Promote | Kind::Promoted, _) => self.promote(h, resource),
            (Kind::Demote, _) => self.demote(h, resource),
            (Kind::Create | Kind::Probe, Some(Vm::Leaving)) => paused(),
            (Kind::Create, Some(Vm::Arriving(_) | Vm::Whole | Vm::Outdated)) => {
                domains.remove(resource);
                ended(Seen::Stopped, Some("a copy of it was there"))
            }
            (Kind::Create, _) if fails => ended(Seen::Stopped, Some("the domain could not be created")),
            (Kind::Create, _) => {
                domains.insert(resource.clone(), Vm::Starting);
                self.hosts[h].virt.promoted.remove(resource);
                Answer::Prepared
            }
            (Kind::Arrived, Some(Vm::Whole | Vm::Outdated)) => Answer::Prepared,
            (Kind::Arrived, Some(Vm::Running)) => ended(Seen::Running, Some("it runs already")),
            (Kind::Arrived, Some(_)) => ended(Seen::Paused("coming in".to_owned()), Some("it is not complete")),
            (Kind::Arrived, None) => ended(Seen::Stopped, Some("there is no copy")),
            (Kind::Resume, None) => ended(Seen::Stopped, Some("the domain is gone")),
            (Kind::Resume, Some(was)) => {
                domains.insert(resource.clone(), Vm::Running);
                if was != Vm::Running {
                    self.check_copy(h, resource, was);
                    self.begins_to_run(h, resource);
                }
                ended(Seen::Running, None)
            }
            (Kind::Stop, Some(Vm::Running)) if fails => ended(self.role(h, resource), Some("the domain does not stop")),
            (Kind::Stop | Kind::Probe, _) => {
                domains.remove(resource);
                ended(Seen::Stopped, None)
            }
            (Kind::Discard(why), _) => {
                domains.remove(resource);
                ended(Seen::Stopped, Some(why))
            }
            (Kind::Look, Some(_)) => ended(Seen::Paused("standing still".to_owned()), None),
            (Kind::Look, None) => ended(Seen::Stopped, None),
            (Kind::Migrate(_), _) => unreachable!("a migration is no call that is carried out at once"),
        }
    }

    pub(crate) fn call_return(&mut self, h: usize, id: u64) {
        let Some(call) = self.hosts[h].virt.calls.remove(&id) else { return };
        let Some(answer) = call.outcome.filter(|_| !call.answered) else { return };
        if self.hosts[h].daemon.as_ref().is_none_or(|daemon| daemon.process != call.process) {
            return;
        }
        let event = match (answer, call.kind == Kind::Look) {
            (Answer::Prepared, _) => {
                self.note_prepared(h, &call.resource);
                Event::Prepared(call.tag)
            }
            (Answer::Gone(moved), _) => Event::Gone(call.tag, moved),
            (Answer::Ended(ended), true) => Event::Looked(call.tag, ended),
            (Answer::Ended(ended), false) => Event::Executed(call.tag, ended),
        };
        self.step(h, event);
    }

    /// The caller gives up; what the hypervisor has of it may still be carried out.
    pub(crate) fn call_timeout(&mut self, h: usize, id: u64) {
        if self.hosts[h].virt.calls.get(&id).is_none_or(|call| call.answered) {
            return;
        }
        // A migration that takes too long is given up first, and may still end as it should.
        if let Some(flow) = self.hosts[h].virt.flows.values_mut().find(|flow| flow.call == id && !flow.called_off) {
            flow.called_off = true;
            let scope = Scope::Boot(h, self.hosts[h].boot);
            return self.queue.push(self.now + 10_000, scope, What::CallTimeout(id));
        }
        let Some(call) = self.hosts[h].virt.calls.get_mut(&id) else { return };
        call.answered = true;
        call.orphaned = true;
        let (process, tag, is_look) = (call.process, call.tag, call.kind == Kind::Look);
        if self.hosts[h].daemon.as_ref().is_none_or(|daemon| daemon.process != process) {
            return;
        }
        let why = "the hypervisor did not answer in time".to_owned();
        let executed = Executed { seen: Seen::Unknown(why.clone()), error: Some(why.into()) };
        self.step(h, if is_look { Event::Looked(tag, executed) } else { Event::Executed(tag, executed) });
    }

    /// contained: what earlier daemons left is killed and seen gone, then everything is looked for.
    pub(crate) fn take_inventory(&mut self, h: usize, known: BTreeMap<ResourceId, Primitive>) {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        if !planted(Mistake::LeaveChildren) {
            let calls: Vec<u64> = self.hosts[h].virt.calls.keys().copied().collect();
            for id in calls {
                // The hypervisor may have the call already; then it goes on without its caller.
                let reached = self.dice.chance(500);
                let virt = &mut self.hosts[h].virt;
                let Some(call) = virt.calls.get_mut(&id) else { continue };
                call.answered = true;
                call.orphaned = true;
                if call.outcome.is_none() && !reached {
                    let resource = call.resource.clone();
                    virt.calls.remove(&id);
                    if let Some(queue) = virt.queues.get_mut(&resource) {
                        queue.retain(|other| *other != id);
                    }
                }
            }
        }
        self.kill_agents(h);
        self.give_up_flows(h);
        let wait = self.dice.of(30..=300);
        let what = What::Inventory { process, known, give_up: self.now + 3000 };
        self.queue.push(self.now + wait, Scope::Process(h, process), what);
    }

    pub(crate) fn inventory(&mut self, h: usize, process: u64, known: BTreeMap<ResourceId, Primitive>, give_up: u64) {
        let now = self.now;
        let host = &mut self.hosts[h];
        let is_busy = |resource: &ResourceId| host.virt.queues.get(resource).is_some_and(|queue| !queue.is_empty());
        let leave = planted(Mistake::LeaveChildren);
        let hung = host.virt.hung_until > now;
        if now < give_up && (hung || (!leave && known.keys().any(is_busy))) {
            let what = What::Inventory { process, known, give_up };
            return self.queue.push(now + 100, Scope::Process(h, process), what);
        }
        let (services, known) = crate::services::split(known);
        let mut found = BTreeMap::new();
        let all: Vec<ResourceId> = known.keys().chain(host.virt.domains.keys()).cloned().collect();
        for resource in all {
            let seen = match host.virt.domains.get(&resource) {
                _ if hung => Seen::Unknown("the hypervisor does not answer".to_owned()),
                _ if is_busy(&resource) && !leave => Seen::Unknown("a call has not returned".to_owned()),
                Some(Vm::Running) if host.virt.promoted.contains(&resource) => Seen::Promoted,
                Some(Vm::Running) => Seen::Running,
                Some(Vm::Leaving) => Seen::Paused("migrating".to_owned()),
                Some(Vm::Starting | Vm::Arriving(_) | Vm::Whole | Vm::Outdated) | None => Seen::Stopped,
            };
            if seen == Seen::Stopped {
                host.virt.domains.remove(&resource);
            }
            found.insert(resource, seen);
        }
        found.extend(self.services_found(h, &services));
        self.step(h, Event::Inventory(found));
    }

    /// A VM dies by itself, and libvirt says so.
    pub(crate) fn crash_vm(&mut self, h: usize) {
        let running: Vec<ResourceId> = self.hosts[h]
            .virt
            .domains
            .iter()
            .filter(|(_, vm)| **vm == Vm::Running)
            .map(|(resource, _)| resource.clone())
            .collect();
        if running.is_empty() {
            return;
        }
        let resource = self.dice.pick(&running).clone();
        self.hosts[h].virt.domains.remove(&resource);
        self.counts.crashes += 1;
        self.trace(|world| format!("{resource} crashes on {}", world.names[h]));
        let wait = self.dice.of(1..=50);
        self.queue.push(self.now + wait, self.process_scope(h), What::Changed(resource));
    }
}
