//! Nodes without cluster software, reached through a connection resource: remote nodes, and guest nodes that are
//! themselves a resource of the cluster. Such a node is there when its connection is; what runs there is done through the
//! connection's host. A guest is never fenced: what it is, is started anew.

use super::action::{Action, Actions, Bond};
use super::{FenceWish, Model, NodeIx, NodeKind, Role, RscIx, Task};
use std::collections::{BTreeMap, BTreeSet};

/// Every connection, and what runs in what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remotes {
    /// By the node that is reached.
    pub connections: BTreeMap<NodeIx, Connection>,
    /// The node that a resource is the connection to.
    pub nodes: BTreeMap<RscIx, NodeIx>,
    /// Where a resource is not looked for.
    pub undiscovered: BTreeMap<RscIx, BTreeSet<NodeIx>>,
}

/// How one node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// By this resource.
    pub resource: RscIx,
    /// The resource that the node itself is, if it is a guest.
    pub container: Option<RscIx>,
    /// Nothing is certain of it until it was fenced, or its container started anew.
    pub must_reset: bool,
    /// It was fenced since it was last connected.
    pub was_fenced: bool,
    /// After a failure it is tried again when the failure is forgotten, not before.
    pub waits_to_reconnect: bool,
}

/// What is known of a remote node's connection, and whether it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Alive,
    /// It is on its way to another host.
    Resting,
    /// Nobody has it now; it is tried.
    Unknown,
    Stopped,
    /// It is lost, and what runs there cannot be reached.
    Failed,
}

impl Model {
    /// The connection to a node; none to a member.
    pub fn connection(&self, node: NodeIx) -> Option<&Connection> {
        self.remotes.connections.get(&node)
    }

    /// The guest node that this container resource is.
    pub fn guest_of(&self, container: RscIx) -> Option<NodeIx> {
        let found = self.remotes.connections.iter().find(|(_, link)| link.container == Some(container));
        found.map(|(node, _)| *node)
    }

    /// Whether a guest node has a place to run at; every other node is no guest of anybody.
    pub(super) fn has_guest(&self, node: NodeIx) -> bool {
        let container = self.connection(node).and_then(|link| link.container);
        container.is_none_or(|container| self.resources[container].assigned.is_some())
    }

    /// A node must be fenced; the first reason stays. A guest is by a new start of what it is.
    pub fn wish_fenced(&mut self, node: NodeIx, reason: String) {
        if let Some(link) = self.remotes.connections.get_mut(&node) {
            if let Some(container) = link.container {
                let guest = &mut self.resources[container];
                if guest.is_managed && !guest.is_failed {
                    link.must_reset = true;
                    (guest.is_failed, guest.must_stop) = (true, true);
                }
                return;
            }
            link.must_reset = true;
        }
        self.nodes[node].is_unclean = true;
        self.fence.entry(node).or_insert(FenceWish { reason });
    }
}

/// A connection has its place, or has none: so its node can be used, or not.
pub(super) fn connected(model: &mut Model, connection: RscIx) {
    let Some(node) = model.remotes.nodes.get(&connection).copied() else { return };
    let resource = &model.resources[connection];
    let is_there = resource.assigned.is_some() && resource.next != Role::Stopped;
    let at = &mut model.nodes[node];
    if is_there {
        at.is_online = true;
        if at.is_unseen {
            // Whether it is lost is known when the connection was tried.
            at.is_unclean = false;
            model.fence.remove(&node);
        }
    } else {
        at.is_shutting_down = true;
    }
    let is_away = !at.is_available();
    model.room.set_away(node, is_away);
}

/// Whether a guest can be started anew: its hosts can stop it, or be fenced.
pub(super) fn can_reset(model: &Model, link: &Connection) -> bool {
    let Some(container) = link.container else { return false };
    let is_reached = |host: &NodeIx| model.nodes[*host].is_online || super::schedule::can_fence(model, *host);
    model.resources[container].active_on.iter().all(is_reached)
}

/// Whether a stop or demotion there is done by something else: the fence of the node, or its guest's end.
pub(super) fn is_reset(model: &Model, node: NodeIx) -> bool {
    let is_guest = model.nodes[node].kind == NodeKind::Guest;
    model.connection(node).is_some_and(|link| is_guest && link.must_reset && can_reset(model, link))
}

fn link_of(model: &Model, link: &Connection) -> Link {
    let resource = &model.resources[link.resource];
    let host = model.current(link.resource).map(|host| &model.nodes[host]);
    if resource.next == Role::Stopped || resource.assigned.is_none() {
        return match host {
            Some(host) if host.is_unclean => Link::Failed,
            _ if !resource.is_failed => Link::Stopped,
            _ if resource.next == Role::Stopped && link.waits_to_reconnect && link.was_fenced => Link::Unknown,
            _ => Link::Failed,
        };
    }
    match host {
        None => Link::Unknown,
        Some(host) if host.is_unclean || !host.is_online => Link::Resting,
        Some(_) if resource.active_on.len() > 1 && resource.migrating.is_some() => Link::Resting,
        Some(_) => Link::Alive,
    }
}

/// A remote node whose connection is lost for good is fenced where something may run that nobody can ask for.
pub(super) fn lose_failed(model: &mut Model) {
    let links: Vec<(NodeIx, Connection)> =
        model.remotes.connections.iter().map(|(node, link)| (*node, link.clone())).collect();
    for (node, link) in links {
        if link.container.is_some() || link_of(model, &link) != Link::Failed {
            continue;
        }
        let may_run_something = || model.top.iter().any(|top| may_be_on(model, *top, node));
        if !model.nodes[node].is_online || may_run_something() {
            model.wish_fenced(node, "the connection to it cannot be restored".to_owned());
        }
    }
}

/// A resource is started when it was looked for on the nodes that are connected now: it may be there already. Not where
/// the connection itself waits for that start.
pub(super) fn look_first(model: &Model, actions: &mut Actions) {
    let replicas = model.replica_nodes();
    let is_open = |(node, _): &(&NodeIx, &Connection)| !replicas.contains(node);
    for (node, link) in model.remotes.connections.iter().filter(is_open) {
        let is_due = |ix: &usize| !actions.all[*ix].is_optional && actions.all[*ix].is_runnable;
        let Some(connect) = actions.each(link.resource, Task::Start).find(is_due) else { continue };
        let before = waits_for(actions, connect);
        for top in model.top.clone() {
            if !may_be_on(model, top, *node) {
                continue;
            }
            let starts: Vec<usize> =
                model.primitives(top).into_iter().flat_map(|part| actions.of(part, Task::Start)).collect();
            if starts.iter().all(|start| !before[*start] && *start != connect) {
                starts.into_iter().for_each(|start| actions.bind(connect, start, Bond::ORDER));
            }
        }
    }
}

/// All that comes before an action.
fn waits_for(actions: &Actions, last: usize) -> Vec<bool> {
    let firsts = super::lists::Lists::of(
        actions.all.len(),
        actions.bonds.iter().filter(|bond| !bond.2.is_exclusive).map(|(first, then, _)| (*then, *first)),
    );
    let mut seen = vec![false; actions.all.len()];
    let mut todo = vec![last];
    while let Some(at) = todo.pop() {
        todo.extend(firsts.at(at).filter(|first| !std::mem::replace(&mut seen[*first], true)));
    }
    seen
}

/// Whether something may be active on a node that nothing is known of yet.
fn may_be_on(model: &Model, top: RscIx, node: NodeIx) -> bool {
    let resource = &model.resources[top];
    let is_looked_for = resource.discovered_on.as_ref().is_none_or(|named| named.contains(&node))
        && !model.remotes.undiscovered.get(&top).is_some_and(|never| never.contains(&node));
    let parts = model.primitives(top);
    let is_possible = |part: &RscIx| {
        let resource = &model.resources[*part];
        let is_elsewhere = resource.class == "stonith"
            || resource.is_orphan
            || model.remotes.nodes.contains_key(part)
            || model.guest_of(*part).is_some();
        !is_elsewhere
    };
    is_looked_for
        && parts.iter().any(is_possible)
        && !parts.iter().any(|part| model.resources[*part].known_on.contains(&node))
}

/// Binds what is done on remote and guest nodes to their connections.
pub(super) fn bind(model: &mut Model, actions: &mut Actions) {
    if model.remotes.connections.is_empty() {
        return;
    }
    for ix in 0..actions.all.len() {
        let Action { task, rsc: Some(rsc), node: Some(node), .. } = actions.all[ix].bare() else { continue };
        let Some(link) = model.connection(node).cloned() else { continue };
        if task == Task::Start {
            // Should the connection not come up, it is left where it is.
            for start in actions.of(link.resource, Task::Start) {
                for stop in actions.of(rsc, Task::Stop) {
                    if actions.all[stop].node != Some(node) {
                        actions.bind(start, stop, Bond::ORDER);
                    }
                }
            }
        }
        match link.container {
            Some(container) => within_guest(model, actions, ix, (&link, container)),
            None => on_remote(model, actions, ix, &link),
        }
    }
}

/// Binds an action to the start of a resource.
fn after_start(actions: &mut Actions, of: RscIx, then: usize, first_needs_then: bool) {
    for start in actions.of(of, Task::Start) {
        actions.bind(start, then, Bond { blocks: true, first_needs_then, ..Bond::ORDER });
    }
}

/// Binds an action to the stop of a connection.
fn before_stop(actions: &mut Actions, first: usize, of: RscIx, then_needs_first: bool) {
    for stop in actions.of(of, Task::Stop) {
        actions.bind(first, stop, Bond { then_needs_first, ..Bond::ORDER });
    }
}

fn within_guest(model: &mut Model, actions: &mut Actions, ix: usize, (link, container): (&Connection, RscIx)) {
    let is_failed = model.resources[container].is_failed;
    match actions.all[ix].task {
        Task::Start | Task::Promote => {
            // A new guest runs nothing.
            after_start(actions, container, ix, true);
            after_start(actions, link.resource, ix, false);
        }
        // What is in a failed guest ends with it.
        Task::Stop | Task::Demote if is_failed => {}
        Task::Stop | Task::Demote => before_stop(actions, ix, link.resource, false),
        _ => after_start(actions, link.resource, ix, false),
    }
}

fn on_remote(model: &mut Model, actions: &mut Actions, ix: usize, link: &Connection) {
    let (state, connection) = (link_of(model, link), link.resource);
    let is_leaving = model.resources[connection].next == Role::Stopped;
    match actions.all[ix].task {
        Task::Start | Task::Promote => after_start(actions, connection, ix, state == Link::Failed),
        Task::Stop if state == Link::Alive => before_stop(actions, ix, connection, true),
        Task::Stop if state == Link::Failed => lose(model, actions, ix),
        Task::Stop if is_leaving => before_stop(actions, ix, connection, true),
        Task::Stop => after_start(actions, connection, ix, false),
        Task::Demote if matches!(state, Link::Resting | Link::Unknown) => after_start(actions, connection, ix, false),
        Task::Demote => {}
        _ => after_start(actions, connection, ix, false),
    }
}

/// What runs there can only be stopped by a fence.
fn lose(model: &mut Model, actions: &mut Actions, stop: usize) {
    let action = &actions.all[stop];
    let Some((node, rsc)) = action.node.zip(action.rsc) else { return };
    model.wish_fenced(node, "what runs there cannot be reached: its connection is lost".to_owned());
    if super::schedule::can_fence(model, node) {
        for leave in [actions.of(rsc, Task::Stop), actions.of(rsc, Task::Demote)].concat() {
            let action = &mut actions.all[leave];
            if action.node == Some(node) {
                (action.is_implied, action.is_runnable) = (true, true);
            }
        }
    }
}

/// Guests that are started anew: what was in them ends when they do, and what needs that waits for it. They are no fences
/// that anybody carries out.
pub(super) fn reset_guests(model: &Model, actions: &mut Actions, fences: &[(NodeIx, usize)]) -> Vec<(NodeIx, usize)> {
    let mut resets = Vec::new();
    for (node, link) in &model.remotes.connections {
        let Some(container) = link.container.filter(|_| link.must_reset && can_reset(model, link)) else { continue };
        let reset = actions.add(Action {
            task: Task::Fence,
            rsc: None,
            node: Some(*node),
            is_optional: false,
            is_runnable: true,
            is_implied: true,
            is_migration: false,
            is_under_way: false,
            reason: "it is started anew".to_owned(),
        });
        let stops = actions.of(container, Task::Stop);
        for stop in &stops {
            let host = actions.all[*stop].node;
            let fence = fences.iter().find(|(fenced, _)| Some(*fenced) == host).map(|(_, fence)| *fence);
            let end = fence.filter(|_| actions.all[*stop].is_implied).unwrap_or(*stop);
            actions.bind(end, reset, Bond { blocks: true, ..Bond::ORDER });
        }
        if stops.is_empty() {
            for stop in actions.of(link.resource, Task::Stop) {
                actions.bind(stop, reset, Bond::ORDER);
            }
        }
        resets.push((*node, reset));
    }
    resets
}
