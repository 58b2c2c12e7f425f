//! Tells a path through the model in words, one line a step.

use crate::action::{Action, Leaves};
use crate::message::{Found, Hardware, Kind, Message, Sender};
use crate::state::{Claim, Grant, NodeId, ResourceId, State};
use crate::world::{Job, Vm, Work};

/// One step in words: what happened, and what runs where if that changed.
pub fn tell(before: &State, action: Action, after: &State) -> String {
    let mut line = sentence(before, action);
    let now = running(after);
    if now != running(before) {
        line.push_str(&format!("  [running: {}]", if now.is_empty() { "nothing" } else { &now }));
    }
    line
}

fn node(node: NodeId) -> String {
    format!("n{}", node.0 + 1)
}

fn vm(resource: ResourceId) -> String {
    format!("vm{}", resource.0 + 1)
}

fn who(from: Sender) -> String {
    format!("{} (boot {}, daemon {})", node(from.node), from.boot.0, from.process.0)
}

fn running(state: &State) -> String {
    let mut all = Vec::new();
    for resource in state.size.resources() {
        for host in state.size.nodes() {
            if state.world.vm(resource, host) == Vm::Running {
                all.push(format!("{} on {}", vm(resource), node(host)));
            }
        }
    }
    all.join(", ")
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Start => "start".to_owned(),
        Kind::Stop => "stop".to_owned(),
        Kind::Migrate { to } => format!("migration to {}", node(to)),
        Kind::Handover { number } => format!("handover of incoming operation {}", number.0),
    }
}

fn found(found: Found) -> &'static str {
    match found {
        Found::Nothing => "not there",
        Found::Running => "there",
        Found::Copy => "a paused copy",
        Found::Moved => "handed over and gone",
    }
}

fn fence(grant: Grant) -> String {
    format!("the off by {} for {} boot {}", node(grant.executor), node(grant.target), grant.session.0)
}

fn sentence(state: &State, action: Action) -> String {
    match action {
        Action::Propose(host, resource, wish) => {
            let asks = who(state.world.sender(host));
            format!("{asks} asks for a {} of {}", kind(wish), vm(resource))
        }
        Action::Deliver(message) => delivered(state, message),
        Action::Replay(host, resource) => {
            let sees = who(state.world.sender(host));
            format!("{sees} sees the open claim of {} in the state and runs it", vm(resource))
        }
        Action::Act(job) => acts(state, job),
        Action::Fail(job) => format!("{} fails", doing(job)),
        Action::Settle(host, resource, Leaves::Gone) => {
            format!("libvirt on {} destroys the migrated {}", node(host), vm(resource))
        }
        Action::Settle(host, resource, Leaves::Kept) => {
            format!("libvirt on {} gives up the migration and resumes {}", node(host), vm(resource))
        }
        Action::Monitor(host, resource) => {
            let looks = who(state.world.sender(host));
            let sees = found(state.found(resource, host));
            let number = state.log.slot(resource, host).number.0;
            format!("{looks} looks for {} under operation {number}: {sees}", vm(resource))
        }
        Action::Die(host, resource) => format!("{} dies on {}", vm(resource), node(host)),
        Action::Restart(host) => format!("the daemon of {} is killed; the next one starts", node(host)),
        Action::Hello(host) => {
            let says = who(state.world.sender(host));
            format!("{says} sends a hello following {}", state.log.member(host).incarnation.0)
        }
        Action::Impostor(host) => format!("another machine sends a hello as {}", node(host)),
        Action::Cut(host) => format!("{} loses power", node(host)),
        Action::Boot(host) => format!("{} boots", node(host)),
        Action::Breathe(host) => {
            format!("{} learns that its session has ended, kills everything and resets", node(host))
        }
        _ => fencing(state, action),
    }
}

fn fencing(state: &State, action: Action) -> String {
    match action {
        Action::Lose(host) => {
            format!("{} is not heard: lost, with a fence intent for its session", node(host))
        }
        Action::Grant(executor, target) => {
            format!("{} is granted to send off to {}", node(executor), node(target))
        }
        Action::Send(grant) => format!("{} is written to the device", fence(grant)),
        Action::Land(grant) => {
            let boot = state.world.host(grant.target).boot.0;
            format!("{} takes effect; the host is in boot {boot}", fence(grant))
        }
        Action::Withdraw(grant) => format!("{} is given back, never sent", fence(grant)),
        Action::Expire(grant) => format!("{} passes its deadline", fence(grant)),
        Action::CallOff(target) => format!("the fence of {} is called off", node(target)),
        Action::Read(target) => {
            let session = state.log.member(target).session.0;
            format!("the power of {} is read as off, for the intent on boot {session}", node(target))
        }
        Action::Lie(target) => format!("the device of {} says off, and lies", node(target)),
        Action::EarlyRead(target) => {
            format!("the power of {} is read as off, before any intent", node(target))
        }
        Action::Confirm(target) => {
            let session = state.log.member(target).session.0;
            format!("a person answers that {} boot {session} is off", node(target))
        }
        other => format!("{other:?}"),
    }
}

fn doing(job: Job) -> String {
    let work = match job.work {
        Work::Start => "start",
        Work::Stop => "stop",
        Work::Migrate { .. } => "migration",
        Work::Resume => "resume",
    };
    let (machine, host) = (vm(job.resource), node(job.node));
    format!("the {work} of {machine} on {host} (operation {}, daemon {})", job.number.0, job.process.0)
}

fn acts(state: &State, job: Job) -> String {
    match job.work {
        Work::Migrate { to, copied: false } => {
            format!("{} creates the paused copy on {}", doing(job), node(to))
        }
        Work::Migrate { to, copied: true } => {
            format!("{} switches: the copy on {} is complete", doing(job), node(to))
        }
        Work::Start if state.world.vm(job.resource, job.node) != Vm::None => {
            format!("{} finds a domain already there", doing(job))
        }
        Work::Start | Work::Stop | Work::Resume => format!("{} takes effect", doing(job)),
    }
}

fn delivered(state: &State, message: Message) -> String {
    match message {
        Message::Claim { from, resource, kind: wish } => {
            let granted = format!("the log grants the {} of {} to {}", kind(wish), vm(resource), who(from));
            if state.world.alive(from) { granted } else { granted + ", who is gone" }
        }
        Message::Result { from, resource, number, found: what } => {
            let what = found(what);
            let sender = who(from);
            format!("the log takes operation {} of {} from {sender}: {what}", number.0, vm(resource))
        }
        Message::Observation { from, resource, number, found: what } => {
            let (what, sender) = (found(what), who(from));
            let open = state.log.slot(resource, from.node).claim != Claim::None;
            let during = if open { ", though a claim is open" } else { "" };
            let now = state.log.slot(resource, from.node).number.0;
            let then = number.0;
            format!(
                "the log takes a look by {sender} at {}, begun under {then}, now {now}{during}: {what}",
                vm(resource)
            )
        }
        Message::Hello { from, hardware, .. } => {
            let proof = state.log.member(from.node).session != from.boot;
            let so = if proof { ": the session before it is over" } else { "" };
            let other = if hardware == Hardware::Other { " from other hardware" } else { "" };
            format!("the log admits {}{other}{so}", who(from))
        }
        Message::PowerOff { target, .. } => {
            format!("the log takes the reading of {}: {}", node(target), over(state, target))
        }
        Message::ConfirmOff { target, .. } => {
            format!("the log takes the person's word on {}: {}", node(target), over(state, target))
        }
        other => format!("the log takes {other:?}"),
    }
}

fn over(state: &State, target: NodeId) -> String {
    let member = state.log.member(target);
    format!("boot {} is over", member.session.0)
}
