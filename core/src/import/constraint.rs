//! `<constraints>`

use super::operation::has;
use super::{Element, Fate, Import};
use crate::cib;
use crate::config::shorthand::{Want, Who, WideLocation};
use crate::config::{Colocation, Location, Order, OrderKind, boolean};
use crate::grammar::{SINGLE_OBJECTS, is_id};
use crate::id::{NodeId, ResourceId};
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
                "rsc_ticket" => Err(("there are no tickets here".to_owned(), "")),
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
        let who = self.who(id, element)?;
        self.started(element, "role")?;
        self.discovery(id, element);
        if has(element, "rule") {
            let want = Want::Rules(self.rules(element)?);
            self.config.shorthand.locations.insert(id.to_owned(), WideLocation { who, want });
            return Ok(());
        }
        let score = self.attribute(element, "score").map_or(Score::INFINITY, cib::score);
        let node = self.attribute(element, "node").filter(|node| is_id(node));
        let node = NodeId::from(node.ok_or(("it names no node that can be here".to_owned(), ""))?);
        match who {
            Who::One(name) => {
                let location = Location { resource: ResourceId::new(name), score, node };
                self.config.locations.insert(id.to_owned(), location);
            }
            who => {
                let location = WideLocation { who, want: Want::Node(score, node) };
                self.config.shorthand.locations.insert(id.to_owned(), location);
            }
        }
        Ok(())
    }

    fn who(&mut self, id: &str, element: Element<'a>) -> Result<Who, Refusal> {
        if let Some(pattern) = self.attribute(element, "rsc-pattern") {
            if pattern.is_empty() || regex_lite::Regex::new(pattern.trim_start_matches('!')).is_err() {
                return Err((format!("its pattern {pattern:?} is no regular expression here"), "write a simpler one"));
            }
            return Ok(Who::Pattern(pattern.to_owned()));
        }
        if has(element, "resource_set") {
            let sets = self.sets(id, element)?;
            let members: Vec<String> = sets.into_iter().flat_map(|set| set.members).collect();
            return if members.is_empty() {
                Err(("nothing is left of its set".to_owned(), ""))
            } else {
                Ok(Who::Set(members))
            };
        }
        let rsc = self.attribute(element, "rsc");
        Ok(Who::One(self.known(rsc)?.to_string()))
    }

    /// Where a resource is looked for is not for a constraint to say.
    fn discovery(&mut self, id: &str, element: Element<'a>) {
        match self.attribute(element, "resource-discovery") {
            None | Some("always") => {}
            Some(other) => {
                let what = format!("resource-discovery={other} has no effect: every node is looked at, for safety");
                let mend =
                    if other == "exclusive" { "forbid the other nodes: `location ID RSC -inf: NODE`" } else { "" };
                self.tell(Fate::Changed, id, element, what, mend);
            }
        }
    }

    /// The only role there is here.
    pub(super) fn started(&mut self, element: Element<'a>, name: &'static str) -> Result<(), Refusal> {
        match self.attribute(element, name) {
            None => Ok(()),
            Some(role) if role.eq_ignore_ascii_case("started") => Ok(()),
            Some(role) => Err((format!("{name}={role}: roles are not supported"), "")),
        }
    }

    fn colocation(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        if has(element, "resource_set") {
            return self.colocation_of_sets(id, element);
        }
        let (rsc, with) = (self.attribute(element, "rsc"), self.attribute(element, "with-rsc"));
        let (resource, with) = (self.known(rsc)?, self.known(with)?);
        self.started(element, "rsc-role")?;
        self.started(element, "with-rsc-role")?;
        if self.attribute(element, "node-attribute").is_some_and(|name| name != "#uname") {
            return Err(("colocations by a node attribute are not supported".to_owned(), ""));
        }
        self.influence(id, element);
        let score = self.attribute(element, "score").map_or(Score::INFINITY, cib::score);
        self.config.colocations.insert(id.to_owned(), Colocation { score, resource, with });
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
        let first_action = self.attribute(element, "first-action").unwrap_or("start");
        let then_action = self.attribute(element, "then-action").unwrap_or(first_action);
        if (first_action, then_action) != ("start", "start") {
            let what = format!("{first_action} then {then_action}: only starts are ordered, and their stops");
            return Err((what, "write it as an order of starts, where that is what is meant"));
        }
        // Of one resource all are required anyway.
        self.attribute(element, "require-all");
        let (kind, symmetrical) = self.order_kind(id, element);
        self.config.orders.insert(id.to_owned(), Order { kind, first, then, symmetrical });
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
