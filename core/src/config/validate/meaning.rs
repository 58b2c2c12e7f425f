//! Do names and values mean something: properties, defaults, meta attributes, operations, utilization, ids?

use super::Report;
use crate::config::operation::attribute_errors;
use crate::config::shorthand::is_part;
use crate::config::{
    AgentClass, Attributes, CloneSpec, Cloned, Config, MetaError, NoQuorumPolicy, Properties, ResourceMeta,
    origin_errors,
};
use crate::grammar::{SINGLE_OBJECTS, is_attribute_name, is_id};
use crate::id::ResourceId;
use crate::scheduler::Placement;

pub(super) fn check(config: &Config, report: &mut Report) {
    ids(config, report);
    properties(config, report);
    let defaults = ResourceId::from("rsc_defaults");
    meta(report, ResourceMeta::default().overlay(&defaults, &config.rsc_defaults));
    let defaults = ResourceId::from("op_defaults");
    // A monitor understands every attribute; what a stop may not do on failure is looked at where it is written.
    meta(report, attribute_errors(&defaults, AgentClass::Vm, "", &config.op_defaults));
    meta(report, origin_errors(&defaults, AgentClass::Vm, "", &config.op_defaults));
    for (id, template) in &config.shorthand.templates {
        let owner = ResourceId::from(id.as_str());
        meta(report, ResourceMeta::default().overlay(&owner, &template.meta));
        // Who is made from it may be a clone of any kind.
        meta(report, template.operation_errors(&owner, Cloned::ANYHOW));
        utilization(report, id, &template.utilization);
        names(report, id, [&template.params]);
    }
    for (id, group) in &config.shorthand.groups {
        let owner = ResourceId::from(id.as_str());
        match group.is_clone() {
            true => meta(report, CloneSpec::errors(&owner, &group.meta)),
            false => meta(report, ResourceMeta::default().overlay(&owner, &group.meta)),
        }
    }
    for (id, whole) in &config.primitives {
        // What a template or a group says is told of that.
        let mut own = config.written(id).map_or_else(|| whole.clone(), |(_, own)| own.clone());
        own.agent.clone_from(&whole.agent);
        let primitive = &own;
        meta(report, ResourceMeta::default().overlay(id, &primitive.meta));
        meta(report, primitive.operation_errors(id, Cloned::of(whole)));
        utilization(report, id.as_str(), &primitive.utilization);
        names(report, id.as_str(), [&primitive.params]);
    }
    room(config, report);
    for (id, node) in &config.nodes {
        utilization(report, id.as_str(), &node.utilization);
        names(report, id.as_str(), [&node.attributes]);
    }
}

fn meta(report: &mut Report, errors: Vec<MetaError>) {
    for error in errors {
        let (object, what) = (error.resource().clone(), error.to_string());
        match error.is_warning() {
            true => report.warning(object, what, ""),
            false => report.error(object, what, ""),
        }
    }
}

fn properties(config: &Config, report: &mut Report) {
    const OBJECT: &str = "property";
    let (properties, errors) = Properties::read(&config.properties);
    for error in errors {
        match error.is_warning() {
            true => report.warning(OBJECT, error.to_string(), ""),
            false => report.error(OBJECT, error.to_string(), ""),
        }
    }
    if properties.suspect_after >= properties.lost_after {
        let mend = "a node is suspected first and lost later: raise lost-after or lower suspect-after";
        report.error(OBJECT, "suspect-after is not shorter than lost-after", mend);
    }
    if !properties.stonith_enabled {
        let what = "with stonith-enabled=false the VMs of a lost node wait for a person";
        report.warning(OBJECT, what, "configure fence devices and set stonith-enabled=true");
    }
    if properties.no_quorum_policy != NoQuorumPolicy::Freeze {
        let what = "a minority never starts anything here, whatever no-quorum-policy says";
        report.warning(OBJECT, what, "set no-quorum-policy=freeze, or leave it out");
    }
}

/// What is needed of a kind of capacity that nobody has is found nowhere.
fn room(config: &Config, report: &mut Report) {
    let (properties, _) = Properties::read(&config.properties);
    if properties.placement == Placement::Default {
        return;
    }
    for (id, primitive) in &config.primitives {
        let is_nowhere = |name: &String| config.nodes.values().all(|node| !node.utilization.contains_key(name));
        for (name, amount) in primitive.utilization.iter().filter(|(name, amount)| *amount != "0" && is_nowhere(name)) {
            let what = format!("it needs {amount} {name}, and no node has any: it runs nowhere");
            report.warning(id.clone(), what, format!("give nodes some: node NAME utilization {name}=NUMBER"));
        }
    }
}

fn utilization(report: &mut Report, object: &str, attributes: &Attributes) {
    for (name, value) in attributes {
        if value.parse::<u64>().is_err() {
            let what = format!("utilization {name}={value} is not understood: a whole number");
            report.error(object, what, "");
        }
    }
    names(report, object, [attributes]);
}

/// What the grammar never lets in may still come from a program; it could not be printed and read back.
fn names<'a>(report: &mut Report, object: &str, attributes: impl IntoIterator<Item = &'a Attributes>) {
    for name in attributes.into_iter().flat_map(|attributes| attributes.keys()) {
        if !is_attribute_name(name) {
            let mend = "use letters, digits, '-', '_', '.', ':', '/' and '#'";
            report.error(object, format!("'{name}' cannot be the name of an attribute"), mend);
        }
    }
}

fn ids(config: &Config, report: &mut Report) {
    let wide = &config.shorthand;
    let kind = |kind: &'static str| move |id: &'_ String| (kind, id.clone());
    let nodes = config.nodes.keys().map(|id| ("node", id.to_string()));
    let primitives = config.primitives.keys().map(|id| ("primitive", id.to_string()));
    let groups = wide.groups.iter().map(|(id, it)| (if it.is_clone() { "clone" } else { "group" }, id.clone()));
    let named = wide.templates.keys().map(kind("rsc_template")).chain(groups);
    let locations = config.locations.keys().chain(wide.locations.keys()).map(kind("location"));
    let colocations = config.colocations.keys().chain(wide.colocations.keys()).map(kind("colocation"));
    let orders = config.orders.keys().chain(wide.orders.keys()).map(kind("order"));
    let tickets = wide.tickets.keys().map(kind("rsc_ticket"));
    let constraints = locations.chain(colocations).chain(orders).chain(tickets).filter(|(_, id)| !is_part(id));
    let all = nodes.chain(primitives).chain(named).chain(wide.tags.keys().map(kind("tag"))).chain(constraints);
    let mut all: Vec<(String, &str)> = all.map(|(kind, id)| (id, kind)).collect();
    all.sort_unstable();
    for (id, kind) in &all {
        if !is_id(id) || SINGLE_OBJECTS.contains(&id.as_str()) {
            report.error(id, format!("this cannot be the id of a {kind}"), "choose another");
        }
    }
    for pair in all.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let what = format!("both a {} and a {} have this id", pair[0].1, pair[1].1);
        report.error(&pair[0].0, what, "rename one of them");
    }
}
