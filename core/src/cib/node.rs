//! Nodes, and what the cluster layer says of them: `<nodes>` and `<node_state>`.

use super::dom::{flag, named, number, text};
use super::remote::FENCED;
use super::rule::Scene;
use super::{Element, Reader, value};
use crate::scheduler::{Model, Node, NodeIx, NodeKind, by_name};
use std::collections::BTreeMap;

impl<'a> Reader<'a> {
    pub(super) fn read_nodes(&mut self) {
        let Some(section) = self.section(&["configuration", "nodes"]) else { return };
        let scene = Scene { now: self.model.options.now, ..Scene::default() };
        for element in named(section, "node") {
            let (id, name) = (text(element, "id"), element.attribute("uname").unwrap_or(text(element, "id")));
            if name.is_empty() {
                // `schema` tells what it lacks.
                continue;
            }
            let mut attributes = self.pairs(element, "instance_attributes", &scene);
            let capacity = numbers(&self.pairs(element, "utilization", &scene));
            built_in(&mut attributes, id, name);
            let kind = if text(element, "type") == "remote" { NodeKind::Remote } else { NodeKind::Member };
            let is_unclean = self.model.options.fences && self.model.options.fences_at_startup;
            let is_unclean = is_unclean && kind == NodeKind::Member;
            self.model.nodes.push(Node { is_unclean, capacity, ..blank(id, name, kind, attributes) });
        }
        self.add_remote_nodes();
        self.model.nodes.sort_by(|a, b| by_name(&a.name, &b.name));
        let names = self.model.nodes.iter().enumerate();
        self.nodes = names.flat_map(|(ix, node)| [(node.id.clone(), ix), (node.name.clone(), ix)]).collect();
        self.model.leader = self.nodes.get(text(self.root, "dc-uuid")).copied();
        let leader = self.model.leader;
        for (ix, node) in self.model.nodes.iter_mut().enumerate().filter(|(_, node)| node.kind == NodeKind::Member) {
            node.attributes.insert("#is_dc".to_owned(), (leader == Some(ix)).to_string());
        }
    }

    /// The node an element of the status is about.
    pub(super) fn node_of(&self, state: Element<'a>) -> Option<NodeIx> {
        self.nodes.get(text(state, "uname")).or_else(|| self.nodes.get(text(state, "id"))).copied()
    }

    pub(super) fn read_node_states(&mut self) {
        let now = self.model.options.now;
        let states: Vec<Element<'a>> =
            self.section(&["status"]).into_iter().flat_map(|s| named(s, "node_state")).collect();
        for state in states {
            let Some(ix) = self.node_of(state) else { continue };
            for transient in named(state, "transient_attributes") {
                let found = self.pairs(transient, "instance_attributes", &Scene { now, ..Scene::default() });
                self.model.nodes[ix].attributes.extend(found);
            }
            let node = &mut self.model.nodes[ix];
            (node.is_unseen, node.is_unclean) = (false, false);
            if node.kind != NodeKind::Member {
                if number(state, "node_fenced").is_some_and(|fenced| fenced > 0) {
                    node.attributes.insert(FENCED.to_owned(), "1".to_owned());
                }
                let wants = node.attributes.get("shutdown").map(String::as_str);
                node.is_shutting_down = wants.is_some_and(|value| !matches!(value, "" | "0" | "false"));
                continue;
            }
            let wants = |name: &str| node.attributes.get(name).map(String::as_str);
            let is_shutting_down = wants("shutdown").is_some_and(|value| !matches!(value, "" | "0" | "false"));
            let must_die = wants("terminate").is_some_and(|value| value::boolean(value).unwrap_or(value != "0"));
            node.is_shutting_down = is_shutting_down;
            let seen = Seen::read(state, is_shutting_down, must_die);
            let options = &self.model.options;
            match if options.fences { seen.judge() } else { seen.judge_without_fencing() } {
                Judgement::Online => node.is_online = true,
                Judgement::Offline => {}
                Judgement::Pending => (node.is_online, node.is_pending) = (seen.in_membership, true),
                Judgement::Fence(reason) => {
                    node.is_online = seen.in_membership && options.fences;
                    fence(&mut self.model, ix, reason);
                }
            }
        }
        for ix in 0..self.model.nodes.len() {
            self.read_intent(ix);
        }
    }

    /// Standby and maintenance, and what follows for a node without a state.
    fn read_intent(&mut self, ix: NodeIx) {
        let is_maintenance_mode = self.model.options.maintenance;
        let node = &mut self.model.nodes[ix];
        let is_on = |name: &str| node.attributes.get(name).and_then(|text| value::boolean(text)).unwrap_or(false);
        let (standby, maintenance) = (is_on("standby"), is_on("maintenance"));
        node.is_standby = standby || node.is_pending;
        node.is_maintenance = maintenance || is_maintenance_mode;
        if node.is_unseen && node.is_unclean && node.kind == NodeKind::Member {
            fence(&mut self.model, ix, "it was never seen by the cluster".to_owned());
        }
    }
}

/// What a `<node_state>` says.
struct Seen {
    is_known: bool,
    in_membership: bool,
    has_peer: bool,
    join: String,
    is_expected: bool,
    says_expected: bool,
    is_shutting_down: bool,
    must_die: bool,
}

enum Judgement {
    Online,
    Offline,
    Pending,
    Fence(String),
}

impl Seen {
    fn read(state: Element<'_>, is_shutting_down: bool, must_die: bool) -> Self {
        let since = |name: &str| state.attribute(name).and_then(|text| text.parse::<i64>().ok());
        let membership = flag(state, "in_ccm").or_else(|| since("in_ccm").map(|when| when > 0));
        let peer = text(state, "crmd");
        Self {
            is_known: membership.is_some(),
            in_membership: membership.unwrap_or(false),
            has_peer: peer == "online" || since("crmd").is_some_and(|when| when > 0),
            join: text(state, "join").to_owned(),
            is_expected: text(state, "expected") == "member",
            says_expected: !matches!(text(state, "expected"), "" | "down"),
            is_shutting_down,
            must_die,
        }
    }

    fn judge(&self) -> Judgement {
        let fence = |why: &str| Judgement::Fence(why.to_owned());
        if self.is_shutting_down {
            // A dead peer cannot be shut down: its process is what counts.
            if self.has_peer { Judgement::Online } else { Judgement::Offline }
        } else if !self.is_known {
            fence("it was never seen by the cluster")
        } else if matches!(self.join.as_str(), "banned" | "nack") {
            fence("it failed the membership criteria")
        } else if !self.must_die && !self.says_expected {
            if self.in_membership || self.has_peer { Judgement::Pending } else { Judgement::Offline }
        } else if self.must_die && self.join == "down" && !self.in_membership && !self.has_peer {
            Judgement::Offline
        } else if !self.in_membership {
            fence("it is no longer part of the cluster")
        } else if !self.has_peer {
            fence("its cluster process is gone")
        } else if self.must_die {
            fence("its termination was asked for")
        } else {
            match self.join.as_str() {
                "member" => Judgement::Online,
                "pending" | "down" | "" => Judgement::Pending,
                _ => fence("it is in an unknown state"),
            }
        }
    }

    fn judge_without_fencing(&self) -> Judgement {
        if !self.in_membership {
            if self.is_known && self.is_expected && !self.is_shutting_down {
                return Judgement::Fence("it is no longer part of the cluster".to_owned());
            }
            Judgement::Offline
        } else if self.has_peer {
            if self.join == "member" { Judgement::Online } else { Judgement::Pending }
        } else if self.is_expected && !self.is_shutting_down {
            Judgement::Fence("it is unexpectedly down".to_owned())
        } else {
            Judgement::Offline
        }
    }
}

/// Marks a node as one that must be fenced; the first reason stays.
pub(super) fn fence(model: &mut Model, node: NodeIx, reason: String) {
    model.wish_fenced(node, reason);
}

/// A node of which nothing is known.
pub(super) fn blank(id: &str, name: &str, kind: NodeKind, attributes: BTreeMap<String, String>) -> Node {
    Node {
        name: name.to_owned(),
        id: id.to_owned(),
        kind,
        is_online: false,
        is_unclean: false,
        is_pending: false,
        is_unseen: true,
        is_standby: false,
        is_maintenance: false,
        is_shutting_down: false,
        attributes,
        capacity: BTreeMap::new(),
        assigned: 0,
    }
}

/// The attributes every node has.
pub(super) fn built_in(attributes: &mut BTreeMap<String, String>, id: &str, name: &str) {
    attributes.insert("#uname".to_owned(), name.to_owned());
    attributes.insert("#id".to_owned(), id.to_owned());
    attributes.insert("#kind".to_owned(), "cluster".to_owned());
}

/// Values that are whole numbers.
pub(super) fn numbers(pairs: &BTreeMap<String, String>) -> BTreeMap<String, i64> {
    pairs.iter().filter_map(|(name, value)| Some((name.clone(), value.trim().parse().ok()?))).collect()
}
