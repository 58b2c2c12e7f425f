//! A configuration as crmsh writes it; what is printed is valid input and reads back as the same configuration.

use super::object::NOT_PROMOTABLE;
use super::sets::print_in_role;
use super::token::quote;
use super::wide::{print_condition, print_rule, print_who};
use crate::config::shorthand::{Want, is_instance, is_part};
use crate::config::{
    Attributes, Config, Discovery, FencingTopology, InRole, LevelTarget, NodeConfig, OrderKind, PROMOTABLE, Primitive,
    RuledSet, Section, TicketConstraint,
};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Every object; objects in the order of their kinds, then of their ids.
pub fn print(config: &Config) -> String {
    keys(config).iter().filter_map(|key| object(config, key)).collect()
}

/// One object by its id, or by its keyword where there is one of it; `None` where there is none.
pub fn print_object(config: &Config, id: &str) -> Option<String> {
    object(config, &super::reference::find(config, id)?)
}

/// Every object of one kind, by its keyword; `None` where there is none.
pub fn print_kind(config: &Config, keyword: &str) -> Option<String> {
    let all = keys(config);
    let text: String =
        all.iter().filter(|key| key.keyword() == keyword).filter_map(|key| object(config, key)).collect();
    (!text.is_empty()).then_some(text)
}

/// Names an object; in the order of printing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Node(NodeId),
    Template(String),
    Primitive(ResourceId),
    Group(String),
    Clone(String),
    Tag(String),
    FencingTopology,
    Location(String),
    Colocation(String),
    Order(String),
    Ticket(String),
    Property,
    RscDefaults,
    OpDefaults,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Node(id) => id.as_str(),
            Self::Primitive(id) => id.as_str(),
            Self::Template(id) | Self::Group(id) | Self::Clone(id) | Self::Tag(id) => id,
            Self::Location(id) | Self::Colocation(id) | Self::Order(id) | Self::Ticket(id) => id,
            single => single.keyword(),
        }
    }

    pub(super) fn keyword(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Template(_) => "rsc_template",
            Self::Primitive(_) => "primitive",
            Self::Group(_) => "group",
            Self::Clone(_) => "clone",
            Self::Tag(_) => "tag",
            Self::FencingTopology => "fencing_topology",
            Self::Location(_) => "location",
            Self::Colocation(_) => "colocation",
            Self::Order(_) => "order",
            Self::Ticket(_) => "rsc_ticket",
            Self::Property => "property",
            Self::RscDefaults => "rsc_defaults",
            Self::OpDefaults => "op_defaults",
        }
    }
}

/// Every object that there is.
pub(super) fn keys(config: &Config) -> Vec<Key> {
    let mut keys: Vec<Key> = config.nodes.keys().cloned().map(Key::Node).collect();
    let wide = &config.shorthand;
    keys.extend(wide.templates.keys().cloned().map(Key::Template));
    let primitives: BTreeSet<&ResourceId> = config.primitives.keys().chain(wide.own.keys()).collect();
    keys.extend(primitives.into_iter().filter(|id| !is_instance(id)).cloned().map(Key::Primitive));
    let (clones, groups): (Vec<_>, Vec<_>) = wide.groups.iter().partition(|(_, group)| group.is_clone());
    keys.extend(groups.into_iter().map(|(id, _)| Key::Group(id.clone())));
    keys.extend(clones.into_iter().map(|(id, _)| Key::Clone(id.clone())));
    keys.extend(wide.tags.keys().cloned().map(Key::Tag));
    if !config.fencing_topology.is_empty() {
        keys.push(Key::FencingTopology);
    }
    keys.extend(both(&config.locations, &wide.locations).map(Key::Location));
    keys.extend(both(&config.colocations, &wide.colocations).map(Key::Colocation));
    keys.extend(both(&config.orders, &wide.orders).map(Key::Order));
    keys.extend(wide.tickets.keys().cloned().map(Key::Ticket));
    let sets = [
        (&config.properties, Key::Property),
        (&config.rsc_defaults, Key::RscDefaults),
        (&config.op_defaults, Key::OpDefaults),
    ];
    let is_there = |set: &Attributes, key: &Key| !set.is_empty() || !rules_of(config, key).is_empty();
    keys.extend(sets.into_iter().filter(|(set, key)| is_there(set, key)).map(|(_, key)| key));
    keys
}

/// The constraints of one kind that people wrote, by id.
fn both<P, W>(plain: &BTreeMap<String, P>, wide: &BTreeMap<String, W>) -> impl Iterator<Item = String> {
    let written = plain.keys().filter(|id| !is_part(id));
    let ids: BTreeSet<String> = written.chain(wide.keys()).cloned().collect();
    ids.into_iter()
}

/// One object's text, a line end at its end; `None` where there is none.
pub(super) fn object(config: &Config, key: &Key) -> Option<String> {
    let lines = match key {
        Key::Node(id) => node(id, config.nodes.get(id)?),
        Key::Template(id) => {
            let template = config.shorthand.templates.get(id)?;
            primitive(format!("rsc_template {id} {}", template.agent.text()), template)
        }
        Key::Primitive(id) => {
            let (template, written) = config.written(id)?;
            let agent = template.map_or_else(|| written.agent.text(), |template| format!("@{template}"));
            primitive(format!("primitive {id} {agent}"), written)
        }
        Key::Group(id) | Key::Clone(id) => {
            let group = config.shorthand.groups.get(id)?;
            let members: Vec<&str> = group.members.iter().map(ResourceId::as_str).collect();
            let mut lines = vec![format!("{} {id} {}", key.keyword(), members.join(" "))];
            let mut meta = group.meta.clone();
            // A clone says so by its keyword.
            meta.retain(|name, value| name != PROMOTABLE || value != NOT_PROMOTABLE);
            section(&mut lines, "meta", &meta);
            lines
        }
        Key::Tag(id) => vec![format!("tag {id} {}", config.shorthand.tags.get(id)?.join(" "))],
        Key::FencingTopology => fencing_topology(&config.fencing_topology)?,
        Key::Location(id) => location(config, id)?,
        Key::Colocation(id) => vec![colocation(config, id)?],
        Key::Order(id) => vec![order(config, id)?],
        Key::Ticket(id) => vec![ticket(id, config.shorthand.tickets.get(id)?)],
        Key::Property => set(key, &config.properties)?,
        Key::RscDefaults => return defaults(key, &config.rsc_defaults, &config.rsc_rules),
        Key::OpDefaults => return defaults(key, &config.op_defaults, &config.op_rules),
    };
    Some(lines.join(" \\\n\t") + "\n")
}

fn node(id: &NodeId, node: &NodeConfig) -> Vec<String> {
    let mut lines = vec![format!("node {id}")];
    section(&mut lines, "attributes", &node.attributes);
    section(&mut lines, "utilization", &node.utilization);
    lines
}

fn primitive(beginning: String, primitive: &Primitive) -> Vec<String> {
    let mut lines = vec![beginning];
    section(&mut lines, "params", &primitive.params);
    lines.extend(primitive.ruled.iter().filter(|set| set.section == Section::Params).map(ruled));
    section(&mut lines, "meta", &primitive.meta);
    lines.extend(primitive.ruled.iter().filter(|set| set.section == Section::Meta).map(ruled));
    section(&mut lines, "utilization", &primitive.utilization);
    for operation in &primitive.operations {
        let mut line = format!("op {}", operation.name);
        pairs(&mut line, &operation.attributes);
        lines.push(line);
    }
    lines
}

fn fencing_topology(rows: &[FencingTopology]) -> Option<Vec<String>> {
    if rows.is_empty() {
        return None;
    }
    let level = |devices: &Vec<ResourceId>| devices.iter().map(ResourceId::as_str).collect::<Vec<_>>().join(",");
    let row = |row: &FencingTopology| {
        let levels = row.levels.iter().map(level).collect::<Vec<_>>().join(" ");
        match &row.target {
            LevelTarget::Rest => levels,
            LevelTarget::Node(node) => format!("{node}: {levels}"),
            target => format!("{} {levels}", quote(&target.to_string())),
        }
    };
    let lines = std::iter::once(Key::FencingTopology.keyword().to_owned()).chain(rows.iter().map(row));
    Some(lines.collect())
}

fn location(config: &Config, id: &str) -> Option<Vec<String>> {
    if let Some(location) = config.locations.get(id) {
        let (score, node) = (location.score, &location.node);
        let role = role_option(location.role) + &discovery_option(location.discovery);
        return Some(vec![format!("location {id} {}{role} {score}: {node}", location.resource)]);
    }
    let location = config.shorthand.locations.get(id)?;
    let who = print_who(&location.who) + &role_option(location.role) + &discovery_option(location.discovery);
    Some(match &location.want {
        Want::Node(score, node) => vec![format!("location {id} {who} {score}: {node}")],
        Want::Rules(rules) => {
            let beginning = format!("location {id} {who}");
            match rules.as_slice() {
                [rule] => vec![format!("{beginning} {}", print_rule(rule))],
                rules => std::iter::once(beginning).chain(rules.iter().map(print_rule)).collect(),
            }
        }
    })
}

fn colocation(config: &Config, id: &str) -> Option<String> {
    if let Some(colocation) = config.colocations.get(id) {
        let score = colocation.score;
        let resource = print_in_role(&colocation.resource, colocation.role);
        let with = print_in_role(&colocation.with, colocation.with_role);
        return Some(format!("colocation {id} {score}: {resource} {with}"));
    }
    let colocation = config.shorthand.colocations.get(id)?;
    Some(format!("colocation {id} {}: {}", colocation.score, super::sets::print(&colocation.sets)))
}

fn order(config: &Config, id: &str) -> Option<String> {
    let (kind, symmetrical, what) = match config.orders.get(id) {
        Some(order) if order.is_of_starts() => {
            (order.kind, order.symmetrical, format!("{} {}", order.first, order.then))
        }
        Some(order) => {
            let (first, then) = (order.first_task.word(), order.then_task.word());
            (order.kind, order.symmetrical, format!("{}:{first} {}:{then}", order.first, order.then))
        }
        None => {
            let order = config.shorthand.orders.get(id)?;
            (order.kind, order.symmetrical, super::sets::print(&order.sets))
        }
    };
    let word = match kind {
        OrderKind::Mandatory => "Mandatory",
        OrderKind::Optional => "Optional",
        OrderKind::Serialize => "Serialize",
    };
    let line = format!("order {id} {word}: {what}");
    Some(match symmetrical {
        symmetrical if symmetrical == kind.is_symmetrical_by_default() => line,
        symmetrical => format!("{line} symmetrical={symmetrical}"),
    })
}

fn ticket(id: &str, constraint: &TicketConstraint) -> String {
    let resources = constraint.resources.iter().map(|(resource, role)| print_in_role(resource, *role));
    let line = format!("rsc_ticket {id} {}: {}", constraint.ticket, resources.collect::<Vec<_>>().join(" "));
    match constraint.loss {
        Some(policy) => format!("{line} loss-policy={}", policy.word()),
        None => line,
    }
}

fn discovery_option(discovery: Discovery) -> String {
    match discovery {
        Discovery::Always => String::new(),
        other => format!(" resource-discovery={}", other.word()),
    }
}

fn role_option(role: Option<InRole>) -> String {
    role.map(|role| format!(" role={}", role.word())).unwrap_or_default()
}

/// One pair on each line.
fn set(key: &Key, attributes: &Attributes) -> Option<Vec<String>> {
    let lines =
        std::iter::once(key.keyword().to_owned()).chain(attributes.iter().map(|(name, value)| pair(name, value)));
    (!attributes.is_empty()).then(|| lines.collect())
}

fn rules_of<'c>(config: &'c Config, key: &Key) -> &'c [RuledSet] {
    match key {
        Key::RscDefaults => &config.rsc_rules,
        Key::OpDefaults => &config.op_rules,
        _ => &[],
    }
}

/// A statement for what always holds, and one for each set with a rule or a score.
fn defaults(key: &Key, plain: &Attributes, rules: &[RuledSet]) -> Option<String> {
    let keyword = key.keyword();
    let mut text = String::new();
    if let Some(lines) = set(key, plain) {
        text += &(lines.join(" \\\n\t") + "\n");
    }
    for one in rules {
        text += &format!("{keyword}{}\n", ruled(one).trim_start_matches(one.section.word()));
    }
    (!text.is_empty()).then_some(text)
}

/// `params 3: rule EXPRESSION NAME=VALUE…`
fn ruled(set: &RuledSet) -> String {
    let mut line = set.section.word().to_owned();
    if set.score != Score::ZERO {
        line += &format!(" {}:", set.score);
    }
    if let Some(rule) = &set.rule {
        line += &format!(" rule {}", print_condition(rule));
    }
    for (name, value) in &set.pairs {
        let quoted = super::date::takes(name);
        line += &if quoted { format!(" \"{name}\"={}", quote(value)) } else { format!(" {}", pair(name, value)) };
    }
    line
}

fn section(lines: &mut Vec<String>, name: &str, attributes: &Attributes) {
    if !attributes.is_empty() {
        let mut line = name.to_owned();
        pairs(&mut line, attributes);
        lines.push(line);
    }
}

fn pairs(line: &mut String, attributes: &Attributes) {
    for (name, value) in attributes {
        write!(line, " {}", pair(name, value)).expect("a String takes all that is written");
    }
}

fn pair(name: &str, value: &str) -> String {
    // At the beginning of a line a bare # would begin a comment.
    match name.starts_with('#') {
        true => format!("\"{name}\"={}", quote(value)),
        false => format!("{name}={}", quote(value)),
    }
}
