//! What people want of a resource: that it runs or not, where, and that its failures are forgotten.

use super::asker::Asker;
use super::configure::{Changed, change};
use super::edit::{Base, vm};
use super::{fault, place};
use quorate_api::Fault;
use quorate_api::proto::{ChangeReply, ResourceRequest, ResourceVerb};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::Command;

/// Answers all of `Resource` but a restart.
pub(super) async fn resource(asker: &Asker, request: &ResourceRequest) -> Result<ChangeReply, Fault> {
    asker.settle().await?;
    let name = request.resource.as_str();
    match request.verb() {
        ResourceVerb::Start => {
            let changed = aim(asker, name, "Started").await?;
            Ok(reply(name, "is to run", changed))
        }
        ResourceVerb::Stop => {
            let changed = aim(asker, name, "Stopped").await?;
            Ok(reply(name, "is to be stopped", changed))
        }
        ResourceVerb::Cleanup => cleanup(asker, name, request.node.as_deref()).await,
        ResourceVerb::Move | ResourceVerb::Ban | ResourceVerb::Clear => place::place(asker, request).await,
        ResourceVerb::Restart | ResourceVerb::Unspecified => {
            Err(fault::invalid("the request does not say what to do with the resource", "name a verb"))
        }
    }
}

async fn aim(asker: &Asker, name: &str, role: &str) -> Result<Changed, Fault> {
    change(asker, None, false, |base: &Base| match base.target_role_of_group(name, role) {
        Some(edit) => Ok(edit),
        None => Ok(base.target_role(&vm(&base.config, name)?, Some(role))),
    })
    .await
}

fn reply(name: &str, wish: &str, changed: Changed) -> ChangeReply {
    let message = match changed.diff.is_empty() {
        true => format!("{name} {wish} already: nothing was changed"),
        false => format!("{name} {wish}"),
    };
    ChangeReply { index: changed.index, message }
}

async fn cleanup(asker: &Asker, name: &str, node: Option<&str>) -> Result<ChangeReply, Fault> {
    let there = node.map_or_else(String::new, |node| format!(" on {node}"));
    let message = format!("the failures of {name}{there} are forgotten, and it is looked at again");
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    asker.cluster.state(|state| {
        if let Some(group) = state.config.shorthand.groups.get(name) {
            let members: Vec<&str> = group.members.iter().map(ResourceId::as_str).collect();
            let hint = format!("clean up its members: {}", members.join(", "));
            return Err(fault::invalid(format!("{name} is a group, and has no failures of its own"), &hint));
        }
        if let Some(node) = node.filter(|node| !state.nodes.contains_key(&NodeId::new(*node))) {
            return Err(fault::unknown("node", node, state.nodes.keys().map(NodeId::as_str)));
        }
        // What is not configured any more and still there can be cleaned up too.
        if state.resources.contains_key(&ResourceId::new(name)) { Ok(()) } else { vm(&state.config, name).map(|_| ()) }
    })?;
    let command =
        Command::Cleanup { actor: asker.actor.clone(), resource: ResourceId::new(name), node: node.map(NodeId::new) };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}
