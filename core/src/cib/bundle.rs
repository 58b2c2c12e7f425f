//! `<bundle>`: replicas of a container with what belongs to each: an address, the connection to what runs in it, and that.

use super::dom::{named, text};
use super::remote::is_connection;
use super::resource::clone_spec;
use super::{Element, Reader};
use crate::scheduler::{
    CloneSpec, Colocation, GroupSpec, Kind, NodeIx, NodeKind, Operation, Order, OrderEnd, OrderForce, Replica, RscIx,
    Scores, Task,
};
use crate::score::Score;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// More replicas than this are a slip of the keyboard.
const MOST: usize = 10_000;

type Pairs = BTreeMap<String, String>;

/// What a `<bundle>` says.
struct Said<'a> {
    id: &'a str,
    /// docker, podman or rkt.
    launcher: &'a str,
    replicas: usize,
    per_host: usize,
    promoted: Option<usize>,
    first_address: Option<&'a str>,
    /// What runs in each container.
    content: Option<Element<'a>>,
    /// Containers can be connected to.
    is_reachable: bool,
}

impl<'a> Said<'a> {
    fn of(bundle: Element<'a>) -> Option<Self> {
        let launchers = ["docker", "podman", "rkt"];
        let launch = launchers.iter().find_map(|name| named(bundle, name).next())?;
        let count =
            |names: &[&str]| names.iter().find_map(|name| launch.attribute(*name)?.trim().parse::<usize>().ok());
        let promoted = count(&["promoted-max", "masters"]).filter(|count| *count > 0);
        let network = named(bundle, "network").next();
        let network = |name: &str| network.and_then(|network| network.attribute(name)).filter(|text| !text.is_empty());
        let per_host = count(&["replicas-per-host"]).unwrap_or(1).max(1);
        let first_address = network("ip-range-start");
        let has_port = network("control-port").is_some();
        Some(Self {
            id: text(bundle, "id"),
            launcher: launch.tag_name().name(),
            replicas: count(&["replicas"]).or(promoted).unwrap_or(1).max(1),
            // With one port for all, two on a host could not be told apart.
            per_host: if first_address.is_none() && has_port { 1 } else { per_host },
            promoted,
            first_address,
            content: named(bundle, "primitive").next(),
            is_reachable: first_address.is_some() || has_port,
        })
    }

    /// The id of a replica's address.
    fn address(&self, place: usize) -> Option<String> {
        let first = self.first_address?;
        let Ok(parsed) = first.parse::<Ipv4Addr>() else { return Some(format!("{}-ip-{first}-{place}", self.id)) };
        let address = Ipv4Addr::from(u32::from(parsed).wrapping_add(u32::try_from(place).unwrap_or_default()));
        Some(format!("{}-ip-{address}", self.id))
    }

    fn container(&self, place: usize) -> String {
        format!("{}-{}-{place}", self.id, self.launcher)
    }

    fn node(&self, place: usize) -> String {
        format!("{}-{place}", self.id)
    }
}

impl<'a> Reader<'a> {
    /// The nodes that containers are.
    pub(super) fn bundle_nodes(&self) -> Vec<String> {
        let section = self.section(&["configuration", "resources"]).into_iter();
        let bundles = section.flat_map(|section| named(section, "bundle")).filter_map(Said::of);
        let with_content = bundles.filter(|said| said.content.is_some() && said.is_reachable && said.replicas <= MOST);
        with_content.flat_map(|said| (0..said.replicas).map(|place| said.node(place)).collect::<Vec<_>>()).collect()
    }

    pub(super) fn read_bundle(&mut self, element: Element<'a>) -> Option<RscIx> {
        let Some(said) = Said::of(element) else {
            let id = text(element, "id");
            self.problem(element, format!("the bundle {id} has no container: it needs <docker>, <podman> or <rkt>"));
            return None;
        };
        if said.content.is_some() && !said.is_reachable {
            let what =
                "has a resource in its containers, and no way to it: give <network> ip-range-start or control-port";
            self.problem(element, format!("the bundle {} {what}", said.id));
            return None;
        }
        if said.replicas > MOST {
            let what =
                format!("the bundle {} has {} replicas: at most {MOST} are planned with", said.id, said.replicas);
            self.problem(element, what);
            return None;
        }
        let empty = clone_spec(&Pairs::new(), false, 1);
        let bundle = self.add_resource(element, None, "", &[element], ["", "", ""], Kind::Clone(empty));
        self.register(element, bundle);
        let meta = self.meta[&bundle].clone();
        let contents = said.content.map(|content| self.add_contents(bundle, &said, content, meta.clone()));
        let spec = CloneSpec {
            instances: Vec::new(),
            max: said.replicas,
            node_max: said.per_host,
            // Containers have names of their own.
            is_unique: true,
            notifies: false,
            is_ordered: false,
            promotion: None,
            ..clone_spec(&meta, false, said.replicas)
        };
        self.model.resources[bundle].kind = Kind::Clone(CloneSpec { min: 0, ..spec });
        for place in 0..said.replicas {
            let content = contents.and_then(|contents| self.model.children(contents).get(place).copied());
            self.add_replica(bundle, &said, place, content, &meta);
        }
        self.model.bundles.contents.insert(bundle, contents);
        Some(bundle)
    }

    /// The clone of what runs in the containers.
    fn add_contents(&mut self, bundle: RscIx, said: &Said<'_>, content: Element<'a>, mut meta: Pairs) -> RscIx {
        let mut set = |name: &str, value: String| _ = meta.insert(name.to_owned(), value);
        set("ordered", true.to_string());
        set("clone-max", said.replicas.to_string());
        set("clone-node-max", said.per_host.to_string());
        set("globally-unique", (said.per_host > 1).to_string());
        if let Some(promoted) = said.promoted {
            set("promotable", true.to_string());
            set("promoted-max", promoted.to_string());
        }
        meta.entry("resource-stickiness".to_owned()).or_insert_with(|| "1".to_owned());
        let kind = if said.promoted.is_some() { "master" } else { "clone" };
        let spec = clone_spec(&meta, false, said.replicas);
        let contents = self.add_implied(format!("{}-{kind}", said.id), Some(bundle), meta, Kind::Clone(spec));
        for place in 0..said.replicas {
            self.add_instance(contents, content, place);
        }
        contents
    }

    fn add_replica(&mut self, bundle: RscIx, said: &Said<'_>, place: usize, content: Option<RscIx>, meta: &Pairs) {
        let empty = GroupSpec { members: Vec::new(), is_ordered: false, is_colocated: false };
        let id = format!("{}/{place}", said.id);
        let rsc = self.add_implied(id, Some(bundle), meta.clone(), Kind::Group(empty));
        let member = |reader: &mut Self, id: String| {
            let part = reader.add_implied(id, Some(rsc), meta.clone(), Kind::Primitive);
            let model = &mut reader.model.resources[part];
            "ocf".clone_into(&mut model.class);
            model.operations.push(monitor());
            part
        };
        let container = member(self, said.container(place));
        let ip = said.address(place).map(|id| member(self, id));
        let node = self.nodes.get(&said.node(place)).copied().filter(|_| content.is_some());
        let name = said.node(place);
        let connection = node.map(|_| {
            let mut meta = meta.clone();
            meta.insert("container".to_owned(), said.container(place));
            let connection = self.add_connection(&name, Some(rsc), meta);
            self.link(connection, &name, Some(container));
            connection
        });
        if let Some(ip) = ip {
            self.model.colocations.push(beside(ip, container));
            self.model.orders.push(after(ip, container));
        }
        let members: Vec<RscIx> = [Some(container), ip, connection, content].into_iter().flatten().collect();
        for part in &members {
            self.model.bundles.parts.insert(*part, rsc);
        }
        let speaks_of_host = meta.get("container-attribute-target").is_some_and(|target| target == "host");
        if let (Some(content), Some(node)) = (content, node) {
            let mut scores = Scores::none(self.model.nodes.len());
            scores.set(node, Score::new(500));
            self.model.resources[content].scores = scores;
            self.model.nodes[node].kind = NodeKind::Guest;
        }
        self.model.resources[rsc].kind = Kind::Group(GroupSpec { members, is_ordered: false, is_colocated: false });
        if let Kind::Clone(spec) = &mut self.model.resources[bundle].kind {
            spec.instances.push(rsc);
        }
        let replica = Replica { container, ip, connection, node, content, speaks_of_host };
        self.model.bundles.replicas.insert(rsc, replica);
    }

    /// A resource that nobody wrote down.
    fn add_implied(&mut self, id: String, parent: Option<RscIx>, meta: Pairs, kind: Kind) -> RscIx {
        let mut resource = self.blank(id.clone(), id.clone(), kind, parent);
        self.take_meta(&mut resource, &meta);
        self.model.resources.push(resource);
        let rsc = self.model.resources.len() - 1;
        self.meta.insert(rsc, meta);
        self.resources.entry(id).or_insert(rsc);
        rsc
    }

    /// What a history of a bundle's resources speaks of: what runs in containers by the node, all else by its name.
    pub(super) fn in_bundle(
        &mut self,
        rsc: RscIx,
        number: Option<usize>,
        history: Element<'a>,
        node: NodeIx,
    ) -> Option<RscIx> {
        if self.model.bundles.parts.contains_key(&rsc) && !self.is_content(rsc) {
            return Some(rsc);
        }
        let (clone, spec) = self.model.clone_of(rsc)?;
        let is_contents = self.model.bundles.contents.values().any(|contents| *contents == Some(clone));
        if !is_contents {
            return None;
        }
        if spec.is_unique && number.is_some() {
            return None;
        }
        let there = self.model.bundles.replicas.values().find(|replica| replica.node == Some(node));
        let there = there
            .and_then(|replica| replica.content)
            .filter(|content| !spec.is_unique && self.model.clone_of(*content).is_some_and(|(its, _)| its == clone));
        let agent = [text(history, "class"), text(history, "provider"), text(history, "type")];
        match there {
            Some(content) => Some(content),
            None if is_connection(agent) => None,
            None => Some(self.orphan(history)),
        }
    }

    fn is_content(&self, rsc: RscIx) -> bool {
        self.model.bundles.replica_of(rsc).is_some_and(|replica| replica.content == Some(rsc))
    }
}

fn monitor() -> Operation {
    Operation {
        name: "monitor".to_owned(),
        interval: 60_000,
        role: None,
        on_fail: None,
        is_enabled: true,
        parameters: Pairs::new(),
    }
}

/// An address is where its container is.
fn beside(ip: RscIx, container: RscIx) -> Colocation {
    Colocation {
        id: "#address-of-container".to_owned(),
        score: Score::INFINITY,
        resource: ip,
        with: container,
        role: None,
        with_role: None,
        attribute: None,
        influence: true,
    }
}

/// The container is started when it has its address.
fn after(ip: RscIx, container: RscIx) -> Order {
    let end = |resource| OrderEnd { resource, task: Task::Start };
    Order {
        id: "#address-of-container".to_owned(),
        first: end(ip),
        then: end(container),
        force: OrderForce::Mandatory,
        is_symmetrical: true,
        requires_all: true,
    }
}
