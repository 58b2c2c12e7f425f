//! From the model to a packing problem. What is simple enough to be put elsewhere becomes an item, with all that must be
//! where it is; the rest stays as it was assigned, and takes its room.

use super::Before;
use super::problem::{Item, Places, Problem};
use crate::scheduler::{Kind, Model, NodeIx, OrderForce, Role, RscIx, Task, by_name};
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};

/// A problem, and what its numbers mean.
pub(super) struct Reading {
    pub(super) problem: Problem,
    /// The node of each bin.
    pub(super) nodes: Vec<NodeIx>,
    /// The primitives of each item.
    pub(super) members: Vec<Vec<RscIx>>,
    item_of: BTreeMap<RscIx, usize>,
    bin_of: BTreeMap<NodeIx, usize>,
}

impl Reading {
    /// The problem, the same whatever order nodes and resources are configured in.
    pub(super) fn of(model: &Model, before: &Before) -> Self {
        let mut nodes: Vec<NodeIx> = (0..model.nodes.len()).filter(|node| model.nodes[*node].is_available()).collect();
        nodes.sort_by(|a, b| by_name(&model.nodes[*a].name, &model.nodes[*b].name));
        let mut members = Units::of(model, before).all(model);
        members.sort_by(|a, b| by_name(&model.resources[a[0]].id, &model.resources[b[0]].id));
        let each = members.iter().enumerate();
        let item_of = each.flat_map(|(ix, unit)| unit.iter().map(move |rsc| (*rsc, ix))).collect();
        let bin_of = nodes.iter().enumerate().map(|(bin, node)| (*node, bin)).collect();
        let mut reading = Self { problem: Problem::default(), nodes, members, item_of, bin_of };
        reading.room_and_items(model, before);
        reading.keep_apart(model);
        reading.put_in_order(model);
        reading.wait_for_all_before();
        let room = &reading.problem.room;
        for item in &mut reading.problem.items {
            for (wish, room) in item.wish.iter_mut().zip(room) {
                // It would be too large for it even alone.
                *wish = wish.filter(|_| item.size.iter().zip(room).all(|(size, room)| size <= room));
            }
            item.home = item.home.filter(|home| item.wish[*home].is_some());
            item.must_leave = !model.options.sorts_by_scores && item.is_running && item.home.is_none();
        }
        reading
    }

    /// Where the items are assigned; nowhere, where one is torn apart.
    pub(super) fn places(&self, model: &Model) -> Places {
        let place = |unit: &Vec<RscIx>| {
            let first = model.resources[unit[0]].assigned?;
            let is_one = unit.iter().all(|rsc| model.resources[*rsc].assigned == Some(first));
            self.bin_of.get(&first).copied().filter(|_| is_one)
        };
        self.members.iter().map(place).collect()
    }

    fn room_and_items(&mut self, model: &Model, before: &Before) {
        let all = self.members.iter().flatten();
        let kinds: BTreeSet<&String> = all.flat_map(|rsc| model.resources[*rsc].utilization.keys()).collect();
        let need = |rsc: RscIx, kind: &String| model.resources[rsc].utilization.get(kind).copied().unwrap_or(0);
        let mut room: Vec<Vec<i64>> = Vec::new();
        for node in &self.nodes {
            let left = |kind: &&String| model.nodes[*node].capacity.get(*kind).copied().unwrap_or(0);
            room.push(kinds.iter().map(left).collect());
        }
        // What the items were given is theirs to be given again.
        for rsc in self.members.iter().flatten() {
            let bin = model.resources[*rsc].assigned.and_then(|node| self.bin_of.get(&node));
            let Some(bin) = bin.copied() else { continue };
            for (place, kind) in kinds.iter().enumerate() {
                if model.nodes[self.nodes[bin]].capacity.contains_key(*kind) {
                    room[bin][place] += need(*rsc, kind);
                }
            }
        }
        room.iter_mut().flatten().for_each(|room| *room = (*room).max(0));
        let items = self.members.iter().map(|unit| {
            let size = kinds.iter().map(|kind| unit.iter().map(|rsc| need(*rsc, kind)).sum::<i64>().max(0)).collect();
            Item { size, ..self.item(model, before, unit) }
        });
        let items = items.collect();
        self.problem = Problem { kinds: kinds.len(), room, items };
    }

    fn item(&self, model: &Model, before: &Before, unit: &[RscIx]) -> Item {
        let active: Vec<RscIx> =
            unit.iter().copied().filter(|rsc| !model.resources[*rsc].active_on.is_empty()).collect();
        let on = active.first().and_then(|rsc| model.current(*rsc));
        let is_running = on.is_some_and(|node| model.nodes[node].is_online && !model.nodes[node].is_unclean);
        let wish = |node: &NodeIx| {
            let scores = unit.iter().map(|rsc| before.scores[*rsc].get(*node).filter(|score| *score >= Score::ZERO));
            scores.map(|score| score.map(Score::value)).sum::<Option<i64>>()
        };
        let may_move = |rsc: &RscIx| {
            let resource = &model.resources[*rsc];
            // What is stopped and started in any case may as well be started elsewhere.
            resource.can_migrate || resource.must_stop || resource.is_failed
        };
        Item {
            size: Vec::new(),
            home: on.and_then(|node| self.bin_of.get(&node).copied()),
            is_running,
            may_move: active.iter().all(may_move),
            wish: self.nodes.iter().map(wish).collect(),
            priority: unit.iter().map(|rsc| model.resources[model.uppermost(*rsc)].priority.value()).max().unwrap_or(0),
            ..Item::default()
        }
    }

    /// What must not be together: items, and items with what stays as it is.
    fn keep_apart(&mut self, model: &Model) {
        for colocation in model.colocations.iter().filter(|colocation| colocation.score.forbids()) {
            for one in model.primitives(colocation.resource) {
                for other in model.primitives(colocation.with) {
                    self.keep_two_apart(model, one, other);
                }
            }
        }
        for item in &mut self.problem.items {
            item.apart.sort_unstable();
            item.apart.dedup();
        }
    }

    fn keep_two_apart(&mut self, model: &Model, one: RscIx, other: RscIx) {
        let bin = |rsc: RscIx| model.resources[rsc].assigned.and_then(|node| self.bin_of.get(&node).copied());
        match (self.item_of.get(&one).copied(), self.item_of.get(&other).copied()) {
            (Some(a), Some(b)) if a != b => {
                self.problem.items[a].apart.push(b);
                self.problem.items[b].apart.push(a);
            }
            (Some(item), None) => {
                if let Some(bin) = bin(other) {
                    self.problem.items[item].wish[bin] = None;
                }
            }
            (None, Some(item)) => {
                if let Some(bin) = bin(one) {
                    self.problem.items[item].wish[bin] = None;
                }
            }
            _ => {}
        }
    }

    fn put_in_order(&mut self, model: &Model) {
        for order in &model.orders {
            let is_start = order.first.task == Task::Start && order.then.task == Task::Start;
            if !is_start || order.force == OrderForce::Serialize || !order.requires_all {
                continue;
            }
            let items = |rsc: RscIx| -> BTreeSet<usize> {
                model.primitives(rsc).iter().filter_map(|part| self.item_of.get(part).copied()).collect()
            };
            let (firsts, thens) = (items(order.first.resource), items(order.then.resource));
            for then in thens {
                let others = firsts.iter().copied().filter(|first| *first != then);
                let item = &mut self.problem.items[then];
                item.after.extend(others.clone());
                if order.force == OrderForce::Mandatory {
                    item.needs.extend(others);
                }
            }
        }
    }

    /// What comes before something that comes before it comes before it too.
    fn wait_for_all_before(&mut self) {
        let direct: Vec<Vec<usize>> = self.problem.items.iter().map(|item| item.after.clone()).collect();
        for (ix, item) in self.problem.items.iter_mut().enumerate().filter(|(ix, _)| !direct[*ix].is_empty()) {
            let mut all = BTreeSet::new();
            let mut todo = direct[ix].clone();
            while let Some(at) = todo.pop() {
                if at != ix && all.insert(at) {
                    todo.extend(&direct[at]);
                }
            }
            item.after = all.into_iter().collect();
        }
    }
}

/// Primitives that must be together, by a representative.
struct Units {
    leader: Vec<RscIx>,
    is_fixed: Vec<bool>,
}

impl Units {
    fn of(model: &Model, before: &Before) -> Self {
        let count = model.resources.len();
        let is_fixed = (0..count).map(|rsc| !is_simple(model, before, rsc)).collect();
        let mut units = Self { leader: (0..count).collect(), is_fixed };
        for rsc in 0..count {
            if let Kind::Group(group) = &model.resources[rsc].kind
                && group.is_colocated
            {
                group.members.windows(2).for_each(|pair| units.join(pair[0], pair[1]));
            }
        }
        for colocation in &model.colocations {
            let (ones, others) = (model.primitives(colocation.resource), model.primitives(colocation.with));
            let is_plain = colocation.role.is_none()
                && colocation.with_role.is_none()
                && colocation.attribute.as_deref().is_none_or(|name| name == "#uname");
            let binds = colocation.score == Score::INFINITY;
            if !is_plain && (binds || colocation.score.forbids()) {
                ones.iter().chain(&others).for_each(|rsc| units.fix(*rsc));
            } else if binds {
                let first = ones.first().copied();
                ones.into_iter().chain(others).for_each(|rsc| units.join(first.unwrap_or(rsc), rsc));
            }
        }
        for colocation in model.colocations.iter().filter(|colocation| colocation.score.forbids()) {
            for one in model.primitives(colocation.resource) {
                for other in model.primitives(colocation.with) {
                    // Bound to be together and apart: nothing good can be done about it here.
                    if units.find(one) == units.find(other) {
                        units.fix(one);
                    }
                }
            }
        }
        units
    }

    fn find(&self, rsc: RscIx) -> RscIx {
        let mut at = rsc;
        while self.leader[at] != at {
            at = self.leader[at];
        }
        at
    }

    fn fix(&mut self, rsc: RscIx) {
        let leader = self.find(rsc);
        self.is_fixed[leader] = true;
    }

    fn join(&mut self, a: RscIx, b: RscIx) {
        let (a, b) = (self.find(a), self.find(b));
        let (low, high) = (a.min(b), a.max(b));
        self.leader[high] = low;
        self.is_fixed[low] |= self.is_fixed[high];
    }

    /// Those that are items: they weigh something, run in one place at most or move live, and nothing about them is special.
    fn all(&self, model: &Model) -> Vec<Vec<RscIx>> {
        let mut units: BTreeMap<RscIx, Vec<RscIx>> = BTreeMap::new();
        for rsc in (0..model.resources.len()).filter(|rsc| model.resources[*rsc].kind == Kind::Primitive) {
            let leader = self.find(rsc);
            if !self.is_fixed[leader] {
                units.entry(leader).or_default().push(rsc);
            }
        }
        let weighs = |rsc: &RscIx| !model.resources[*rsc].utilization.is_empty();
        let is_one = |unit: &Vec<RscIx>| {
            let active = || unit.iter().filter(|rsc| !model.resources[**rsc].active_on.is_empty());
            let on: BTreeSet<Option<NodeIx>> = active().map(|rsc| model.current(*rsc)).collect();
            // On the way from one place to another, live, one is there before the others.
            let is_live = !model.options.sorts_by_scores;
            on.len() <= 1 || is_live && active().all(|rsc| model.resources[*rsc].can_migrate)
        };
        let mut units: Vec<Vec<RscIx>> =
            units.into_values().filter(|unit| unit.iter().any(weighs) && is_one(unit)).collect();
        for unit in &mut units {
            unit.sort_by(|a, b| by_name(&model.resources[*a].id, &model.resources[*b].id));
        }
        units
    }
}

/// A primitive that is free to be put anywhere, and should run.
fn is_simple(model: &Model, before: &Before, rsc: RscIx) -> bool {
    let resource = &model.resources[rsc];
    resource.kind == Kind::Primitive
        && model.clone_of(rsc).is_none()
        && resource.class != "stonith"
        && resource.is_managed
        && (!resource.is_blocked || waits_for_a_proof(model, rsc))
        && !resource.is_orphan
        && !model.options.stop_all
        && before.next[rsc] != Role::Stopped
        && resource.role != Role::Promoted
        && resource.active_on.len() <= 1
        && resource.migrating.is_none()
        && resource.dangling.is_empty()
        && !resource.is_start_pending
        // How many of them a node may have is no matter of room.
        && !model.limits.iter().any(|limit| limit.members.contains(&rsc))
}

/// Live, what was on a lost node has a place from when it is lost, and takes nobody's who runs before it may start there.
fn waits_for_a_proof(model: &Model, rsc: RscIx) -> bool {
    let is_live = !model.options.sorts_by_scores;
    is_live && model.resources[rsc].active_on.iter().all(|node| model.nodes[*node].is_unclean)
}
