//! Nodes that go: for the time of a shutdown, or for good.

use super::asker::Asker;
use super::fence::move_leadership;
use super::node::known;
use crate::seats::needed;
use quorate_api::proto::ChangeReply;
use quorate_api::{Fault, Reason};
use quorate_core::config::shorthand::whole;
use quorate_core::id::NodeId;
use quorate_core::state::{ClusterState, Command, SessionState};
use std::collections::BTreeSet;

/// The host of a node is going to be switched off: what it has is to move or stop.
pub(super) async fn shutdown(asker: &Asker, node: &NodeId) -> Result<ChangeReply, Fault> {
    let message = format!("{node} gives up what it has, and then says goodbye: `qrm status` shows how far it is");
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let (session, index) = asker.cluster.state(|state| {
        let session = known(state, node)?.session.clone();
        let session = session.ok_or_else(|| {
            Fault::new(Reason::Refused, format!("{node} never said hello, so nothing is active on it"))
                .hint("nothing has to be done")
        })?;
        Ok::<_, Fault>((session, state.index))
    })?;
    if let SessionState::Ended(proof) = &session.state {
        return Ok(ChangeReply { index, message: format!("{node} may be switched off: {}", proof.words()) });
    }
    let command = Command::Leave { actor: asker.actor.clone(), node: node.clone(), session: session.id };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}

/// A member goes for good.
pub(super) async fn remove(asker: &Asker, node: &NodeId) -> Result<ChangeReply, Fault> {
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message: format!("{node} is removed") });
    }
    asker.cluster.state(|state| check(state, node))?;
    let voters = asker.cluster.replica.status().borrow().members.clone().into_iter();
    let voters = voters.filter(|(_, member)| member.voter).map(|(id, member)| (id, member.node.name)).collect();
    if let Some(why) = asker.cluster.state(|state| needed(state, &voters, node)) {
        return Err(Fault::new(Reason::Refused, why).hint("bring back or remove those first: `qrm cluster status`"));
    }
    move_leadership(asker, node).await?;
    let (index, _) = asker.propose(Command::Remove { actor: asker.actor.clone(), node: node.clone() }).await?;
    let left = asker.cluster.state(|state| named_by(state, node));
    let remark = match left.is_empty() {
        true => String::new(),
        false => format!("; still configured for it: {} (qrm configure delete …)", left.join(", ")),
    };
    let message = format!("{node} is removed, and its certificate is revoked{remark}");
    Ok(ChangeReply { index, message })
}

fn check(state: &ClusterState, node: &NodeId) -> Result<(), Fault> {
    let known = known(state, node)?;
    let Some(why) = state.removal_obstacle(node) else { return Ok(()) };
    let hint = match known.living_session() {
        _ if state.members.len() <= 1 => "stop quorated and empty its data directory instead".to_owned(),
        Some(_) if known.is_online() => format!("`qrm node standby {node}`, and remove it when it has nothing"),
        _ => format!("have it proven off first: `qrm fence {node}`, or `qrm node confirm-off {node}`"),
    };
    Err(Fault::new(Reason::Refused, why).hint(hint))
}

/// Objects of the configuration that name a node.
fn named_by(state: &ClusterState, node: &NodeId) -> Vec<String> {
    let config = &state.config;
    let devices = config
        .primitives
        .iter()
        .filter(|(_, primitive)| primitive.is_fence_device() && primitive.fence_targets().contains(node))
        .map(|(id, _)| id.to_string());
    let plain =
        config.locations.iter().filter(|(_, location)| location.node == *node).map(|(id, _)| whole(id).to_owned());
    let locations: BTreeSet<String> = plain.collect();
    devices.chain(locations).collect()
}
