//! What people and agents say of a node, for as long as it runs.

use super::asker::Asker;
use quorate_api::Fault;
use quorate_api::proto::{AttributeRequest, ChangeReply};
use quorate_core::id::NodeId;
use quorate_core::state::Command;

/// Answers `Attribute`. It needs no look at the state beforehand: the log alone says whether it fits, and knows a retry.
pub(super) async fn attribute(asker: &Asker, request: AttributeRequest) -> Result<ChangeReply, Fault> {
    let AttributeRequest { node, name, value, .. } = request;
    let message = match &value {
        Some(value) => format!("{node} has {name}={value} until it stops"),
        None => format!("{node} has no {name} any more"),
    };
    let command = Command::SetAttribute { node: NodeId::new(&node), name, value };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}
