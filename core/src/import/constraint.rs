//! `<constraints>`

use super::operation::has;
use super::{Element, Fate, Import};
use crate::cib;
use crate::config::shorthand::{Want, Who, WideLocation};
use crate::config::{Colocation, Discovery, InRole, Location, Order, OrderKind, OrderTask, boolean};
use crate::grammar::{SINGLE_OBJECTS, is_id};
use crate::id::{NodeId, ResourceId};
use crate::rule::Test;
use crate::score::Score;
use roxmltree::Node;

impl<'a> Import<'a, '_> {
    pub(super) fn constraints(&mut self, section: Element<'a>) {
        for element in section.children().filter(Node::is_element) {
            self.see(element);
            let id = element.attribute("id").unwrap_or_default();
            if !is_id(id) || SINGLE_OBJECTS.contains(&id) {
                self.lose(id, element, "this cannot be an id here", "rename it");
                continue;
            }
            let read = match element.tag_name().name() {
                "rsc_location" => self.location(id, element),
                "rsc_colocation" => self.colocation(id, element),
                "rsc_order" => self.order(id, element),
                "rsc_ticket" => self.ticket(id, element),
                other => Err((format!("<{other}> is no constraint"), "")),
            };
            if let Err((what, mend)) = read {
                self.lose(id, element, what, mend);
            }
        }
    }

    /// A resource, group, template or tag that is there by now.
    pub(super) fn known(&mut self, name: Option<&str>) -> Result<ResourceId, Refusal> {
        let name = name.ok_or(("it names no resource".to_owned(), ""))?;
        let wide = &self.config.shorthand;
        let is_there = self.config.primitives.contains_key(&ResourceId::from(name))
            || wide.groups.contains_key(name)
            || wide.tags.contains_key(name)
            || wide.templates.contains_key(name);
        match is_there {
            true => Ok(ResourceId::from(name)),
            false if self.ids.contains_key(name) => Err((format!("it names {name}, which was left out"), "")),
            false => Err((format!("it names {name}, which is not in this configuration"), "")),
        }
    }

    fn location(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        let (who, set_role) = self.who(id, element)?;
        let role = self.role(element, "role")?.or(set_role);
        let discovery = self.discovery(id, element)?;
        if has(element, "rule") {
            let rules = self.rules(element)?;
            let is_of_defaults = |test: &Test| matches!(test, Test::Agent { .. } | Test::Operation { .. });
            if rules.iter().flat_map(|rule| &rule.tests).any(is_of_defaults) {
                return Err(("its rule asks what only defaults may ask".to_owned(), ""));
            }
            let (want, discovery) = (Want::Rules(rules), Discovery::Always);
            self.config.shorthand.locations.insert(id.to_owned(), WideLocation { who, want, role, discovery });
            return Ok(());
        }
        let score = self.attribute(element, "score").map_or(Score::INFINITY, cib::score);
        let node = self.attribute(element, "node").filter(|node| is_id(node));
        let node = NodeId::from(node.ok_or(("it names no node that can be here".to_owned(), ""))?);
        match who {
            Who::One(name) => {
                let location = Location { resource: ResourceId::new(name), score, node, role, discovery };
                self.config.locations.insert(id.to_owned(), location);
            }
            who => {
                let location = WideLocation { who, want: Want::Node(score, node), role, discovery };
                self.config.shorthand.locations.insert(id.to_owned(), location);
            }
        }
        Ok(())
    }

    fn who(&mut self, id: &str, element: Element<'a>) -> Result<(Who, Option<InRole>), Refusal> {
        if let Some(pattern) = self.attribute(element, "rsc-pattern") {
            if pattern.is_empty() || regex_lite::Regex::new(pattern.trim_start_matches('!')).is_err() {
                return Err((format!("its pattern {pattern:?} is no regular expression here"), "write a simpler one"));
            }
            return Ok((Who::Pattern(pattern.to_owned()), None));
        }
        if has(element, "resource_set") {
            let sets = self.sets(id, element)?;
            let role = sets.first().and_then(|set| set.role);
            if sets.iter().any(|set| set.role != role) {
                return Err(("its sets are of several roles".to_owned(), "write one location for each role"));
            }
            let members: Vec<String> = sets.into_iter().flat_map(|set| set.members).collect();
            return if members.is_empty() {
                Err(("nothing is left of its set".to_owned(), ""))
            } else {
                Ok((Who::Set(members), role))
            };
        }
        let rsc = self.attribute(element, "rsc");
        Ok((Who::One(self.known(rsc)?.to_string()), None))
    }

    /// Where a resource is looked for; a rule says it of no node.
    fn discovery(&mut self, id: &str, element: Element<'a>) -> Result<Discovery, Refusal> {
        let Some(said) = self.attribute(element, "resource-discovery") else { return Ok(Discovery::Always) };
        let read = Discovery::read(said);
        let discovery = read.ok_or_else(|| (format!("resource-discovery={said} is nothing that it can be"), ""))?;
        if discovery != Discovery::Always && has(element, "rule") {
            let what = format!("resource-discovery={said} has no effect beside a rule: every node is looked at");
            let mend = match discovery {
                Discovery::Exclusive => {
                    "write `location ID RSC resource-discovery=exclusive SCORE: NODE` for each node"
                }
                _ => "write `location ID RSC resource-discovery=never -inf: NODE` for each node",
            };
            self.tell(Fate::Changed, id, element, what, mend);
            return Ok(Discovery::Always);
        }
        Ok(discovery)
    }

    /// A role by its name of today or of before; nothing for whatever runs.
    pub(super) fn role(&mut self, element: Element<'a>, name: &'static str) -> Result<Option<InRole>, Refusal> {
        let Some(role) = self.attribute(element, name) else { return Ok(None) };
        InRole::read(role)
            .ok_or_else(|| (format!("{name}={role}: this is no role that a constraint can name here"), ""))
    }

    /// What an order is about.
    pub(super) fn task(&mut self, element: Element<'a>, name: &'static str) -> Result<Option<OrderTask>, Refusal> {
        let Some(task) = self.attribute(element, name) else { return Ok(None) };
        match OrderTask::read(task) {
            Some(task) => Ok(Some(task)),
            None => Err((format!("{name}={task}: this is no action of an order"), "")),
        }
    }

    fn colocation(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        if has(element, "resource_set") {
            return self.colocation_of_sets(id, element);
        }
        let (rsc, with) = (self.attribute(element, "rsc"), self.attribute(element, "with-rsc"));
        let (resource, with) = (self.known(rsc)?, self.known(with)?);
        let (role, with_role) = (self.role(element, "rsc-role")?, self.role(element, "with-rsc-role")?);
        if self.attribute(element, "node-attribute").is_some_and(|name| name != "#uname") {
            return Err(("colocations by a node attribute are not supported".to_owned(), ""));
        }
        self.influence(id, element);
        let score = self.attribute(element, "score").map_or(Score::INFINITY, cib::score);
        self.config.colocations.insert(id.to_owned(), Colocation { score, resource, with, role, with_role });
        Ok(())
    }

    pub(super) fn influence(&mut self, id: &str, element: Element<'a>) {
        if let Some(influence) = self.attribute(element, "influence").filter(|it| boolean(it) == Some(false)) {
            let what = format!("influence={influence} has no effect: what follows is heard where the other goes");
            self.tell(Fate::Changed, id, element, what, "");
        }
    }

    fn order(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        if has(element, "resource_set") {
            return self.order_of_sets(id, element);
        }
        let (first, then) = (self.attribute(element, "first"), self.attribute(element, "then"));
        let (first, then) = (self.known(first)?, self.known(then)?);
        let first_task = self.task(element, "first-action")?.unwrap_or_default();
        let then_task = self.task(element, "then-action")?.unwrap_or(first_task);
        // Of one resource all are required anyway.
        self.attribute(element, "require-all");
        let (kind, symmetrical) = self.order_kind(id, element);
        let order = Order { kind, first, then, symmetrical, requires_all: true, first_task, then_task };
        self.config.orders.insert(id.to_owned(), order);
        Ok(())
    }

    /// How binding an order is, and whether it has a reverse.
    pub(super) fn order_kind(&mut self, id: &str, element: Element<'a>) -> (OrderKind, bool) {
        let score = self.attribute(element, "score").map(cib::score);
        let kind = match self.attribute(element, "kind").map(str::to_ascii_lowercase).as_deref() {
            Some("optional") => OrderKind::Optional,
            Some("serialize") => OrderKind::Serialize,
            None if score.is_some_and(|score| score <= Score::ZERO) => OrderKind::Optional,
            _ => OrderKind::Mandatory,
        };
        let mut symmetrical = kind.is_symmetrical_by_default();
        if let Some(told) = self.attribute(element, "symmetrical").and_then(boolean) {
            match kind {
                OrderKind::Serialize if told => {
                    self.tell(Fate::Changed, id, element, "symmetrical: a Serialize order has no reverse", "");
                }
                _ => symmetrical = told,
            }
        }
        (kind, symmetrical)
    }
}

/// What it is that cannot be taken, and how to mend it.
pub(super) type Refusal = (String, &'static str);
