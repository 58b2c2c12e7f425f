//! Room on the nodes, where `placement-strategy` has it count: what a resource would need of a node that has it not, and
//! on the way there what has to leave before something arrives.
//!
//! Where everything finds its place is the scheduler's to say. Here it is only kept that no node is asked for more than it
//! has while a plan is carried out: a live migration takes its room at both ends.

use super::Blocked;
use super::actions::Draft;
use super::eligible::Rejection;
use super::model::Sketch;
use crate::config::Attributes;
use crate::id::{ActionId, NodeId, ResourceId};
use crate::scheduler::{Model, Placement, RscIx};
use crate::state::{ActionKind, ClusterState, Standing};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// So much of each kind.
pub(crate) type Amounts = BTreeMap<String, i64>;

/// When each of some moves comes that make room for each other.
pub(super) type Turns = BTreeMap<ResourceId, usize>;

/// Utilization as numbers; what is none is refused where it is configured.
pub(crate) fn amounts(written: &Attributes) -> Amounts {
    let read = written.iter().filter_map(|(name, value)| Some((name.clone(), value.trim().parse().ok()?)));
    read.collect()
}

/// What a resource takes of the node it is on; of one that is not configured any more, what it was started with.
pub(crate) fn need(state: &ClusterState, id: &ResourceId, node: &NodeId) -> Amounts {
    let configured = state.config.primitives.get(id);
    let primitive = configured.or_else(|| state.definition(id, node));
    primitive.map(|primitive| amounts(&primitive.utilization)).unwrap_or_default()
}

/// What is taken of a node by all that is there, or may be.
pub(crate) fn used(state: &ClusterState, node: &NodeId) -> Amounts {
    let mut used = Amounts::new();
    for id in state.resources.keys().filter(|id| state.standing(id, node) != Standing::NotActive) {
        add(&mut used, &need(state, id, node), 1);
    }
    used
}

/// What a node has; nothing where nothing is said of it.
pub(crate) fn capacity(state: &ClusterState, node: &NodeId) -> Amounts {
    state.config.nodes.get(node).map(|config| amounts(&config.utilization)).unwrap_or_default()
}

/// What a resource would need there that is not free when all is placed.
pub(super) fn shortage(sketch: &Sketch, assigned: &Model, rsc: RscIx, node: &NodeId) -> Option<Rejection> {
    if assigned.options.placement == Placement::Default {
        return None;
    }
    let ix = sketch.node(node).filter(|ix| assigned.resources[rsc].assigned != Some(*ix))?;
    let free = &assigned.nodes[ix].capacity;
    let missing = |need: &Amounts| {
        let of = |name: &String| free.get(name).copied().unwrap_or(0);
        need.iter().find(|(name, amount)| **amount > of(name)).map(|(name, amount)| (name.clone(), *amount, of(name)))
    };
    let own = missing(&assigned.resources[rsc].utilization).map(|it| (it, false));
    let together = || {
        let mut sum = Amounts::new();
        for other in together(assigned, rsc).into_iter().filter(|other| assigned.resources[*other].assigned != Some(ix))
        {
            add(&mut sum, &assigned.resources[other].utilization, 1);
        }
        missing(&sum).map(|it| (it, true))
    };
    let ((name, need, free), with_others) = own.or_else(together)?;
    Some(Rejection::Room { node: node.clone(), name, need, free, with_others })
}

/// What must be on one node with it, and itself.
fn together(model: &Model, rsc: RscIx) -> BTreeSet<RscIx> {
    let (mut found, mut open) = (BTreeSet::new(), vec![rsc]);
    while let Some(at) = open.pop() {
        if found.insert(at) {
            let bonds = model.colocations.iter().filter(|bond| bond.score == crate::score::Score::INFINITY);
            open.extend(bonds.filter_map(|bond| match (bond.resource, bond.with) {
                (resource, with) if resource == at => Some(with),
                (resource, with) if with == at => Some(resource),
                _ => None,
            }));
        }
    }
    found
}

fn add(sum: &mut Amounts, more: &Amounts, sign: i64) {
    for (name, amount) in more {
        let sum = sum.entry(name.clone()).or_default();
        *sum = sum.saturating_add(sign * amount);
    }
}

fn fits(need: &Amounts, free: &Amounts) -> bool {
    need.iter().all(|(name, amount)| *amount <= 0 || *amount <= free.get(name).copied().unwrap_or(0))
}

/// Something that leaves a node, drafted or under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    New(u32),
    Old(ActionId),
}

/// What happens to the room of one node.
#[derive(Default)]
struct Yard {
    /// Free now.
    free: Amounts,
    arrived: Amounts,
    /// What leaves, in the order in which it is waited for.
    leaves: Vec<(Leave, ResourceId)>,
}

/// Something that needs room where it arrives.
struct Arrival {
    action: u32,
    id: ResourceId,
    node: NodeId,
    /// Where it leaves when it has arrived, if it moves live.
    source: Option<NodeId>,
    need: Amounts,
}

impl Draft<'_> {
    /// What arrives where there is no room yet comes after what leaves, as much of it as it needs; where that is not
    /// enough it is left out of this plan, and told.
    pub(super) fn room_edges(&mut self, turns: &Turns) -> Vec<Blocked> {
        if self.state.properties().placement == Placement::Default {
            return Vec::new();
        }
        let mut arrivals = self.arrivals(turns);
        let mut yards: BTreeMap<NodeId, Yard> = BTreeMap::new();
        for arrival in &arrivals {
            yards.entry(arrival.node.clone()).or_default();
        }
        self.survey_yards(&mut yards);
        // Whoever has room comes next, and makes room where it leaves.
        while let Some((next, leaves)) = arrivals.iter().enumerate().find_map(|(next, arrival)| {
            let leaves = self.waits(yards.get(&arrival.node)?, arrival)?;
            Some((next, leaves))
        }) {
            let arrival = arrivals.remove(next);
            let action = &mut self.actions[arrival.action as usize];
            for leave in leaves {
                match leave {
                    Leave::New(before) if !action.after_new.contains(&before) => action.after_new.push(before),
                    Leave::Old(before) if !action.after.contains(&before) => action.after.push(before),
                    Leave::New(_) | Leave::Old(_) => {}
                }
            }
            if let Some(yard) = yards.get_mut(&arrival.node) {
                add(&mut yard.arrived, &arrival.need, 1);
            }
            if let Some(yard) = arrival.source.and_then(|source| yards.get_mut(&source)) {
                yard.leaves.push((Leave::New(arrival.action), arrival.id));
            }
        }
        arrivals.into_iter().filter_map(|arrival| self.hold_back(arrival, &yards)).collect()
    }

    /// In the order in which they are given room: as was found for moves that make room for each other, the most
    /// important first.
    fn arrivals(&self, turns: &Turns) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for (action, it) in (0..).zip(&self.actions).filter(|(place, _)| !self.left_out.contains(place)) {
            let (node, source) = match (it.kind, &it.peer) {
                (ActionKind::Start, _) => (it.node.clone(), None),
                (ActionKind::Migrate, Some(target)) => (target.clone(), Some(it.node.clone())),
                _ => continue,
            };
            let need = need(self.state, &it.resource, &node);
            if need.values().any(|amount| *amount > 0) {
                arrivals.push(Arrival { action, id: it.resource.clone(), node, source, need });
            }
        }
        arrivals.sort_by_cached_key(|arrival| {
            let turn = turns.get(&arrival.id).copied();
            let is_last = turn.is_none() && arrival.source.is_none();
            (is_last, turn.unwrap_or(usize::MAX), Reverse(self.priority(&arrival.id)), arrival.action)
        });
        arrivals
    }

    fn priority(&self, id: &ResourceId) -> i64 {
        let primitive = self.state.config.primitives.get(id);
        primitive.map_or(0, |it| self.state.meta(id, it).priority)
    }

    /// What is free, and what leaves: one look at every resource for all of the nodes.
    fn survey_yards(&self, yards: &mut BTreeMap<NodeId, Yard>) {
        let state = self.state;
        for (node, yard) in yards.iter_mut() {
            yard.free = capacity(state, node);
        }
        let needs = |id: &&ResourceId| state.primitive(id).is_none_or(|it| !it.utilization.is_empty());
        for id in state.all().filter(needs) {
            for touched in state.touched(id).iter().filter(|it| it.may_be_active()) {
                if let Some(yard) = yards.get_mut(touched.node) {
                    add(&mut yard.free, &need(state, id, touched.node), -1);
                }
            }
        }
        for (node, yard) in yards.iter_mut() {
            (yard.free, yard.leaves) = self.yard(node, std::mem::take(&mut yard.free));
        }
    }

    /// What of a node is free when what comes for sure has come, and what leaves it.
    fn yard(&self, node: &NodeId, mut free: Amounts) -> (Amounts, Vec<(Leave, ResourceId)>) {
        let state = self.state;
        let mut leaves = Vec::new();
        for action in state.actions.values().filter(|action| action.node == *node) {
            let is_kept = action.claimed || self.is_kept(action.id);
            match action.kind {
                ActionKind::Stop | ActionKind::Migrate if is_kept => {
                    leaves.push((Leave::Old(action.id), action.resource.clone()));
                }
                // It is to come when something else of it is over, and was given its room.
                ActionKind::Start if is_kept && state.standing(&action.resource, node) == Standing::NotActive => {
                    add(&mut free, &need(state, &action.resource, node), -1);
                }
                _ => {}
            }
        }
        let stops = (0..)
            .zip(&self.actions)
            .filter(|(place, it)| it.kind == ActionKind::Stop && it.node == *node && !self.left_out.contains(place));
        leaves.extend(stops.map(|(place, it)| (Leave::New(place), it.resource.clone())));
        (free, leaves)
    }

    /// What has to leave first for this to have room; `None` where there is none even then.
    fn waits(&self, yard: &Yard, arrival: &Arrival) -> Option<Vec<Leave>> {
        let mut free = yard.free.clone();
        add(&mut free, &yard.arrived, -1);
        // Its own stop it waits for in any case.
        let (own, others): (Vec<_>, Vec<_>) = yard.leaves.iter().partition(|(_, id)| *id == arrival.id);
        for (_, id) in own {
            add(&mut free, &need(self.state, id, &arrival.node), 1);
        }
        let mut waits = Vec::new();
        for (leave, id) in others {
            if fits(&arrival.need, &free) {
                break;
            }
            if matches!(leave, Leave::New(before) if self.waits_for(*before, arrival.action)) {
                continue;
            }
            add(&mut free, &need(self.state, id, &arrival.node), 1);
            waits.push(*leave);
        }
        fits(&arrival.need, &free).then_some(waits)
    }

    /// It cannot come now; and what runs well elsewhere is not stopped for that.
    fn hold_back(&mut self, arrival: Arrival, yards: &BTreeMap<NodeId, Yard>) -> Option<Blocked> {
        self.left_out.insert(arrival.action);
        for before in self.actions[arrival.action as usize].after_new.clone() {
            let stop = &self.actions[before as usize];
            let runs = self.state.standing(&stop.resource, &stop.node) == Standing::Active;
            if stop.kind == ActionKind::Stop && stop.resource == arrival.id && runs {
                self.left_out.insert(before);
            }
        }
        let Arrival { id, node, need, .. } = arrival;
        // Something is being done there, or looked for: that comes to an end.
        let is_open =
            |other: &ResourceId| matches!(self.state.standing(other, &node), Standing::Busy | Standing::Unknown(_));
        if self.state.resources.keys().any(is_open) {
            return None;
        }
        let mut free = yards.get(&node).map(|yard| yard.free.clone()).unwrap_or_default();
        if let Some(yard) = yards.get(&node) {
            add(&mut free, &yard.arrived, -1);
        }
        let of = |name: &String| free.get(name).copied().unwrap_or(0);
        let short = need.iter().find(|(name, amount)| **amount > of(name));
        let short = short.map(|(name, amount)| format!(": it needs {amount} {name}, and {} are free", of(name).max(0)));
        let why = format!("it waits for room on {node}{}", short.unwrap_or_default());
        Some(Blocked { resource: id, why, mend: None })
    }
}
