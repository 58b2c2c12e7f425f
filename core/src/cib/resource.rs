//! `<resources>`: primitives, groups and clones, with their templates, meta attributes and defaults.

use super::dom::{named, text};
use super::node::numbers;
use super::rule::Scene;
use super::{Element, Reader, value};
use crate::scheduler::{
    CloneSpec, GroupSpec, Kind, MultipleActive, Promotion, Requires, Resource, Role, RscIx, Scores,
};
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Pairs = BTreeMap<String, String>;

impl<'a> Reader<'a> {
    pub(super) fn read_tags(&mut self) {
        let Some(section) = self.section(&["configuration", "tags"]) else { return };
        for tag in named(section, "tag") {
            let members = named(tag, "obj_ref").map(|member| text(member, "id").to_owned()).collect();
            self.tags.insert(text(tag, "id").to_owned(), members);
        }
    }

    pub(super) fn read_resources(&mut self) {
        let Some(section) = self.section(&["configuration", "resources"]) else { return };
        for element in section.children().filter(roxmltree::Node::is_element) {
            if element.has_tag_name("template") {
                self.tags.entry(text(element, "id").to_owned()).or_default();
                continue;
            }
            if let Some(rsc) = self.read_resource(element, None, "") {
                self.model.top.push(rsc);
            }
        }
        self.add_connections();
        let resources = &self.model.resources;
        self.model.top.sort_by_key(|rsc| std::cmp::Reverse(resources[*rsc].priority));
    }

    /// One resource with all that is in it; `suffix` is `:N` within an instance.
    pub(super) fn read_resource(&mut self, element: Element<'a>, parent: Option<RscIx>, suffix: &str) -> Option<RscIx> {
        match element.tag_name().name() {
            "primitive" => self.read_primitive(element, parent, suffix),
            "group" => self.read_group(element, parent, suffix),
            "clone" | "master" => self.read_clone(element, parent),
            "bundle" => self.read_bundle(element),
            // `schema` tells what does not belong here.
            _ => None,
        }
    }

    fn read_primitive(&mut self, element: Element<'a>, parent: Option<RscIx>, suffix: &str) -> Option<RscIx> {
        let template = element.attribute("template").and_then(|id| self.ids.get(id)).copied();
        if let Some(name) = element.attribute("template") {
            match template {
                Some(_) if suffix.is_empty() || suffix == ":0" => {
                    self.tags.entry(name.to_owned()).or_default().push(text(element, "id").to_owned());
                }
                Some(_) => {}
                None => {
                    self.problem(element, format!("there is no template {name:?}"));
                    return None;
                }
            }
        }
        let definitions = self.definitions(element);
        let of = |name: &str| definitions.iter().find_map(|definition| definition.attribute(name)).unwrap_or_default();
        let agent = [of("class"), of("provider"), of("type")];
        let rsc = self.add_resource(element, parent, suffix, &definitions, agent, Kind::Primitive);
        self.register(element, rsc);
        Some(rsc)
    }

    fn read_group(&mut self, element: Element<'a>, parent: Option<RscIx>, suffix: &str) -> Option<RscIx> {
        let empty = GroupSpec { members: Vec::new(), is_ordered: true, is_colocated: true };
        let rsc = self.add_resource(element, parent, suffix, &[element], ["", "", ""], Kind::Group(empty));
        self.register(element, rsc);
        let meta = self.meta[&rsc].clone();
        let is_on = |name: &str| meta.get(name).and_then(|text| value::boolean(text)).unwrap_or(true);
        let children: Vec<Element<'a>> = named(element, "primitive").collect();
        let members = children.into_iter().filter_map(|child| self.read_resource(child, Some(rsc), suffix)).collect();
        let group = GroupSpec {
            members,
            is_ordered: is_on("ordered"),
            is_colocated: is_on("collocated") && is_on("colocated"),
        };
        self.model.resources[rsc].kind = Kind::Group(group);
        Some(rsc)
    }

    fn read_clone(&mut self, element: Element<'a>, parent: Option<RscIx>) -> Option<RscIx> {
        let Some(child) = element.children().find(|c| c.has_tag_name("primitive") || c.has_tag_name("group")) else {
            self.problem(
                element,
                format!("the clone {} has nothing to copy: put a primitive in it", text(element, "id")),
            );
            return None;
        };
        let empty = CloneSpec {
            instances: Vec::new(),
            max: 0,
            node_max: 1,
            min: 0,
            is_interleaved: false,
            is_ordered: false,
            is_unique: false,
            notifies: false,
            promotion: None,
        };
        let rsc = self.add_resource(element, parent, "", &[element], ["", "", ""], Kind::Clone(empty));
        self.register(element, rsc);
        let meta = self.meta.get_mut(&rsc).expect("add_resource keeps them");
        // So that instances are not shuffled about for nothing.
        meta.entry("resource-stickiness".to_owned()).or_insert_with(|| "1".to_owned());
        let spec = clone_spec(&meta.clone(), element.has_tag_name("master"), self.model.nodes.len());
        let max = spec.max;
        self.model.resources[rsc].kind = Kind::Clone(spec);
        // Without instances, one is there all the same: what it is can be asked.
        for number in 0..max.max(1) {
            self.add_instance(rsc, child, number);
        }
        Some(rsc)
    }

    pub(super) fn add_instance(&mut self, clone: RscIx, child: Element<'a>, number: usize) -> Option<RscIx> {
        let instance = self.read_resource(child, Some(clone), &format!(":{number}"))?;
        if let Kind::Clone(spec) = &mut self.model.resources[clone].kind {
            spec.instances.push(instance);
        }
        Some(instance)
    }

    /// One more instance than configured, for what is active in its place.
    pub(super) fn add_orphan_instance(&mut self, clone: RscIx, number: usize) -> Option<RscIx> {
        let id = self.model.resources[clone].base.clone();
        let element = *self.ids.get(id.as_str())?;
        let child = element.children().find(|c| c.has_tag_name("primitive") || c.has_tag_name("group"))?;
        let instance = self.add_instance(clone, child, number)?;
        for rsc in self.model.primitives(instance).into_iter().chain([instance]) {
            self.model.resources[rsc].is_orphan = true;
        }
        Some(instance)
    }

    /// So that constraints find it: by its id, and an instance's base by the clone.
    pub(super) fn register(&mut self, element: Element<'a>, rsc: RscIx) {
        let target = self.model.clone_of(rsc).map_or(rsc, |(clone, _)| clone);
        let id = self.model.resources[rsc].id.clone();
        self.resources.entry(id).or_insert(rsc);
        self.resources.entry(text(element, "id").to_owned()).or_insert(target);
    }

    pub(super) fn add_resource(
        &mut self,
        element: Element<'a>,
        parent: Option<RscIx>,
        suffix: &str,
        definitions: &[Element<'a>],
        agent: [&str; 3],
        kind: Kind,
    ) -> RscIx {
        let scene = Scene { now: self.model.options.now, agent: Some(agent), ..Scene::default() };
        let params = self.merged(definitions, "instance_attributes", &scene);
        let mut meta = self.merged(definitions, "meta_attributes", &Scene { params: Some(&params), ..scene });
        // A few may stand on the element itself.
        for name in ["priority", "is-managed", "multiple-active", "resource-stickiness"] {
            if let Some(value) = element.attribute(name) {
                meta.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let inherited = parent.and_then(|parent| self.meta.get(&parent)).cloned().unwrap_or_default();
        let defaults = self.section(&["configuration", "rsc_defaults"]);
        let defaults = defaults.map(|section| self.pairs(section, "meta_attributes", &scene)).unwrap_or_default();
        for (name, value) in inherited.into_iter().chain(defaults) {
            meta.entry(name).or_insert(value);
        }
        let operations = self.read_operations(definitions, &scene);
        let utilization = numbers(&self.merged(definitions, "utilization", &scene));
        let base = text(element, "id").to_owned();
        let mut resource = self.blank(format!("{base}{suffix}"), base, kind, parent);
        agent[0].clone_into(&mut resource.class);
        (resource.operations, resource.utilization) = (operations, Arc::new(utilization));
        self.take_meta(&mut resource, &meta);
        self.model.resources.push(resource);
        let rsc = self.model.resources.len() - 1;
        self.meta.insert(rsc, meta);
        self.params.insert(rsc, params);
        rsc
    }

    /// The primitive's own over its template's.
    fn merged(&self, definitions: &[Element<'a>], block: &str, scene: &Scene<'_>) -> Pairs {
        let mut merged = Pairs::new();
        for definition in definitions {
            for (name, value) in self.pairs(*definition, block, scene) {
                merged.entry(name).or_insert(value);
            }
        }
        merged
    }

    /// A resource of which nothing is known.
    pub(super) fn blank(&self, id: String, base: String, kind: Kind, parent: Option<RscIx>) -> Resource {
        let nodes = self.model.nodes.len();
        let scores = if self.model.options.is_symmetric { Scores::zero(nodes) } else { Scores::none(nodes) };
        Resource {
            id,
            base,
            kind,
            called: None,
            parent,
            class: String::new(),
            is_managed: true,
            is_blocked: false,
            is_failed: false,
            must_stop: false,
            is_orphan: false,
            is_failure_ignored: false,
            is_start_pending: false,
            can_migrate: false,
            requires: Requires::Nothing,
            multiple_active: MultipleActive::StopStart,
            priority: Score::ZERO,
            stickiness: Score::ZERO,
            migration_threshold: 1_000_000,
            failure_timeout: 0,
            target: None,
            utilization: Arc::default(),
            operations: Vec::new(),
            discovered_on: None,
            counted_on: None,
            planned_on: None,
            stays_among_equals: false,
            role: Role::Unknown,
            active_on: Vec::new(),
            role_on: BTreeMap::new(),
            known_on: BTreeSet::new(),
            migrating: None,
            dangling: Vec::new(),
            changed_on: BTreeMap::new(),
            scores,
            follows: Vec::new(),
            followed: Vec::new(),
            assigned: None,
            is_displaced: false,
            turn: None,
            is_assigned: false,
            is_assigning: false,
            is_merging: false,
            next: Role::Unknown,
            promotion: None,
        }
    }

    pub(super) fn take_meta(&self, resource: &mut Resource, meta: &Pairs) {
        let get = |name: &str| meta.get(name).map(String::as_str);
        let is_on = |name: &str| get(name).and_then(value::boolean);
        let options = &self.model.options;
        let is_hands_off = options.maintenance || is_on("maintenance") == Some(true);
        resource.is_managed = is_on("is-managed").unwrap_or(true) && !is_hands_off;
        resource.can_migrate = is_on("allow-migrate").unwrap_or(false);
        resource.priority = get("priority").map_or(Score::ZERO, value::score);
        resource.stickiness = get("resource-stickiness").map_or(Score::ZERO, value::score);
        resource.target = get("target-role").and_then(value::role);
        resource.multiple_active = match get("multiple-active") {
            Some("stop_only") => MultipleActive::StopOnly,
            Some("stop_unexpected") => MultipleActive::StopUnexpected,
            Some("block") => MultipleActive::Block,
            _ => MultipleActive::StopStart,
        };
        resource.migration_threshold = match get("migration-threshold") {
            Some(text) => u32::try_from(value::score(text).value().max(0)).unwrap_or(0),
            None => 1_000_000,
        };
        resource.failure_timeout = get("failure-timeout").and_then(value::milliseconds).unwrap_or(0) / 1000;
        let otherwise = match (resource.class.as_str(), options.fences) {
            ("stonith", _) => Requires::Quorum,
            (_, true) if options.unfences => Requires::Unfencing,
            (_, true) => Requires::Fencing,
            _ if options.no_quorum == crate::scheduler::NoQuorum::Ignore => Requires::Nothing,
            _ => Requires::Quorum,
        };
        let wanted = match get("requires") {
            Some("nothing") => Requires::Nothing,
            Some("quorum") => Requires::Quorum,
            Some("fencing") => Requires::Fencing,
            Some("unfencing") => Requires::Unfencing,
            _ => otherwise,
        };
        resource.requires = if wanted >= Requires::Fencing && !options.fences { Requires::Quorum } else { wanted };
    }
}

pub(super) fn clone_spec(meta: &Pairs, is_master: bool, nodes: usize) -> CloneSpec {
    let get = |names: &[&str]| names.iter().find_map(|name| meta.get(*name)).map(String::as_str);
    let is_on = |names: &[&str]| get(names).and_then(value::boolean).unwrap_or(false);
    let count = |names: &[&str]| get(names).and_then(|text| text.trim().parse::<usize>().ok());
    let node_max = count(&["clone-node-max", "clone_node_max"]).unwrap_or(1).max(1);
    // Several on one node can only be told apart if they differ.
    let told = get(&["globally-unique", "globally_unique"]).and_then(value::boolean);
    let is_unique = told.unwrap_or(node_max > 1);
    let promotion = (is_master || is_on(&["promotable"])).then(|| Promotion {
        max: count(&["promoted-max", "master-max"]).unwrap_or(1),
        node_max: count(&["promoted-node-max", "master-node-max"]).unwrap_or(1),
    });
    CloneSpec {
        instances: Vec::new(),
        max: count(&["clone-max", "clone_max"]).unwrap_or(nodes.max(1)),
        // Anonymous instances cannot share a node.
        node_max: if is_unique { node_max } else { 1 },
        min: count(&["clone-min"]).unwrap_or(0),
        is_interleaved: is_on(&["interleave"]),
        is_ordered: is_on(&["ordered"]),
        is_unique,
        notifies: is_on(&["notify"]),
        promotion,
    }
}
