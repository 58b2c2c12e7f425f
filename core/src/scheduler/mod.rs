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

/// Only assigns: the same with everything assigned, where every resource has its node and what it should be there.
pub fn assign(bare: &Model) -> Model {
    let mut model = bare.clone();
    place(&mut model, || bare.clone());
    model
}

/// `bare` is the same before anything is assigned: it is hardly ever asked for.
fn place(model: &mut Model, bare: impl FnOnce() -> Model) {
    let before = assign::begin(model);
    assign::assign(model);
    let Some(before) = before else { return };
    if assign::counts_room(model)
        && let Some(stays) = packing::without_idle_moves(model, &before, bare)
    {
        *model = stays;
    }
    packing::pack(model, &before);
}

/// Plans: assigns, schedules, orders, and tells what would be done and what would be then.
pub fn schedule(mut model: Model) -> Outcome {
    let bare = assign::counts_room(&model).then(|| model.clone());
    place(&mut model, || bare.expect("it was kept where room counts, and is asked for nowhere else"));
    let mut actions = schedule::schedule(&mut model);
    order::apply(&mut model, &mut actions);
    outcome::conclude(&model, &actions)
}
