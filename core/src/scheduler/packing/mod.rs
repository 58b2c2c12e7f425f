//! Places resources together where placing them one after another does not succeed: capacity is tight, and somebody found
//! no room where it would have run. Everything that can be placed is, as few as possible of those that run are moved, and
//! no rule is broken, not even on the way. It only changes where resources are assigned, and only where that is better.

mod exact;
mod problem;
mod read;
mod search;
mod sequence;
mod solve;
mod window;
mod wishes;

use super::assign::capacity;
use super::{Kind, Model, NodeIx, Placement, Role, RscIx, Scores};
use crate::score::Score;
use problem::Places;
use read::Reading;

/// What assigning changes and this must know as it was.
pub(super) struct Before {
    scores: Vec<Scores>,
    next: Vec<Role>,
}

impl Before {
    /// To be called before anything is assigned.
    pub(super) fn of(model: &Model) -> Option<Self> {
        let counts = model.options.placement != Placement::Default && model.options.is_quorate;
        counts.then(|| Self {
            scores: model.resources.iter().map(|resource| resource.scores.clone()).collect(),
            next: model.resources.iter().map(|resource| resource.next).collect(),
        })
    }
}

/// Live, nobody who runs moves for a wish about another, or for balance, into the room of somebody who finds none elsewhere:
/// all are placed with it at home, if more find their place so. Packing would rather take back what somebody asked for.
/// `bare` is the model before anything was assigned.
pub(super) fn without_idle_moves(model: &Model, before: &Before, bare: impl FnOnce() -> Model) -> Option<Model> {
    let short = |model: &Model| (0..model.resources.len()).filter(|rsc| is_short(model, before, *rsc)).count();
    let many = short(model);
    if many == 0 {
        return None;
    }
    let idle: Vec<(RscIx, NodeIx)> =
        (0..model.resources.len()).filter_map(|rsc| Some((rsc, idle_from(model, before, rsc)?))).collect();
    if idle.is_empty() {
        return None;
    }
    let mut bare = bare();
    for (rsc, home) in idle {
        bare.resources[rsc].planned_on = Some(home);
    }
    super::assign::begin(&mut bare);
    super::assign::assign(&mut bare);
    (short(&bare) < many).then_some(bare)
}

/// Where it runs and would stay, if it were for what is said of it alone; nothing where it stays, or is bound to another.
fn idle_from(model: &Model, before: &Before, rsc: RscIx) -> Option<NodeIx> {
    let resource = &model.resources[rsc];
    let is_free = resource.kind == Kind::Primitive && resource.is_managed && before.next[rsc] != Role::Stopped;
    let home = model.current(rsc).filter(|home| is_free && resource.assigned.is_some_and(|node| node != *home))?;
    let scores = &before.scores[rsc];
    let would_stay = scores.get(home) >= resource.assigned.and_then(|node| scores.get(node));
    let is_wish = |ix: &usize| model.colocations[*ix].score.value().abs() < Score::INFINITY.value();
    (would_stay && model.is_available(home, scores.get(home)) && resource.follows.iter().all(is_wish)).then_some(home)
}

/// Places anew what was assigned, if somebody found no place, lost it to others, or could not get there.
pub(super) fn pack(model: &mut Model, before: &Before) {
    let somebody = (0..model.resources.len()).any(|rsc| is_short(model, before, rsc));
    if !somebody && !may_wait_for_each_other(model) {
        return;
    }
    let reading = Reading::of(model, before);
    let greedy = reading.places(model);
    let short = |unit: &Vec<RscIx>| unit.iter().any(|rsc| is_short(model, before, *rsc));
    if !reading.members.iter().any(short) && sequence::is_possible(&reading.problem, &greedy) {
        return;
    }
    let places = settled(&reading, &greedy);
    write(model, before, &reading, &places);
}

/// Whether a primitive was put nowhere, though there are nodes for it, or away from where it runs for the sake of others.
fn is_short(model: &Model, before: &Before, rsc: RscIx) -> bool {
    let resource = &model.resources[rsc];
    if resource.kind != Kind::Primitive || !resource.is_managed || before.next[rsc] == Role::Stopped {
        return false;
    }
    let scores = &before.scores[rsc];
    let Some(assigned) = resource.assigned else { return model.has_available(scores) };
    let is_driven_out = |home: NodeIx| {
        let now = resource.scores.get(home);
        let mut bonds = resource.follows.iter().chain(&resource.followed);
        // Whom it must avoid is a reason to move for one of the two at most; packing knows for which.
        let only_avoids = bonds.all(|ix| model.colocations[*ix].score.forbids());
        let would_stay = only_avoids && scores.get(home) >= scores.get(assigned);
        model.is_available(home, scores.get(home)) && (!model.is_available(home, now) || would_stay)
    };
    // Without stickiness nothing says that it would stay.
    let home = model.current(rsc).filter(|home| *home != assigned);
    home.is_some_and(|home| is_driven_out(home) && resource.stickiness > Score::ZERO)
}

/// Whether some node is both left and entered by live migrations.
fn may_wait_for_each_other(model: &Model) -> bool {
    let moves = |rsc: &RscIx| {
        let resource = &model.resources[*rsc];
        let (from, to) = (model.current(*rsc)?, resource.assigned?);
        (resource.can_migrate && from != to && !resource.utilization.is_empty()).then_some((from, to))
    };
    let moves: Vec<(NodeIx, NodeIx)> = (0..model.resources.len()).filter_map(|rsc| moves(&rsc)).collect();
    let mut entered = vec![false; model.nodes.len()];
    moves.iter().for_each(|(_, to)| entered[*to] = true);
    moves.iter().any(|(from, _)| entered[*from])
}

/// How often an answer is looked at again from where it would lead.
const ROUNDS: usize = 3;

/// An answer that the next plan, which begins where this one ends, would not change.
fn settled(reading: &Reading, greedy: &Places) -> Places {
    let problem = &reading.problem;
    let mut places = wishes::granted(problem, window::solve(problem, greedy));
    for _ in 0..ROUNDS {
        if places.iter().all(Option::is_some) {
            break;
        }
        let mut next = problem.clone();
        for (item, place) in next.items.iter_mut().zip(&places) {
            item.is_running = place.is_some();
            item.home = *place;
        }
        let more = wishes::granted(&next, window::solve(&next, &places));
        let is_better = problem.compare(&more, &places).is_gt() && sequence::is_possible(problem, &more);
        if !is_better {
            break;
        }
        places = more;
    }
    places
}

/// Assigns what is placed otherwise than it was.
fn write(model: &mut Model, before: &Before, reading: &Reading, places: &Places) {
    let old = reading.places(model);
    let changed: Vec<usize> = (0..places.len()).filter(|ix| old[*ix] != places[*ix]).collect();
    for rsc in changed.iter().flat_map(|ix| &reading.members[*ix]) {
        if let Some(node) = model.resources[*rsc].assigned.take() {
            model.nodes[node].assigned -= 1;
            capacity::give_back(model, *rsc, node);
        }
    }
    let turns = sequence::order(&reading.problem, places).unwrap_or_default();
    for (turn, ix) in turns.into_iter().enumerate() {
        reading.members[ix].iter().for_each(|rsc| model.resources[*rsc].turn = Some(turn));
    }
    for ix in changed {
        let node = places[ix].map(|bin| reading.nodes[bin]);
        let is_moved = reading.problem.items[ix].home.is_some();
        for rsc in &reading.members[ix] {
            let resource = &mut model.resources[*rsc];
            resource.assigned = node;
            resource.is_displaced = is_moved && places[ix] != reading.problem.items[ix].home;
            resource.next = match node {
                None => Role::Stopped,
                Some(_) if resource.next == Role::Stopped => before.next[*rsc],
                Some(_) => resource.next,
            };
            if let Some(node) = node {
                model.nodes[node].assigned += 1;
                capacity::consume(model, *rsc, node);
            }
        }
        for rsc in &reading.members[ix] {
            let Some(parent) = model.resources[*rsc].parent else { continue };
            let Some(first) = model.children(parent).first().copied() else { continue };
            let (assigned, next) = (model.resources[first].assigned, model.resources[first].next);
            if matches!(model.resources[parent].kind, Kind::Group(_)) {
                (model.resources[parent].assigned, model.resources[parent].next) = (assigned, next);
            }
        }
    }
}
