//! Keeps the replica's membership in step with the members: on the leader, new ones become learners, then voters.

use super::cluster::Cluster;
use quorate_raft::{Node, Role};
use std::collections::BTreeSet;
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// A learner may take so long to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// More voters make every write slower and tolerate no more than most need.
const MOST_VOTERS: usize = 7;

/// Runs as long as the member does.
pub async fn autopilot(cluster: Cluster) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        if let Err(error) = look(&cluster).await {
            tracing::warn!(%error, "the membership could not be brought up to date; it is tried again");
        }
    }
}

async fn look(cluster: &Cluster) -> Result<(), quorate_raft::ReplicaError> {
    let status = cluster.replica.status().borrow().clone();
    if status.role != Role::Leader || !status.established {
        return Ok(());
    }
    let members: Vec<(u64, Node)> = cluster.state(|state| {
        let node = |member: &quorate_core::state::Member| Node {
            name: member.name.to_string(),
            address: member.address.clone(),
        };
        state.members.values().map(|member| (member.raft_id.0, node(member))).collect()
    });
    for (id, node) in members.iter().filter(|(id, _)| !status.members.contains_key(id)) {
        cluster.replica.add_learner(*id, node.clone(), CATCH_UP).await?;
    }
    let mut voters: BTreeSet<u64> =
        status.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect();
    let learners = status.members.iter().filter(|(_, member)| !member.voter && member.matched.is_some());
    let before = voters.len();
    voters.extend(learners.map(|(id, _)| *id).take(MOST_VOTERS.saturating_sub(before)));
    if voters.len() > before {
        cluster.replica.change_voters(voters, CATCH_UP).await?;
    }
    Ok(())
}
