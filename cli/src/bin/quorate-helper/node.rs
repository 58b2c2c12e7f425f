//! `crm_node` and `crm_mon -1`: who is there, and what runs where.

use super::options::{Given, Known, flag, value};
use super::{Answer, Cluster, Failed, local_name};
use quorate_core::view::{NodeView, Place, PlaceState, ResourceView, Role, Status};
use std::fmt::Write;

pub(super) const CRM_NODE: &[Known] = &[
    flag('n', "name"),
    value('N', "name-for-id"),
    flag('i', "cluster-id"),
    flag('l', "list"),
    flag('p', "partition"),
    flag('q', "quorum"),
    flag('Q', "quiet"),
    flag('V', "verbose"),
];

pub(super) const CRM_MON: &[Known] = &[
    flag('1', "one-shot"),
    flag('X', "as-xml"),
    value(' ', "output-as"),
    flag('n', "group-by-node"),
    flag('r', "inactive"),
    flag('A', "show-node-attributes"),
    flag('V', "verbose"),
];

pub(super) async fn crm_node(given: &Given) -> Answer {
    if given.has("name")
        && let Some(name) = local_name()
    {
        return Ok(format!("{name}\n"));
    }
    let cluster = Cluster::reach().await?;
    if given.has("name") {
        return Ok(format!("{}\n", cluster.here));
    }
    let status = cluster.status().await?;
    let members = status.nodes.iter().filter(|node| is_here(node));
    if given.has("quorum") {
        return Ok(if status.quorum.confirmed { "1\n" } else { "0\n" }.to_owned());
    }
    if given.has("cluster-id") {
        let here = status.nodes.iter().find(|node| node.id.as_str() == cluster.here);
        let here = here.ok_or_else(|| Failed::NoSuch(format!("there is no node {}", cluster.here)))?;
        return Ok(format!("{}\n", here.raft_id));
    }
    if let Some(id) = given.get(&["name-for-id"]) {
        let found = status.nodes.iter().find(|node| node.raft_id.to_string() == id);
        let found = found.ok_or_else(|| Failed::NoSuch(format!("no node has the number {id}")))?;
        return Ok(format!("{}\n", found.id));
    }
    if given.has("list") {
        let state = |node: &NodeView| if is_here(node) { "member" } else { "lost" };
        return Ok(status.nodes.iter().map(|node| format!("{} {} {}\n", node.raft_id, node.id, state(node))).collect());
    }
    if given.has("partition") {
        let names: Vec<&str> = members.map(|node| node.id.as_str()).collect();
        return Ok(format!("{} \n", names.join(" ")));
    }
    Err(Failed::Usage("one of -n, -N, -i, -l, -p and -q".to_owned()))
}

fn is_here(node: &NodeView) -> bool {
    node.liveness == "online"
}

pub(super) async fn crm_mon(given: &Given) -> Answer {
    if !given.has("one-shot") && !given.has("as-xml") && !given.has("output-as") {
        return Err(Failed::Unimplemented(
            "only one look is carried (-1); `qrm status --watch` goes on looking".to_owned(),
        ));
    }
    let status = Cluster::reach().await?.status().await?;
    match given.get(&["output-as"]).unwrap_or(if given.has("as-xml") { "xml" } else { "text" }) {
        "xml" => Ok(xml(&status)),
        "text" => Ok(text(&status)),
        other => Err(Failed::Unimplemented(format!("--output-as={other} is not carried: text and xml are"))),
    }
}

fn text(status: &Status) -> String {
    let names = |online: bool| {
        let all = status.nodes.iter().filter(|node| is_here(node) == online).map(|node| node.id.as_str());
        all.collect::<Vec<_>>().join(" ")
    };
    let mut text = format!("Node List:\n  * Online: [ {} ]\n", names(true));
    if status.nodes.iter().any(|node| !is_here(node)) {
        _ = writeln!(text, "  * OFFLINE: [ {} ]", names(false));
    }
    text.push_str("\nFull List of Resources:\n");
    for resource in &status.resources {
        let role = if resource.role == Role::Started { "Started" } else { "Stopped" };
        let places: Vec<&str> = resource.places.iter().map(|place| place.node.as_str()).collect();
        _ = writeln!(text, "  * {}\t({}):\t {role} {}", resource.id, resource.agent, places.join(" "));
    }
    text
}

/// A clone with each of its instances, and the role that it has.
fn instances(clone: &str, resource: &ResourceView) -> String {
    let has_roles = |place: &Place| matches!(place.state, PlaceState::Promoted | PlaceState::Demoting);
    let is_promotable = !resource.promoted_on.is_empty() || resource.places.iter().any(has_roles);
    let mut text = format!(
        "    <clone id=\"{clone}\" multi_state=\"{is_promotable}\" unique=\"false\" managed=\"{}\">\n",
        resource.is_managed
    );
    for place in &resource.places {
        let role = match place.state {
            PlaceState::Promoted | PlaceState::Demoting => "Promoted",
            state if state.runs() && is_promotable => "Unpromoted",
            state if state.runs() => "Started",
            _ => "Stopped",
        };
        let (is_active, is_failed) = (place.state.runs(), place.state == PlaceState::Failed);
        _ = writeln!(
            text,
            "      <resource id=\"{}\" resource_agent=\"{}\" role=\"{role}\" active=\"{is_active}\" orphaned=\"{}\" managed=\"{}\" failed=\"{is_failed}\" nodes_running_on=\"{}\">",
            resource.id,
            resource.agent,
            resource.is_orphan,
            resource.is_managed,
            u8::from(is_active)
        );
        _ = writeln!(text, "        <node name=\"{}\"/>\n      </resource>", place.node);
    }
    text.push_str("    </clone>\n");
    text
}

/// As much of Pacemaker's schema as agents look at.
fn xml(status: &Status) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<pacemaker-result api-version=\"2.30\" request=\"crm_mon\">\n  <nodes>\n",
    );
    for node in &status.nodes {
        _ = writeln!(
            text,
            "    <node name=\"{}\" id=\"{}\" online=\"{}\" standby=\"{}\" maintenance=\"{}\" is_dc=\"{}\" type=\"member\"/>",
            node.id,
            node.raft_id,
            is_here(node),
            node.intent == "standby",
            node.intent == "maintenance",
            node.is_leader
        );
    }
    text.push_str("  </nodes>\n  <resources>\n");
    for resource in &status.resources {
        if let Some(clone) = &resource.clone {
            text.push_str(&instances(clone, resource));
            continue;
        }
        let is_started = resource.role == Role::Started;
        let role = if is_started { "Started" } else { "Stopped" };
        _ = writeln!(
            text,
            "    <resource id=\"{}\" resource_agent=\"{}\" role=\"{role}\" active=\"{is_started}\" managed=\"{}\" orphaned=\"{}\" nodes_running_on=\"{}\">",
            resource.id,
            resource.agent,
            resource.is_managed,
            resource.is_orphan,
            if is_started { resource.places.len() } else { 0 }
        );
        for place in resource.places.iter().filter(|_| is_started) {
            _ = writeln!(text, "      <node name=\"{}\"/>", place.node);
        }
        text.push_str("    </resource>\n");
    }
    text.push_str("  </resources>\n  <status code=\"0\" message=\"OK\"/>\n</pacemaker-result>\n");
    text
}
