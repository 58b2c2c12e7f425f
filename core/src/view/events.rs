//! The timeline as documents: what is kept of it, or one event at a time.

use super::Document;
use crate::state::{ClusterState, Event};
use serde::{Deserialize, Serialize};

/// The events that are kept, from some number on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Oldest first.
    pub events: Vec<Event>,
    /// The number of the oldest that is kept.
    pub oldest: u64,
    /// The number the next event will have.
    pub next: u64,
}

impl Document for Events {
    const SCHEMA: &'static str = "events/1";
}

impl Document for Event {
    const SCHEMA: &'static str = "event/1";
}

/// Events from this number on, or all that are kept.
pub fn events(state: &ClusterState, from: Option<u64>) -> Events {
    let from = from.unwrap_or(0);
    let wanted = state.events.iter().filter(|event| event.number >= from);
    Events {
        events: wanted.cloned().collect(),
        oldest: state.events.front().map_or(state.next_event, |event| event.number),
        next: state.next_event,
    }
}

/// The event with this number, if it is kept: for those who follow.
pub fn event(state: &ClusterState, number: u64) -> Option<&Event> {
    let oldest = state.events.front()?.number;
    state.events.get(usize::try_from(number.checked_sub(oldest)?).ok()?)
}
