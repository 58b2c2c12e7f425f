//! A resource as people are shown it: where it runs or may, what went wrong, and what is being done.

use crate::config::{Primitive, TargetRole};
use crate::id::{NodeId, ResourceId};
use crate::planner::Report;
use crate::state::{Action, ActionKind, Activity, ClusterState, Intent, Places, Seen, SessionState, TicketHold, Wish};
use crate::time::{Timestamp, millis};
use crate::view::{Live, Progress};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceView {
    /// Its name.
    pub id: ResourceId,
    /// `vm:libvirt`
    pub agent: String,
    /// The group it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The clone that it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone: Option<String>,
    /// Of a clone: every node where it should run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances_on: Vec<NodeId>,
    /// Of a promotable clone: every node where it should be promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promoted_on: Vec<NodeId>,
    /// What it is, in one word.
    pub role: Role,
    /// Where it runs or may run.
    pub places: Vec<Place>,
    /// What should become of it: started or stopped.
    pub target_role: String,
    /// Whether the cluster may touch it.
    pub is_managed: bool,
    /// Which ticket it lacks, in words, where that keeps it from running or being promoted, or has it left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Not configured any more, and still there.
    pub is_orphan: bool,
    /// Where it should run.
    pub wanted_on: Option<NodeId>,
    /// What went wrong, by node.
    pub failures: Vec<FailureView>,
    /// What is planned or under way.
    pub doing: Vec<Doing>,
    /// Moves and bans that people asked for and that have not ended.
    #[serde(default)]
    pub wishes: Vec<WishView>,
    /// It runs with another definition than is configured by now, which takes effect at its next start.
    #[serde(default)]
    pub definition_changed: bool,
    /// So long a start and a stop may take, in milliseconds.
    #[serde(default)]
    pub start_timeout_ms: u64,
    /// See there.
    #[serde(default)]
    pub stop_timeout_ms: u64,
    /// How far its live migration is, where one is under way and its source tells.
    pub migration: Option<Progress>,
}

impl ResourceView {
    /// Whether this is meant by a name: its own, its group's or its clone's.
    pub fn is_named(&self, name: &str) -> bool {
        [Some(self.id.as_str()), self.group.as_deref(), self.clone.as_deref()].contains(&Some(name))
    }
}

/// A move or a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishView {
    /// About which node.
    pub node: NodeId,
    /// move, leave or ban.
    pub wish: Wish,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself at the latest, if it was given a lifetime.
    pub until: Option<Timestamp>,
    /// In words.
    pub text: String,
}

/// What a resource is, all nodes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs on one node, or as a clone somewhere.
    Started,
    /// Runs nowhere, for sure.
    Stopped,
    /// Is being started.
    Starting,
    /// Is being stopped.
    Stopping,
    /// Goes from one node to another while it runs.
    Migrating,
    /// May run somewhere; nobody knows for sure.
    Unknown,
    /// Runs on more than one node: a broken promise.
    Multiple,
    /// Is on one node and does not work.
    Failed,
}

/// Where a resource is or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which node.
    pub node: NodeId,
    /// How it is there.
    pub state: PlaceState,
    /// Since when.
    pub since: Timestamp,
    /// Why it is not known, where it is not.
    pub why: Option<String>,
}

/// How a resource is on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceState {
    /// It runs.
    Running,
    /// A start is under way.
    Starting,
    /// A stop is under way.
    Stopping,
    /// It comes in from another node, and does not run here yet.
    Arriving,
    /// It is being looked for.
    Probing,
    /// It may run: it was not looked at, or its node is not heard.
    Unknown,
    /// It is there and stands still.
    Paused,
    /// It is there and does not work.
    Failed,
    /// It runs, and is promoted.
    Promoted,
    /// It runs, and is being promoted.
    Promoting,
    /// It runs, and is being demoted.
    Demoting,
}

impl PlaceState {
    /// Whether it runs, in whichever role.
    pub fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Promoted | Self::Promoting | Self::Demoting)
    }
}

/// Failures on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// Where.
    pub node: NodeId,
    /// How often since the last cleanup.
    pub count: u32,
    /// The same by operation; `monitor_60000` is a monitor of that interval beside the first.
    #[serde(default)]
    pub by_operation: BTreeMap<String, u32>,
    /// What failed last: start, stop, monitor.
    pub operation: String,
    /// In the agent's words.
    pub error: String,
    /// When.
    pub at: Timestamp,
    /// A stop failed and is not resolved.
    pub stop_failed: bool,
}

/// An action that is planned or under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// probe, start or stop.
    pub kind: String,
    /// Where.
    pub node: NodeId,
    /// Since when it is under way; `None`: planned.
    pub since: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn resources(state: &ClusterState, report: &Report, live: &Live) -> Vec<ResourceView> {
    let configured = state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
    let mut all: BTreeMap<&ResourceId, Option<&Primitive>> = configured.map(|(id, one)| (id, Some(one))).collect();
    for id in state.resources.keys() {
        all.entry(id).or_insert(None);
    }
    let views = all.into_iter().map(|(id, primitive)| {
        let mut view = resource(state, report, live, (id, primitive));
        tell_unseen(&mut view, live);
        view
    });
    views.filter(|view| !view.is_orphan || view.role != Role::Stopped || !view.doing.is_empty()).collect()
}

fn resource(
    state: &ClusterState,
    report: &Report,
    live: &Live,
    (id, primitive): (&ResourceId, Option<&Primitive>),
) -> ResourceView {
    let none = Places::default();
    let nodes = state.resources.get(id).unwrap_or(&none);
    let seen = nodes.iter().filter(|(node, _)| state.is_looked_for(id, node));
    let mut places: Vec<Place> = seen.filter_map(|(node, activity)| place(state, node, activity)).collect();
    let is_clone = primitive.is_some_and(|primitive| primitive.clone_spec().is_some());
    if !is_clone {
        doubt_unwatched(state, &mut places);
    }
    let meta = primitive.map(|primitive| state.meta(id, primitive));
    let hold = state.ticket_hold(id);
    let wants_stopped =
        meta.as_ref().is_none_or(|meta| meta.target_role == TargetRole::Stopped) || hold.clone().stops().is_some();
    let of_group = state.config.shorthand.group_of(id);
    let role = if is_clone { role_of_clone(&places, state.copies(id)) } else { role(&places) };
    let known = primitive.or_else(|| nodes.values().find_map(|activity| activity.definition.as_ref()));
    ResourceView {
        id: id.clone(),
        agent: known.map_or_else(String::new, |primitive| primitive.agent.text()),
        group: of_group.filter(|(_, group)| !group.is_clone()).map(|(name, _)| name.clone()),
        clone: state.config.shorthand.clone_of(id).map(|(name, _)| name.clone()),
        instances_on: report.clones.get(id).into_iter().flatten().cloned().collect(),
        promoted_on: report.promoted.get(id).into_iter().flatten().cloned().collect(),
        role,
        target_role: if wants_stopped { "stopped" } else { "started" }.to_owned(),
        is_managed: meta.is_none_or(|meta| meta.is_managed && !meta.maintenance)
            && !state.properties().maintenance_mode
            && !matches!(hold, TicketHold::Frozen(_)),
        ticket: hold.why().map(str::to_owned),
        is_orphan: primitive.is_none(),
        wanted_on: report.placement.get(id).cloned(),
        failures: nodes.iter().filter_map(|(node, activity)| failure(node, activity)).collect(),
        doing: doing(state, id, nodes),
        wishes: wishes(state, id),
        definition_changed: primitive.is_some_and(|primitive| has_other_definition(nodes, primitive)),
        start_timeout_ms: timeout(state, known, "start"),
        stop_timeout_ms: timeout(state, known, "stop"),
        migration: live.migrations.get(id).copied().filter(|_| role == Role::Migrating),
        places,
    }
}

fn timeout(state: &ClusterState, primitive: Option<&Primitive>, operation: &str) -> u64 {
    primitive.map_or(0, |primitive| millis(primitive.operation(operation, &state.config.op_defaults).timeout))
}

fn wishes(state: &ClusterState, id: &ResourceId) -> Vec<WishView> {
    let wishes = state.preferences.get(id).into_iter().flatten();
    let view = wishes.map(|(node, wish)| WishView {
        node: node.clone(),
        wish: wish.wish,
        by: wish.by.clone(),
        at: wish.at,
        until: wish.until,
        text: wish.words(node),
    });
    view.collect()
}

/// What counts is what the agent is given: a changed meta attribute holds at once.
fn has_other_definition(nodes: &BTreeMap<NodeId, Activity>, configured: &Primitive) -> bool {
    let started =
        nodes.values().filter(|activity| activity.seen.is_running() || matches!(activity.seen, Seen::Paused(_)));
    let mut with = started.filter_map(|activity| activity.definition.as_ref());
    with.any(|definition| definition.params != configured.params || definition.agent != configured.agent)
}

/// Where it is or may be; `None` where it is known not to be.
fn place(state: &ClusterState, node: &NodeId, activity: &Activity) -> Option<Place> {
    let living = state.nodes.get(node)?.living_session()?;
    let at = |state, why| {
        let since = activity.claim.as_ref().map_or(activity.since, |claim| claim.granted);
        Some(Place { node: node.clone(), state, since, why })
    };
    if living.state == SessionState::Lost {
        let is_gone = activity.seen == Seen::Stopped && activity.claim.is_none();
        return if is_gone { None } else { at(PlaceState::Unknown, Some(format!("{node} is lost"))) };
    }
    match (activity.claim.as_ref().map(|claim| claim.kind), &activity.seen) {
        (Some(ActionKind::Start), _) => at(PlaceState::Starting, None),
        (Some(ActionKind::Stop), _) => at(PlaceState::Stopping, None),
        (Some(ActionKind::Incoming | ActionKind::Handover), _) => at(PlaceState::Arriving, None),
        (Some(ActionKind::Probe), Seen::Unknown(why)) => at(PlaceState::Probing, Some(why.clone())),
        (Some(ActionKind::Promote), _) => at(PlaceState::Promoting, None),
        (Some(ActionKind::Demote), _) => at(PlaceState::Demoting, None),
        (_, Seen::Running) => at(PlaceState::Running, None),
        (_, Seen::Promoted) => at(PlaceState::Promoted, None),
        (_, Seen::Paused(why)) => at(PlaceState::Paused, Some(why.clone())),
        (_, Seen::Failed(why)) => at(PlaceState::Failed, Some(why.clone())),
        (_, Seen::Unknown(why)) => at(PlaceState::Unknown, Some(why.clone())),
        (_, Seen::Stopped) => None,
    }
}

/// What is not seen just now is taken to run on, and that it is not seen is told.
fn tell_unseen(view: &mut ResourceView, live: &Live) {
    for place in view.places.iter_mut().filter(|place| place.state.runs()) {
        let why = live.unseen.get(&place.node).and_then(|there| there.get(&view.id));
        place.why = why.map(|why| format!("cannot be looked at: {why}"));
    }
}

/// A node in maintenance is not watched: what runs elsewhere by now may have been moved from there by hand.
fn doubt_unwatched(state: &ClusterState, places: &mut [Place]) {
    let is_unwatched = |node: &NodeId| state.nodes.get(node).is_some_and(|at| at.intent == Intent::Maintenance);
    let runs = |place: &Place| place.state == PlaceState::Running;
    if !places.iter().any(|place| runs(place) && !is_unwatched(&place.node)) {
        return;
    }
    for place in places.iter_mut().filter(|place| runs(place) && is_unwatched(&place.node)) {
        place.state = PlaceState::Unknown;
        place.why = Some(format!("{} is in maintenance and not watched: it ran there before", place.node));
    }
}

fn role(places: &[Place]) -> Role {
    let count = |state| places.iter().filter(|place| place.state == state).count();
    let unsure = count(PlaceState::Unknown) + count(PlaceState::Paused) + count(PlaceState::Probing);
    match (count(PlaceState::Running), count(PlaceState::Starting), count(PlaceState::Stopping)) {
        (2.., _, _) => Role::Multiple,
        _ if count(PlaceState::Arriving) > 0 => Role::Migrating,
        (_, 1.., _) => Role::Starting,
        (_, _, 1..) => Role::Stopping,
        // It runs here, and whether it runs elsewhere too is being found out.
        (1, _, _) => Role::Started,
        _ if count(PlaceState::Failed) > 0 => Role::Failed,
        _ if unsure > 0 => Role::Unknown,
        _ => Role::Stopped,
    }
}

/// Of a clone, what is being done somewhere comes first, then that it runs at all.
fn role_of_clone(places: &[Place], copies: usize) -> Role {
    let count = |state| places.iter().filter(|place| place.state == state).count();
    match (
        places.iter().filter(|place| place.state.runs()).count(),
        count(PlaceState::Starting),
        count(PlaceState::Stopping),
    ) {
        (running, _, _) if running > copies => Role::Multiple,
        (_, 1.., _) => Role::Starting,
        (_, _, 1..) => Role::Stopping,
        (1.., _, _) => Role::Started,
        _ if count(PlaceState::Failed) > 0 => Role::Failed,
        _ if places.is_empty() => Role::Stopped,
        _ => Role::Unknown,
    }
}

fn failure(node: &NodeId, activity: &Activity) -> Option<FailureView> {
    let last = activity.last_failure.as_ref()?;
    Some(FailureView {
        node: node.clone(),
        count: activity.failures,
        by_operation: activity.failed.clone(),
        operation: last.operation.clone(),
        error: last.error.clone(),
        at: last.at,
        stop_failed: activity.stop_failed,
    })
}

fn doing(state: &ClusterState, id: &ResourceId, nodes: &BTreeMap<NodeId, Activity>) -> Vec<Doing> {
    let claims = nodes.iter().filter_map(|(node, activity)| activity.claim.as_ref().map(|claim| (node, claim)));
    let claimed = claims.map(|(node, claim)| Doing {
        kind: claim.kind.word().to_owned(),
        node: node.clone(),
        since: Some(claim.granted),
        reason: state.actions.get(&claim.action).map(|action| action.reason.clone()),
    });
    let waits = |action: &&Action| action.resource == *id && !action.claimed;
    let planned = state.actions.values().filter(waits).map(|action| Doing {
        kind: action.kind.word().to_owned(),
        node: action.node.clone(),
        since: None,
        reason: Some(action.reason.clone()),
    });
    claimed.chain(planned).collect()
}
