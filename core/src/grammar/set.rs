//! `set ID.NAME VALUE` and `delete ID.NAME`: one value within an object.

use super::apply::unknown;
use super::error::EditError;
use super::print::Key;
use super::reference::find;
use super::{duration, is_attribute_name};
use crate::config::{
    Attributes, Colocation, Config, Discovery, InRole, Location, MetaError, Operation, Order, OrderKind, OrderTask,
    Primitive, ResourceMeta,
};
use crate::config::{NodeConfig, PROMOTABLE, boolean};
use crate::id::ResourceId;

/// `set PATH VALUE`
pub(super) fn set(config: &mut Config, line: u32, path: &str, value: String) -> Result<(), EditError> {
    let (key, name) = split(config, line, path)?;
    let place = place(config, line, &key, name)?;
    match place {
        Place::In(attributes, name) => _ = attributes.insert(name.to_owned(), value),
        Place::Location(location) => set_location(location, line, name, &value)?,
        Place::Colocation(colocation) => set_colocation(colocation, line, name, &value)?,
        Place::Order(order) => set_order(order, line, name, &value)?,
    }
    Ok(())
}

/// `delete PATH`
pub(super) fn unset(config: &mut Config, line: u32, path: &str) -> Result<(), EditError> {
    let (key, name) = split(config, line, path)?;
    match place(config, line, &key, name)? {
        Place::In(attributes, name) if attributes.contains_key(name) => _ = attributes.remove(name),
        Place::In(..) => {
            let hint = format!("`show {}` lists what it has", key.id());
            return Err(EditError::new(line, format!("'{}' has no {name}", key.id()), hint));
        }
        _ => {
            let message = format!("{} '{}' cannot be without {name}", key.keyword(), key.id());
            return Err(EditError::new(line, message, format!("`delete {}` takes out all of it", key.id())));
        }
    }
    Ok(())
}

enum Place<'c, 'p> {
    In(&'c mut Attributes, &'p str),
    Location(&'c mut Location),
    Colocation(&'c mut Colocation),
    Order(&'c mut Order),
}

/// The object with the longest id that the path begins with, and what follows the dot.
fn split<'p>(config: &Config, line: u32, path: &'p str) -> Result<(Key, &'p str), EditError> {
    let single = |id: &str| match id {
        "property" | "cib-bootstrap-options" => Some(Key::Property),
        "rsc_defaults" | "rsc-options" => Some(Key::RscDefaults),
        "op_defaults" | "op-options" => Some(Key::OpDefaults),
        _ => None,
    };
    let mut dots = path.rmatch_indices('.').map(|(dot, _)| (&path[..dot], &path[dot + 1..]));
    let found = dots.find_map(|(id, name)| Some((find(config, id).or_else(|| single(id))?, name)));
    found.ok_or_else(|| {
        let id = path.split('.').next().unwrap_or(path);
        unknown(config, line, id)
    })
}

fn place<'c, 'p>(config: &'c mut Config, line: u32, key: &Key, name: &'p str) -> Result<Place<'c, 'p>, EditError> {
    let gone = || EditError::new(line, format!("there is no '{}'", key.id()), "`show` lists what there is");
    if !is_attribute_name(name) {
        let message = format!("'{name}' cannot be the name of an attribute");
        return Err(EditError::new(line, message, "write set ID.[OP.][INTERVAL.]NAME VALUE"));
    }
    match key {
        Key::Node(id) => {
            let node = config.nodes.get_mut(id).ok_or_else(gone)?;
            Ok(Place::In(in_node(node, name), name))
        }
        Key::Primitive(id) => {
            let primitive = config.written_mut(id).ok_or_else(gone)?;
            in_primitive(primitive, id, line, name)
        }
        Key::Template(id) => {
            let template = config.shorthand.templates.get_mut(id).ok_or_else(gone)?;
            in_primitive(template, &ResourceId::from(id.as_str()), line, name)
        }
        Key::Group(_) | Key::Clone(_) if name == PROMOTABLE => {
            let message = format!("whether '{}' is promotable cannot be changed", key.id());
            Err(EditError::new(line, message, "delete it, and define it anew"))
        }
        Key::Group(id) | Key::Clone(id) => {
            let group = config.shorthand.groups.get_mut(id).ok_or_else(gone)?;
            Ok(Place::In(&mut group.meta, name))
        }
        Key::Tag(id) => {
            let hint = format!("`tag {id} RSC…`, loaded with `load update`, says which resources it names");
            Err(EditError::new(line, "a tag has no attributes", hint))
        }
        Key::Location(id) => match config.locations.get_mut(id) {
            Some(location) => Ok(Place::Location(location)),
            None => Err(whole_anew(line, key)),
        },
        Key::Colocation(id) => match config.colocations.get_mut(id) {
            Some(colocation) => Ok(Place::Colocation(colocation)),
            None => Err(whole_anew(line, key)),
        },
        Key::Order(id) => match config.orders.get_mut(id) {
            Some(order) => Ok(Place::Order(order)),
            None => Err(whole_anew(line, key)),
        },
        Key::Ticket(_) => Err(whole_anew(line, key)),
        Key::Property => Ok(Place::In(&mut config.properties, name)),
        Key::RscDefaults => Ok(Place::In(&mut config.rsc_defaults, name)),
        Key::OpDefaults => Ok(Place::In(&mut config.op_defaults, name)),
        Key::FencingTopology => {
            let hint = "write `fencing_topology NODE: LEVEL…`, which replaces that node's levels";
            Err(EditError::new(line, "fencing_topology has no attributes", hint))
        }
    }
}

/// What is made of several has no single field.
fn whole_anew(line: u32, key: &Key) -> EditError {
    let message =
        format!("{} '{}' is of several resources or rules, and cannot be set in part", key.keyword(), key.id());
    EditError::new(line, message, "write it anew and load it with `load update`")
}

fn in_node<'c>(node: &'c mut NodeConfig, name: &str) -> &'c mut Attributes {
    match node.utilization.contains_key(name) && !node.attributes.contains_key(name) {
        true => &mut node.utilization,
        false => &mut node.attributes,
    }
}

fn in_primitive<'c, 'p>(
    primitive: &'c mut Primitive,
    id: &ResourceId,
    line: u32,
    name: &'p str,
) -> Result<Place<'c, 'p>, EditError> {
    let places = [&primitive.params, &primitive.meta, &primitive.utilization];
    let has = places.map(|attributes| attributes.contains_key(name));
    if let Some((operation, rest)) = name.split_once('.').filter(|_| !has.contains(&true)) {
        let (interval, name) = rest.rsplit_once('.').map_or((None, rest), |(interval, name)| (Some(interval), name));
        let written = in_operation(&mut primitive.operations, id, line, operation, interval)?;
        return Ok(Place::In(written, name));
    }
    match has {
        [true, false, false] => Ok(Place::In(&mut primitive.params, name)),
        [false, true, false] => Ok(Place::In(&mut primitive.meta, name)),
        [false, false, true] => Ok(Place::In(&mut primitive.utilization, name)),
        [false, false, false] if is_meta(name) => Ok(Place::In(&mut primitive.meta, name)),
        [false, false, false] => Ok(Place::In(&mut primitive.params, name)),
        _ => {
            let message = format!("'{id}' has more than one {name}: a parameter, a meta attribute or utilization");
            Err(EditError::new(line, message, "write the whole primitive anew and load it with `load update`"))
        }
    }
}

/// Whether it means something as a meta attribute, or is at least known as one.
fn is_meta(name: &str) -> bool {
    let written = Attributes::from([(name.to_owned(), String::new())]);
    let errors = ResourceMeta::default().overlay(&ResourceId::new(""), &written);
    !errors.iter().any(|error| matches!(error, MetaError::Unknown { .. }))
}

fn in_operation<'c>(
    operations: &'c mut Vec<Operation>,
    id: &ResourceId,
    line: u32,
    name: &str,
    interval: Option<&str>,
) -> Result<&'c mut Attributes, EditError> {
    let every = |operation: &Operation| operation.attributes.get("interval").and_then(|text| duration(text));
    let wanted = |operation: &Operation| {
        operation.name == name && interval.is_none_or(|interval| every(operation) == duration(interval))
    };
    let found: Vec<usize> = (0..operations.len()).filter(|at| wanted(&operations[*at])).collect();
    match (found.as_slice(), interval) {
        ([at], _) => Ok(&mut operations[*at].attributes),
        ([], None) if ["start", "stop", "monitor"].contains(&name) => {
            operations.push(Operation { name: name.to_owned(), attributes: Attributes::new() });
            let last = operations.len() - 1;
            Ok(&mut operations[last].attributes)
        }
        ([], _) => {
            let every = interval.map(|interval| format!(" with interval {interval}")).unwrap_or_default();
            let message = format!("'{id}' has no op {name}{every}");
            Err(EditError::new(line, message, format!("`show {id}` lists what it has")))
        }
        (_, _) => {
            let message = format!("'{id}' has more than one op {name}");
            Err(EditError::new(line, message, format!("say which by its interval: {id}.{name}.INTERVAL.NAME")))
        }
    }
}

fn set_location(location: &mut Location, line: u32, name: &str, value: &str) -> Result<(), EditError> {
    match name {
        "score" => location.score = score(line, value)?,
        "node" => location.node = id(line, value)?.into(),
        "rsc" => location.resource = id(line, value)?.into(),
        "role" => location.role = role(line, value)?,
        "resource-discovery" => {
            let wrong =
                || EditError::new(line, format!("{name} cannot be '{value}'"), "write always, never or exclusive");
            location.discovery = Discovery::read(value).ok_or_else(wrong)?;
        }
        _ => {
            let fields = "score, node, rsc, role and resource-discovery";
            return Err(no_such_field(line, "location", name, fields));
        }
    }
    Ok(())
}

fn set_colocation(colocation: &mut Colocation, line: u32, name: &str, value: &str) -> Result<(), EditError> {
    match name {
        "score" => colocation.score = score(line, value)?,
        "rsc" => colocation.resource = id(line, value)?.into(),
        "with-rsc" => colocation.with = id(line, value)?.into(),
        "rsc-role" => colocation.role = role(line, value)?,
        "with-rsc-role" => colocation.with_role = role(line, value)?,
        _ => {
            let fields = "score, rsc, with-rsc, rsc-role and with-rsc-role";
            return Err(no_such_field(line, "colocation", name, fields));
        }
    }
    Ok(())
}

fn set_order(order: &mut Order, line: u32, name: &str, value: &str) -> Result<(), EditError> {
    let bad = |wanted: &str| EditError::new(line, format!("{name} cannot be '{value}'"), format!("write {wanted}"));
    match name {
        "kind" => {
            // What was at its default stays there.
            let at_default = order.symmetrical == order.kind.is_symmetrical_by_default();
            order.kind = match value.to_ascii_lowercase().as_str() {
                "mandatory" => OrderKind::Mandatory,
                "optional" => OrderKind::Optional,
                "serialize" => OrderKind::Serialize,
                _ => return Err(bad("Mandatory, Optional or Serialize")),
            };
            if at_default {
                order.symmetrical = order.kind.is_symmetrical_by_default();
            }
        }
        "symmetrical" => order.symmetrical = boolean(value).ok_or_else(|| bad("true or false"))?,
        "first" => order.first = id(line, value)?.into(),
        "then" => order.then = id(line, value)?.into(),
        "first-action" | "then-action" => {
            let task = OrderTask::read(value).ok_or_else(|| bad("start, stop, promote or demote"))?;
            let place = if name == "first-action" { &mut order.first_task } else { &mut order.then_task };
            *place = task;
        }
        _ => {
            let fields = "kind, symmetrical, first, then, first-action and then-action";
            return Err(no_such_field(line, "order", name, fields));
        }
    }
    Ok(())
}

fn role(line: u32, value: &str) -> Result<Option<InRole>, EditError> {
    let wrong = || EditError::new(line, format!("'{value}' is no role"), "write Promoted, Unpromoted or Started");
    InRole::read(value).ok_or_else(wrong)
}

fn score(line: u32, value: &str) -> Result<crate::score::Score, EditError> {
    let hint = "write a whole number, inf or -inf";
    let read = value.parse();
    read.map_err(|_| EditError::new(line, format!("'{value}' is no score"), hint))
}

fn id(line: u32, value: &str) -> Result<&str, EditError> {
    match super::is_id(value) {
        true => Ok(value),
        false => Err(EditError::new(line, format!("'{value}' cannot be an id"), "name an object")),
    }
}

fn no_such_field(line: u32, kind: &str, name: &str, fields: &str) -> EditError {
    EditError::new(line, format!("a {kind} has no {name}"), format!("it has {fields}"))
}
