//! What people want of a resource: that it runs or not, where, and that its failures are forgotten.

use super::asker::Asker;
use super::configure::{Changed, change};
use super::edit::{Base, TARGET_ROLE, vm, vms, whole};
use super::{fault, place};
use quorate_api::Fault;
use quorate_api::proto::{ChangeReply, ResourceRequest, ResourceVerb};
use quorate_core::config::{Primitive, ResourceMeta};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ClusterState, Command, FailureCount};

/// Answers all of `Resource` but a restart.
pub(super) async fn resource(asker: &Asker, request: &ResourceRequest) -> Result<ChangeReply, Fault> {
    asker.settle().await?;
    let name = request.resource.as_str();
    match request.verb() {
        ResourceVerb::Start => {
            let changed = aim(asker, name, "Started").await?;
            Ok(outweighed(asker, name, reply(name, "is to run", changed)))
        }
        ResourceVerb::Stop => {
            let changed = aim(asker, name, "Stopped").await?;
            Ok(outweighed(asker, name, reply(name, "is to be stopped", changed)))
        }
        ResourceVerb::Cleanup => cleanup(asker, name, request.node.as_deref()).await,
        ResourceVerb::SetFailures => set_failures(asker, request).await,
        ResourceVerb::Move | ResourceVerb::Ban | ResourceVerb::Clear => place::place(asker, request).await,
        ResourceVerb::Restart | ResourceVerb::Unspecified => {
            Err(fault::invalid("the request does not say what to do with the resource", "name a verb"))
        }
    }
}

async fn aim(asker: &Asker, name: &str, role: &str) -> Result<Changed, Fault> {
    change(asker, None, false, |base: &Base| match base.target_role_of_group(name, role) {
        Some(edit) => Ok(edit),
        None => Ok(base.target_role(&whole(&base.config, vm(&base.config, name)?)?, Some(role))),
    })
    .await
}

/// Says so where a rule on dates says otherwise now: it comes before what was written just now.
fn outweighed(asker: &Asker, name: &str, mut reply: ChangeReply) -> ChangeReply {
    if let Some(why) = asker.cluster.state(|state| ruled_role(state, name)) {
        reply.message = format!("{}; but {why}", reply.message);
    }
    reply
}

/// What a rule says of whether it runs, where that is not what is written.
pub(super) fn ruled_role(state: &ClusterState, name: &str) -> Option<String> {
    let parts = vms(&state.config, name).ok()?;
    parts.iter().find_map(|id| {
        let primitive = state.config.primitives.get(id)?;
        let says = state.meta(id, primitive).target_role;
        let plain = Primitive { ruled: Vec::new(), ..primitive.clone() };
        let written = ResourceMeta::read(id, &plain, &state.config.rsc_defaults).0.target_role;
        let is_outweighed = primitive.meta.contains_key(TARGET_ROLE) && says != written;
        is_outweighed.then(|| {
            format!("a rule of {id} says target-role={says:?} now, and outweighs that: `qrm configure show {id}`")
        })
    })
}

fn reply(name: &str, wish: &str, changed: Changed) -> ChangeReply {
    let message = match changed.diff.is_empty() {
        true => format!("{name} {wish} already: nothing was changed"),
        false => format!("{name} {wish}"),
    };
    ChangeReply { index: changed.index, message }
}

async fn set_failures(asker: &Asker, request: &ResourceRequest) -> Result<ChangeReply, Fault> {
    let (Some(node), Some(count)) = (request.node.as_deref(), request.count) else {
        return Err(fault::invalid(
            "the request does not say where, and how often it failed",
            "name a node and a count",
        ));
    };
    let name = request.resource.as_str();
    let message = match count {
        0 => format!("the failures of {name} on {node} are forgotten"),
        _ => format!("{name} counts as failed {count} times on {node}"),
    };
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let resources = asker.cluster.state(|state| {
        if !state.nodes.contains_key(&NodeId::new(node)) {
            return Err(fault::unknown("node", node, state.nodes.keys().map(NodeId::as_str)));
        }
        vms(&state.config, name)
    })?;
    let node = NodeId::new(node);
    let each = |resource| {
        let (actor, node) = (asker.actor.clone(), node.clone());
        Command::SetFailures(FailureCount { actor, resource, node, count })
    };
    let index = for_each(asker, resources, each).await?;
    Ok(ChangeReply { index, message })
}

async fn cleanup(asker: &Asker, name: &str, node: Option<&str>) -> Result<ChangeReply, Fault> {
    let there = node.map_or_else(String::new, |node| format!(" on {node}"));
    let message = format!("the failures of {name}{there} are forgotten, and it is looked at again");
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let resources = asker.cluster.state(|state| {
        if let Some(node) = node.filter(|node| !state.nodes.contains_key(&NodeId::new(*node))) {
            return Err(fault::unknown("node", node, state.nodes.keys().map(NodeId::as_str)));
        }
        // What is not configured any more and still there can be cleaned up too.
        let orphan = Some(ResourceId::new(name)).filter(|id| state.resources.contains_key(id));
        orphan.map_or_else(|| vms(&state.config, name), |orphan| Ok(vec![orphan]))
    })?;
    let each = |resource| Command::Cleanup { actor: asker.actor.clone(), resource, node: node.map(NodeId::new) };
    let index = for_each(asker, resources, each).await?;
    Ok(ChangeReply { index, message })
}

/// One entry for each: the last, which answers for all of them, under the name of the request itself.
async fn for_each(
    asker: &Asker,
    mut resources: Vec<ResourceId>,
    command: impl Fn(ResourceId) -> Command,
) -> Result<u64, Fault> {
    let last = resources.pop().ok_or_else(|| fault::invalid("it is made of nothing", "give it a member"))?;
    for resource in resources {
        let part = asker.named(resource.as_str());
        if part.answered()?.is_none() {
            part.propose(command(resource)).await?;
        }
    }
    asker.propose(command(last)).await.map(|(index, _)| index)
}
