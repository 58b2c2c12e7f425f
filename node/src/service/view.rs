//! What is shown: documents from this member's state, with what only the leader knows where it can be asked.
//!
//! It always answers within about two seconds: without a leader it shows what this member knew last, and says so.

use super::fault;
use crate::daemon::clock::{boot_time, wall_clock};
use crate::daemon::cluster::{Cluster, LeaderLive};
use crate::engine::{Drilled, FirstHand as HostsWord};
use quorate_api::proto::{Document, ViewKind, ViewRequest};
use quorate_api::{Fault, Reason};
use quorate_core::config::shorthand::is_part;
use quorate_core::config::validate::nearest;
use quorate_core::explain::explain;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::planner::{Report, plan};
use quorate_core::state::ClusterState;
use quorate_core::suppose::{Impossible, Supposition, suppose};
use quorate_core::time::millis;
use quorate_core::view::{self, DrillView, Live, Progress};
use quorate_raft::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::timeout;

/// The leader and its majority are waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The document that was asked for.
pub(super) async fn view(cluster: &Cluster, request: &ViewRequest) -> Result<Document, Fault> {
    let argument = request.argument.as_str();
    let unconfirmed = || async {
        // What a person looks at is current where it can be, and shown in any case.
        let _ = timeout(PATIENCE, cluster.fresh()).await;
    };
    match request.kind() {
        ViewKind::Status => Ok(status(cluster).await),
        ViewKind::Config | ViewKind::ConfigWithSecrets => {
            unconfirmed().await;
            let look = match request.kind() {
                ViewKind::ConfigWithSecrets => view::config_with_secrets,
                _ => view::config,
            };
            Ok(document(&cluster.state(|state| look(state, argument).map_err(|error| missing(state, &error)))?))
        }
        ViewKind::Fences => {
            unconfirmed().await;
            Ok(document(&cluster.state(view::fences)))
        }
        ViewKind::Events => {
            let from = number(argument)?;
            unconfirmed().await;
            Ok(document(&cluster.state(|state| view::events(state, from))))
        }
        ViewKind::History => {
            unconfirmed().await;
            Ok(document(&cluster.state(view::history)))
        }
        ViewKind::State => {
            unconfirmed().await;
            Ok(document(&cluster.state(view::state)))
        }
        ViewKind::Plan => {
            unconfirmed().await;
            let state = cluster.state(ClusterState::clone);
            Ok(document(&view::plan(&state, &plan(&state))))
        }
        ViewKind::Simulation => {
            let what = supposition(argument)?;
            unconfirmed().await;
            let supposed = suppose(&cluster.state(ClusterState::clone), &what, wall_clock());
            Ok(document(&view::simulation(&supposed.map_err(|error| impossible(&error))?)))
        }
        ViewKind::Explanation => {
            unconfirmed().await;
            let state = cluster.state(ClusterState::clone);
            let id = super::edit::vm(&state.config, argument)?;
            explain(&state, &id).map(|explained| document(&explained)).ok_or_else(|| unplaced(&id))
        }
        ViewKind::FenceTest => {
            unconfirmed().await;
            Ok(document(&super::fence_test::test(cluster, argument).await?))
        }
        ViewKind::Agents => super::agents::view(cluster, argument).await,
        ViewKind::Unspecified => Err(fault::invalid("the request does not say what to show", "name a kind of view")),
    }
}

/// What is supposed; nothing is where nothing is said.
fn supposition(argument: &str) -> Result<Supposition, Fault> {
    if argument.is_empty() {
        return Ok(Supposition::default());
    }
    serde_json::from_str(argument).map_err(|error| {
        fault::invalid(
            format!("what is supposed is not understood: {error}"),
            "it is `Supposition` of the core as JSON",
        )
    })
}

/// It was there a moment ago.
fn unplaced(id: &ResourceId) -> Fault {
    Fault::new(Reason::NotFound, format!("{id} is not placed")).hint("`qrm status` lists what is")
}

fn impossible(error: &Impossible) -> Fault {
    Fault::new(Reason::Invalid, error.to_string())
}

/// A document on the wire.
pub(super) fn document<D: view::Document>(document: &D) -> Document {
    Document { schema: D::SCHEMA.to_owned(), json: document.json() }
}

async fn status(cluster: &Cluster) -> Document {
    let (confirmed, live) = tokio::join!(timeout(PATIENCE, cluster.fresh()), timeout(PATIENCE, cluster.leader_live()));
    let leader = live.ok().and_then(Result::ok).filter(|_| cluster.replica.leader().is_some());
    let mut first_hand = FirstHand {
        from: cluster.me.node.clone(),
        confirmed: matches!(confirmed, Ok(Ok(()))),
        raft: cluster.replica.status().borrow().clone(),
        silence: silence(cluster),
        migrations: cluster.engine().migrations(),
    };
    first_hand.raft.leader = first_hand.raft.leader.filter(|_| leader.is_some());
    let status = cluster.state(|state| {
        let live = first_hand.live(state, leader.as_ref());
        view::status(state, &report(state, leader.as_ref()), &live)
    });
    document(&status)
}

/// What waits, by the leader's last plan; by our own where there is no leader to ask.
fn report(state: &ClusterState, leader: Option<&LeaderLive>) -> Report {
    leader.map_or_else(|| plan(state).report, |leader| leader.report.clone())
}

/// For how long this member has not heard the others; who was never heard is left out.
fn silence(cluster: &Cluster) -> BTreeMap<NodeId, u64> {
    let now = boot_time();
    let silences = cluster.engine().silences(now);
    let heard = silences.into_iter().map(|(node, silence)| (node, millis(silence)));
    heard.filter(|(_, silence)| *silence < now.0).collect()
}

/// What this member knows itself.
struct FirstHand {
    from: NodeId,
    confirmed: bool,
    raft: Status,
    silence: BTreeMap<NodeId, u64>,
    migrations: BTreeMap<ResourceId, Progress>,
}

impl FirstHand {
    fn live(&self, state: &ClusterState, leader: Option<&LeaderLive>) -> Live {
        let raft = &self.raft;
        let leads =
            |id: &u64| state.members.values().find(|member| member.raft_id.0 == *id).map(|member| member.name.clone());
        let name = |id: u64| raft.members.get(&id).map(|member| NodeId::new(&member.node.name));
        let by = raft.leader.and_then(|id| leads(&id).or_else(|| name(id)));
        // A store that was lost is a voter until the one in its place is: it is not the node's.
        let is_lost = |id: &u64, name: &NodeId| state.members.get(name).is_some_and(|known| known.raft_id.0 != *id);
        let voters = raft.members.iter().filter(|(_, member)| member.voter);
        let voters = voters.map(|(id, member)| (id, NodeId::new(&member.node.name)));
        let voters: Vec<NodeId> = voters.filter(|(id, name)| !is_lost(id, name)).map(|(_, name)| name).collect();
        let reached = |node: &NodeId| {
            let heard =
                |leader: &NodeId, live: &LeaderLive| live.hearers.get(node).is_some_and(|by| by.contains(leader));
            by.as_ref().zip(leader).is_some_and(|(by, live)| node == by || heard(by, live))
        };
        Live {
            from: self.from.clone(),
            reachable: voters.iter().filter(|node| reached(node)).cloned().collect(),
            leader: by.clone(),
            term: raft.term,
            voters,
            confirmed: self.confirmed,
            silent_ms: self.silence.clone(),
            waits_ms: leader.map(|live| live.waits_ms.clone()).unwrap_or_default(),
            migrations: self.migrations.clone(),
            stores: leader.map(|live| live.stores.clone()).unwrap_or_default(),
            device_errors: leader.map(|live| live.device_errors.clone()).unwrap_or_default(),
            drills: leader.into_iter().flat_map(drills).collect(),
            unseen: leader.into_iter().flat_map(unseen).collect(),
            clock_ahead_ms: leader.map_or(0, |live| live.clock_ahead_ms),
            findings: leader.map(|live| findings(state, live)).unwrap_or_default(),
        }
    }
}

fn drills(live: &LeaderLive) -> Vec<(ResourceId, DrillView)> {
    let view = |by: &NodeId, one: &Drilled| DrillView {
        node: one.node.clone(),
        by: by.clone(),
        ago_ms: millis(one.ago),
        on: one.on,
        problem: one.error.clone(),
        sensors: one.sensors.clone(),
    };
    let of = |(by, of): (&NodeId, &HostsWord)| {
        of.drills.iter().map(|one| (one.device.clone(), view(by, one))).collect::<Vec<_>>()
    };
    live.first_hand.iter().flat_map(of).collect()
}

fn unseen(live: &LeaderLive) -> impl Iterator<Item = (NodeId, BTreeMap<ResourceId, String>)> {
    let all = live.first_hand.iter().filter(|(_, of)| !of.unseen.is_empty());
    all.map(|(node, of)| (node.clone(), of.unseen.clone()))
}

/// What was found on the hosts; a host that takes no part and has VMs of ours is one of them.
fn findings(state: &ClusterState, live: &LeaderLive) -> BTreeMap<NodeId, Vec<String>> {
    let mut all = BTreeMap::new();
    for (node, of) in &live.first_hand {
        let mut findings = of.findings.clone();
        let is_outside = state.nodes.get(node).is_none_or(|at| at.living_session().is_none());
        if is_outside && !of.present.is_empty() {
            let names: Vec<&str> = of.present.iter().map(ResourceId::as_str).collect();
            findings.push(format!(
                "{} there, and {node} takes no part: nobody may start them elsewhere unseen",
                names.join(", ")
            ));
        }
        if !findings.is_empty() {
            all.insert(node.clone(), findings);
        }
    }
    all
}

fn number(argument: &str) -> Result<Option<u64>, Fault> {
    match argument.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            fault::invalid(
                format!("'{text}' is no number of an event"),
                "events are numbered from 0; leave it out for all",
            )
        }),
    }
}

fn missing(state: &ClusterState, error: &view::UnknownObject) -> Fault {
    let config = &state.config;
    let ids = config
        .primitives
        .keys()
        .map(quorate_core::id::ResourceId::as_str)
        .chain(config.nodes.keys().map(NodeId::as_str));
    let constraints = config.locations.keys().chain(config.colocations.keys()).chain(config.orders.keys());
    let wide = &config.shorthand;
    let wide_constraints = wide.locations.keys().chain(wide.colocations.keys()).chain(wide.orders.keys());
    let wider = wide.templates.keys().chain(wide.groups.keys()).chain(wide.tags.keys()).chain(wide_constraints);
    let constraints = constraints.filter(|id| !is_part(id)).chain(wider);
    let known: Vec<&str> = ids.chain(constraints.map(String::as_str)).collect();
    let near: BTreeSet<&str> = error.0.iter().filter_map(|id| nearest(id, &known)).collect();
    let hint = match near.is_empty() {
        true => "`qrm configure show` lists what there is".to_owned(),
        false => format!("did you mean {}?", near.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Fault::new(Reason::NotFound, error.to_string()).hint(hint)
}
