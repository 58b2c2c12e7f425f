//! Where one primitive goes.

use super::{assign_one, best, colocation, merge, put};
use crate::scheduler::{Model, NoQuorum, NodeIx, Role, RscIx, remote};
use crate::score::Score;

pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    model.resources[rsc].is_assigning = true;
    for ix in colocation::follows(model, rsc) {
        follow(model, rsc, ix);
    }
    for ix in colocation::followed(model, rsc) {
        if colocation::has_influence(model, ix) {
            let dependent = model.colocations[ix].resource;
            let mut scores = model.resources[rsc].scores.clone();
            merge::add(model, dependent, &mut scores, Some(ix), merge::Factor::of(model, ix), merge::Pick::Active);
            model.resources[rsc].scores = scores;
        }
    }
    if let Some(node) = model.resources[rsc].counted_on.take() {
        model.nodes[node].assigned -= 1;
    }
    choose(model, rsc, prefer);
    model.resources[rsc].is_assigning = false;
    remote::connected(model, rsc);
    model.resources[rsc].assigned
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
        && !model.has_available(&model.resources[rsc].scores)
    {
        model.resources[rsc].scores = before;
    }
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
    let is_inquorate = !options.is_quorate && matches!(options.no_quorum, NoQuorum::Freeze);
    if !resource.is_managed {
        // It stays where it is, whatever that is.
        let (role, next) = (resource.role, resource.next);
        put(model, rsc, current, true, false);
        if current.is_some() {
            model.resources[rsc].next = if next == Role::Unknown || next == Role::Stopped { role } else { next };
        }
    } else if resource.is_orphan || is_stopped || (options.stop_all && resource.class != "stonith") {
        put(model, rsc, None, true, true);
    } else if is_inquorate && resource.role >= Role::Started {
        put(model, rsc, current, true, false);
    } else {
        best::assign(model, rsc, prefer);
    }
}
