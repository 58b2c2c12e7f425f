//! Room on the way: where capacity counts, a node takes what arrives when it has let go what leaves. All that leaves
//! first, where that is possible; else, where two nodes exchange resources, one after another as there is room.

use crate::scheduler::action::{ActIx, Actions, Bond};
use crate::scheduler::{Model, NodeIx, Placement, RscIx, Task};
use std::collections::{BTreeMap, BTreeSet};

/// Binds what arrives to what leaves, now that it is known what is needed. Answers whether something is held back.
pub(super) fn bind(model: &Model, actions: &mut Actions, exchanges: Vec<(ActIx, ActIx)>) -> bool {
    if exchanges.is_empty() {
        return false;
    }
    let is_circular = stuck(actions, &exchanges) > stuck(actions, &[]);
    let (pairs, is_held) = if is_circular { one_by_one(model, actions) } else { (exchanges, false) };
    for (leave, arrive) in pairs {
        actions.bind(leave, arrive, Bond::ORDER);
    }
    is_held
}

/// What leaves nodes and what arrives there, both by node.
fn traffic(model: &Model, actions: &Actions) -> BTreeMap<NodeIx, (Vec<ActIx>, Vec<ActIx>)> {
    let mut traffic: BTreeMap<NodeIx, (Vec<ActIx>, Vec<ActIx>)> = BTreeMap::new();
    for (ix, action) in actions.all.iter().enumerate() {
        let weighs = action.rsc.is_some_and(|rsc| !model.resources[rsc].utilization.is_empty());
        let Some(node) = action.node.filter(|_| weighs && !action.is_optional && action.is_runnable) else { continue };
        match action.task {
            Task::Stop => traffic.entry(node).or_default().0.push(ix),
            Task::Start | Task::MigrateFrom => traffic.entry(node).or_default().1.push(ix),
            _ => {}
        }
    }
    traffic
}

/// What begins where this arrives: for a live migration its other half too.
fn beginnings(actions: &Actions, arrive: ActIx) -> Vec<ActIx> {
    let action = &actions.all[arrive];
    let halves = action.rsc.filter(|_| action.task == Task::MigrateFrom);
    let halves = halves.map(|rsc| actions.of(rsc, Task::MigrateTo)).unwrap_or_default();
    halves.iter().copied().chain([arrive]).collect()
}

/// All that leaves a node with all that arrives there.
pub(super) fn exchanges(model: &Model, actions: &Actions) -> Vec<(ActIx, ActIx)> {
    if model.options.placement == Placement::Default {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for (leaves, arrives) in traffic(model, actions).values() {
        for arrive in arrives.iter().filter(|_| !leaves.is_empty()) {
            let begin = beginnings(actions, *arrive);
            let others = leaves.iter().filter(|leave| actions.all[**leave].rsc != actions.all[*arrive].rsc);
            pairs.extend(others.flat_map(|leave| begin.iter().map(move |begin| (*leave, *begin))));
        }
    }
    pairs
}

/// How many actions would wait for themselves.
fn stuck(actions: &Actions, more: &[(ActIx, ActIx)]) -> usize {
    let (mut waits, next) = graph(actions, more);
    let mut ready: Vec<ActIx> = (0..waits.len()).filter(|ix| waits[*ix] == 0).collect();
    let mut left = waits.len();
    while let Some(at) = ready.pop() {
        left -= 1;
        for then in &next[at] {
            waits[*then] -= 1;
            if waits[*then] == 0 {
                ready.push(*then);
            }
        }
    }
    left
}

/// For each action for how many it waits, and which wait for it.
fn graph(actions: &Actions, more: &[(ActIx, ActIx)]) -> (Vec<usize>, Vec<Vec<ActIx>>) {
    let (mut waits, mut next) = (vec![0; actions.all.len()], vec![Vec::new(); actions.all.len()]);
    // What is not done delays nobody; a gate stands for others.
    let counts = |ix: ActIx| !actions.all[ix].is_optional || actions.all[ix].node.is_none();
    let bonds = actions.bonds.iter().filter(|(_, _, bond)| !bond.is_exclusive).map(|(first, then, _)| (*first, *then));
    let bonds = bonds.filter(|(first, then)| counts(*first) && counts(*then));
    for (first, then) in bonds.chain(more.iter().copied()) {
        waits[then] += 1;
        next[first].push(then);
    }
    (waits, next)
}

/// Each arrival with those that must have left for it, as found by going through the transition once.
fn one_by_one(model: &Model, actions: &mut Actions) -> (Vec<(ActIx, ActIx)>, bool) {
    let traffic = traffic(model, actions);
    let (waits, next) = graph(actions, &[]);
    let mut arrives: BTreeMap<ActIx, Vec<ActIx>> = BTreeMap::new();
    let mut leaves = BTreeSet::new();
    for (leaving, arriving) in traffic.values() {
        leaves.extend(leaving.iter().copied());
        for arrive in arriving {
            // A migration's start stands for its arrival, and is none of its own.
            if actions.all[*arrive].task == Task::Start && actions.all[*arrive].is_migration {
                continue;
            }
            let begin = beginnings(actions, *arrive);
            arrives.insert(begin[0], begin);
        }
    }
    let free = traffic.keys().map(|node| (*node, free(model, *node))).collect();
    let mut walk = Walk { model, actions, waits, next, arrives, leaves, nodes: free, pairs: Vec::new() };
    let is_held = walk.all();
    (walk.pairs, is_held)
}

type Amounts = BTreeMap<String, i64>;

/// What has happened at a node.
#[derive(Default)]
struct Room {
    /// Free before anything happens.
    free: Amounts,
    arrived: Amounts,
    left: Vec<ActIx>,
}

fn add(sum: &mut Amounts, more: &Amounts, sign: i64) {
    more.iter().for_each(|(name, amount)| *sum.entry(name.clone()).or_default() += sign * amount);
}

/// What is free now on a node, from what will be free.
fn free(model: &Model, node: NodeIx) -> Room {
    let mut free = model.nodes[node].capacity.clone();
    for resource in &model.resources {
        let (is_here, will_be) = (resource.active_on.contains(&node), resource.assigned == Some(node));
        if is_here != will_be {
            add(&mut free, &resource.utilization, if is_here { -1 } else { 1 });
        }
    }
    Room { free, ..Room::default() }
}

/// One way through a transition.
struct Walk<'m> {
    model: &'m Model,
    actions: &'m mut Actions,
    waits: Vec<usize>,
    next: Vec<Vec<ActIx>>,
    /// What needs room first, with all that is to wait for it.
    arrives: BTreeMap<ActIx, Vec<ActIx>>,
    leaves: BTreeSet<ActIx>,
    nodes: BTreeMap<NodeIx, Room>,
    pairs: Vec<(ActIx, ActIx)>,
}

impl Walk<'_> {
    /// Answers whether something had to be held back.
    fn all(&mut self) -> bool {
        let mut ready: BTreeSet<ActIx> = (0..self.waits.len()).filter(|ix| self.waits[*ix] == 0).collect();
        while !ready.is_empty() {
            let free = ready.iter().copied().find(|ix| !self.arrives.contains_key(ix));
            let mut arrivals: Vec<ActIx> = ready.iter().copied().collect();
            arrivals.sort_by_key(|ix| (self.turn(*ix), *ix));
            let Some(at) = free.or_else(|| arrivals.into_iter().find(|ix| self.needed(*ix).is_some())) else { break };
            ready.remove(&at);
            self.happen(at);
            for then in self.next[at].clone() {
                self.waits[then] -= 1;
                if self.waits[then] == 0 {
                    ready.insert(then);
                }
            }
        }
        // There is no room for any of the others, whatever comes first: they stay where they are.
        let held: Vec<ActIx> = self.arrives.values().flatten().copied().collect();
        for ix in &held {
            self.actions.all[*ix].is_runnable = false;
        }
        !held.is_empty()
    }

    /// What frees room elsewhere comes first, in the order that was found for it.
    fn turn(&self, ix: ActIx) -> (bool, usize) {
        let action = &self.actions.all[ix];
        let turn = action.rsc.and_then(|rsc| self.model.resources[rsc].turn);
        (turn.is_none() && action.task == Task::Start, turn.unwrap_or(usize::MAX))
    }

    /// Where an arrival arrives, and what it needs there.
    fn arrival(&self, ix: ActIx) -> Option<(NodeIx, RscIx)> {
        let last = *self.arrives.get(&ix)?.last()?;
        let action = &self.actions.all[last];
        Some((action.node?, action.rsc?))
    }

    /// How many of those that left must have left for this to have room.
    fn needed(&self, ix: ActIx) -> Option<usize> {
        let (node, rsc) = self.arrival(ix)?;
        let (room, amounts) = (self.nodes.get(&node)?, &self.model.resources[rsc].utilization);
        let mut free = room.free.clone();
        add(&mut free, &room.arrived, -1);
        let fits = |free: &Amounts| {
            let has = |(name, amount): (&String, &i64)| *amount <= free.get(name).copied().unwrap_or(0) || *amount == 0;
            amounts.iter().all(has)
        };
        for (count, leave) in room.left.iter().enumerate() {
            if fits(&free) {
                return Some(count);
            }
            let rsc = self.actions.all[*leave].rsc?;
            add(&mut free, &self.model.resources[rsc].utilization, 1);
        }
        fits(&free).then_some(room.left.len())
    }

    fn happen(&mut self, ix: ActIx) {
        if let (Some((node, rsc)), Some(count)) = (self.arrival(ix), self.needed(ix))
            && let Some(room) = self.nodes.get_mut(&node)
        {
            add(&mut room.arrived, &self.model.resources[rsc].utilization, 1);
            let begin = self.arrives.remove(&ix).unwrap_or_default();
            let others = room.left.iter().take(count).filter(|leave| self.actions.all[**leave].rsc != Some(rsc));
            self.pairs.extend(others.flat_map(|leave| begin.iter().map(move |begin| (*leave, *begin))));
        }
        if self.leaves.contains(&ix)
            && let Some(room) = self.actions.all[ix].node.and_then(|node| self.nodes.get_mut(&node))
        {
            room.left.push(ix);
        }
    }
}
