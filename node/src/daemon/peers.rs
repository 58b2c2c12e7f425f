//! Keeps in the data directory who the other members are and where they answer: whom to ask when the store is lost.

use super::cluster::Cluster;
use crate::security::DataDir;
use quorate_raft::Node;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs as long as the member does; it writes only when the members change.
pub(super) async fn keep(cluster: Cluster, data: Arc<DataDir>) {
    let mut applied = cluster.replica.applied();
    let mut kept = data.peers().unwrap_or_default();
    loop {
        let known: BTreeMap<u64, Node> = cluster.state(|state| {
            let others = state.members.values().filter(|member| member.name != cluster.me.node);
            let node = |member: &quorate_core::state::Member| Node {
                name: member.name.to_string(),
                address: member.address.clone(),
            };
            others.map(|member| (member.raft_id.0, node(member))).collect()
        });
        // A store that is still empty knows nobody.
        if !known.is_empty() && known != kept {
            match data.save_peers(&known) {
                Ok(()) => kept = known,
                Err(error) => tracing::warn!(%error, "the addresses of the other members could not be kept"),
            }
        }
        if applied.changed().await.is_err() {
            return;
        }
    }
}
