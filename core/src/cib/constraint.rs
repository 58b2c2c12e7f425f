//! `<constraints>`: locations, colocations and orders of single resources; sets are in `set`.

use super::dom::{flag, named, score, text};
use super::rule::{Scene, holds};
use super::{Element, Reader, value};
use crate::scheduler::{Colocation, Kind, Location, Order, OrderEnd, OrderForce, Role, RscIx, Task};
use crate::score::Score;

impl<'a> Reader<'a> {
    pub(super) fn read_constraints(&mut self) {
        let section = self.section(&["configuration", "constraints"]).into_iter();
        for element in section.flat_map(|section| section.children()).filter(roxmltree::Node::is_element) {
            match element.tag_name().name() {
                "rsc_location" => self.read_location(element),
                "rsc_colocation" => self.read_colocation(element),
                "rsc_order" => self.read_order(element),
                "rsc_ticket" => self.read_ticket(element),
                // `schema` tells what does not belong here.
                _ => {}
            }
        }
        self.bind_to_containers();
        self.keep_off_remotes();
        self.sort_colocations();
    }

    /// What an id in a constraint stands for: a resource, or all of a tag or template. What is not there is no mistake:
    /// Pacemaker leaves such a constraint out, and so does this, with a warning.
    pub(super) fn named_resources(&mut self, id: &str) -> Vec<RscIx> {
        if let Some(rsc) = self.resources.get(id) {
            return vec![*rsc];
        }
        if let Some(members) = self.tags.get(id).cloned() {
            return members.iter().filter_map(|member| self.resources.get(member).copied()).collect();
        }
        self.model.warnings.push(format!("a constraint names {id}, and there is no such resource: it is left out"));
        Vec::new()
    }

    fn read_location(&mut self, element: Element<'a>) {
        if let Some(name) = element.attribute("node").filter(|name| !self.nodes.contains_key(*name)) {
            let id = text(element, "id");
            let what = format!("{id}: it is about node {name}, and there is no such node: this location says nothing");
            self.model.warnings.push(what);
        }
        let mut concerned = Vec::new();
        if let Some(id) = element.attribute("rsc") {
            concerned.extend(self.named_resources(id).into_iter().map(|rsc| (rsc, None)));
        }
        if let Some(pattern) = element.attribute("rsc-pattern") {
            concerned.extend(self.matching(element, pattern).into_iter().map(|rsc| (rsc, None)));
        }
        for set in named(element, "resource_set").map(|set| self.resolve(set)).collect::<Vec<_>>() {
            let role = set.attribute("role").and_then(value::role);
            for id in named(set, "resource_ref").map(|member| text(member, "id")).collect::<Vec<_>>() {
                concerned.extend(self.named_resources(id).into_iter().map(|rsc| (rsc, role)));
            }
        }
        let role = element.attribute("role").and_then(value::role);
        for (rsc, set_role) in concerned {
            self.place(element, rsc, role.or(set_role));
        }
    }

    /// Resources whose ids a pattern fits: `!` before it turns it round.
    fn matching(&mut self, element: Element<'a>, pattern: &str) -> Vec<RscIx> {
        let (is_inverted, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        let Ok(regex) = regex_lite::Regex::new(pattern) else {
            self.problem(element, format!("rsc-pattern {pattern:?} is no regular expression"));
            return Vec::new();
        };
        let top = self.model.top.clone().into_iter();
        top.filter(|rsc| regex.is_match(&self.model.resources[*rsc].id) != is_inverted).collect()
    }

    fn place(&mut self, element: Element<'a>, rsc: RscIx, role: Option<Role>) {
        let discovery = element.attribute("resource-discovery");
        if let Some(name) = element.attribute("node") {
            let Some(&node) = self.nodes.get(name) else { return };
            let score = score(element, "score", Score::INFINITY);
            self.prefer(rsc, &[(node, score)], role, discovery);
        }
        let now = self.model.options.now;
        let rules: Vec<Element<'a>> = named(element, "rule").map(|rule| self.resolve(rule)).collect();
        if rules.is_empty() {
            return;
        }
        let (params, meta) = (self.params.get(&rsc).cloned(), self.meta.get(&rsc).cloned());
        for rule in rules {
            let role = rule.attribute("role").and_then(value::role).or(role);
            let mut wanted = Vec::new();
            for (ix, node) in self.model.nodes.iter().enumerate() {
                let scene = Scene {
                    now,
                    node: Some(&node.attributes),
                    params: params.as_ref(),
                    meta: meta.as_ref(),
                    ..Scene::default()
                };
                if !holds(rule, &scene) {
                    continue;
                }
                let by_attribute =
                    |name: &str| node.attributes.get(name).map_or(Score::NEG_INFINITY, |text| value::score(text));
                let score = match rule.attribute("score-attribute") {
                    Some(name) => by_attribute(name),
                    None => score(rule, "score", Score::INFINITY),
                };
                wanted.push((ix, score));
            }
            self.prefer(rsc, &wanted, role, discovery);
        }
    }

    /// Applies a preference: to the scores, or for a role.
    fn prefer(&mut self, rsc: RscIx, wanted: &[(usize, Score)], role: Option<Role>, discovery: Option<&str>) {
        if let Some(role) = role.filter(|role| *role > Role::Started) {
            let rsc = self.model.bundles.contents.get(&rsc).copied().flatten().unwrap_or(rsc);
            let locations =
                wanted.iter().map(|(node, score)| Location { resource: rsc, node: *node, score: *score, role });
            self.model.locations.extend(locations);
            return;
        }
        if discovery == Some("exclusive") {
            let nodes = wanted.iter().map(|(node, _)| *node);
            self.model.resources[rsc].discovered_on.get_or_insert_default().extend(nodes);
        }
        if discovery == Some("never") && !self.model.remotes.connections.is_empty() {
            let nodes = wanted.iter().map(|(node, _)| *node);
            self.model.remotes.undiscovered.entry(rsc).or_default().extend(nodes);
        }
        for (node, score) in wanted {
            self.prefer_node(rsc, *node, *score, false);
        }
    }

    /// The first member of a group that stays together stands for all: the others are only told that the node counts.
    pub(super) fn prefer_node(&mut self, rsc: RscIx, node: usize, score: Score, is_second: bool) {
        if self.model.bundles.replica_of(rsc).is_some() && !self.model.placed_parts(rsc).contains(&rsc) {
            return;
        }
        self.model.resources[rsc].scores.add(node, if is_second { Score::ZERO } else { score });
        let is_colocated = matches!(&self.model.resources[rsc].kind, Kind::Group(group) if group.is_colocated);
        for (place, child) in self.model.children(rsc).to_vec().into_iter().enumerate() {
            self.prefer_node(child, node, score, is_second || (is_colocated && place > 0));
        }
    }

    fn read_colocation(&mut self, element: Element<'a>) {
        let given = score(element, "score", Score::INFINITY);
        let influence = flag(element, "influence").unwrap_or(true);
        if named(element, "resource_set").next().is_some() {
            self.read_colocation_sets(element, given, influence);
            return;
        }
        let role = |name: &str| element.attribute(name).and_then(value::role).filter(|role| *role != Role::Started);
        let (followers, followed) = (text(element, "rsc"), text(element, "with-rsc"));
        let (followers, followed) = (self.named_resources(followers), self.named_resources(followed));
        for resource in followers {
            for with in &followed {
                self.colocate(Colocation {
                    id: text(element, "id").to_owned(),
                    score: given,
                    resource,
                    with: *with,
                    role: role("rsc-role"),
                    with_role: role("with-rsc-role"),
                    attribute: element.attribute("node-attribute").map(ToOwned::to_owned),
                    influence,
                });
            }
        }
    }

    pub(super) fn colocate(&mut self, mut colocation: Colocation) {
        // In a clone that nobody promotes no role is asked for.
        let with = self.model.bundles.contents.get(&colocation.with).copied().flatten().unwrap_or(colocation.with);
        if let Kind::Clone(spec) = &self.model.resources[with].kind
            && spec.promotion.is_none()
        {
            colocation.with_role = None;
        }
        if colocation.score != Score::ZERO && colocation.resource != colocation.with {
            self.model.colocations.push(colocation);
        }
    }

    /// Tells every resource which colocations it is in: the strongest first, then by name.
    fn sort_colocations(&mut self) {
        for rsc in 0..self.model.resources.len() {
            if let Kind::Group(group) = &self.model.resources[rsc].kind
                && group.is_colocated
            {
                for pair in group.members.clone().windows(2) {
                    self.model.colocations.push(Colocation {
                        id: "#group-members".to_owned(),
                        score: Score::INFINITY,
                        resource: pair[1],
                        with: pair[0],
                        role: None,
                        with_role: None,
                        attribute: None,
                        influence: true,
                    });
                }
            }
        }
        for (ix, colocation) in self.model.colocations.iter().enumerate() {
            self.model.resources[colocation.resource].follows.push(ix);
            self.model.resources[colocation.with].followed.push(ix);
        }
    }

    fn read_order(&mut self, element: Element<'a>) {
        let force = match element.attribute("kind").map(str::to_ascii_lowercase).as_deref() {
            Some("optional") => OrderForce::Optional,
            Some("serialize") => OrderForce::Serialize,
            Some(_) => OrderForce::Mandatory,
            None if score(element, "score", Score::INFINITY) > Score::ZERO => OrderForce::Mandatory,
            None => OrderForce::Optional,
        };
        let is_symmetrical = flag(element, "symmetrical").unwrap_or(force != OrderForce::Serialize);
        if named(element, "resource_set").next().is_some() {
            self.read_order_sets(element, force, is_symmetrical);
            return;
        }
        let first_action = element.attribute("first-action").unwrap_or("start");
        let then_action = element.attribute("then-action").unwrap_or(first_action);
        let (Some(first_task), Some(then_task)) = (task(first_action), task(then_action)) else {
            self.problem(
                element,
                format!("{first_action:?} then {then_action:?}: actions are start, stop, promote, demote"),
            );
            return;
        };
        let (firsts, thens) =
            (self.named_resources(text(element, "first")), self.named_resources(text(element, "then")));
        for first in firsts {
            for then in &thens {
                self.model.orders.push(Order {
                    id: text(element, "id").to_owned(),
                    first: OrderEnd { resource: first, task: first_task },
                    then: OrderEnd { resource: *then, task: then_task },
                    force,
                    is_symmetrical,
                    requires_all: flag(element, "require-all").unwrap_or(true),
                });
            }
        }
    }
}

/// An action of an order, by its name.
pub(super) fn task(name: &str) -> Option<Task> {
    match name {
        "start" => Some(Task::Start),
        "stop" => Some(Task::Stop),
        "promote" => Some(Task::Promote),
        "demote" => Some(Task::Demote),
        _ => None,
    }
}
