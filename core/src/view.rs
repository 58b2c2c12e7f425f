//! What people and programs are shown of the cluster: documents, built purely from the replicated state, the
//! planner's report and what the daemon that answers knows at first hand.
//!
//! A document is JSON with a versioned schema; fields are added, and a change of meaning is a new version. How it
//! looks in a terminal is qrm's to say. Nothing here judges safety.

mod agents;
mod config;
mod events;
mod fence;
mod fence_test;
mod live;
mod plan;
mod simulation;
mod status;
mod support;

pub use agents::{ActionView, AgentCheck, AgentClasses, AgentInfo, AgentList, AgentQuestion, ClassView, ParameterView};
pub use config::{ConfigView, History, UnknownObject, config, config_with_secrets, history};
pub use events::{Events, event, events};
pub use fence::{FenceView, Fences, Fencing, Tried, Try, fences};
pub use fence_test::{DeviceTest, FenceTest};
pub use live::{Live, Progress, StoreView};
pub use plan::{NextAction, PlanView, plan};
pub use simulation::{SimulatedAction, Simulation, simulation};
pub use status::{
    ClusterView, DeviceView, Doing, DrillView, FailureView, Health, Level, NodeView, Noun, Place, PlaceState, Question,
    Quorum, ResourceView, Role, Room, Status, WishView, arming, status,
};
pub use status::{NeededBy, TicketView};
pub use support::{StateView, state};

use serde::Serialize;

/// Something that is shown; times in it are Unix milliseconds.
pub trait Document: Serialize {
    /// `NAME/VERSION`
    const SCHEMA: &'static str;

    /// The document as text.
    fn json(&self) -> String {
        serde_json::to_string(self).expect("documents have text keys and no writer that fails")
    }
}
