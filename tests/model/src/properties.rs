//! What must always hold, judged by ground truth, and what must be reachable so that the model is not
//! empty of life.
//!
//! A power device that lies breaks the first four; no protocol can help it, so they are then excused,
//! and the rest must hold nevertheless.

use stateright::Property;

use crate::apply::apply;
use crate::message::{Found, Message};
use crate::state::{Claim, NodeId, ResourceId, Standing, State};
use crate::world::{Vm, Work};
use crate::{Judge, Protocol};

impl Protocol {
    /// What this exploration is judged by.
    pub(crate) fn judged(&self) -> Vec<Property<Self>> {
        let mut all = self.all_properties();
        if self.judge == Judge::OneCopy {
            all.truncate(1);
        }
        all
    }

    /// The invariants, one-copy first, and the "sometimes" of this configuration's budgets.
    fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("one-copy", |_: &Self, s: &State| s.harm.lied || one_copy(s)),
            Property::always("truth is covered by the log", |_, s: &State| s.harm.lied || covered(s)),
            Property::always("an ended session is dead", |_, s: &State| s.harm.lied || ended_is_dead(s)),
            Property::always("only a complete, current copy is resumed", |_, s: &State| {
                s.harm.lied || !s.harm.bad_copy_resumed
            }),
            Property::always("a number is begun once", |_, s: &State| !s.harm.executed_twice),
            Property::always("no off hits an open session", |_, s: &State| !s.harm.off_hit_open_session),
            Property::always("no claim is open on an ended session", |_, s: &State| no_claim_on_ended(s)),
        ];
        let budget = &self.budget;
        if budget.claims >= 2 && budget.losses > 0 && budget.cuts + budget.grants > 0 {
            all.push(Property::sometimes("a lost machine runs elsewhere", |_, s: &State| recovered(s)));
        }
        if budget.cuts > 0 && budget.boots > 0 && budget.losses == 0 {
            all.push(Property::sometimes("a reboot alone is proof", |p: &Self, s: &State| rebooted(p, s)));
        }
        if budget.migrations > 0 && budget.claims + budget.migrations >= 3 {
            all.push(Property::sometimes("a migration completes", |p: &Self, s: &State| migrated(p, s)));
        }
        if budget.call_offs > 0 {
            all.push(Property::sometimes("a fence is called off, its machine lives", |p: &Self, s: &State| {
                s.left.call_offs < p.budget.call_offs && runs_on_open(s)
            }));
        }
        if budget.confirms > 0 && budget.claims >= 2 && budget.cuts > 0 {
            all.push(Property::sometimes("a person's word frees a machine", |p: &Self, s: &State| {
                s.left.confirms < p.budget.confirms && recovered(s)
            }));
        }
        if budget.lies > 0 {
            all.push(Property::sometimes("a lie breaks one-copy", |_, s: &State| s.harm.lied && !one_copy(s)));
        }
        all
    }
}

/// Every resource on every node.
fn pairs(state: &State) -> impl Iterator<Item = (ResourceId, NodeId)> {
    let size = state.size;
    size.resources().flat_map(move |resource| size.nodes().map(move |node| (resource, node)))
}

fn one_copy(state: &State) -> bool {
    state.size.resources().all(|resource| {
        let running = |node: &NodeId| state.world.vm(resource, *node) == Vm::Running;
        state.size.nodes().filter(running).count() <= 1
    })
}

/// What runs, may go on running, or is about to be started is active in the log.
fn covered(state: &State) -> bool {
    let active = |resource, node| state.log.slot(resource, node).active;
    let machines = pairs(state).all(|(resource, node)| {
        let vm = state.world.vm(resource, node);
        !matches!(vm, Vm::Running | Vm::Leaving) || active(resource, node)
    });
    let jobs = state
        .world
        .jobs
        .iter()
        .all(|job| !matches!(job.work, Work::Start | Work::Resume) || active(job.resource, job.node));
    machines && jobs
}

/// The log never holds a session over that still runs: neither the one named, nor one it has passed.
fn ended_is_dead(state: &State) -> bool {
    state.size.nodes().all(|node| {
        let (host, member) = (state.world.host(node), state.log.member(node));
        let runs = host.up && host.boot == member.session;
        let passed = host.up && host.boot < member.session;
        !passed && (member.standing != Standing::Ended || !runs)
    })
}

fn no_claim_on_ended(state: &State) -> bool {
    pairs(state).all(|(resource, node)| {
        let ended = state.log.member(node).standing == Standing::Ended;
        !ended || state.log.slot(resource, node).claim == Claim::None
    })
}

/// A machine was cut off with its host, the session was proven over, and it runs on another node.
fn recovered(state: &State) -> bool {
    !state.harm.lied
        && state.size.resources().any(|resource| {
            let cut_off = |node: NodeId| {
                let ended = state.log.member(node).standing == Standing::Ended;
                ended && state.world.vm(resource, node) == Vm::CutOff
            };
            state.size.nodes().any(cut_off)
                && state.size.nodes().any(|node| state.world.vm(resource, node) == Vm::Running)
        })
}

/// It runs where it was handed over to, every other node is rid of it, and the log is about to hear so.
fn migrated(protocol: &Protocol, state: &State) -> bool {
    state.network.iter().any(|message| {
        let Message::Result { from, resource, found: Found::Running, .. } = *message else {
            return false;
        };
        let handed_over = state.log.slot(resource, from.node).claim == Claim::Handover;
        let mut log = state.log.clone();
        let accepted = apply(&mut log, *message, protocol.rules).is_ok();
        let runs = state.world.vm(resource, from.node) == Vm::Running;
        let holders = state.size.nodes().filter(|node| log.slot(resource, *node).active);
        handed_over && accepted && runs && holders.count() == 1
    })
}

/// Its host lost power and booted again, was admitted without a fence, and a machine runs.
fn rebooted(protocol: &Protocol, state: &State) -> bool {
    let admitted = |node| {
        let (host, member) = (state.world.host(node), state.log.member(node));
        host.up && host.boot == member.session
    };
    state.left.boots < protocol.budget.boots
        && state.size.nodes().all(admitted)
        && pairs(state).any(|(resource, node)| state.world.vm(resource, node) == Vm::Running)
}

fn runs_on_open(state: &State) -> bool {
    pairs(state).any(|(resource, node)| {
        let open = state.log.member(node).standing == Standing::Open;
        open && state.world.vm(resource, node) == Vm::Running
    })
}
