//! Where one primitive goes.

use super::{assign_one, best, capacity, colocation, merge, put};
use crate::scheduler::{Model, NodeIx, Placement, Role, RscIx, Scores, remote};
use crate::score::Score;
use std::collections::BTreeMap;

pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    model.resources[rsc].is_assigning = true;
    for ix in colocation::follows(model, rsc) {
        follow(model, rsc, ix);
    }
    let own = counts_room(model).then(|| model.resources[rsc].scores.clone());
    for ix in heard(model, rsc) {
        if colocation::has_influence(model, ix) {
            let dependent = model.colocations[ix].resource;
            let mut scores = model.resources[rsc].scores.clone();
            merge::add(model, dependent, &mut scores, Some(ix), merge::Factor::of(model, ix), merge::Pick::Active);
            draw_only_where_both_fit(model, rsc, dependent, ix, &mut scores);
            model.resources[rsc].scores = scores;
        }
    }
    // What others wish leaves it a place, with room for it, as it leaves it one where room does not count.
    if let Some(own) = own.filter(|_| !capacity::has_place(model, rsc)) {
        model.resources[rsc].scores = own;
    }
    if let Some(node) = model.resources[rsc].counted_on.take() {
        model.nodes[node].assigned -= 1;
    }
    forbid_beyond_limits(model, rsc);
    choose(model, rsc, prefer);
    model.resources[rsc].is_assigning = false;
    remote::connected(model, rsc);
    model.resources[rsc].assigned
}

/// The colocations in which it is followed, in the order in which they are heard: what would leave it no place is not, so
/// live what is forbidden comes before what is wished, which would drive out whoever it forbids.
fn heard(model: &Model, rsc: RscIx) -> Vec<usize> {
    let mut followed = colocation::followed(model, rsc);
    if !model.options.foes_of_foes_draw {
        followed.sort_by_key(|ix| !model.colocations[*ix].score.forbids());
    }
    followed
}

/// Nodes that have as many of its kind as they may are forbidden to it.
fn forbid_beyond_limits(model: &mut Model, rsc: RscIx) {
    let Some(limit) = model.limits.iter().find(|limit| limit.members.contains(&rsc)) else { return };
    let mut on: BTreeMap<NodeIx, usize> = BTreeMap::new();
    for node in limit.members.iter().filter_map(|other| model.resources[*other].assigned) {
        *on.entry(node).or_default() += 1;
    }
    let full: Vec<NodeIx> = on.into_iter().filter(|(_, many)| *many >= limit.node_max).map(|(node, _)| node).collect();
    for node in full {
        model.resources[rsc].scores.set(node, Score::NEG_INFINITY);
    }
}

/// Live, and capacity counts.
pub(in crate::scheduler) fn counts_room(model: &Model) -> bool {
    model.options.placement != Placement::Default && !model.options.sorts_by_scores
}

/// Live, a wish to be together draws nobody to where only one of both has room: it would drive the other out, which the
/// next plan would call back.
fn draw_only_where_both_fit(model: &Model, rsc: RscIx, dependent: RscIx, ix: usize, scores: &mut Scores) {
    let score = model.colocations[ix].score;
    if !counts_room(model) || score <= Score::ZERO || score == Score::INFINITY || model.resources[dependent].is_assigned
    {
        return;
    }
    let before = &model.resources[rsc].scores;
    for node in 0..model.nodes.len() {
        let (was, is) = (before.get(node), scores.get(node));
        if is > was && !capacity::fit_together(model, rsc, dependent, node) {
            scores.set(node, was.unwrap_or(Score::NEG_INFINITY));
        }
    }
}

/// What this resource follows is assigned first, and then says where this one may go.
fn follow(model: &mut Model, rsc: RscIx, ix: usize) {
    let with = model.colocations[ix].with;
    let (score, role) = (model.colocations[ix].score, model.colocations[ix].role);
    let may_yield = role.is_some_and(|role| role >= Role::Promoted) || (score < Score::ZERO && !score.forbids());
    let before = may_yield.then(|| model.resources[rsc].scores.clone());
    assign_one(model, with, None);
    colocation::apply(model, rsc, with, ix);
    if let Some(before) = before
        && !is_left_a_place(model, rsc)
    {
        model.resources[rsc].scores = before;
    }
}

/// Whether it may be anywhere; live, with room for it there, as far as that is taken.
fn is_left_a_place(model: &Model, rsc: RscIx) -> bool {
    if counts_room(model) { capacity::has_place(model, rsc) } else { model.has_available(&model.resources[rsc].scores) }
}

fn choose(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) {
    let resource = &model.resources[rsc];
    if resource.is_assigned {
        return;
    }
    let current = model.current(rsc);
    let is_stopped = resource.next == Role::Stopped;
    if is_stopped {
        model.resources[rsc].scores.add_to_all(Score::NEG_INFINITY);
    }
    let resource = &model.resources[rsc];
    let options = &model.options;
    if !resource.is_managed {
        // It stays where it is, whatever that is.
        let (role, next) = (resource.role, resource.next);
        put(model, rsc, current, true, false);
        if current.is_some() {
            model.resources[rsc].next = if next == Role::Unknown || next == Role::Stopped { role } else { next };
        }
    } else if resource.is_orphan || is_stopped || (options.stop_all && resource.class != "stonith") {
        put(model, rsc, None, true, true);
    } else {
        best::assign(model, rsc, prefer);
    }
}
