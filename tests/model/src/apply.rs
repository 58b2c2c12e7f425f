//! The replicated state machine: what each entry does to the log's state. `quorate-core` follows this.
//!
//! Total and deterministic. It sees the log and the entry, never the world. A refusal changes nothing.
//! Each test names the rule it belongs to; taking a rule out is how the mistakes are planted.

use crate::message::{Found, Hardware, Kind, Message, Sender};
use crate::rules::{Rule, Rules};
use crate::state::{BootId, Claim, Grant, Log, NodeId, Number, Process, ResourceId, Standing};

/// What an accepted entry did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A claim was granted under this number; the proposer may act on this answer.
    Granted(Number),
    /// The entry was taken in.
    Recorded,
}

/// Why an entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The sender's session is not the node's, or is not open.
    Session,
    /// The sender is not the node's current incarnation, or a hello follows another one.
    Incarnation,
    /// Another operation is under way, or none of the kind named.
    ClaimOpen,
    /// The resource is not in the state this operation starts from.
    WrongState,
    /// The resource may be active on another node.
    ActiveElsewhere,
    /// The operation number is not the one in force.
    Number,
    /// The migration did not say that the source is gone.
    NotGone,
    /// A hello from hardware that is not the pinned one.
    Hardware,
    /// An `off` may still be sent to this node.
    OffPending,
    /// The proof is not for this session, or nobody asked for one.
    NoProof,
}

type Answer = Result<Outcome, Refusal>;

fn need(holds: bool, otherwise: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Applies one entry.
pub fn apply(log: &mut Log, entry: Message, rules: Rules) -> Answer {
    match entry {
        Message::Claim { from, resource, kind } => claim(log, from, resource, kind, rules),
        Message::Result { from, resource, number, found } => result(log, from, resource, number, found, rules),
        Message::Observation { from, resource, number, found } => {
            observation(log, from, resource, number, found, rules)
        }
        Message::Hello { from, follows, hardware } => hello(log, from, follows, hardware, rules),
        Message::PowerOff { target, session } => power_off(log, target, session, rules),
        Message::ConfirmOff { target, session } => confirm_off(log, target, session, rules),
        Message::Lost { target } => lost(log, target),
        Message::Grant(grant) => grant_off(log, grant),
        Message::Withdraw(grant) => settle(log, grant, false),
        Message::Expire(grant) => settle(log, grant, true),
        Message::CallOff { target } => call_off(log, target, rules),
    }
}

/// Is the sender who the log holds for this node now?
fn current(log: &Log, from: Sender, rules: Rules) -> Result<(), Refusal> {
    let member = log.member(from.node);
    if rules.on(Rule::Session) {
        need(member.session == from.boot && member.standing != Standing::Ended, Refusal::Session)?;
    }
    if rules.on(Rule::Incarnation) {
        need(member.incarnation == from.process, Refusal::Incarnation)?;
    }
    Ok(())
}

/// claim-check: is every other node not active? Lost ones block until proof.
fn alone(log: &Log, resource: ResourceId, node: NodeId, rules: Rules) -> Result<(), Refusal> {
    let elsewhere = log.size.nodes().any(|other| other != node && log.slot(resource, other).active);
    need(!elsewhere || !rules.on(Rule::ClaimCheck), Refusal::ActiveElsewhere)
}

/// Grants or refuses an operation. The planner is not trusted: everything is tested here.
fn claim(log: &mut Log, from: Sender, resource: ResourceId, kind: Kind, rules: Rules) -> Answer {
    let node = from.node;
    current(log, from, rules)?;
    if rules.on(Rule::Session) {
        need(log.member(node).standing == Standing::Open, Refusal::Session)?;
    }
    let slot = *log.slot(resource, node);
    let idle = slot.claim == Claim::None;
    let claim = match kind {
        Kind::Start => {
            need(idle, Refusal::ClaimOpen)?;
            need(!slot.active, Refusal::WrongState)?;
            alone(log, resource, node, rules)?;
            Claim::Start
        }
        Kind::Stop => {
            need(idle || matches!(slot.claim, Claim::Incoming { .. }), Refusal::ClaimOpen)?;
            need(slot.active, Refusal::WrongState)?;
            Claim::Stop
        }
        Kind::Migrate { to } => {
            need(idle, Refusal::ClaimOpen)?;
            need(slot.active && to != node, Refusal::WrongState)?;
            need(log.member(to).standing == Standing::Open, Refusal::Session)?;
            need(log.slot(resource, to).claim == Claim::None, Refusal::ClaimOpen)?;
            alone(log, resource, node, rules)?;
            let target = log.slot_mut(resource, to);
            target.raise();
            target.active = true;
            target.claim = Claim::Incoming { from: node, gone: false };
            Claim::Migrate { to }
        }
        Kind::Handover { number } => {
            let Claim::Incoming { gone, .. } = slot.claim else { return Err(Refusal::ClaimOpen) };
            need(gone || !rules.on(Rule::Gone), Refusal::NotGone)?;
            need(slot.number == number || !rules.on(Rule::IncomingNumber), Refusal::Number)?;
            alone(log, resource, node, rules)?;
            Claim::Handover
        }
    };
    let slot = log.slot_mut(resource, node);
    slot.active = true;
    slot.claim = claim;
    Ok(Outcome::Granted(slot.raise()))
}

/// Takes in the outcome of a granted operation, if it is the one under way.
fn result(log: &mut Log, from: Sender, resource: ResourceId, number: Number, found: Found, rules: Rules) -> Answer {
    current(log, from, rules)?;
    let slot = *log.slot(resource, from.node);
    if rules.on(Rule::OperationNumber) {
        need(slot.number == number, Refusal::Number)?;
    }
    close(log, resource, from.node, found == Found::Moved, rules);
    log.slot_mut(resource, from.node).active = found.active();
    Ok(Outcome::Recorded)
}

/// Takes in what a monitor or probe saw, if nothing happened since it began.
fn observation(
    log: &mut Log,
    from: Sender,
    resource: ResourceId,
    number: Number,
    found: Found,
    rules: Rules,
) -> Answer {
    current(log, from, rules)?;
    let slot = *log.slot(resource, from.node);
    if rules.on(Rule::OperationNumber) {
        need(slot.number == number, Refusal::Number)?;
    }
    if slot.claim != Claim::None {
        need(!rules.on(Rule::OpenClaim), Refusal::ClaimOpen)?;
        close(log, resource, from.node, false, rules);
    }
    log.slot_mut(resource, from.node).active = found.active();
    Ok(Outcome::Recorded)
}

/// Ends whatever operation is open and raises the number. A migration that ends in any way but
/// "handed over" voids the incoming copy: it may be half, or older than what the source wrote since.
fn close(log: &mut Log, resource: ResourceId, node: NodeId, moved: bool, rules: Rules) {
    let slot = log.slot_mut(resource, node);
    slot.raise();
    let Claim::Migrate { to } = std::mem::take(&mut slot.claim) else { return };
    let target = log.slot_mut(resource, to);
    let Claim::Incoming { from, .. } = target.claim else { return };
    if from != node {
        return;
    }
    if moved {
        target.claim = Claim::Incoming { from, gone: true };
    } else if rules.on(Rule::Gone) {
        target.claim = Claim::None;
        target.raise();
    }
}

/// Admits a process. Another boot id of the pinned hardware proves the session before it over.
fn hello(log: &mut Log, from: Sender, follows: Process, hardware: Hardware, rules: Rules) -> Answer {
    let node = from.node;
    let member = *log.member(node);
    need(hardware_counts(hardware, rules), Refusal::Hardware)?;
    if rules.on(Rule::Hello) {
        need(member.incarnation == follows, Refusal::Incarnation)?;
    }
    need(member.incarnation != from.process, Refusal::Incarnation)?;
    if member.session == from.boot {
        need(member.standing == Standing::Open, Refusal::Session)?;
    } else {
        let pending = log.grants.iter().any(|grant| grant.target == node);
        need(!pending || !rules.on(Rule::SendBy), Refusal::OffPending)?;
        end_session(log, node, rules);
        let member = log.member_mut(node);
        member.session = from.boot;
        member.standing = Standing::Open;
    }
    for resource in log.size.resources() {
        close(log, resource, node, false, rules);
    }
    log.member_mut(node).incarnation = from.process;
    Ok(Outcome::Recorded)
}

/// pinned: does a hello from this machine count?
pub(crate) fn hardware_counts(hardware: Hardware, rules: Rules) -> bool {
    hardware == Hardware::Pinned || !rules.on(Rule::Pinned)
}

/// A power reading ends the session whose intent it was begun for.
fn power_off(log: &mut Log, target: NodeId, session: Option<BootId>, rules: Rules) -> Answer {
    let member = *log.member(target);
    need(member.standing == Standing::Lost, Refusal::NoProof)?;
    match session {
        None => need(!rules.on(Rule::EarlyReading), Refusal::NoProof)?,
        Some(session) => {
            need(session == member.session || !rules.on(Rule::Proofs), Refusal::NoProof)?;
        }
    }
    end_session(log, target, rules);
    Ok(Outcome::Recorded)
}

/// A person's answer ends the session it was asked about.
fn confirm_off(log: &mut Log, target: NodeId, session: BootId, rules: Rules) -> Answer {
    let member = *log.member(target);
    need(member.standing == Standing::Lost, Refusal::NoProof)?;
    need(member.session == session || !rules.on(Rule::ConfirmOff), Refusal::NoProof)?;
    end_session(log, target, rules);
    Ok(Outcome::Recorded)
}

/// Nothing of this session is active any more, and none of its operations is open.
fn end_session(log: &mut Log, node: NodeId, rules: Rules) {
    for resource in log.size.resources() {
        close(log, resource, node, false, rules);
        log.slot_mut(resource, node).active = false;
    }
    let member = log.member_mut(node);
    member.standing = Standing::Ended;
    member.maybe_sent = false;
}

/// Loss and fence intent, in one entry.
fn lost(log: &mut Log, target: NodeId) -> Answer {
    need(log.member(target).standing == Standing::Open, Refusal::Session)?;
    log.member_mut(target).standing = Standing::Lost;
    Ok(Outcome::Recorded)
}

/// Lets an open member send `off` for an intent.
fn grant_off(log: &mut Log, grant: Grant) -> Answer {
    let target = log.member(grant.target);
    need(target.standing == Standing::Lost && target.session == grant.session, Refusal::NoProof)?;
    need(log.member(grant.executor).standing == Standing::Open, Refusal::Session)?;
    need(!log.grants.contains(&grant), Refusal::ClaimOpen)?;
    log.grants.push(grant);
    log.grants.sort_unstable();
    Ok(Outcome::Recorded)
}

/// Ends a grant: withdrawn unsent, or past its deadline with nobody knowing.
fn settle(log: &mut Log, grant: Grant, expired: bool) -> Answer {
    need(log.grants.contains(&grant), Refusal::NoProof)?;
    log.grants.retain(|other| *other != grant);
    let member = log.member_mut(grant.target);
    if expired && member.session == grant.session && member.standing == Standing::Lost {
        member.maybe_sent = true;
    }
    Ok(Outcome::Recorded)
}

/// Reopens a lost session, if `off` was certainly never sent to it.
fn call_off(log: &mut Log, target: NodeId, rules: Rules) -> Answer {
    let member = *log.member(target);
    need(member.standing == Standing::Lost, Refusal::Session)?;
    if rules.on(Rule::CalledOff) {
        let pending = log.grants.iter().any(|grant| grant.target == target);
        need(!pending && !member.maybe_sent, Refusal::OffPending)?;
    }
    let member = log.member_mut(target);
    member.standing = Standing::Open;
    member.maybe_sent = false;
    Ok(Outcome::Recorded)
}
