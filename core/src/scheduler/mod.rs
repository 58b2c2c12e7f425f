//! The scheduler in Pacemaker's meaning: from configuration and observed state to a transition, with the order of its
//! actions. Pure and deterministic. It does not read files and changes nothing: `cib` makes its input, `simulate` runs
//! what it answers in memory.
//!
//! Phases: `assign` gives every resource its node and role, `packing` mends that where room is short, `schedule` creates the actions that lead there, `order`
//! makes them depend on each other and spreads what one requires or forbids to the others. `remote` has the nodes that are reached
//! through a resource.

mod action;
mod assign;
mod bundle;
mod delay;
mod lists;
mod model;
mod names;
mod order;
mod outcome;
mod packing;
mod planner;
mod remote;
mod room;
mod schedule;
mod scores;
mod terms;
mod unfence;

pub use bundle::{Bundles, Replica};
pub use model::{
    Asked, CloneSpec, Colocation, FenceWish, GroupSpec, Kind, Limit, Location, Model, Node, NodeIx, Operation, Options,
    Order, OrderEnd, Promotion, Resource, RscIx,
};
pub use names::by_name;
pub use outcome::{Done, Outcome, Step};
pub use planner::Planner;
pub use remote::{Connection, Remotes};
pub use room::Room;
pub use scores::Scores;
pub use terms::{Change, MultipleActive, NoQuorum, NodeKind, OnFail, OrderForce, Placement, Requires, Role, Task};

/// Only assigns: every resource has its node and what it should be there.
pub fn assign(mut model: Model) -> Model {
    place(&mut model);
    model
}

fn place(model: &mut Model) {
    let bare = assign::counts_room(model).then(|| model.clone());
    let before = assign::begin(model);
    assign::assign(model);
    let Some(before) = before else { return };
    if let Some(bare) = bare
        && let Some(stays) = packing::without_idle_moves(model, &before, bare)
    {
        *model = stays;
    }
    packing::pack(model, &before);
}

/// Plans: assigns, schedules, orders, and tells what would be done and what would be then.
pub fn schedule(mut model: Model) -> Outcome {
    place(&mut model);
    let mut actions = schedule::schedule(&mut model);
    order::apply(&mut model, &mut actions);
    outcome::conclude(&model, &actions)
}
