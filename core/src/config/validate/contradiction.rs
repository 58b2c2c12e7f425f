//! Constraints that cannot hold together, each named with its other side.

use super::{Problem, Report, problem};
use crate::config::shorthand::whole;
use crate::config::{Config, OrderKind};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) fn check(config: &Config, report: &mut Report) {
    order_loops(config, report);
    colocations(config, report);
    locations(config, report);
}

/// One constraint as an edge: from its resource to the other, by its id.
type Edges<'c> = BTreeMap<&'c ResourceId, Vec<(&'c ResourceId, &'c str)>>;

/// The shortest way from one resource to another, as constraint ids; none from a resource to itself.
fn way<'c>(edges: &Edges<'c>, from: &'c ResourceId, to: &ResourceId) -> Option<Vec<&'c str>> {
    let mut came: BTreeMap<&ResourceId, (&'c ResourceId, &'c str)> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        if at == to {
            let mut ids = Vec::new();
            let mut back = at;
            while let Some((earlier, id)) = came.get(back).filter(|_| back != from) {
                ids.push(*id);
                back = earlier;
            }
            ids.reverse();
            return Some(ids);
        }
        for (next, id) in edges.get(at).into_iter().flatten() {
            if !came.contains_key(next) {
                came.insert(next, (at, id));
                waiting.push_back(next);
            }
        }
    }
    None
}

/// What is left when everything that nothing leads to is taken away, again and again: loops, and what follows them.
fn looping<'c>(edges: &Edges<'c>) -> BTreeSet<&'c ResourceId> {
    let mut leading: BTreeMap<&ResourceId, usize> = edges.keys().map(|from| (*from, 0)).collect();
    for (to, _) in edges.values().flatten() {
        *leading.entry(to).or_default() += 1;
    }
    let free = leading.iter().filter(|(_, count)| **count == 0);
    let mut waiting: Vec<&ResourceId> = free.map(|(id, _)| *id).collect();
    while let Some(from) = waiting.pop() {
        leading.remove(from);
        for (to, _) in edges.get(from).into_iter().flatten() {
            if let Some(count) = leading.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    waiting.push(to);
                }
            }
        }
    }
    leading.into_keys().collect()
}

fn listed(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("'{}'", whole(id))).collect::<Vec<_>>().join(", ")
}

fn order_loops(config: &Config, report: &mut Report) {
    let mut edges = Edges::new();
    let binding = |kind| kind == OrderKind::Mandatory || kind == OrderKind::Optional;
    let orders = || config.orders.iter().filter(|(_, order)| binding(order.kind) && order.first != order.then);
    for (id, order) in orders() {
        edges.entry(&order.first).or_default().push((&order.then, id));
    }
    let mut told = BTreeSet::new();
    let looping = looping(&edges);
    for (id, order) in orders().filter(|(_, order)| looping.contains(&order.first)) {
        let Some(rest) = way(&edges, &order.then, &order.first) else {
            continue;
        };
        let ids: Vec<&str> = std::iter::once(id.as_str()).chain(rest).collect();
        // A loop is found from each of its edges; its first id tells it.
        if !told.insert(ids.iter().copied().collect::<BTreeSet<_>>()) {
            continue;
        }
        let steps = ids.iter().filter_map(|id| config.orders.get(*id).map(|order| (id, order)));
        let steps: Vec<String> =
            steps.map(|(id, order)| format!("'{}' {} then {}", whole(id), order.first, order.then)).collect();
        report.error(id, format!("these orders form a loop: {}", steps.join(", ")), "delete one of them");
    }
    for (id, order) in &config.orders {
        if order.kind == OrderKind::Serialize && order.symmetrical {
            let mend = format!("`set {id}.symmetrical false`");
            report.error(id, "a Serialize order has no reverse and cannot be symmetrical", mend);
        }
    }
}

fn colocations(config: &Config, report: &mut Report) {
    let pairs = || config.colocations.iter().filter(|(_, it)| it.resource != it.with);
    let mut together = Edges::new();
    for (id, colocation) in pairs().filter(|(_, it)| it.score == Score::INFINITY) {
        together.entry(&colocation.resource).or_default().push((&colocation.with, id));
        together.entry(&colocation.with).or_default().push((&colocation.resource, id));
    }
    for (id, apart) in pairs().filter(|(_, it)| it.score.forbids()) {
        let (a, b) = (&apart.resource, &apart.with);
        match way(&together, a, b).as_deref() {
            None => {}
            Some([other]) => {
                let what = format!("it keeps {a} and {b} apart, and '{}' puts them together", whole(other));
                report.error(id, what, "delete one of the two");
            }
            Some(others) => {
                let what = format!("it keeps {a} and {b} apart, and {} put them together", listed(others));
                report.warning(id, what, "not all of these resources can run at once: delete one of the constraints");
            }
        }
    }
}

fn locations(config: &Config, report: &mut Report) {
    let mut infinite: BTreeMap<_, Vec<(&str, Score)>> = BTreeMap::new();
    for (id, location) in &config.locations {
        if location.score.forbids() || location.score == Score::INFINITY {
            let place = (&location.resource, &location.node);
            infinite.entry(place).or_default().push((id, location.score));
        }
    }
    for ((resource, node), scores) in infinite {
        let wanted = scores.iter().find(|(_, score)| !score.forbids());
        let forbidden = scores.iter().find(|(_, score)| score.forbids());
        if let (Some((wanted, _)), Some((forbidden, _))) = (wanted, forbidden) {
            let what = format!("it wants {resource} on {node}, and '{}' forbids it, which wins", whole(forbidden));
            report.warning(wanted, what, "delete one of the two");
        }
    }
}

/// Resources that can run nowhere among these members: forbidden on each of them, by itself or by what it must run with.
pub(super) fn nowhere(config: &Config, members: &BTreeSet<NodeId>) -> Vec<Problem> {
    let mut forbidden: BTreeMap<&ResourceId, BTreeMap<&NodeId, &str>> = BTreeMap::new();
    for (id, location) in config.locations.iter().filter(|(_, location)| location.score.forbids()) {
        forbidden.entry(&location.resource).or_default().entry(&location.node).or_insert(id);
    }
    let told = |bans: &BTreeMap<&NodeId, (&ResourceId, &str)>| {
        let each = members.iter().filter_map(|node| bans.get(node).map(|(by, id)| (node, by, id)));
        let words = each.map(|(node, by, id)| format!("'{}' forbids {by} on {node}", whole(id)));
        words.collect::<Vec<_>>().join(", ")
    };
    let covers = |bans: &BTreeMap<&NodeId, (&ResourceId, &str)>| {
        !members.is_empty() && members.iter().all(|node| bans.contains_key(node))
    };
    let bans_of = |resource: &ResourceId| -> BTreeMap<&NodeId, (&ResourceId, &str)> {
        let own = forbidden.get_key_value(resource).into_iter();
        own.flat_map(|(by, nodes)| nodes.iter().map(move |(node, id)| (*node, (*by, *id)))).collect()
    };
    let mut problems = Vec::new();
    for resource in forbidden.keys() {
        let bans = bans_of(resource);
        if covers(&bans) {
            let what = format!("{resource} can run nowhere: {}", told(&bans));
            let first = bans.values().next().map_or("location", |(_, id)| *id);
            problems.push(problem(first, what, "delete one of them"));
        }
    }
    let together = config.colocations.iter().filter(|(_, it)| it.score == Score::INFINITY && it.resource != it.with);
    for (id, colocation) in together {
        let (one, other) = (bans_of(&colocation.resource), bans_of(&colocation.with));
        let mut bans = one.clone();
        other.iter().for_each(|(node, by)| _ = bans.entry(node).or_insert(*by));
        if covers(&bans) && !covers(&one) && !covers(&other) {
            let pair = format!("{} must run with {}", colocation.resource, colocation.with);
            let what = format!("{pair}, and no node is left for both: {}", told(&bans));
            problems.push(problem(id, what, "delete one of these constraints"));
        }
    }
    problems
}
