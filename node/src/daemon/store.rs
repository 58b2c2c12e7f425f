//! Acts on what is found out about stores: this member's own is given up when its peers refuse it or its state differs,
//! and what concerns others is told to the cluster.

use super::cluster::Cluster;
use crate::security::{DataDir, LossKind};
use quorate_core::id::{NodeId, RaftId};
use quorate_core::state::{Command, Trouble};
use quorate_raft::{Role, StoreFault};
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Runs as long as the member does.
pub(super) async fn watch(cluster: Cluster, data: Arc<DataDir>, raft_id: RaftId) {
    let told = tokio::spawn(tell_of_others(cluster.clone()));
    let mut fault = cluster.replica.fault();
    let found = fault.wait_for(Option::is_some).await.ok().and_then(|fault| fault.clone());
    told.abort();
    if let Some(fault) = found {
        give_up(&data, raft_id, &fault);
    }
}

async fn tell_of_others(cluster: Cluster) {
    let mut differing = cluster.replica.differing();
    while differing.changed().await.is_ok() {
        let who = differing.borrow_and_update().clone();
        tell_differing(&cluster, who).await;
    }
}

async fn tell_differing(cluster: &Cluster, who: std::collections::BTreeMap<String, u64>) {
    for (name, index) in who {
        let text = format!(
            "the state of {name} after entry {index} is not that of the others: it applies nothing more, sets its store \
             aside and comes back with a new one; keep raft.differs-* of its data directory and report it"
        );
        tell(cluster, NodeId::new(name), Trouble::Differs, text).await;
    }
}

/// rolled-back: what a peer showed is not what was seen of it.
pub(super) async fn report_refused(cluster: &Cluster, from: u64, text: String) {
    let named = cluster.state(|state| {
        state.members.values().find(|member| member.raft_id.0 == from).map(|member| member.name.clone())
    });
    // One who was removed is nobody's trouble but its own; the log has it.
    let Some(node) = named else { return };
    let trouble = if text.contains("another daemon") { Trouble::Copy } else { Trouble::Store };
    tell(cluster, node, trouble, text).await;
}

async fn tell(cluster: &Cluster, node: NodeId, trouble: Trouble, text: String) {
    if let Err(error) = cluster.change(None, Command::Report { node, trouble, text }).await {
        let leads = cluster.replica.status().borrow().role == Role::Leader;
        tracing::warn!(%error, leads, "the cluster could not be told of a store");
    }
}

/// Notes why the store is given up, and begins anew: the next start sets it aside and rejoins. What runs on this host
/// is not touched, as when a daemon is killed.
fn give_up(data: &DataDir, raft_id: RaftId, fault: &StoreFault) {
    let (kind, why) = match fault {
        StoreFault::Refused(why) => (LossKind::RolledBack, why),
        StoreFault::Differs(why) => (LossKind::Differs, why),
    };
    tracing::error!(why, "this store is given up; the daemon begins anew and rejoins as a new learner");
    if let Err(error) = data.lose(raft_id, kind, why) {
        tracing::error!(%error, "that could not even be noted: this daemon ends");
        std::process::abort();
    }
    begin_anew();
}

/// The daemon takes its own place: it starts nothing beside itself, and what runs on this host is not touched.
pub(super) fn begin_anew() {
    let words: Result<Vec<CString>, _> = std::env::args_os().map(|word| CString::new(word.into_vec())).collect();
    let error = words.map(|words| nix::unistd::execv(c"/proc/self/exe", &words));
    tracing::error!(?error, "it could not begin anew: this daemon ends");
    std::process::abort();
}
