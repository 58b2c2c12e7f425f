//! A configuration as crmsh writes it; what is printed is valid input and reads back as the same configuration.

use super::token::quote;
use crate::config::{Attributes, Config, FencingTopology, NodeConfig, Order, OrderKind, Primitive};
use crate::id::{NodeId, ResourceId};
use std::fmt::Write;

/// Every object; objects in the order of their kinds, then of their ids.
pub fn print(config: &Config) -> String {
    keys(config).iter().filter_map(|key| object(config, key)).collect()
}

/// One object by its id, or by its keyword where there is one of it; `None` where there is none.
pub fn print_object(config: &Config, id: &str) -> Option<String> {
    object(config, &super::reference::find(config, id)?)
}

/// Names an object; in the order of printing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Node(NodeId),
    Primitive(ResourceId),
    FencingTopology,
    Location(String),
    Colocation(String),
    Order(String),
    Property,
    RscDefaults,
    OpDefaults,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Node(id) => id.as_str(),
            Self::Primitive(id) => id.as_str(),
            Self::Location(id) | Self::Colocation(id) | Self::Order(id) => id,
            single => single.keyword(),
        }
    }

    pub(super) fn keyword(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Primitive(_) => "primitive",
            Self::FencingTopology => "fencing_topology",
            Self::Location(_) => "location",
            Self::Colocation(_) => "colocation",
            Self::Order(_) => "order",
            Self::Property => "property",
            Self::RscDefaults => "rsc_defaults",
            Self::OpDefaults => "op_defaults",
        }
    }
}

/// Every object that there is.
pub(super) fn keys(config: &Config) -> Vec<Key> {
    let mut keys: Vec<Key> = config.nodes.keys().cloned().map(Key::Node).collect();
    keys.extend(config.primitives.keys().cloned().map(Key::Primitive));
    if !config.fencing_topology.is_empty() {
        keys.push(Key::FencingTopology);
    }
    keys.extend(config.locations.keys().cloned().map(Key::Location));
    keys.extend(config.colocations.keys().cloned().map(Key::Colocation));
    keys.extend(config.orders.keys().cloned().map(Key::Order));
    let sets = [
        (&config.properties, Key::Property),
        (&config.rsc_defaults, Key::RscDefaults),
        (&config.op_defaults, Key::OpDefaults),
    ];
    keys.extend(sets.into_iter().filter(|(set, _)| !set.is_empty()).map(|(_, key)| key));
    keys
}

/// One object's text, a line end at its end; `None` where there is none.
pub(super) fn object(config: &Config, key: &Key) -> Option<String> {
    let lines = match key {
        Key::Node(id) => node(id, config.nodes.get(id)?),
        Key::Primitive(id) => primitive(id, config.primitives.get(id)?),
        Key::FencingTopology => fencing_topology(&config.fencing_topology)?,
        Key::Location(id) => {
            let location = config.locations.get(id)?;
            vec![format!("location {id} {} {}: {}", location.resource, location.score, location.node)]
        }
        Key::Colocation(id) => {
            let colocation = config.colocations.get(id)?;
            let (score, resource, with) = (colocation.score, &colocation.resource, &colocation.with);
            vec![format!("colocation {id} {score}: {resource} {with}")]
        }
        Key::Order(id) => vec![order(id, config.orders.get(id)?)],
        Key::Property => set(key, &config.properties)?,
        Key::RscDefaults => set(key, &config.rsc_defaults)?,
        Key::OpDefaults => set(key, &config.op_defaults)?,
    };
    Some(lines.join(" \\\n\t") + "\n")
}

fn node(id: &NodeId, node: &NodeConfig) -> Vec<String> {
    let mut lines = vec![format!("node {id}")];
    section(&mut lines, "attributes", &node.attributes);
    section(&mut lines, "utilization", &node.utilization);
    lines
}

fn primitive(id: &ResourceId, primitive: &Primitive) -> Vec<String> {
    let mut lines = vec![format!("primitive {id} {}", primitive.agent.text())];
    section(&mut lines, "params", &primitive.params);
    section(&mut lines, "meta", &primitive.meta);
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
        match &row.node {
            Some(node) => format!("{node}: {levels}"),
            None => levels,
        }
    };
    let lines = std::iter::once(Key::FencingTopology.keyword().to_owned()).chain(rows.iter().map(row));
    Some(lines.collect())
}

fn order(id: &str, order: &Order) -> String {
    let kind = match order.kind {
        OrderKind::Mandatory => "Mandatory",
        OrderKind::Optional => "Optional",
        OrderKind::Serialize => "Serialize",
    };
    let line = format!("order {id} {kind}: {} {}", order.first, order.then);
    match order.symmetrical {
        symmetrical if symmetrical == order.kind.is_symmetrical_by_default() => line,
        symmetrical => format!("{line} symmetrical={symmetrical}"),
    }
}

/// One pair on each line.
fn set(key: &Key, attributes: &Attributes) -> Option<Vec<String>> {
    let lines =
        std::iter::once(key.keyword().to_owned()).chain(attributes.iter().map(|(name, value)| pair(name, value)));
    (!attributes.is_empty()).then(|| lines.collect())
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
