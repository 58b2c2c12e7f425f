//! Constraints that cannot hold together, each named with its other side.

use super::{Problem, Report, problem};
use crate::config::shorthand::{Want, WideLocation, is_part, whole};
use crate::config::{Colocation, Config, Discovery, InRole, Order, OrderKind, OrderTask};
use crate::id::{NodeId, ResourceId};
use crate::rule::{RuleScore, Test};
use crate::score::Score;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) fn check(config: &Config, report: &mut Report) {
    never_looked_for(config, report);
    order_loops(config, report);
    colocations(config, report);
    locations(config, report);
}

/// One constraint as an edge: from its resource to the other, by its id; both in the role or with the action they are
/// named with. What has no id is so by itself.
type Edges<'c, K> = BTreeMap<K, Vec<(K, &'c str)>>;

/// A resource as it is named in an order.
type Step<'c> = (&'c ResourceId, OrderTask);

/// The shortest way from one resource to another, as constraint ids; none from a resource to itself.
fn way<'c, K: Copy + Ord>(edges: &Edges<'c, K>, from: K, to: K) -> Option<Vec<&'c str>> {
    let mut came: BTreeMap<K, (K, &'c str)> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        if at == to {
            let mut ids = Vec::new();
            let mut back = at;
            while let Some((earlier, id)) = came.get(&back).filter(|_| back != from) {
                ids.push(*id);
                back = *earlier;
            }
            ids.reverse();
            return Some(ids);
        }
        for (next, id) in edges.get(&at).into_iter().flatten() {
            if !came.contains_key(next) {
                came.insert(*next, (at, id));
                waiting.push_back(*next);
            }
        }
    }
    None
}

/// What is left when everything that nothing leads to is taken away, again and again: loops, and what follows them.
fn looping<K: Copy + Ord>(edges: &Edges<'_, K>) -> BTreeSet<K> {
    let mut leading: BTreeMap<K, usize> = edges.keys().map(|from| (*from, 0)).collect();
    for (to, _) in edges.values().flatten() {
        *leading.entry(*to).or_default() += 1;
    }
    let free = leading.iter().filter(|(_, count)| **count == 0);
    let mut waiting: Vec<K> = free.map(|(id, _)| *id).collect();
    while let Some(from) = waiting.pop() {
        leading.remove(&from);
        for (to, _) in edges.get(&from).into_iter().flatten() {
            if let Some(count) = leading.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    waiting.push(*to);
                }
            }
        }
    }
    leading.into_keys().collect()
}

/// Each once, however much of a set it stands for.
fn listed(ids: &[&str]) -> String {
    let mut names: Vec<String> = ids.iter().map(|id| format!("'{}'", whole(id))).collect();
    names.dedup();
    names.join(", ")
}

fn order_loops(config: &Config, report: &mut Report) {
    let mut edges: Edges<'_, Step<'_>> = Edges::new();
    let binding = |kind| kind == OrderKind::Mandatory || kind == OrderKind::Optional;
    let binds = |order: &Order| binding(order.kind) && order.first != order.then && order.requires_all;
    let orders = || config.orders.iter().filter(|(_, order)| binds(order));
    for (id, order) in orders() {
        edges.entry(first(order)).or_default().push((then(order), id));
        // Backwards it is as binding: what one order starts last another may not stop last.
        if order.symmetrical {
            edges.entry(reverse(then(order))).or_default().push((reverse(first(order)), id));
        }
    }
    // What is promoted was started before, and is demoted before it is stopped.
    for resource in orders().flat_map(|(_, order)| [&order.first, &order.then]).collect::<BTreeSet<_>>() {
        let by_itself = [(OrderTask::Start, OrderTask::Promote), (OrderTask::Demote, OrderTask::Stop)];
        for (earlier, later) in by_itself {
            edges.entry((resource, earlier)).or_default().push(((resource, later), ""));
        }
    }
    let mut told = BTreeSet::new();
    let looping = looping(&edges);
    let ways = |order: &Order| {
        let forwards = looping.contains(&first(order)).then(|| way(&edges, then(order), first(order))).flatten();
        let (from, to) = (reverse(first(order)), reverse(then(order)));
        let is_looping = order.symmetrical && looping.contains(&from);
        forwards.or_else(|| is_looping.then(|| way(&edges, from, to)).flatten())
    };
    for (id, order) in orders() {
        let Some(rest) = ways(order) else {
            continue;
        };
        let rest = rest.into_iter().filter(|id| !id.is_empty());
        let ids: Vec<&str> = std::iter::once(id.as_str()).chain(rest).collect();
        // A loop is found from each of its edges; its first id tells it.
        if !told.insert(ids.iter().map(|id| whole(id)).collect::<BTreeSet<_>>()) {
            continue;
        }
        let orders: Vec<_> = ids.iter().filter_map(|id| config.orders.get(*id).map(|order| (id, order))).collect();
        let steps: Vec<String> = orders
            .iter()
            .map(|(id, order)| format!("'{}' {} then {}", whole(id), named(first(order)), named(then(order))))
            .collect();
        let brings_up = |task: OrderTask| matches!(task, OrderTask::Start | OrderTask::Promote);
        let (up, down): (Vec<_>, Vec<_>) =
            orders.iter().map(|(_, order)| order.first_task).partition(|it| brings_up(*it));
        let why = if up.is_empty() || down.is_empty() { "" } else { ", for what starts last stops first" };
        report.error(id, format!("these orders form a loop{why}: {}", steps.join(", ")), "delete one of them");
    }
    if told.is_empty() {
        any_loops(config, report);
    }
    for (id, order) in &config.orders {
        if order.kind == OrderKind::Serialize && order.symmetrical {
            let mend = format!("`set {id}.symmetrical false`");
            report.error(id, "a Serialize order has no reverse and cannot be symmetrical", mend);
        }
    }
}

/// What waits for any one of several, each of which in the end waits for it.
fn any_loops(config: &Config, report: &mut Report) {
    let mut any: BTreeMap<(&str, &ResourceId), Vec<&ResourceId>> = BTreeMap::new();
    let mut all: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    for (id, order) in config.orders.iter().filter(|(_, order)| order.kind != OrderKind::Serialize) {
        match order.requires_all {
            true => all.entry(&order.then).or_default().push(&order.first),
            false => any.entry((whole(id), &order.then)).or_default().push(&order.first),
        }
    }
    let mut stuck: BTreeSet<&ResourceId> =
        if any.is_empty() { BTreeSet::new() } else { config.primitives.keys().collect() };
    loop {
        let waits = |id: &&ResourceId| {
            let is_stuck = |first: &&ResourceId| stuck.contains(*first);
            let for_one = all.get(*id).is_some_and(|firsts| firsts.iter().any(is_stuck));
            let mut groups = any.iter().filter(|((_, then), _)| then == id);
            for_one || groups.any(|(_, firsts)| firsts.iter().all(is_stuck))
        };
        let left: BTreeSet<&ResourceId> = stuck.iter().copied().filter(waits).collect();
        if left.len() == stuck.len() {
            break;
        }
        stuck = left;
    }
    let mut told = BTreeSet::new();
    for ((id, then), firsts) in any.iter().filter(|((_, then), _)| stuck.contains(then)) {
        if firsts.iter().all(|first| stuck.contains(first)) && told.insert(id) {
            let names: Vec<&str> = firsts.iter().map(|first| first.as_str()).collect();
            let what = format!("{then} starts after one of {}, and each of these waits for it", names.join(", "));
            report.error(id, format!("this order is part of a loop: {what}"), "delete one of the orders");
        }
    }
}

fn first(order: &Order) -> Step<'_> {
    (&order.first, order.first_task)
}

fn then(order: &Order) -> Step<'_> {
    (&order.then, order.then_task)
}

fn reverse((resource, task): Step<'_>) -> Step<'_> {
    (resource, task.reverse())
}

fn named((resource, task): Step<'_>) -> String {
    match task {
        OrderTask::Start => resource.to_string(),
        task => format!("{resource}:{}", task.word()),
    }
}

fn colocations(config: &Config, report: &mut Report) {
    let pairs = || config.colocations.iter().filter(|(_, it)| it.resource != it.with);
    let mut together: Edges<'_, (&ResourceId, Option<InRole>)> = Edges::new();
    for (id, colocation) in pairs().filter(|(_, it)| it.score == Score::INFINITY) {
        let (one, other) = ((&colocation.resource, colocation.role), (&colocation.with, colocation.with_role));
        together.entry(one).or_default().push((other, id));
        together.entry(other).or_default().push((one, id));
    }
    let mut told = BTreeSet::new();
    for (id, apart) in pairs().filter(|(_, it)| it.score.forbids()) {
        let (a, b) = (&apart.resource, &apart.with);
        // Who is apart from whatever runs is apart from what is promoted.
        let ends = |role: Option<InRole>| match role {
            None => vec![None, Some(InRole::Promoted), Some(InRole::Unpromoted)],
            some => vec![some],
        };
        let mut ways = ends(apart.role)
            .into_iter()
            .flat_map(|one| ends(apart.with_role).into_iter().map(move |other| (one, other)));
        let way = ways.find_map(|(one, other)| way(&together, (a, one), (b, other)));
        match way.as_deref() {
            None => {}
            // As it is written, and once more for what it stands for.
            Some(others) if !told.insert((whole(id), others.iter().map(|id| whole(id)).collect::<Vec<_>>())) => {}
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
            let place = (&location.resource, &location.node, location.role);
            infinite.entry(place).or_default().push((id, location.score));
        }
    }
    for ((resource, node, _), scores) in infinite {
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
    for (id, location) in config.locations.iter().filter(|(_, it)| it.score.forbids() && it.role.is_none()) {
        forbidden.entry(&location.resource).or_default().entry(&location.node).or_insert(id);
    }
    for (resource, ids) in &config.shorthand.ruled {
        for (id, location) in ids.iter().filter_map(|id| config.shorthand.locations.get_key_value(id)) {
            for node in members.iter().filter(|node| is_ban(location, node)) {
                forbidden.entry(resource).or_default().entry(node).or_insert(id);
            }
        }
    }
    if forbidden.is_empty() {
        return Vec::new();
    }
    let in_words = |bans: &BTreeMap<&NodeId, (&ResourceId, &str)>| {
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
    let mut told: BTreeSet<&ResourceId> = BTreeSet::new();
    for resource in forbidden.keys() {
        let bans = bans_of(resource);
        if covers(&bans) {
            told.insert(resource);
            let what = format!("{resource} can run nowhere: {}", in_words(&bans));
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
            let what = format!("{pair}, and no node is left for both: {}", in_words(&bans));
            problems.push(problem(id, what, "delete one of these constraints"));
            told.insert(&colocation.resource);
        }
    }
    for (id, all) in bound_together(config) {
        let mut bans = BTreeMap::new();
        for resource in &all {
            bans_of(resource).into_iter().for_each(|(node, by)| _ = bans.entry(node).or_insert(by));
        }
        if covers(&bans) && all.iter().all(|resource| !told.contains(resource)) {
            let names: Vec<&str> = all.iter().map(|id| id.as_str()).collect();
            let what =
                format!("{} must run together, and no node is left for all: {}", names.join(", "), in_words(&bans));
            problems.push(problem(id, what, "delete one of these constraints"));
        }
    }
    problems
}

/// Whether a rule that asks for nothing but the node's name forbids it. What others ask for may change.
fn is_ban(location: &WideLocation, node: &NodeId) -> bool {
    let Want::Rules(rules) = &location.want else { return false };
    let name = BTreeMap::from([("#uname".to_owned(), node.to_string())]);
    let asks_the_name = |test: &Test| matches!(test, Test::Attribute { attribute, .. } if attribute == "#uname");
    let mut bans = rules.iter().filter(|rule| rule.role.is_none() && location.role.is_none());
    bans.any(|rule| {
        let forbids = matches!(rule.score, RuleScore::Number(score) if score.forbids());
        forbids && rule.tests.iter().all(asks_the_name) && rule.holds(&name, Timestamp::default())
    })
}

/// More than two that must all be on one node, by the first colocation among them.
fn bound_together(config: &Config) -> Vec<(&str, BTreeSet<&ResourceId>)> {
    let mut all: Vec<(&str, BTreeSet<&ResourceId>)> = Vec::new();
    // Who runs with a clone runs with one of its instances, wherever another runs.
    let is_clone = |id: &ResourceId| config.primitives.get(id).is_some_and(|it| it.clone_spec().is_some());
    let binds = |it: &Colocation| it.score == Score::INFINITY && !is_clone(&it.resource) && !is_clone(&it.with);
    for (id, colocation) in config.colocations.iter().filter(|(_, it)| binds(it)) {
        let mut one = (id.as_str(), BTreeSet::from([&colocation.resource, &colocation.with]));
        let (touched, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, known)| !known.is_disjoint(&one.1));
        for (id, known) in touched {
            one = (one.0.min(id), &one.1 | &known);
        }
        all = others;
        all.push(one);
    }
    all.retain(|(_, bound)| bound.len() > 2);
    all
}

/// Where it is not looked for nothing is started, whatever the score.
fn never_looked_for(config: &Config, report: &mut Report) {
    let plain = config.locations.iter().filter(|(id, _)| !is_part(id)).map(|(id, it)| (id, it.score, it.discovery));
    let wide = config.shorthand.locations.iter().filter_map(|(id, it)| match &it.want {
        Want::Node(score, _) => Some((id, *score, it.discovery)),
        Want::Rules(_) => None,
    });
    let draws =
        |(_, score, discovery): &(&String, Score, Discovery)| *discovery == Discovery::Never && *score > Score::ZERO;
    for (id, score, _) in plain.chain(wide).filter(draws) {
        let what = format!("its score {score} has no effect: where something is never looked for it is not started");
        report.warning(id, what, "write -inf, or leave resource-discovery out");
    }
}
