//! Hard rules: where a resource may not run, and which rule says so.

use crate::config::{Primitive, ResourceMeta};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use crate::state::{ActionKind, ClusterState, Failure, Intent, Liveness};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The rule that keeps a resource from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// It does not take part now.
    NotOnline(Liveness),
    /// People want nothing to run there.
    NotActive(Intent),
    /// Nothing could prove it dead.
    Unarmed,
    /// A location constraint forbids it.
    Location(String),
    /// It failed there too often.
    TooManyFailures(u32),
    /// It could not be started there.
    StartFailed(String),
    /// What it must run with is elsewhere or nowhere, or what it must not run with is there.
    Colocation,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnline(liveness) => write!(f, "the node is {liveness}"),
            Self::NotActive(intent) => write!(f, "the node is in {}", intent.word()),
            Self::Unarmed => f.write_str("the node has no fence device"),
            Self::Location(id) => write!(f, "location {id} forbids it"),
            Self::TooManyFailures(count) => write!(f, "it failed there {count} times"),
            Self::StartFailed(error) => write!(f, "its start failed there: {error}"),
            Self::Colocation => f.write_str("a colocation forbids it"),
        }
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Joining => "joining",
            Self::Online => "online",
            Self::Suspect => "suspect",
            Self::DaemonGone => "without its daemon",
            Self::Away => "away",
            Self::Lost => "lost",
            Self::Off => "off",
        })
    }
}

/// The first rule that keeps `resource` from `node`, or `None` where it may run.
pub fn unfit(state: &ClusterState, resource: &ResourceId, primitive: &Primitive, node: &NodeId) -> Option<Rejection> {
    let at = state.nodes.get(node)?;
    if !at.is_online() {
        return Some(Rejection::NotOnline(at.liveness));
    }
    if at.intent != Intent::Active {
        return Some(Rejection::NotActive(at.intent));
    }
    if state.properties().stonith_enabled && state.fence_levels(node).is_empty() {
        return Some(Rejection::Unarmed);
    }
    if let Some((id, _)) = state
        .config
        .locations
        .iter()
        .find(|(_, location)| location.resource == *resource && location.node == *node && location.score.forbids())
    {
        return Some(Rejection::Location(id.clone()));
    }
    let (meta, _) = ResourceMeta::read(resource, primitive, &state.config.rsc_defaults);
    let activity = state.activity(resource, node)?;
    let is_forgotten = |failure: &Failure| state.now.since(failure.at) >= meta.failure_timeout;
    if !meta.failure_timeout.is_zero() && activity.last_failure.as_ref().is_some_and(is_forgotten) {
        return None;
    }
    if meta.migration_threshold > 0 && activity.failures >= meta.migration_threshold {
        return Some(Rejection::TooManyFailures(activity.failures));
    }
    activity
        .last_failure
        .as_ref()
        .filter(|failure| failure.operation == ActionKind::Start.word())
        .map(|failure| Rejection::StartFailed(failure.error.clone()))
}

/// How much a resource is wanted on a node by its location constraints.
pub(super) fn location_score(state: &ClusterState, resource: &ResourceId, node: &NodeId) -> Score {
    state
        .config
        .locations
        .values()
        .filter(|location| location.resource == *resource && location.node == *node)
        .fold(Score::ZERO, |sum, location| sum + location.score)
}
