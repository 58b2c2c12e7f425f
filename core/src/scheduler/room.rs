//! What nodes have and resources need, by numbers instead of names: the same amounts as in `Node::capacity` and
//! `Resource::utilization`, laid out so that a plan of thousands of nodes can ask often.

use super::{Model, NodeIx, RscIx, Scores, by_name};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Amounts by kind of capacity; `None` is a kind that is not asked for, which is not the same as asking for nothing of
/// a node that has less than nothing.
pub(super) type Need = Vec<Option<i64>>;

/// Capacity while resources are assigned, and what else of nodes is asked again and again.
#[derive(Clone, Debug, Default)]
pub struct Room {
    kinds: usize,
    /// What is left, node by node, kind by kind; zero of what a node does not have.
    free: Vec<i64>,
    /// Whether the node has that kind at all.
    has: Vec<bool>,
    /// What each resource needs, kind by kind.
    needs: Vec<Option<i64>>,
    /// Nodes by what is left, for each kind: sorted, and kept so.
    by_free: Vec<Vec<(i64, u32)>>,
    /// Nodes that can take nothing, in their order.
    away: Vec<NodeIx>,
    is_away: Vec<bool>,
    /// Every node's place by name.
    ranks: Vec<u32>,
    has_own_names: bool,
}

impl Room {
    pub(super) fn of(model: &Model) -> Self {
        let on_nodes = model.nodes.iter().flat_map(|node| node.capacity.keys());
        let in_needs = model.resources.iter().flat_map(|one| one.utilization.keys());
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        // One after another: there are few names, and a great many that have them.
        on_nodes.chain(in_needs).for_each(|name| _ = names.entry(name).or_default());
        names.values_mut().zip(0..).for_each(|(kind, place)| *kind = place);
        let kinds = names.len();
        let mut room = Self {
            kinds,
            free: vec![0; model.nodes.len() * kinds],
            has: vec![false; model.nodes.len() * kinds],
            needs: vec![None; model.resources.len() * kinds],
            by_free: vec![Vec::new(); kinds],
            away: (0..model.nodes.len()).filter(|node| !model.nodes[*node].is_available()).collect(),
            is_away: model.nodes.iter().map(|node| !node.is_available()).collect(),
            ranks: ranks(model),
            has_own_names: has_own_names(model),
        };
        for (ix, node) in model.nodes.iter().enumerate() {
            for (name, amount) in &node.capacity {
                if let Some(kind) = names.get(name.as_str()) {
                    (room.free[ix * kinds + kind], room.has[ix * kinds + kind]) = (*amount, true);
                }
            }
        }
        for (ix, resource) in model.resources.iter().enumerate() {
            for (name, amount) in &*resource.utilization {
                if let Some(kind) = names.get(name.as_str()) {
                    room.needs[ix * kinds + kind] = Some(*amount);
                }
            }
        }
        for kind in 0..kinds {
            let nodes = 0..u32::try_from(model.nodes.len()).unwrap_or(u32::MAX);
            room.by_free[kind] = nodes.map(|node| (room.free[node as usize * kinds + kind], node)).collect();
            room.by_free[kind].sort_unstable();
        }
        room
    }

    /// Needs nothing.
    pub(super) fn nothing(&self) -> Need {
        vec![None; self.kinds]
    }

    /// What one resource itself needs.
    pub(super) fn need(&self, rsc: RscIx) -> &[Option<i64>] {
        &self.needs[rsc * self.kinds..(rsc + 1) * self.kinds]
    }

    /// Takes from a node what a resource needs of what the node has; with -1, gives it back. `capacity` is that node's, which
    /// follows: one for each kind that it has, in the kinds' order.
    pub(super) fn take(&mut self, rsc: RscIx, node: NodeIx, times: i64, capacity: &mut BTreeMap<String, i64>) {
        let mut capacity = capacity.values_mut();
        for kind in 0..self.kinds {
            let at = node * self.kinds + kind;
            let Some(left) = self.has[at].then(|| capacity.next()).flatten() else { continue };
            let Some(amount) = self.needs[rsc * self.kinds + kind] else { continue };
            let short = u32::try_from(node).unwrap_or(u32::MAX);
            let before = (self.free[at], short);
            self.free[at] = self.free[at].saturating_sub(times.saturating_mul(amount));
            *left = self.free[at];
            shift(&mut self.by_free[kind], before, (self.free[at], short));
        }
    }

    /// Whether a node has room for this.
    pub(super) fn fits(&self, node: NodeIx, need: &[Option<i64>]) -> bool {
        let free = &self.free[node * self.kinds..(node + 1) * self.kinds];
        need.iter().zip(free).all(|(amount, free)| amount.is_none_or(|amount| amount <= *free))
    }

    /// The nodes without room for this, in their order.
    pub(super) fn full(&self, need: &[Option<i64>]) -> Vec<NodeIx> {
        let mut found = Vec::new();
        for (kind, amount) in need.iter().enumerate() {
            let Some(amount) = amount else { continue };
            let nodes = &self.by_free[kind];
            let less = nodes.partition_point(|(free, _)| free < amount);
            found.extend(nodes[..less].iter().map(|(_, node)| *node as NodeIx));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The node with more room first: by how many kinds of capacity it has more of.
    pub(super) fn compare(&self, a: NodeIx, b: NodeIx) -> Ordering {
        let of = |node: NodeIx| &self.free[node * self.kinds..(node + 1) * self.kinds];
        let balance: i32 = of(a).iter().zip(of(b)).map(|(mine, theirs)| mine.cmp(theirs) as i32).sum();
        0.cmp(&balance)
    }

    /// By name, as `by_name` says.
    pub(super) fn by_name(&self, a: NodeIx, b: NodeIx) -> Ordering {
        self.ranks[a].cmp(&self.ranks[b])
    }

    /// Whether `#uname` tells every node from every other.
    pub(super) fn has_own_names(&self) -> bool {
        self.has_own_names
    }

    /// Whether any node that can take something has the usual one of these scores.
    pub(super) fn has_usual(&self, scores: &Scores) -> bool {
        let alike = scores.nodes() - scores.special().len();
        if alike > self.away.len() {
            return true;
        }
        let special = scores.special().filter(|(node, _)| self.is_away(*node)).count();
        alike > self.away.len() - special
    }

    /// Nodes that can take nothing, in their order.
    pub(super) fn away(&self) -> &[NodeIx] {
        &self.away
    }

    /// Whether a node can take something has changed.
    pub(super) fn set_away(&mut self, node: NodeIx, is_away: bool) {
        match self.away.binary_search(&node) {
            Ok(at) if !is_away => _ = self.away.remove(at),
            Err(at) if is_away => self.away.insert(at, node),
            _ => {}
        }
        self.is_away[node] = is_away;
    }

    /// Whether the node can take nothing.
    pub(super) fn is_away(&self, node: NodeIx) -> bool {
        self.is_away[node]
    }
}

/// Puts one of a sorted list where it belongs when it is another.
fn shift(sorted: &mut [(i64, u32)], before: (i64, u32), after: (i64, u32)) {
    let Ok(from) = sorted.binary_search(&before) else { return };
    let to = sorted.partition_point(|one| *one < after);
    sorted[from] = after;
    if to > from {
        sorted[from..to].rotate_left(1);
    } else {
        sorted[to..=from].rotate_right(1);
    }
}

/// The place of each node among the names; the same place for the same name.
fn ranks(model: &Model) -> Vec<u32> {
    let name = |node: &NodeIx| model.nodes[*node].name.as_str();
    let mut sorted: Vec<NodeIx> = (0..model.nodes.len()).collect();
    sorted.sort_by(|a, b| by_name(name(a), name(b)));
    let mut ranks = vec![0; sorted.len()];
    let mut rank = 0;
    for (place, node) in sorted.iter().enumerate() {
        if place > 0 && by_name(name(&sorted[place - 1]), name(node)).is_ne() {
            rank += 1;
        }
        ranks[*node] = rank;
    }
    ranks
}

fn has_own_names(model: &Model) -> bool {
    let names = model.nodes.iter().filter_map(|node| node.attributes.get("#uname"));
    names.collect::<BTreeSet<&String>>().len() == model.nodes.len()
}
