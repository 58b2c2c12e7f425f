//! Every way through a plan: whichever of the actions that may be done next is done, no rule is broken in between.

use super::{Cluster, LOST, number};
use quorate_core::scheduler::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a plan, on any way through it.
pub(crate) fn faults(cluster: &Cluster, outcome: &Outcome) -> Vec<String> {
    let count = outcome.steps.len();
    assert!(count < 64, "too many steps to look at every way");
    let before = |ix: usize| outcome.order.iter().filter(move |(_, then)| *then == ix).map(|(first, _)| 1_u64 << first);
    let needs: Vec<u64> = (0..count).map(|ix| before(ix).fold(0, |all, one| all | one)).collect();
    let (mut seen, mut todo, mut found) = (BTreeSet::new(), vec![0_u64], BTreeSet::new());
    let mut is_finished = false;
    while let Some(done) = todo.pop() {
        if !seen.insert(done) {
            continue;
        }
        is_finished |= done.count_ones() as usize == count;
        // What has begun counts; what ends has not ended before it is done.
        found.extend(broken(cluster, outcome, done));
        todo.extend((0..count).filter(|ix| done & (1 << ix) == 0 && needs[*ix] & !done == 0).map(|ix| done | 1 << ix));
    }
    if !is_finished {
        found.insert("actions wait for each other".to_owned());
    }
    found.into_iter().collect()
}

/// The rules that are broken when just these are done.
fn broken(cluster: &Cluster, outcome: &Outcome, done: u64) -> Vec<String> {
    let mut on: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (vm, place) in cluster.on.iter().enumerate() {
        on.insert(vm, place.iter().copied().filter(|node| *node != LOST).collect());
    }
    let arrival = |vm: usize| {
        let of = |step: &&quorate_core::scheduler::Step| step.op == "migrate_from" && number(&step.resource) == vm;
        outcome.steps.iter().find(of).map(|step| number(&step.node))
    };
    let mut wrong = Vec::new();
    for (_, step) in outcome.steps.iter().enumerate().filter(|(ix, _)| done & (1 << ix) != 0) {
        if step.op == "fence" {
            continue;
        }
        let (vm, node) = (number(&step.resource), number(&step.node));
        let places = on.entry(vm).or_default();
        match step.op {
            "start" => _ = places.insert(node),
            "migrate_to" => places.extend(arrival(vm)),
            _ => {}
        }
    }
    for (_, step) in outcome.steps.iter().enumerate().filter(|(ix, _)| done & (1 << ix) != 0) {
        if step.op == "stop" {
            on.entry(number(&step.resource)).or_default().remove(&number(&step.node));
        }
    }
    for node in 0..cluster.nodes {
        let here: Vec<usize> = on.iter().filter(|(_, nodes)| nodes.contains(&node)).map(|(vm, _)| *vm).collect();
        for kind in 0..2 {
            let used: i64 = here.iter().map(|vm| cluster.vms[*vm].size[kind]).sum();
            if used > cluster.room[kind] {
                wrong.push(format!("n{node} is overfull with {here:?}"));
            }
        }
        for (a, b) in cluster.apart.iter().filter(|(a, b)| here.contains(a) && here.contains(b)) {
            wrong.push(format!("vm{a} and vm{b} are both on n{node}"));
        }
        for vm in here.iter().filter(|vm| cluster.vms[**vm].banned.contains(&node)) {
            wrong.push(format!("vm{vm} is on n{node}, where it must not be"));
        }
    }
    wrong
}
