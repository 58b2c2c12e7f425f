//! What people and agents say of a node, for as long as it runs.

use super::asker::Asker;
use quorate_api::Fault;
use quorate_api::proto::{AttributeRequest, ChangeReply};
use quorate_core::id::NodeId;
use quorate_core::state::Command;

/// Answers `Attribute`. Agents say the same again and again: what is so already is written nowhere.
pub(super) async fn attribute(asker: &Asker, request: AttributeRequest) -> Result<ChangeReply, Fault> {
    let AttributeRequest { node, name, value, .. } = request;
    let message = match &value {
        Some(value) => format!("{node} has {name}={value} until it stops"),
        None => format!("{node} has no {name} any more"),
    };
    asker.settle().await?;
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let (now, index) = asker.cluster.state(|state| {
        let now = state.attributes.get(&NodeId::new(&node)).and_then(|attributes| attributes.get(&name)).cloned();
        (now, state.index)
    });
    if value.is_some() && now == value {
        return Ok(ChangeReply { index, message });
    }
    let command = Command::SetAttribute { node: NodeId::new(&node), name, value };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}
