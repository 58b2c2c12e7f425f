//! Orders between resources, and what the actions of a transition require and forbid of each other.

mod circle;
mod due;
mod expand;
mod room;
mod spread;

pub(super) use expand::between;
pub(super) use spread::{is_gate, word};

use super::action::Actions;
use super::{Model, remote};

/// Binds actions by the configured orders, and spreads needs and impossibilities until nothing changes.
pub(super) fn apply(model: &mut Model, actions: &mut Actions) {
    expand::constraints(model, actions);
    expand::apart(model, actions);
    let exchanges = room::exchanges(model, actions);
    spread::spread(model, actions);
    if circle::break_up(model, actions) {
        spread::spread(model, actions);
    }
    expand::not_live(actions);
    expand::in_turn(model, actions);
    expand::no_reload_before_a_stop(actions);
    remote::look_first(model, actions);
    if room::bind(model, actions, exchanges) {
        spread::spread(model, actions);
    }
    circle::serialize(actions);
}
