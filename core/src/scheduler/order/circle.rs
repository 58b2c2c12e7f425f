//! Live migrations that would wait for each other for ever: resources that must be apart change places, and each stays
//! until it has arrived. One of them is stopped and started instead; so is what moves live after something that takes its place.
//! And what must not run at once, which must not close a circle either.

use super::spread::call_off;
use crate::scheduler::action::{ActIx, Actions, Bond};
use crate::scheduler::lists::Lists;
use crate::scheduler::{Model, Task};
use std::cmp::Reverse;

/// Takes live migrations out of circles, the least important first. Answers whether there was one.
pub(super) fn break_up(model: &Model, actions: &mut Actions) -> bool {
    let mut was_one = false;
    while let Some(migration) = worst(model, actions) {
        call_off(actions, migration);
        was_one = true;
    }
    was_one
}

/// What must not run at once comes in the order that it is written in, unless something else wants the other one.
pub(super) fn serialize(actions: &mut Actions) {
    let all = &actions.all;
    let counts = |(first, then, _): &(ActIx, ActIx, Bond)| !all[*first].is_optional && !all[*then].is_optional;
    if !actions.bonds.iter().any(|bond| bond.2.is_exclusive && counts(bond)) {
        return;
    }
    let mut next = vec![Vec::new(); all.len()];
    for (first, then, _) in actions.bonds.iter().filter(|bond| !bond.2.is_exclusive && counts(bond)) {
        next[*first].push(*then);
    }
    for bond in &mut actions.bonds {
        if bond.2.is_exclusive && counts(bond) && !comes_after(&next, bond.1, bond.0) {
            bond.2.is_exclusive = false;
            next[bond.0].push(bond.1);
        }
    }
}

/// Of the live migrations that come after themselves the one whose resource counts least.
fn worst(model: &Model, actions: &Actions) -> Option<ActIx> {
    let is_live = |ix: &ActIx| {
        let action = &actions.all[*ix];
        action.task == Task::MigrateFrom && action.is_migration && !action.is_optional
    };
    let live: Vec<ActIx> = (0..actions.all.len()).filter(is_live).collect();
    let has_apart = model.colocations.iter().any(|colocation| colocation.score.forbids());
    if live.is_empty() || !has_apart {
        return None;
    }
    let counts = |ix: ActIx| !actions.all[ix].is_optional;
    let counted =
        actions.bonds.iter().filter(|(first, then, bond)| !bond.is_exclusive && counts(*first) && counts(*then));
    let next = Lists::of(actions.all.len(), counted.map(|(first, then, _)| (*first, *then)));
    let left = circling(actions.all.len(), &next);
    let importance = |ix: &ActIx| actions.all[*ix].rsc.map(|rsc| (model.resources[rsc].priority, Reverse(rsc)));
    live.into_iter().filter(|ix| left[*ix] && comes_after_itself(&next, &left, *ix)).min_by_key(importance)
}

/// What is left when everything that waits for nothing is taken away, again and again.
fn circling(count: usize, next: &Lists) -> Vec<bool> {
    let mut waits = vec![0_usize; count];
    for ix in 0..count {
        next.at(ix).for_each(|then| waits[then] += 1);
    }
    let mut ready: Vec<ActIx> = (0..count).filter(|ix| waits[*ix] == 0).collect();
    let mut left = vec![true; count];
    while let Some(at) = ready.pop() {
        left[at] = false;
        for then in next.at(at) {
            waits[then] -= 1;
            if waits[then] == 0 {
                ready.push(then);
            }
        }
    }
    left
}

/// Whether the second is done after the first.
fn comes_after(next: &[Vec<ActIx>], first: ActIx, then: ActIx) -> bool {
    let (mut seen, mut todo) = (vec![false; next.len()], vec![first]);
    while let Some(at) = todo.pop() {
        if at == then {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            todo.extend(&next[at]);
        }
    }
    false
}

fn comes_after_itself(next: &Lists, left: &[bool], from: ActIx) -> bool {
    let mut seen = vec![false; left.len()];
    let mut todo: Vec<ActIx> = next.at(from).filter(|ix| left[*ix]).collect();
    while let Some(at) = todo.pop() {
        if at == from {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            todo.extend(next.at(at).filter(|ix| left[*ix]));
        }
    }
    false
}
