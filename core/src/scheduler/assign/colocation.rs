//! What a colocation does to the one that follows, once the one it follows is assigned.

use super::put;
use crate::scheduler::{CloneSpec, Kind, Model, NodeIx, Role, RscIx};
use crate::score::Score;

/// The colocations in which this resource follows: its own, and those of what it leads for.
pub(super) fn follows(model: &Model, rsc: RscIx) -> Vec<usize> {
    let mut found = model.resources[rsc].follows.clone();
    let Some(parent) = model.resources[rsc].parent.filter(|_| !is_contained(model, rsc)) else { return found };
    match &model.resources[parent].kind {
        Kind::Group(group) => {
            let is_first = group.members.first() == Some(&rsc);
            // What binds a group binds every member; what only draws it draws the first, and the others come along.
            let counts = |ix: &usize| is_first || model.colocations[*ix].score == Score::INFINITY;
            found.extend(follows(model, parent).into_iter().filter(counts));
        }
        Kind::Clone(_) => found.extend(follows(model, parent)),
        Kind::Primitive => {}
    }
    found
}

/// The colocations in which this resource is followed.
pub(super) fn followed(model: &Model, rsc: RscIx) -> Vec<usize> {
    let mut found = model.resources[rsc].followed.clone();
    let Some(parent) = model.resources[rsc].parent.filter(|_| !is_contained(model, rsc)) else { return found };
    if model.bundles.replicas.contains_key(&parent) {
        found.extend(followed(model, parent));
        return found;
    }
    match &model.resources[parent].kind {
        Kind::Group(group) if group.members.last() == Some(&rsc) => found.extend(followed(model, parent)),
        Kind::Clone(_) => found.extend(followed(model, parent)),
        _ => {}
    }
    found
}

/// Whether it is in a bundle's container, or is what runs in all of them: only containers are placed by what the bundle is.
fn is_contained(model: &Model, rsc: RscIx) -> bool {
    !model.bundles.is_empty()
        && model.resources[rsc].parent.is_some_and(|parent| !model.bundles.is_contents(parent))
        && (model.bundles.is_inner(rsc) || model.bundles.is_contents(rsc))
}

/// Whether the follower has a say in where the followed goes.
pub(super) fn has_influence(model: &Model, ix: usize) -> bool {
    let colocation = &model.colocations[ix];
    colocation.influence || model.active_on(colocation.resource).is_empty()
}

/// Lets the place of `with` decide where `rsc` may go.
pub(super) fn apply(model: &mut Model, rsc: RscIx, with: RscIx, ix: usize) {
    let score = model.colocations[ix].score;
    if let Some(replica) = model.bundles.replicas.get(&with) {
        return apply(model, rsc, replica.container, ix);
    }
    match &model.resources[with].kind {
        Kind::Primitive => apply_to_scores(model, rsc, with, ix),
        Kind::Group(group) => {
            let members = group.members.clone();
            if !group.is_colocated {
                if score < Score::INFINITY {
                    members.into_iter().for_each(|member| apply(model, rsc, member, ix));
                }
                return;
            }
            // What must be with a group is there when all of it is.
            let chosen = if score == Score::INFINITY { members.last() } else { members.first() };
            if let Some(member) = chosen {
                apply(model, rsc, *member, ix);
            }
        }
        Kind::Clone(spec) => {
            let spec = spec.clone();
            apply_clone(model, rsc, with, ix, &spec);
        }
    }
}

fn apply_clone(model: &mut Model, rsc: RscIx, with: RscIx, ix: usize, spec: &CloneSpec) {
    if !model.resources[with].is_assigned {
        return;
    }
    let (score, role) = (model.colocations[ix].score, model.colocations[ix].with_role);
    let own = model.clone_of(rsc).map(|(clone, own)| (clone, own.is_interleaved));
    if let Some((_, true)) = own {
        match compatible(model, rsc, spec, role) {
            Some(instance) => apply(model, rsc, instance, ix),
            None if score == Score::INFINITY => _ = put(model, rsc, None, true, true),
            None => {}
        }
        return;
    }
    if score < Score::INFINITY {
        spec.instances.clone().into_iter().for_each(|instance| apply(model, rsc, instance, ix));
        return;
    }
    let there = places(model, spec, role);
    let scores: Vec<(NodeIx, Score)> = model.resources[rsc].scores.iter().collect();
    for (node, _) in scores {
        if !there.contains(&node) {
            model.resources[rsc].scores.set(node, Score::NEG_INFINITY);
        }
    }
}

/// Where instances will run, in this role if one is asked for.
fn places(model: &Model, spec: &CloneSpec, role: Option<Role>) -> Vec<NodeIx> {
    let fits = |instance: &&RscIx| role.is_none_or(|role| model.resources[**instance].next == role);
    // What nobody may touch holds nothing up beside it.
    let is_blocked =
        |instance: &RscIx| model.primitives(*instance).iter().any(|part| model.resources[*part].is_blocked);
    let instances = spec.instances.iter().filter(fits).filter(|instance| !is_blocked(instance));
    instances.filter_map(|instance| model.resources[*instance].assigned).collect()
}

/// The instance that runs where this one will or may best.
fn compatible(model: &Model, rsc: RscIx, spec: &CloneSpec, role: Option<Role>) -> Option<RscIx> {
    let at = |node: NodeIx| {
        let fits = |instance: &&RscIx| {
            model.resources[**instance].assigned == Some(node)
                && role.is_none_or(|role| model.resources[**instance].next == role)
        };
        spec.instances.iter().find(fits).copied()
    };
    if let Some(node) = model.resources[rsc].assigned {
        return at(node);
    }
    let with_one = model.resources[rsc].scores.iter().filter(|(node, _)| at(*node).is_some());
    super::best::first(model, with_one, None).and_then(|(node, _)| at(node))
}

fn apply_to_scores(model: &mut Model, rsc: RscIx, with: RscIx, ix: usize) {
    let colocation = &model.colocations[ix];
    let score = colocation.score;
    if model.resources[rsc].is_assigned || !concerns(model, rsc, with, ix) {
        return;
    }
    let attribute = colocation.attribute.as_deref().unwrap_or("#uname");
    let place = model.resources[with].assigned;
    if place.is_none() && score < Score::ZERO {
        return;
    }
    let mut work = model.resources[rsc].scores.clone();
    match place {
        None => work.add_to_all(Score::new(-score.value())),
        Some(place) => {
            let there = with_same(model, attribute, place);
            let far = |current| if score == Score::INFINITY { Score::NEG_INFINITY } else { current };
            let near = |current| if score < Score::INFINITY { current + score } else { current };
            let is_near = |node: NodeIx| there.binary_search(&node).is_ok();
            work.change(&there, far, |node, current| if is_near(node) { near(current) } else { far(current) });
        }
    }
    if score.forbids() || score == Score::INFINITY || model.has_available(&work) {
        model.resources[rsc].scores = work;
    }
}

/// The nodes where an attribute is the same as on this one, in their order.
fn with_same(model: &Model, attribute: &str, place: NodeIx) -> Vec<NodeIx> {
    if attribute == "#uname" && model.room.has_own_names() {
        return vec![place];
    }
    let value = |node: NodeIx| model.nodes[node].attributes.get(attribute);
    (0..model.nodes.len()).filter(|node| value(*node) == value(place)).collect()
}

/// Whether the roles it is limited to are the ones these two will have.
fn concerns(model: &Model, rsc: RscIx, with: RscIx, ix: usize) -> bool {
    let colocation = &model.colocations[ix];
    if !model.resources[with].is_assigned {
        return false;
    }
    let has = |rsc: RscIx, role: Option<Role>| role.is_none_or(|role| model.next_of(rsc) == role);
    has(rsc, colocation.role) && has(with, colocation.with_role)
}
