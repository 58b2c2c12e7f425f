//! Everything that can happen next, and which of it is possible in a given state.
//!
//! Enumerates only; [`crate::step`] says what each action does.

use crate::message::{Kind, Message};
use crate::rules::Rule;
use crate::state::{Claim, Grant, NodeId, ResourceId, Standing, State};
use crate::world::{Datagram, Job, Vm, Work};
use crate::{Protocol, world::Task};

/// One step of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A node's daemon asks to do something.
    Propose(NodeId, ResourceId, Kind),
    /// A message reaches the log.
    Deliver(Message),
    /// A daemon sees an open claim of its node in the state and runs it (a mistake).
    Replay(NodeId, ResourceId),
    /// A running action takes effect, or its next part does.
    Act(Job),
    /// A running action ends without effect.
    Fail(Job),
    /// libvirt ends a migration on the source: the machine is gone there, or resumes there.
    Settle(NodeId, ResourceId, Leaves),
    /// A daemon looks and reports.
    Monitor(NodeId, ResourceId),
    /// A machine dies by itself.
    Die(NodeId, ResourceId),
    /// A daemon is killed and started again.
    Restart(NodeId),
    /// A daemon introduces itself.
    Hello(NodeId),
    /// Another machine introduces itself under this node's name.
    Impostor(NodeId),
    /// A host loses power.
    Cut(NodeId),
    /// A host boots.
    Boot(NodeId),
    /// A host that learns that its session has ended kills everything.
    Breathe(NodeId),
    /// A majority does not hear a node.
    Lose(NodeId),
    /// A member is allowed to send `off` to a node.
    Grant(NodeId, NodeId),
    /// An executor writes `off` to the device.
    Send(Grant),
    /// The device acts on it.
    Land(Grant),
    /// An executor gives its grant back unused.
    Withdraw(Grant),
    /// A grant's deadline passes.
    Expire(Grant),
    /// The lost session is back: call the fence off.
    CallOff(NodeId),
    /// The power of a lost node is read as off.
    Read(NodeId),
    /// The same, though the host runs.
    Lie(NodeId),
    /// The power is read as off before anybody declared the node lost.
    EarlyRead(NodeId),
    /// A person answers that the host is off.
    Confirm(NodeId),
}

/// How a migration ends on its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Destroyed there.
    Gone,
    /// Resumed there.
    Kept,
}

impl Protocol {
    /// Every action possible in this state.
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        for node in state.size.nodes() {
            self.on_host(state, node, actions);
            self.about_node(state, node, actions);
            for resource in state.size.resources() {
                self.on_resource(state, node, resource, actions);
            }
        }
        for task in &state.world.tasks {
            self.on_task(state, *task, actions);
        }
        if self.rules.on(Rule::SendBy) {
            actions.extend(state.log.grants.iter().map(|grant| Action::Expire(*grant)));
        }
        for job in &state.world.jobs {
            actions.push(Action::Act(*job));
            if matches!(job.work, Work::Migrate { .. }) || state.left.failures > 0 {
                actions.push(Action::Fail(*job));
            }
        }
        actions.extend(state.network.iter().map(|message| Action::Deliver(*message)));
    }

    /// What happens to a host and its daemon.
    fn on_host(&self, state: &State, node: NodeId, actions: &mut Vec<Action>) {
        let (host, member, left) = (state.world.host(node), state.log.member(node), &state.left);
        if !host.up {
            if left.boots > 0 {
                actions.push(Action::Boot(node));
            }
            return;
        }
        if left.restarts > 0 {
            actions.push(Action::Restart(node));
        }
        if left.cuts > 0 {
            actions.push(Action::Cut(node));
        }
        if host.process != member.incarnation {
            actions.push(Action::Hello(node));
        }
        if left.impostors > 0 {
            actions.push(Action::Impostor(node));
        }
        if member.standing == Standing::Ended && member.session == host.boot {
            actions.push(Action::Breathe(node));
        }
    }

    /// What others say and do about a node.
    fn about_node(&self, state: &State, node: NodeId, actions: &mut Vec<Action>) {
        let (host, member, left) = (state.world.host(node), state.log.member(node), &state.left);
        let session_runs = host.up && host.boot == member.session;
        if !host.up && !self.rules.on(Rule::EarlyReading) {
            actions.push(Action::EarlyRead(node));
        }
        if member.standing == Standing::Open && left.losses > 0 {
            actions.push(Action::Lose(node));
        }
        if member.standing != Standing::Lost {
            return;
        }
        if left.grants > 0 {
            let others = state.size.nodes().filter(|other| *other != node);
            let able = others
                .filter(|other| state.world.host(*other).up && state.log.member(*other).standing == Standing::Open);
            actions.extend(able.map(|executor| Action::Grant(executor, node)));
        }
        if session_runs && left.call_offs > 0 {
            actions.push(Action::CallOff(node));
        }
        if !host.up {
            actions.push(Action::Read(node));
        } else if left.lies > 0 {
            actions.push(Action::Lie(node));
        }
        if !session_runs && left.confirms > 0 {
            actions.push(Action::Confirm(node));
        }
    }

    /// What an executor of a fence does.
    fn on_task(&self, state: &State, task: Task, actions: &mut Vec<Action>) {
        let grant = task.grant;
        match task.off {
            Datagram::Unsent => {
                actions.push(Action::Send(grant));
                if state.left.call_offs > 0 {
                    actions.push(Action::Withdraw(grant));
                }
            }
            Datagram::Flying => actions.push(Action::Land(grant)),
            Datagram::Landed => {}
        }
    }

    /// What happens to a resource on a node. The planner's wishes are arbitrary, only not absurd.
    fn on_resource(&self, state: &State, node: NodeId, resource: ResourceId, actions: &mut Vec<Action>) {
        let (slot, left) = (state.log.slot(resource, node), &state.left);
        match state.world.vm(resource, node) {
            Vm::Leaving => {
                actions.push(Action::Settle(node, resource, Leaves::Gone));
                actions.push(Action::Settle(node, resource, Leaves::Kept));
            }
            Vm::Running if left.vm_deaths > 0 => actions.push(Action::Die(node, resource)),
            _ => {}
        }
        if !state.world.host(node).up {
            return;
        }
        let busy = state.world.busy(resource, node);
        if left.monitors > 0 && !(busy && self.rules.on(Rule::NoOverlap)) {
            actions.push(Action::Monitor(node, resource));
        }
        let executable = matches!(slot.claim, Claim::Start | Claim::Stop | Claim::Handover);
        let own_session = state.world.host(node).boot == state.log.member(node).session;
        if !self.rules.on(Rule::AnswerOnly) && executable && own_session && !busy {
            actions.push(Action::Replay(node, resource));
        }
        if left.claims == 0 {
            return;
        }
        let mut propose = |kind| actions.push(Action::Propose(node, resource, kind));
        match slot.claim {
            Claim::None if slot.active => {
                propose(Kind::Stop);
                if left.migrations > 0 {
                    let others = state.size.nodes().filter(|other| *other != node);
                    others.for_each(|to| propose(Kind::Migrate { to }));
                }
            }
            Claim::None => propose(Kind::Start),
            Claim::Incoming { gone, .. } => {
                propose(Kind::Stop);
                if gone || !self.rules.on(Rule::Gone) {
                    propose(Kind::Handover { number: slot.number });
                }
            }
            Claim::Start | Claim::Stop | Claim::Migrate { .. } | Claim::Handover => {}
        }
    }
}
