//! The project's model of its safety protocol, and the exhaustive check of it.
//!
//! The model answers one question: can any order of crashes, delays, fences and migrations make the
//! protocol's rules allow harm? [`apply`] is the replicated state machine in the small, and the
//! specification that `quorate-core` follows; [`world`] is what really happens; [`properties`] judges by
//! the world. Nothing here is used by the product.

use std::time::Instant;

use stateright::{Model, Property};

pub mod action;
pub mod apply;
pub mod check;
pub mod message;
mod network;
pub mod properties;
pub mod rules;
pub mod scope;
pub mod state;
mod step;
pub mod story;
pub mod symmetry;
pub mod world;

use action::Action;
use rules::Rules;
use state::{Budget, Size, State};

/// One configuration of the model: how large, which rules, which events.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Nodes and resources.
    pub size: Size,
    /// The rules in force.
    pub rules: Rules,
    /// What may happen, and how often.
    pub budget: Budget,
    /// Which invariants are judged.
    pub judge: Judge,
    /// No state is entered after this; see [`check::explore`].
    pub deadline: Option<Instant>,
}

/// Which invariants are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judge {
    /// All of them: a mistake shows as soon as the log is wrong about the world.
    #[default]
    All,
    /// Only that nothing runs twice: shows what a mistake leads to in the end.
    OneCopy,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(self.size, self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn within_boundary(&self, _: &State) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.judged()
    }
}
