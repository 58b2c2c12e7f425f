//! `node`, `primitive`, `rsc_template`, `group`, `clone` and `tag`

use super::attributes::{attribute_set, attributes};
use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::statement::Object;
use super::token::Word;
use super::{SINGLE_OBJECTS, is_attribute_name, is_id};
use crate::config::shorthand::{Group, Own};
use crate::config::{
    Agent, AgentClass, Attributes, NodeConfig, Operation, PROMOTABLE, Primitive, Section, boolean, is_unit_name,
};
use crate::id::{NodeId, ResourceId};

/// `node [$id=N|N:] NAME[:member] [attributes NAME=VALUE…] [utilization NAME=NUMBER…]`
pub(super) fn node(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    // Corosync's number of the node, which nothing here needs.
    let numbered = |word: &Word| word.text.starts_with("$id=") || word.text.ends_with(':');
    if cursor.peek().is_some_and(numbered) {
        cursor.take();
    }
    let word = cursor.need("the node's name")?;
    let (name, kind) = word.text.split_once(':').unwrap_or((&word.text, "member"));
    if kind != "member" {
        let what = format!("nodes of the kind {} are", shown(kind));
        return Err(SyntaxError::not_yet(word.at, what).hint("leave the kind out for a member"));
    }
    let id = NodeId::new(cursor.id_of(word, name)?);
    let mut node = NodeConfig::default();
    const SECTIONS: &[&str] = &["attributes", "utilization"];
    while let Some(word) = cursor.take() {
        let section = match word.text.as_str() {
            "attributes" => &mut node.attributes,
            "utilization" => &mut node.utilization,
            _ => return Err(cursor.unexpected(word)),
        };
        attributes(cursor, section, SECTIONS)?;
    }
    Ok(Object::Node(id, node))
}

const SECTIONS: &[&str] = &["params", "meta", "utilization", "op", "operations", "op_params", "op_meta"];

/// `primitive ID (AGENT|@TEMPLATE) [params…] [meta…] [utilization…] [op…]…`; a pair before any section is a parameter.
pub(super) fn primitive(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = ResourceId::new(cursor.new_id("the primitive's id")?);
    let word = cursor.need("its agent, such as vm:libvirt,")?;
    let template = match word.text.strip_prefix('@') {
        Some(name) => Some(cursor.id_of(word, name)?),
        None => None,
    };
    let agent = if template.is_some() { of_template() } else { agent(word)? };
    let primitive = body(cursor, agent)?;
    Ok(Object::Primitive(id, Own { template, primitive }))
}

/// `rsc_template ID AGENT …`, as a primitive goes on
pub(super) fn template(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the template's id")?;
    let word = cursor.need("its agent, such as vm:libvirt,")?;
    if word.text.starts_with('@') {
        let error = SyntaxError::new(word.at, "a template cannot begin from another");
        return Err(error.hint("write its agent, such as vm:libvirt"));
    }
    let agent = agent(word)?;
    Ok(Object::Template(id, body(cursor, agent)?))
}

/// `group ID MEMBER… [meta NAME=VALUE…]`
pub(super) fn group(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the group's id")?;
    let mut group = Group { members: Vec::new(), meta: Attributes::new() };
    while let Some(word) = cursor.take() {
        match word.text.as_str() {
            "meta" => {
                attributes(cursor, &mut group.meta, &["meta", "params"])?;
                if group.is_clone() {
                    let error = SyntaxError::new(word.at, format!("a group is not {PROMOTABLE}"));
                    return Err(error.hint("only clones are"));
                }
            }
            "params" => {
                let error = SyntaxError::not_yet(word.at, "parameters of groups are");
                return Err(error.hint("give each member its own"));
            }
            text if text.starts_with("description=") => {
                return Err(SyntaxError::not_yet(word.at, "descriptions are").hint("write it as a comment"));
            }
            text => group.members.push(ResourceId::new(cursor.id_of(word, text)?)),
        }
    }
    if group.members.is_empty() {
        cursor.need("a member")?;
    }
    Ok(Object::Group(id, group))
}

/// What a clone says of promotion where it is not promotable.
pub(super) const NOT_PROMOTABLE: &str = "false";
/// And where it is.
pub(super) const IS_PROMOTABLE: &str = "true";

/// `clone ID RSC [meta NAME=VALUE…]`, and `ms …`, which is promotable unless it says otherwise.
pub(super) fn clone(cursor: &mut Cursor<'_, '_>, is_promotable: &str) -> Parsed<Object> {
    let id = cursor.new_id("the clone's id")?;
    let member = ResourceId::new(cursor.id("the resource to clone")?);
    let mut clone = Group { members: vec![member], meta: Attributes::new() };
    while let Some(word) = cursor.take() {
        match word.text.as_str() {
            "meta" => attributes(cursor, &mut clone.meta, &["meta", "params"])?,
            "params" => {
                let error = SyntaxError::not_yet(word.at, "parameters of clones are");
                return Err(error.hint("give them to the primitive"));
            }
            text if text.starts_with("description=") => {
                return Err(SyntaxError::not_yet(word.at, "descriptions are").hint("write it as a comment"));
            }
            _ => return Err(cursor.unexpected(word)),
        }
    }
    let promotable = clone.meta.entry(PROMOTABLE.to_owned()).or_insert_with(|| is_promotable.to_owned());
    if boolean(promotable) == Some(false) {
        NOT_PROMOTABLE.clone_into(promotable);
    }
    Ok(Object::Clone(id, clone))
}

/// `tag ID[:] RESOURCE…`
pub(super) fn tag(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let word = cursor.need("the tag's id")?;
    let id = cursor.id_of(word, word.text.trim_end_matches(':'))?;
    if SINGLE_OBJECTS.contains(&id.as_str()) {
        return Err(SyntaxError::new(word.at, format!("'{id}' cannot be an id")).hint("choose another"));
    }
    let mut members = vec![cursor.id("a resource")?];
    while cursor.peek().is_some() {
        members.push(cursor.id("a resource")?);
    }
    Ok(Object::Tag(id, members))
}

/// What stands for the agent until the template says it.
pub(super) fn of_template() -> Agent {
    Agent { class: AgentClass::Vm, provider: None, kind: String::new() }
}

/// What follows an agent; a pair before any section is a parameter.
fn body(cursor: &mut Cursor<'_, '_>, agent: Agent) -> Parsed<Primitive> {
    let mut primitive = Primitive {
        agent,
        params: Attributes::new(),
        meta: Attributes::new(),
        utilization: Attributes::new(),
        operations: Vec::new(),
        ruled: Vec::new(),
    };
    if let Some(word) = cursor.peek().filter(|word| word.text.starts_with("description=")) {
        return Err(SyntaxError::not_yet(word.at, "descriptions are").hint("write it as a comment"));
    }
    attributes(cursor, &mut primitive.params, SECTIONS)?;
    while let Some(word) = cursor.take() {
        let Primitive { params, meta, ruled, .. } = &mut primitive;
        let section = match word.text.as_str() {
            "params" => {
                attribute_set(cursor, Section::Params, params, ruled, SECTIONS)?;
                continue;
            }
            "meta" => {
                attribute_set(cursor, Section::Meta, meta, ruled, SECTIONS)?;
                continue;
            }
            "utilization" => &mut primitive.utilization,
            "op" => {
                let operation = operation(cursor)?;
                primitive.operations.push(operation);
                continue;
            }
            // `operations $id=…` only names the list.
            "operations" => &mut Attributes::new(),
            section => {
                return Err(SyntaxError::not_yet(word.at, format!("'{section}' is"))
                    .hint("op lines take interval, timeout, on-fail and enabled"));
            }
        };
        attributes(cursor, section, SECTIONS)?;
    }
    Ok(primitive)
}

/// `op NAME NAME=VALUE…`
fn operation(cursor: &mut Cursor<'_, '_>) -> Parsed<Operation> {
    let word = cursor.need("the operation's name")?;
    if !is_attribute_name(&word.text) {
        return Err(cursor.refuse(word.at, format!("{} is no operation", shown(&word.text))));
    }
    let mut pairs = Attributes::new();
    attributes(cursor, &mut pairs, SECTIONS)?;
    Ok(Operation { name: word.text.clone(), attributes: pairs })
}

/// `CLASS:[PROVIDER:]TYPE`
fn agent(word: &Word) -> Parsed<Agent> {
    const HINT: &str = "this version has vm:libvirt, ocf:PROVIDER:TYPE, systemd:UNIT, stonith:ipmi, stonith:redfish and stonith:fence_AGENT";
    let text = word.text.as_str();
    // crmsh searches a bare type as ocf:heartbeat first.
    let (class, kind) = text.split_once(':').unwrap_or(("ocf", text));
    let class = match class {
        "vm" => AgentClass::Vm,
        "stonith" => AgentClass::Stonith,
        "ocf" => {
            return ocf(kind).ok_or_else(|| {
                SyntaxError::new(word.at, format!("{} is no agent", shown(text))).hint("write ocf:PROVIDER:TYPE")
            });
        }
        // What a host has under this name is a unit here.
        "systemd" | "service" if is_unit_name(kind) => {
            return Ok(Agent { class: AgentClass::Systemd, provider: None, kind: kind.to_owned() });
        }
        "systemd" | "service" => {
            return Err(SyntaxError::new(word.at, format!("{} cannot be the name of a unit", shown(text))).hint(
                "write systemd:NAME or systemd:NAME@INSTANCE; `systemd-escape` writes what has other characters",
            ));
        }
        "lsb" => {
            let message = format!("{}: init scripts are not run", shown(text));
            let mend = format!(
                "write a unit for it, and systemd:{kind}; the one that systemd makes of a script is called running when it is not"
            );
            return Err(SyntaxError::new(word.at, message).hint(mend));
        }
        "upstart" | "nagios" => {
            return Err(SyntaxError::not_yet(word.at, format!("agent class '{class}' is")).hint(HINT));
        }
        _ => {
            return Err(SyntaxError::new(word.at, format!("there is no agent class {}", shown(class))).hint(HINT));
        }
    };
    if kind.is_empty() || !kind.split('/').all(is_id) {
        return Err(SyntaxError::new(word.at, format!("{} is no agent", shown(text))).hint(HINT));
    }
    Ok(Agent { class, provider: None, kind: kind.to_owned() })
}

/// `[PROVIDER:]TYPE`; both become parts of a path, and neither may lead out of it.
fn ocf(text: &str) -> Option<Agent> {
    let (provider, kind) = text.split_once(':').unwrap_or(("heartbeat", text));
    let is_name = |name: &str| is_id(name) && name.is_ascii();
    (is_name(provider) && is_name(kind)).then(|| Agent {
        class: AgentClass::Ocf,
        provider: Some(provider.to_owned()),
        kind: kind.to_owned(),
    })
}
