//! What each action does to the state. Returns `None` where nothing comes of it.
//!
//! The order of effects inside one step is what the real thing does atomically; whatever can be torn
//! apart by a crash or a delay is two actions.

use crate::Protocol;
use crate::action::{Action, Leaves};
use crate::apply::{Outcome, apply};
use crate::message::{Found, Hardware, Kind, Message, Sender};
use crate::rules::Rule;
use crate::state::{BootId, Grant, NodeId, ResourceId, Standing, State};
use crate::world::{Datagram, Job, Vm, Work};

impl Protocol {
    /// The state after an action.
    pub(crate) fn step(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let happened = match action {
            Action::Propose(node, resource, kind) => {
                state.left.claims -= 1;
                state.left.migrations -= u8::from(matches!(kind, Kind::Migrate { .. }));
                let from = state.world.sender(node);
                state.send(Message::Claim { from, resource, kind }, self.rules)
            }
            Action::Deliver(message) => self.deliver(&mut state, message),
            Action::Replay(node, resource) => self.replay(&mut state, node, resource),
            Action::Act(job) => self.act(&mut state, job),
            Action::Fail(job) => {
                if !matches!(job.work, Work::Migrate { .. }) {
                    state.left.failures -= 1;
                }
                let found = state.found(job.resource, job.node);
                self.end(&mut state, job, found)
            }
            Action::Settle(node, resource, how) => self.settle(&mut state, node, resource, how),
            Action::Monitor(node, resource) => {
                state.left.monitors -= 1;
                let found = state.found(resource, node);
                let number = state.log.slot(resource, node).number;
                let from = state.world.sender(node);
                state.send(Message::Observation { from, resource, number, found }, self.rules)
            }
            Action::Die(node, resource) => {
                state.left.vm_deaths -= 1;
                *state.world.vm_mut(resource, node) = Vm::None;
                true
            }
            Action::Restart(_)
            | Action::Hello(_)
            | Action::Impostor(_)
            | Action::Cut(_)
            | Action::Boot(_)
            | Action::Breathe(_) => self.host_step(&mut state, action),
            _ => self.fence_step(&mut state, action),
        };
        happened.then_some(state)
    }

    /// Commits a message; a granted claim is begun by the process that asked, if it still lives.
    fn deliver(&self, state: &mut State, message: Message) -> bool {
        let Message::Claim { from, resource, kind } = message else {
            return state.commit(message, self.rules);
        };
        let mut trial = state.log.clone();
        let Ok(Outcome::Granted(number)) = apply(&mut trial, message, self.rules) else {
            return false;
        };
        state.commit(message, self.rules);
        if state.world.alive(from) {
            let work = match kind {
                Kind::Start => Work::Start,
                Kind::Stop => Work::Stop,
                Kind::Migrate { to } => Work::Migrate { to, copied: false },
                Kind::Handover { .. } => Work::Resume,
            };
            let job = Job { node: from.node, resource, work, number, process: from.process };
            state.harm.executed_twice |= state.world.begin(job);
        }
        true
    }

    /// The mistake that answer-only forbids.
    fn replay(&self, state: &mut State, node: NodeId, resource: ResourceId) -> bool {
        use crate::state::Claim;
        let slot = *state.log.slot(resource, node);
        let work = match slot.claim {
            Claim::Start => Work::Start,
            Claim::Stop => Work::Stop,
            Claim::Handover => Work::Resume,
            Claim::None | Claim::Migrate { .. } | Claim::Incoming { .. } => return false,
        };
        let process = state.world.host(node).process;
        let job = Job { node, resource, work, number: slot.number, process };
        state.harm.executed_twice |= state.world.begin(job);
        true
    }

    /// An action takes effect.
    fn act(&self, state: &mut State, job: Job) -> bool {
        let vm = state.world.vm(job.resource, job.node);
        match job.work {
            // A domain of that name may be there already; then the start fails.
            Work::Start if vm == Vm::None => state.world.run(job.resource, job.node),
            Work::Start => {}
            Work::Stop => *state.world.vm_mut(job.resource, job.node) = Vm::None,
            Work::Resume => {
                let complete = matches!(vm, Vm::Whole | Vm::Outdated);
                if complete || (vm == Vm::Arriving && !self.rules.on(Rule::Whole)) {
                    state.harm.bad_copy_resumed |= vm != Vm::Whole;
                    state.world.run(job.resource, job.node);
                }
            }
            Work::Migrate { to, copied } => return self.migrate(state, job, to, copied),
        }
        let found = state.found(job.resource, job.node);
        self.end(state, job, found)
    }

    /// One part of a migration: create the copy, or switch over to it.
    fn migrate(&self, state: &mut State, job: Job, to: NodeId, copied: bool) -> bool {
        let source = state.world.vm(job.resource, job.node);
        let target = state.world.vm(job.resource, to);
        if source != Vm::Running {
            return false;
        }
        if !copied && state.world.host(to).up && target == Vm::None {
            *state.world.vm_mut(job.resource, to) = Vm::Arriving;
            let later = Job { work: Work::Migrate { to, copied: true }, ..job };
            state.world.advance(job, Some(later));
            return true;
        }
        if copied && target == Vm::Arriving {
            *state.world.vm_mut(job.resource, job.node) = Vm::Leaving;
            *state.world.vm_mut(job.resource, to) = Vm::Whole;
            if !self.rules.on(Rule::Handover) {
                // Without the paused flag the hypervisor itself starts the target here.
                *state.world.vm_mut(job.resource, to) = Vm::Running;
            }
            return true;
        }
        false
    }

    /// libvirt destroys the source, or resumes it (its last message was lost). If the action that
    /// sent it still runs, it ends and knows which.
    fn settle(&self, state: &mut State, node: NodeId, resource: ResourceId, how: Leaves) -> bool {
        let found = match how {
            Leaves::Gone => {
                *state.world.vm_mut(resource, node) = Vm::None;
                Found::Moved
            }
            Leaves::Kept => {
                state.world.run(resource, node);
                Found::Running
            }
        };
        let sends = |job: &&Job| {
            let work = matches!(job.work, Work::Migrate { .. });
            work && job.node == node && job.resource == resource
        };
        match state.world.jobs.iter().find(sends).copied() {
            Some(job) => self.end(state, job, found),
            None => true,
        }
    }

    /// An action ends; its own daemon reports, if it still lives.
    fn end(&self, state: &mut State, job: Job, found: Found) -> bool {
        state.world.advance(job, None);
        let from = Sender { process: job.process, ..state.world.sender(job.node) };
        if state.world.alive(from) {
            let Job { resource, number, .. } = job;
            state.send(Message::Result { from, resource, number, found }, self.rules);
        }
        true
    }

    /// What happens to hosts and daemons.
    fn host_step(&self, state: &mut State, action: Action) -> bool {
        let size = state.size;
        match action {
            Action::Restart(node) => {
                state.left.restarts -= 1;
                state.world.restart(node, self.rules);
            }
            Action::Hello(node) => {
                let from = state.world.sender(node);
                let follows = state.log.member(node).incarnation;
                let hello = Message::Hello { from, follows, hardware: Hardware::Pinned };
                return state.send(hello, self.rules);
            }
            Action::Impostor(node) => {
                state.left.impostors -= 1;
                let here = state.world.sender(node);
                let boot = BootId(here.boot.0 + 100);
                let from = Sender { boot, process: here.process.next(), ..here };
                let follows = state.log.member(node).incarnation;
                let hello = Message::Hello { from, follows, hardware: Hardware::Other };
                return state.send(hello, self.rules);
            }
            Action::Cut(node) => {
                state.left.cuts -= 1;
                state.world.cut(node, size);
            }
            Action::Boot(node) => {
                state.left.boots -= 1;
                state.world.boot(node, size);
            }
            Action::Breathe(node) => state.world.cut(node, size),
            _ => return false,
        }
        true
    }

    /// What is done about a node that is not heard.
    fn fence_step(&self, state: &mut State, action: Action) -> bool {
        match action {
            Action::Lose(target) => {
                state.left.losses -= 1;
                state.commit(Message::Lost { target }, self.rules)
            }
            Action::Grant(executor, target) => {
                state.left.grants -= 1;
                let session = state.log.member(target).session;
                let grant = Grant { executor, target, session };
                state.world.set_off(grant, Some(Datagram::Unsent));
                state.commit(Message::Grant(grant), self.rules)
            }
            Action::Send(grant) => {
                state.world.set_off(grant, Some(Datagram::Flying));
                true
            }
            Action::Land(grant) => {
                state.world.set_off(grant, Some(Datagram::Landed));
                self.off(state, grant.target)
            }
            Action::Withdraw(grant) => {
                state.world.set_off(grant, None);
                state.commit(Message::Withdraw(grant), self.rules)
            }
            Action::Expire(grant) => {
                state.world.set_off(grant, None);
                state.commit(Message::Expire(grant), self.rules)
            }
            Action::CallOff(target) => {
                state.left.call_offs -= 1;
                state.commit(Message::CallOff { target }, self.rules)
            }
            Action::Read(target) => self.read(state, target),
            Action::Lie(target) => {
                state.left.lies -= 1;
                state.harm.lied = true;
                self.read(state, target)
            }
            Action::EarlyRead(target) => state.send(Message::PowerOff { target, session: None }, self.rules),
            Action::Confirm(target) => {
                state.left.confirms -= 1;
                let session = state.log.member(target).session;
                state.send(Message::ConfirmOff { target, session }, self.rules)
            }
            _ => false,
        }
    }

    /// Power is taken from whatever boot the host is in by now.
    fn off(&self, state: &mut State, target: NodeId) -> bool {
        let (host, member) = (state.world.host(target), state.log.member(target));
        if host.up {
            let same = host.boot == member.session;
            state.harm.off_hit_open_session |= same && member.standing == Standing::Open;
            state.world.cut(target, state.size);
        }
        true
    }

    /// A reading begun for the intent that is in force now.
    fn read(&self, state: &mut State, target: NodeId) -> bool {
        let session = Some(state.log.member(target).session);
        state.send(Message::PowerOff { target, session }, self.rules)
    }
}
