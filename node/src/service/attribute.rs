//! What people and agents say of a node, for as long as it runs.

use super::asker::Asker;
use quorate_api::Fault;
use quorate_api::proto::{AttributeRequest, ChangeReply};
use quorate_core::id::NodeId;
use quorate_core::state::Command;

/// Whether an agent that runs as anybody may say so: of its own node, and nothing of the node's health, by which
/// everything would leave it.
pub(super) fn is_an_agents(request: &AttributeRequest, here: &NodeId) -> bool {
    request.node == here.as_str() && !request.name.starts_with('#')
}

/// Answers `Attribute`. Agents say the same again and again: what is so already is written nowhere.
pub(super) async fn attribute(asker: &Asker, request: AttributeRequest) -> Result<ChangeReply, Fault> {
    let AttributeRequest { node, name, value, .. } = request;
    let message = match &value {
        Some(value) => format!("{node} has {name}={value} until it stops"),
        None => format!("{node} has no {name} any more"),
    };
    // A leader's write is confirmed by its own round to the majority: one before it would only double the time.
    if !asker.cluster.is_heard_as_leader() {
        asker.settle().await?;
    }
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    if value.is_some() && held(asker, &node, &name).0 == value {
        // What leaves the write out has to be so now, and not only as far as this member knows.
        asker.settle().await?;
        let (now, index) = held(asker, &node, &name);
        if now == value {
            return Ok(ChangeReply { index, message });
        }
    }
    let command = Command::SetAttribute { node: NodeId::new(&node), name, value };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}

/// What the applied state has of it, and after which entry.
fn held(asker: &Asker, node: &str, name: &str) -> (Option<String>, u64) {
    asker.cluster.state(|state| {
        let held = state.attributes.get(&NodeId::new(node)).and_then(|attributes| attributes.get(name)).cloned();
        (held, state.index)
    })
}
