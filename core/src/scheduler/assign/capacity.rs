//! Utilization: what resources need and nodes have.

use crate::scheduler::{Kind, Model, NodeIx, Placement, RscIx};
use crate::score::Score;
use std::cmp::Ordering;
use std::collections::BTreeMap;

type Amounts = BTreeMap<String, i64>;

/// Takes what a resource needs from the node it is put on.
pub(super) fn consume(model: &mut Model, rsc: RscIx, node: NodeIx) {
    for (name, amount) in model.resources[rsc].utilization.clone() {
        if let Some(room) = model.nodes[node].capacity.get_mut(&name) {
            *room -= amount;
        }
    }
}

/// Gives it back.
pub(super) fn give_back(model: &mut Model, rsc: RscIx, node: NodeIx) {
    for (name, amount) in model.resources[rsc].utilization.clone() {
        if let Some(room) = model.nodes[node].capacity.get_mut(&name) {
            *room += amount;
        }
    }
}

/// Nodes without room for the resource, and for what must be with it, are forbidden to it. Answers the best node with
/// room for all that should be together, if there is a choice.
pub(super) fn forbid_what_is_full(model: &mut Model, rsc: RscIx) -> Option<NodeIx> {
    if model.options.placement == Placement::Default {
        return None;
    }
    let own = need(model, rsc);
    let together = together(model, rsc);
    let all = together.iter().fold(Amounts::new(), |mut sum, part| {
        add(&mut sum, &need(model, *part));
        sum
    });
    let nodes: Vec<(NodeIx, Score)> = model.resources[rsc].scores.iter().collect();
    let available = nodes.iter().map(|(node, score)| (*node, *score));
    let available: Vec<(NodeIx, Score)> =
        available.filter(|(node, score)| model.is_available(*node, Some(*score))).collect();
    let roomiest =
        available.iter().map(|(node, _)| *node).reduce(|a, b| if compare(model, b, a).is_lt() { b } else { a });
    if available.iter().any(|(node, _)| has_room(model, *node, &all)) {
        // Somewhere there is room for all: elsewhere there is none.
        for (node, _) in &nodes {
            if !has_room(model, *node, &all) {
                model.resources[rsc].scores.set(*node, Score::NEG_INFINITY);
            }
        }
        return roomiest;
    }
    for (node, _) in nodes {
        if !has_room(model, node, &own) {
            model.resources[rsc].scores.set(node, Score::NEG_INFINITY);
        }
    }
    roomiest
}

fn has_room(model: &Model, node: NodeIx, amounts: &Amounts) -> bool {
    let room = &model.nodes[node].capacity;
    amounts.iter().all(|(name, amount)| *amount <= room.get(name).copied().unwrap_or(0))
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += amount;
    }
}

/// What a resource with all in it that is not assigned yet needs.
fn need(model: &Model, rsc: RscIx) -> Amounts {
    match &model.resources[rsc].kind {
        Kind::Primitive if model.resources[rsc].is_assigned => Amounts::new(),
        Kind::Primitive => model.resources[rsc].utilization.clone(),
        // One instance stands for a clone: no node takes more than that at a time.
        Kind::Clone(spec) => spec.instances.first().map(|first| need(model, *first)).unwrap_or_default(),
        Kind::Group(group) => group.members.iter().fold(Amounts::new(), |mut sum, member| {
            add(&mut sum, &need(model, *member));
            sum
        }),
    }
}

/// The resource with all that must run where it runs.
fn together(model: &Model, rsc: RscIx) -> Vec<RscIx> {
    let mut found = vec![rsc];
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        next += 1;
        let resource = &model.resources[at];
        let group = resource.parent.filter(|parent| match &model.resources[*parent].kind {
            Kind::Group(group) => group.is_colocated,
            _ => false,
        });
        let members = group.map(|group| model.children(group).to_vec()).unwrap_or_default();
        let bound = |ix: &&usize| model.colocations[**ix].score == Score::INFINITY;
        let lists = [Some(at), group].into_iter().flatten().map(|of| &model.resources[of]);
        let mut more = members;
        for of in lists {
            more.extend(of.follows.iter().filter(bound).map(|ix| model.colocations[*ix].with));
            more.extend(of.followed.iter().filter(bound).map(|ix| model.colocations[*ix].resource));
        }
        for other in more {
            let parts = match model.resources[other].kind {
                Kind::Group(_) => model.children(other).to_vec(),
                _ => vec![other],
            };
            for part in parts {
                if !found.contains(&part) && !model.resources[part].is_assigned {
                    found.push(part);
                }
            }
        }
    }
    found
}

/// The node with more room first: by how many kinds of capacity it has more of.
pub(super) fn compare(model: &Model, a: NodeIx, b: NodeIx) -> Ordering {
    let (mine, theirs) = (&model.nodes[a].capacity, &model.nodes[b].capacity);
    let of = |room: &Amounts, name: &str| room.get(name).copied().unwrap_or(0);
    let mut names: Vec<&String> = mine.keys().chain(theirs.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut balance = 0_i64;
    for name in names {
        balance += match of(mine, name).cmp(&of(theirs, name)) {
            Ordering::Greater => 1,
            Ordering::Less => -1,
            Ordering::Equal => 0,
        };
    }
    0.cmp(&balance)
}
