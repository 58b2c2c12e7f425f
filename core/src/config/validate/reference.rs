//! Do references lead somewhere?

use super::{Problem, Report, nearest, problem};
use crate::config::shorthand::{Want, is_part};
use crate::config::{Config, LevelTarget};
use crate::id::{NodeId, ResourceId};
use std::collections::BTreeSet;

pub(super) fn check(config: &Config, report: &mut Report) {
    for (id, location) in config.locations.iter().filter(|(id, _)| !is_part(id)) {
        exists(config, report, "location", id, &location.resource);
    }
    for (id, colocation) in config.colocations.iter().filter(|(id, _)| !is_part(id)) {
        pair(config, report, "colocation", id, &colocation.resource, &colocation.with);
    }
    for (id, order) in config.orders.iter().filter(|(id, _)| !is_part(id)) {
        pair(config, report, "order", id, &order.first, &order.then);
    }
    for (id, constraint) in &config.shorthand.tickets {
        for (resource, _) in &constraint.resources {
            exists(config, report, "rsc_ticket", id, resource);
        }
    }
}

fn pair(config: &Config, report: &mut Report, kind: &str, id: &str, a: &ResourceId, b: &ResourceId) {
    exists(config, report, kind, id, a);
    if a == b {
        let mend = format!("name two resources, or delete it: `delete {id}`");
        report.error(id, format!("this {kind} names '{a}' twice"), mend);
        return;
    }
    exists(config, report, kind, id, b);
}

/// Of a resource, a group, a template or a tag.
pub(super) fn exists(config: &Config, report: &mut Report, kind: &str, id: &str, resource: &ResourceId) {
    let (wide, name) = (&config.shorthand, resource.as_str());
    match config.primitives.get(resource) {
        None if wide.groups.contains_key(name) || wide.tags.contains_key(name) || wide.templates.contains_key(name) => {
        }
        None => {
            let what = format!("this {kind} names '{resource}', which does not exist");
            report.error(id, what, missing(config, resource, |_| true));
        }
        Some(device) if device.is_fence_device() => {
            let what = format!("this {kind} names the fence device '{resource}', which is used and never started");
            report.warning(id, what, format!("it has no effect: `delete {id}`"));
        }
        Some(_) => {}
    }
}

/// How to mend a reference that leads nowhere, with the nearest of those that could be meant.
pub(super) fn missing(config: &Config, resource: &ResourceId, meant: impl Fn(&ResourceId) -> bool) -> String {
    let wide = &config.shorthand;
    let wider = wide.groups.keys().chain(wide.tags.keys()).map(|id| ResourceId::from(id.as_str()));
    let candidates: Vec<ResourceId> = config.primitives.keys().cloned().chain(wider).filter(|id| meant(id)).collect();
    let candidates: Vec<&str> = candidates.iter().map(ResourceId::as_str).collect();
    match nearest(resource.as_str(), &candidates) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("define it with `primitive {resource} …`, or take the reference out"),
    }
}

/// Names of nodes that are neither a member's nor configured: most often misspelt, sometimes of a node to come.
pub(super) fn unknown_nodes(config: &Config, members: &BTreeSet<NodeId>) -> Vec<Problem> {
    let known = |node: &NodeId| members.contains(node) || config.nodes.contains_key(node);
    let names: Vec<&str> = members.iter().chain(config.nodes.keys()).map(NodeId::as_str).collect();
    let problem_of = |object: &str, node: &NodeId| {
        let mend = match nearest(node.as_str(), &names) {
            Some(near) => format!("did you mean '{near}'?"),
            None => "it has no effect until a node of this name joins".to_owned(),
        };
        problem(object, format!("'{node}' is no node of this cluster"), mend)
    };
    let locations = config.locations.iter().filter(|(id, _)| !is_part(id));
    let locations = locations.map(|(id, location)| (id.as_str(), location.node.clone()));
    let wide = config.shorthand.locations.iter().filter_map(|(id, location)| match &location.want {
        Want::Node(_, node) => Some((id.as_str(), node.clone())),
        Want::Rules(_) => None,
    });
    let rows = config.fencing_topology.iter().filter_map(|row| match &row.target {
        LevelTarget::Node(node) => Some(("fencing_topology", node.clone())),
        _ => None,
    });
    let devices = config.primitives.iter().filter(|(_, primitive)| primitive.is_fence_device());
    let targets = devices.flat_map(|(id, device)| device.fence_targets().into_iter().map(|node| (id.as_str(), node)));
    let named = locations.chain(wide).chain(rows).chain(targets);
    named.filter(|(_, node)| !known(node)).map(|(object, node)| problem_of(object, &node)).collect()
}
