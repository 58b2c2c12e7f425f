//! The best there is, found by looking at every placement; it shares nothing with the scheduler.

use super::{Cluster, Places};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// How good a placement is; more is better. By priority, the highest first: how many that run go on without a stop, how
/// many others are placed. Then how few are moved.
pub(crate) type Value = (Vec<(usize, usize)>, Reverse<usize>);

/// What a placement is worth.
pub(crate) fn value(cluster: &Cluster, places: &[Option<usize>]) -> Value {
    let priorities: BTreeSet<i64> = cluster.vms.iter().map(|vm| vm.priority).collect();
    let goes_on = |vm: usize| cluster.is_healthy(vm) && (places[vm] == cluster.on[vm] || cluster.vms[vm].can_migrate);
    let of = |priority: &i64| {
        let placed = (0..places.len()).filter(|vm| cluster.vms[*vm].priority == *priority && places[*vm].is_some());
        let all: Vec<usize> = placed.collect();
        let going_on = all.iter().filter(|vm| goes_on(**vm)).count();
        (going_on, all.len() - going_on)
    };
    let moved = (0..places.len())
        .filter(|vm| cluster.is_healthy(*vm) && places[*vm].is_some() && places[*vm] != cluster.on[*vm]);
    (priorities.iter().rev().map(of).collect(), Reverse(moved.count()))
}

/// The best value of all placements that keep the rules and can be reached.
pub(crate) fn best(cluster: &Cluster) -> Value {
    let mut all = All { cluster, places: vec![None; cluster.vms.len()], best: None };
    all.from(0);
    all.best.expect("nothing anywhere is a placement")
}

struct All<'c> {
    cluster: &'c Cluster,
    places: Places,
    best: Option<Value>,
}

impl All<'_> {
    fn from(&mut self, vm: usize) {
        if vm == self.places.len() {
            let value = value(self.cluster, &self.places);
            if self.best.as_ref().is_none_or(|best| value > *best) && is_reachable(self.cluster, &self.places) {
                self.best = Some(value);
            }
            return;
        }
        for node in (0..self.cluster.nodes).filter(|node| *node != super::LOST) {
            // Those that come later are not placed yet, so only what is placed counts.
            if self.cluster.may_be(&self.places, vm, node) {
                self.places[vm] = Some(node);
                self.from(vm + 1);
                self.places[vm] = None;
            }
        }
        self.from(vm + 1);
    }
}

/// Whether live migrations can be done one after another, with what is stopped gone and what is started not there yet.
fn is_reachable(cluster: &Cluster, places: &[Option<usize>]) -> bool {
    let stays = |vm: usize| places[vm].is_some() && (places[vm] == cluster.on[vm] || cluster.vms[vm].can_migrate);
    let begin: Places =
        (0..places.len()).map(|vm| cluster.on[vm].filter(|_| cluster.is_healthy(vm) && stays(vm))).collect();
    let goal = |vm: usize| begin[vm].and(places[vm]);
    let (mut seen, mut todo) = (BTreeSet::new(), vec![begin.clone()]);
    while let Some(now) = todo.pop() {
        if (0..now.len()).all(|vm| now[vm] == goal(vm)) {
            return true;
        }
        if !seen.insert(now.clone()) {
            continue;
        }
        for vm in (0..now.len()).filter(|vm| now[*vm] != goal(*vm)) {
            let Some(node) = goal(vm).filter(|node| cluster.may_be(&now, vm, *node)) else { continue };
            let mut next = now.clone();
            next[vm] = Some(node);
            todo.push(next);
        }
    }
    false
}
