//! A person's wish that a node be proven off. The node does not have to be lost for it.

use super::asker::Asker;
use super::node::known;
use crate::daemon::cluster::Cluster;
use quorate_api::proto::{ChangeReply, FenceRequest, FenceVerb};
use quorate_api::{Fault, Reason};
use quorate_core::config::FenceAction;
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{ClusterState, Command, FenceCause, SessionState};
use quorate_raft::Status;
use std::time::Duration;
use tokio::time::timeout;

/// Leadership moves within this.
const HAND_OVER: Duration = Duration::from_secs(5);
/// The leader answers within this that it will.
const CALL: Duration = Duration::from_secs(2);

/// Answers `Fence`.
pub(super) async fn fence(asker: &Asker, request: &FenceRequest) -> Result<ChangeReply, Fault> {
    let node = NodeId::new(&request.node);
    let action = action(&request.action)?;
    let message = format!("{node} is to be fenced: `qrm status` shows how far it is");
    asker.settle().await?;
    match request.verb() {
        FenceVerb::Trust => return trust(asker, &request.device, true).await,
        FenceVerb::Distrust => return trust(asker, &request.device, false).await,
        FenceVerb::PrepareDisk => return prepare_disk(asker, &request.device, request.force).await,
        FenceVerb::Off => {}
    }
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let wish = asker.cluster.state(|state| Ok::<_, Fault>((check(state, &node)?, state.index)))?;
    let session = match wish {
        (Target::Living(session), _) => session,
        (Target::Wanted(cause), index) => {
            return Ok(ChangeReply { index, message: format!("{node} is being fenced already: {cause}") });
        }
    };
    move_leadership(asker, &node).await?;
    let cause = FenceCause::Asked { by: asker.actor.clone() };
    let (index, _) = asker.propose(Command::Fence { target: node, session, cause, action }).await?;
    Ok(ChangeReply { index, message })
}

fn action(word: &str) -> Result<Option<FenceAction>, Fault> {
    match word {
        "" => Ok(None),
        "off" => Ok(Some(FenceAction::Off)),
        "reboot" => Ok(Some(FenceAction::Reboot)),
        other => Err(Fault::new(Reason::Invalid, format!("'{other}' is nothing that follows a fence: off or reboot"))),
    }
}

async fn trust(asker: &Asker, device: &str, trusted: bool) -> Result<ChangeReply, Fault> {
    let device = ResourceId::new(device);
    let words = if trusted { "is trusted again" } else { "is distrusted: its word proves nothing until it is trusted" };
    let message = format!("{device} {words}");
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let command = Command::Trust { actor: asker.actor.clone(), device, trusted };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}

/// No entry of the log: what is on the disk is said by the disk.
async fn prepare_disk(asker: &Asker, path: &str, force: bool) -> Result<ChangeReply, Fault> {
    if !path.starts_with('/') {
        let hint = "name it as every host does, such as /dev/disk/by-id/…";
        return Err(Fault::new(Reason::Invalid, format!("'{path}' is no path of a disk")).hint(hint));
    }
    let armed = asker.cluster.state(|state| reads(state, path));
    if let Some(node) = armed.filter(|_| force) {
        let hint = format!("take {path} out of its device first, or delete that");
        return Err(Fault::new(Reason::Refused, format!("{node} reads its slot on it")).hint(hint));
    }
    let prepared = quorate_agents::fence::sbd::prepare(path, force).await;
    let message = prepared.map_err(|error| Fault::new(Reason::Refused, error))?;
    Ok(ChangeReply { index: asker.cluster.state(|state| state.index), message })
}

/// A node whose watchdog is fed by what it reads there.
fn reads(state: &ClusterState, path: &str) -> Option<NodeId> {
    let is_read = |node: &&NodeId| {
        let armed = state.nodes.get(*node).and_then(|it| it.dog.armed.as_ref());
        armed.is_some_and(|armed| armed.disks.iter().any(|disk| disk == path))
    };
    state.nodes.keys().find(is_read).cloned()
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// In this session, and not being fenced.
    Living(SessionId),
    /// Being fenced already, for this cause.
    Wanted(String),
}

pub(super) fn check(state: &ClusterState, node: &NodeId) -> Result<Target, Fault> {
    let refused = |why: String, hint: String| Err(Fault::new(Reason::Refused, why).hint(hint));
    let session = match &known(state, node)?.session {
        None => {
            return refused(
                format!("{node} never said hello, so nothing is active on it"),
                "nothing has to be done".to_owned(),
            );
        }
        Some(session) => session,
    };
    if let SessionState::Ended(proof) = &session.state {
        return refused(
            format!("{node} is off already: {}", proof.words()),
            "`qrm fence history` shows how it ended".to_owned(),
        );
    }
    if let Some(intent) = state.intents.get(node).filter(|intent| intent.session == session.id) {
        return Ok(Target::Wanted(intent.cause.to_string()));
    }
    if !state.properties().stonith_enabled {
        return refused(
            format!("{node} would wait for a person, for fencing is disabled"),
            "`qrm configure property stonith-enabled=true`".to_owned(),
        );
    }
    // A node that does not take part waits for a person then, who is asked whether it is off.
    let takes_part = state.nodes.get(node).is_some_and(quorate_core::state::NodeState::is_online);
    if takes_part && !state.has_fence(node) {
        return refused(
            format!("no fence device is for {node}, so nothing could prove it off"),
            format!("add one: `qrm configure primitive fence-{node} stonith:ipmi params target={node} …`"),
        );
    }
    if !state.online().any(|(other, _)| other != node) {
        return refused(
            format!("no other node takes part, so nobody could fence {node}"),
            "look at `qrm status`".to_owned(),
        );
    }
    Ok(Target::Living(session.id.clone()))
}

/// A leader does not fence itself: where the target leads, another one has to first.
pub(super) async fn move_leadership(asker: &Asker, target: &NodeId) -> Result<(), Fault> {
    let cluster = &asker.cluster;
    let id = cluster.state(|state| state.members.get(target).map(|member| member.raft_id.0));
    let Some(leader) = cluster.replica.leader().filter(|leader| Some(*leader) == id) else {
        return Ok(());
    };
    let is_ours = leader == cluster.replica.id();
    if is_ours {
        hand_over(cluster).await?;
    } else if let Err(error) = cluster.replica.call(leader, HAND_OVER_CALL, Vec::new(), CALL).await {
        tracing::warn!(%target, %error, "the leader, which is to be fenced, does not hand over: it is asked for all the same");
        return Ok(());
    }
    let mut status = cluster.replica.status();
    let moved = status.wait_for(|status| status.leader.is_some_and(|now| now != leader));
    let has_moved = timeout(HAND_OVER, moved).await.is_ok_and(|moved| moved.is_ok());
    match has_moved {
        true => asker.settle().await,
        false if is_ours => Err(Fault::new(
            Reason::Busy,
            format!("{target} leads, and no other node took over within {} s", HAND_OVER.as_secs()),
        )
        .hint("try again in a moment, or ask on another node")),
        false => Ok(()),
    }
}

/// The question by which members ask the leader to hand over.
pub const HAND_OVER_CALL: &str = "hand-over";

/// Makes this leader ask another voter that takes part to lead: the one with most of the log. What comes of it, the
/// replica's status says.
///
/// # Errors
/// This member does not lead, or nobody could take over.
pub async fn hand_over(cluster: &Cluster) -> Result<NodeId, Fault> {
    let status = cluster.replica.status().borrow().clone();
    let heir = cluster.state(|state| heir(state, &status));
    let Some((id, node)) = heir.filter(|_| cluster.replica.is_leader()) else {
        return Err(Fault::new(
            Reason::Refused,
            format!("{} leads, and no other voter takes part that could", cluster.me.node),
        )
        .hint("look at `qrm status`"));
    };
    let asked = cluster.replica.transfer_leader(id).await;
    asked.map_err(|error| Fault::new(Reason::Failed, format!("leadership cannot be handed to {node}: {error}")))?;
    Ok(node)
}

/// Makes this leader ask this voter to lead.
///
/// # Errors
/// There is no such member, or the replica has stopped.
pub async fn hand_over_to(cluster: &Cluster, to: &NodeId) -> Result<(), Fault> {
    let id = cluster.state(|state| state.members.get(to).map(|member| member.raft_id.0));
    let id = id.ok_or_else(|| Fault::new(Reason::NotFound, format!("{to} is no member any more")))?;
    let asked = cluster.replica.transfer_leader(id).await;
    asked.map_err(|error| Fault::new(Reason::Failed, format!("leadership cannot be handed to {to}: {error}")))
}

fn heir(state: &ClusterState, status: &Status) -> Option<(u64, NodeId)> {
    let voters = status.members.iter().filter(|(id, member)| **id != status.id && member.voter);
    let online = voters.filter_map(|(id, member)| {
        let name = state.members.values().find(|known| known.raft_id.0 == *id).map(|known| known.name.clone())?;
        let at = state.nodes.get(&name).filter(|at| at.is_online())?;
        // Rather a host than a witness, and rather one that stays.
        let stays = (!at.leaving, !state.is_witness(&name));
        Some(((stays, member.matched, std::cmp::Reverse(*id)), *id, name))
    });
    online.max_by_key(|(rank, _, _)| *rank).map(|(_, id, name)| (id, name))
}
