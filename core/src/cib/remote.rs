//! Remote and guest nodes: which there are, the resources that connect to them, and whether they are there.

use super::container::in_container;
use super::dom::{named, text};
use super::node::{blank, built_in};
use super::rule::Scene;
use super::{Element, Reader, value};
use crate::scheduler::{Connection, Kind, NodeIx, NodeKind, OnFail, Operation, Role, RscIx};
use crate::score::Score;
use std::collections::BTreeMap;

/// The meta attribute that makes a resource a guest node.
const GUEST: &str = "remote-node";

/// What agent an element or a record names.
pub(super) fn is_connection(agent: [&str; 3]) -> bool {
    agent == ["ocf", "pacemaker", "remote"]
}

/// A primitive of the configuration that is a node, or connects to one.
struct Reached<'a> {
    /// The node's name.
    name: String,
    /// The guest's own resource; a remote node's connection.
    element: Element<'a>,
    is_guest: bool,
}

impl<'a> Reader<'a> {
    /// What a primitive is defined by: itself, then its template.
    pub(super) fn definitions(&self, element: Element<'a>) -> Vec<Element<'a>> {
        let template = element.attribute("template").and_then(|id| self.ids.get(id)).copied();
        [Some(element), template].into_iter().flatten().collect()
    }

    /// Every remote and guest node of the configuration.
    fn reached(&self) -> Vec<Reached<'a>> {
        let section = self.section(&["configuration", "resources"]).into_iter();
        let top = section.flat_map(|section| section.children()).filter(roxmltree::Node::is_element);
        let primitives = top.flat_map(|element| {
            let is_one = element.has_tag_name("primitive");
            let members = named(element, "primitive").filter(move |_| element.has_tag_name("group"));
            is_one.then_some(element).into_iter().chain(members)
        });
        let scene = Scene { now: self.model.options.now, ..Scene::default() };
        // Most clusters have no guest nodes: what thousands of resources say of themselves is not asked for nothing.
        let has_guests = self.root.document().input_text().contains(GUEST);
        let mut found = Vec::new();
        for element in primitives {
            let definitions = self.definitions(element);
            let of = |name: &str| definitions.iter().find_map(|one| one.attribute(name)).unwrap_or_default();
            if is_connection([of("class"), of("provider"), of("type")]) {
                found.push(Reached { name: text(element, "id").to_owned(), element, is_guest: false });
                continue;
            }
            if !has_guests {
                continue;
            }
            let meta = definitions.iter().find_map(|one| self.pairs(*one, "meta_attributes", &scene).remove(GUEST));
            if let Some(name) = meta {
                found.push(Reached { name, element, is_guest: true });
            }
        }
        found
    }

    /// Adds the nodes that are reached through resources, and those whose connection is configured no more.
    pub(super) fn add_remote_nodes(&mut self) {
        let mut names: Vec<(String, NodeKind)> = Vec::new();
        for one in self.reached() {
            names.push((one.name, if one.is_guest { NodeKind::Guest } else { NodeKind::Remote }));
        }
        for record in self.records().into_iter().filter(|record| text(*record, "type") == "remote") {
            let agent = [text(record, "class"), text(record, "provider"), text(record, "type")];
            let kind = if record.has_attribute("container") { NodeKind::Guest } else { NodeKind::Remote };
            if is_connection(agent) {
                names.push((text(record, "id").to_owned(), kind));
            }
        }
        names.extend(self.bundle_nodes().into_iter().map(|name| (name, NodeKind::Guest)));
        for (name, kind) in names {
            self.add_remote_node(&name, kind);
        }
    }

    fn add_remote_node(&mut self, name: &str, kind: NodeKind) {
        match self.model.nodes.iter_mut().find(|node| node.name == name) {
            Some(known) if known.kind == NodeKind::Remote => known.kind = kind,
            Some(_) => {}
            None => {
                let mut attributes = BTreeMap::new();
                built_in(&mut attributes, name, name);
                self.model.nodes.push(blank(name, name, kind, attributes));
            }
        }
    }

    /// Every `<lrm_resource>`.
    fn records(&self) -> Vec<Element<'a>> {
        let states = self.section(&["status"]).into_iter().flat_map(|status| named(status, "node_state"));
        let lists = states.flat_map(|state| named(state, "lrm")).flat_map(|lrm| named(lrm, "lrm_resources"));
        lists.flat_map(|list| named(list, "lrm_resource")).collect()
    }

    /// The connections to guests, which nobody writes down, and what connects to which node.
    pub(super) fn add_connections(&mut self) {
        for one in self.reached() {
            let Some(&rsc) = self.resources.get(text(one.element, "id")) else { continue };
            if one.is_guest {
                self.add_guest(rsc, &one.name);
            } else {
                self.link(rsc, &one.name, None);
            }
        }
    }

    fn add_guest(&mut self, guest: RscIx, name: &str) {
        let own = &self.meta[&guest];
        let mut meta = BTreeMap::from([("container".to_owned(), self.model.resources[guest].id.clone())]);
        for (of, here) in [("remote-allow-migrate", "allow-migrate"), ("is-managed", "is-managed")] {
            if let Some(value) = own.get(of) {
                meta.insert(here.to_owned(), value.clone());
            }
        }
        let connection = self.add_connection(name, None, meta);
        self.model.top.push(connection);
        self.link(connection, name, Some(guest));
    }

    /// A connection resource that the configuration implies.
    pub(super) fn add_connection(
        &mut self,
        name: &str,
        parent: Option<RscIx>,
        mut meta: BTreeMap<String, String>,
    ) -> RscIx {
        let scene =
            Scene { now: self.model.options.now, agent: Some(["ocf", "pacemaker", "remote"]), ..Scene::default() };
        let defaults = self.section(&["configuration", "rsc_defaults"]);
        let defaults = defaults.map(|section| self.pairs(section, "meta_attributes", &scene)).unwrap_or_default();
        for (name, value) in defaults {
            meta.entry(name).or_insert(value);
        }
        let mut resource = self.blank(name.to_owned(), name.to_owned(), Kind::Primitive, parent);
        // Where it may be is a matter of what it connects to.
        resource.scores = crate::scheduler::Scores::zero(self.model.nodes.len());
        "ocf".clone_into(&mut resource.class);
        resource.operations.push(Operation {
            name: "monitor".to_owned(),
            interval: 30_000,
            role: None,
            on_fail: None,
            is_enabled: true,
            parameters: BTreeMap::new(),
        });
        self.take_meta(&mut resource, &meta);
        self.model.resources.push(resource);
        let rsc = self.model.resources.len() - 1;
        self.meta.insert(rsc, meta);
        self.resources.insert(name.to_owned(), rsc);
        rsc
    }

    /// A resource is the connection to a node.
    pub(super) fn link(&mut self, rsc: RscIx, name: &str, container: Option<RscIx>) {
        let Some(&node) = self.nodes.get(name) else { return };
        let mut link =
            Connection { resource: rsc, container, must_reset: false, was_fenced: false, waits_to_reconnect: false };
        if let Some(old) = self.model.remotes.connections.get(&node) {
            link.was_fenced = old.was_fenced;
        }
        let options = &self.model.options;
        let at = &mut self.model.nodes[node];
        if container.is_none() {
            at.kind = NodeKind::Remote;
            at.is_unclean |= at.is_unseen && options.fences && options.fences_at_startup;
            let resource = &mut self.model.resources[rsc];
            // It goes where it is needed without stopping what runs there.
            if self.meta.get(&rsc).is_none_or(|meta| !meta.contains_key("allow-migrate")) {
                resource.can_migrate = true;
            }
            let interval = self.params.get(&rsc).and_then(|params| params.get("reconnect_interval"));
            if let Some(interval) = interval.and_then(|text| value::milliseconds(text)).filter(|interval| *interval > 0)
            {
                link.waits_to_reconnect = true;
                resource.failure_timeout = interval / 1000;
            }
        } else {
            at.kind = NodeKind::Guest;
        }
        let kind = if container.is_some() { "container" } else { "remote" };
        at.attributes.insert("#kind".to_owned(), kind.to_owned());
        link.was_fenced |= at.attributes.remove(FENCED).is_some();
        let never_seen = at.is_unclean && at.is_unseen;
        self.model.remotes.connections.insert(node, link);
        self.model.remotes.nodes.insert(rsc, node);
        if never_seen {
            self.model.wish_fenced(node, "it was never seen by the cluster".to_owned());
        }
    }

    /// An orphan is what an orphaned connection ran in.
    pub(super) fn link_orphans(&mut self, node: NodeIx) {
        if self.model.remotes.connections.is_empty() {
            return;
        }
        let histories = self.histories.clone();
        for ix in self.histories_on.get(&node).cloned().unwrap_or_default() {
            let record = histories[ix].element;
            let Some(container) = record.attribute("container") else { continue };
            let rsc = self.resources.get(text(record, "id")).copied();
            let Some(rsc) = rsc.filter(|rsc| self.model.resources[*rsc].is_orphan) else { continue };
            let container = self.resources.get(container).copied();
            let Some(node) = self.model.remotes.nodes.get(&rsc).copied() else { continue };
            let Some(link) = self.model.remotes.connections.get_mut(&node) else { continue };
            let is_new = link.container.is_none();
            link.container = container;
            if let Some(container) = container.filter(|_| is_new) {
                self.model.nodes[node].kind = NodeKind::Guest;
                self.model.orders.push(in_container(container, rsc));
            }
        }
    }

    /// Whether what is recorded of a node can be read: of one that is reached through a resource, when that is up.
    pub(super) fn is_readable(&mut self, node: NodeIx) -> bool {
        if self.model.nodes[node].kind == NodeKind::Member {
            return true;
        }
        let Some(link) = self.model.connection(node).cloned() else { return false };
        let is_up = |rsc: RscIx| self.model.resources[rsc].role == Role::Started;
        is_up(link.resource) && link.container.is_none_or(is_up)
    }

    /// Whether a node that is reached through a resource is there.
    pub(super) fn judge_remote(&mut self, node: NodeIx) {
        let Some(mut link) = self.model.connection(node).cloned() else {
            self.model.nodes[node].is_online = false;
            return;
        };
        self.finish(link.resource);
        let connection = &self.model.resources[link.resource];
        let guest = link.container.map(|container| &self.model.resources[container]);
        let host = match connection.active_on[..] {
            [host] if guest.is_some() => Some(&self.model.nodes[host]),
            _ => None,
        };
        let is_up = connection.role == Role::Started;
        let is_stopped = |role: Role| role <= Role::Stopped;
        let mut is_online = is_up;
        let is_leaving = is_up && connection.next == Role::Stopped;
        let is_unmanaged = !connection.is_managed;
        if guest.is_some_and(|guest| guest.is_failed) {
            (is_online, link.must_reset) = (false, true);
        } else if connection.is_failed {
            is_online = false;
        } else if is_stopped(connection.role) || guest.is_some_and(|guest| is_stopped(guest.role)) {
            (is_online, link.must_reset) = (false, false);
        } else if host.is_some_and(|host| !host.is_online && host.is_unclean) {
            (is_online, link.must_reset) = (false, true);
        }
        let at = &mut self.model.nodes[node];
        at.is_online = is_online;
        at.is_shutting_down |= is_leaving;
        at.is_maintenance |= is_unmanaged;
        self.model.remotes.connections.insert(node, link);
    }

    /// A node that is asked to leave takes its connection down.
    pub(super) fn leave_remotes(&mut self) {
        for (node, link) in self.model.remotes.connections.clone() {
            if self.model.nodes[node].is_shutting_down && self.model.nodes[node].attributes.contains_key("shutdown") {
                self.model.resources[link.resource].next = Role::Stopped;
            }
        }
    }

    /// A connection that failed wants its node fenced, unless it was.
    pub(super) fn reset_remote(&mut self, rsc: RscIx) {
        let resource = &mut self.model.resources[rsc];
        (resource.is_failed, resource.must_stop) = (true, true);
        let Some(node) = self.model.remotes.nodes.get(&rsc).copied() else { return };
        let Some(link) = self.model.connection(node).cloned() else { return };
        if self.model.options.fences && link.container.is_none() && !link.was_fenced {
            self.model.wish_fenced(node, "the connection to it is lost".to_owned());
        }
        if link.waits_to_reconnect {
            self.model.resources[rsc].next = Role::Stopped;
        }
    }

    /// A failed connection says that its node is lost, whoever else connects to it.
    pub(super) fn see_failed_connection(&mut self, rsc: RscIx) {
        let node = self.model.remotes.nodes.get(&rsc).copied();
        if let Some(node) = node.filter(|_| self.model.resources[rsc].is_failed)
            && self.model.nodes[node].is_unclean
        {
            self.model.nodes[node].is_unseen = false;
        }
    }

    /// What follows the failure of an operation of a connection, where nothing else is said.
    pub(super) fn connection_lost(&self, rsc: RscIx, task: &str, interval: i64, is_said: bool) -> Option<OnFail> {
        let node = self.model.remotes.nodes.get(&rsc)?;
        let is_probe = task == "monitor" && interval == 0;
        let is_managed = self.model.resources[rsc].is_managed;
        let is_guest = self.model.connection(*node).is_some_and(|link| link.container.is_some());
        if is_guest || is_probe || task == "start" || (is_said && is_managed) {
            return None;
        }
        Some(if is_managed { OnFail::ResetRemote } else { OnFail::Stop })
    }

    /// Whether a connection that failed is left alone for a while.
    pub(super) fn reconnects_late(&self, rsc: RscIx) -> bool {
        let link = self.model.remotes.nodes.get(&rsc).and_then(|node| self.model.connection(*node));
        link.is_some_and(|link| link.waits_to_reconnect)
    }

    /// Whether a connection's failure counts until its node was fenced.
    pub(super) fn awaits_fence(&self, rsc: RscIx) -> bool {
        let link = self.model.remotes.nodes.get(&rsc).and_then(|node| self.model.connection(*node));
        self.model.options.fences && link.is_some_and(|link| link.waits_to_reconnect && !link.was_fenced)
    }

    /// Connections, fence devices and guests themselves are on members alone.
    pub(super) fn keep_off_remotes(&mut self) {
        let remote: Vec<NodeIx> =
            (0..self.model.nodes.len()).filter(|node| self.model.nodes[*node].kind != NodeKind::Member).collect();
        if remote.is_empty() {
            return;
        }
        let replicas = self.model.replica_nodes();
        for rsc in 0..self.model.resources.len() {
            let is_guest = self.model.guest_of(rsc).is_some_and(|node| !replicas.contains(&node));
            let is_connection = self.model.remotes.nodes.contains_key(&rsc);
            let is_device = self.model.resources[rsc].class == "stonith";
            let own = self.model.bundles.replica_of(rsc).filter(|replica| replica.content == Some(rsc));
            let own = own.and_then(|replica| replica.node);
            for node in replicas.iter().filter(|node| Some(**node) != own) {
                // What a container is for runs in it, and nothing else does.
                if self.model.resources[rsc].scores.get(*node).is_some() {
                    self.model.resources[rsc].scores.set(*node, Score::NEG_INFINITY);
                }
            }
            if is_guest || is_connection || is_device {
                let scores = &mut self.model.resources[rsc].scores;
                for node in remote.iter().filter(|node| scores.get(**node).is_some()).collect::<Vec<_>>() {
                    scores.set(*node, Score::NEG_INFINITY);
                }
            }
        }
    }
}

/// An attribute that stands for `node_fenced` of a node's state until its connection is known.
pub(super) const FENCED: &str = "#fenced";
