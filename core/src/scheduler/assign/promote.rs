//! Promotable clones: which instances want promotion, and which get it.

use super::colocation;
use crate::scheduler::{Kind, Model, NodeIx, Role, RscIx};
use crate::score::Score;
use std::collections::BTreeMap;

/// Nodes where an instance wants promotion draw instances.
pub(super) fn add_scores(model: &mut Model, clone: RscIx) {
    for instance in model.children(clone).to_vec() {
        for node in 0..model.nodes.len() {
            let Some(wish) = wish(model, instance, node).filter(|wish| *wish > Score::ZERO) else { continue };
            let first = model.primitives(instance).first().copied().unwrap_or(instance);
            for part in [instance, first] {
                if part != instance || first == instance {
                    let score = model.resources[part].scores.get(node);
                    if score.is_some_and(|score| score >= Score::ZERO) {
                        model.resources[part].scores.add(node, wish);
                    }
                }
                if first == instance {
                    break;
                }
            }
        }
    }
}

/// How much an instance wants to be promoted on a node, by the node's attribute that its agent set.
fn wish(model: &Model, instance: RscIx, node: NodeIx) -> Option<Score> {
    let parts = model.primitives(instance);
    let mut total: Option<Score> = None;
    for part in parts {
        let resource = &model.resources[part];
        let is_unique = model.clone_of(part).is_some_and(|(_, spec)| spec.is_unique);
        // Only the instance that is there speaks of the node; one that is nowhere may be put there.
        if !resource.active_on.is_empty() && !resource.active_on.contains(&node) {
            continue;
        }
        let Some(spoken_of) = model.spoken_of(part, node) else { continue };
        let attributes = &model.nodes[spoken_of].attributes;
        let named = |name: &str| {
            attributes.get(&format!("master-{name}")).or_else(|| attributes.get(&format!("promotion-{name}")))
        };
        let called = resource.called.as_ref().unwrap_or(&resource.id);
        let value = named(called).or_else(|| if is_unique { None } else { named(&resource.base) });
        if let Some(score) = value.and_then(|text| text.parse::<Score>().ok()) {
            total = Some(total.unwrap_or(Score::ZERO) + score);
        }
    }
    total
}

/// Gives the instances their roles: those that want it most are promoted.
pub(super) fn choose(model: &mut Model, clone: RscIx) {
    let Kind::Clone(spec) = model.resources[clone].kind.clone() else { return };
    let Some(promotion) = spec.promotion.clone() else { return };
    let mut ranked: Vec<(RscIx, NodeIx, Score, Score)> = Vec::new();
    for instance in &spec.instances {
        let wanted = model.primitives(*instance).first().map(|part| model.resources[*part].next).unwrap_or_default();
        for part in model.primitives(*instance) {
            let resource = &mut model.resources[part];
            if resource.assigned.is_some() {
                resource.next = if resource.next == Role::Stopped { Role::Stopped } else { Role::Unpromoted };
            }
        }
        let first = model.primitives(*instance).first().copied().unwrap_or(*instance);
        let Some(node) = model.resources[first].assigned.filter(|node| model.has_guest(*node)) else { continue };
        let limit = model.resources[clone].target;
        if limit.is_some_and(|role| role == Role::Unpromoted || role == Role::Stopped) || wanted == Role::Unpromoted {
            continue;
        }
        let priority = priority(model, clone, *instance, node);
        model.resources[*instance].promotion = Some(priority);
        ranked.push((*instance, node, priority, rank(model, clone, node, priority)));
    }
    ranked.sort_by(|a, b| {
        let role = |rsc: RscIx| model.primitives(rsc).iter().map(|part| model.resources[*part].role).max();
        b.3.cmp(&a.3)
            .then_with(|| role(b.0).cmp(&role(a.0)))
            .then_with(|| model.resources[a.0].id.cmp(&model.resources[b.0].id))
    });
    let mut on: BTreeMap<NodeIx, usize> = BTreeMap::new();
    let mut promoted = 0;
    for (instance, node, priority, _) in ranked {
        let here = on.entry(node).or_default();
        let is_frozen = !model.resources[instance].is_managed;
        let is_now = model.resources[instance].role == Role::Promoted;
        if promoted >= promotion.max
            || *here >= promotion.node_max
            || (priority < Score::ZERO && !(is_frozen && is_now))
        {
            continue;
        }
        if is_frozen && !is_now {
            continue;
        }
        (*here, promoted) = (*here + 1, promoted + 1);
        for part in model.primitives(instance).into_iter().chain([instance]) {
            model.resources[part].next = Role::Promoted;
        }
    }
}

/// How much an instance wants promotion where it is put: its agent's word, locations and colocations for the role.
fn priority(model: &Model, clone: RscIx, instance: RscIx, node: NodeIx) -> Score {
    let mut priority = wish(model, instance, node).unwrap_or(Score::new(-1));
    let is_about = |rsc: RscIx| rsc == clone || rsc == instance;
    for location in &model.locations {
        if is_about(location.resource) && location.role == Role::Promoted && location.node == node {
            priority = priority + location.score;
        }
    }
    let node = model.host_of(node);
    for ix in colocation::follows(model, model.bundle_of(clone)) {
        let colocation = &model.colocations[ix];
        let there = places(model, colocation.with, colocation.with_role);
        if colocation.role == Some(Role::Unpromoted) && there.contains(&node) {
            priority = priority + Score::new(-colocation.score.value());
        }
        if colocation.role != Some(Role::Promoted) {
            continue;
        }
        if there.contains(&node) {
            if colocation.score < Score::INFINITY {
                priority = priority + colocation.score;
            }
        } else if colocation.score == Score::INFINITY {
            priority = Score::NEG_INFINITY;
        }
    }
    priority
}

/// What follows a promoted instance adds to which is promoted first, and never to whether one may be.
fn rank(model: &Model, clone: RscIx, node: NodeIx, priority: Score) -> Score {
    let mut rank = priority;
    let node = model.host_of(node);
    for ix in colocation::followed(model, model.bundle_of(clone)) {
        let colocation = &model.colocations[ix];
        if colocation.with_role != Some(Role::Promoted) || !colocation.influence {
            continue;
        }
        let first = model.primitives(colocation.resource).first().copied().unwrap_or(colocation.resource);
        let wants = model.resources[first].scores.or_never(node);
        let share = i128::from(colocation.score.value()) * i128::from(wants.value()) / 1_000_000;
        // What cannot be there anyway forbids nothing.
        rank = rank + Score::new(i64::try_from(share.max(0)).unwrap_or_default());
    }
    rank
}

fn places(model: &Model, rsc: RscIx, role: Option<Role>) -> Vec<NodeIx> {
    let parts = model.primitives(rsc).into_iter();
    let fits = |part: &RscIx| role.is_none_or(|role| model.resources[*part].next == role);
    parts.filter(fits).filter_map(|part| Some(model.host_of(model.resources[part].assigned?))).collect()
}
