//! How a daemon ends in order: it gives leadership on, and where its host goes down too, what it has.
//!
//! Everything here is for the others' comfort: a daemon that just ends is safe as well.

use super::cluster::Cluster;
use crate::service;
use quorate_agents::process::{Processes, Spec};
use quorate_core::state::{Command, Outcome, SessionState};
use quorate_raft::Role;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Another member leads within this, or this one just ends.
const PASS_ON: Duration = Duration::from_secs(3);
/// An heir that did not take over within this is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(700);
/// Whether the host goes down is answered within this.
const CHECK: Duration = Duration::from_secs(3);
/// What such a check prints when it does.
const STOPPING: &str = "stopping";

/// Gives leadership on, where this member has it and another can take it.
pub async fn pass_on(cluster: &Cluster) {
    let me = cluster.replica.id();
    let end = Instant::now() + PASS_ON;
    let mut status = cluster.replica.status();
    while status.borrow().role == Role::Leader && Instant::now() < end {
        match service::hand_over(cluster).await {
            Ok(heir) => tracing::info!(%heir, "leadership is handed over"),
            Err(fault) => {
                if !give_vote(cluster).await {
                    tracing::info!(%fault, "nobody can take over leadership");
                    return;
                }
            }
        }
        let moved = status.wait_for(|status| status.role != Role::Leader && status.leader.is_some_and(|now| now != me));
        let _ = timeout(ASK_AGAIN, moved).await.map(|moved| moved.is_ok());
    }
}

/// The only voter lets a member vote in its place that has everything and takes part.
async fn give_vote(cluster: &Cluster) -> bool {
    let status = cluster.replica.status().borrow().clone();
    let voters = status.members.values().filter(|member| member.voter).count();
    let fits = |(id, member): (&u64, &quorate_raft::Member)| {
        let has_all = member.matched.is_some() && member.matched >= status.last_applied;
        let online = cluster.state(|state| {
            let known = state.members.values().find(|known| known.raft_id.0 == *id);
            known.is_some_and(|known| state.nodes.get(&known.name).is_some_and(|at| at.is_online()))
        });
        (*id != status.id && has_all && online).then_some(*id)
    };
    let Some(heir) = status.members.iter().find_map(fits).filter(|_| voters == 1) else { return false };
    match cluster.replica.change_voters(BTreeSet::from([heir]), PASS_ON).await {
        Ok(_) => true,
        Err(error) => {
            tracing::info!(%error, heir, "the vote could not be given away");
            false
        }
    }
}

/// Whether the host goes down, as this program says; it prints `stopping` if so. `systemctl is-system-running` does so.
pub async fn host_stops(processes: &Processes, check: &str) -> bool {
    let mut words = check.split_whitespace();
    let Some(program) = words.next() else { return false };
    match processes.run(Spec::new("stopping-check", program, CHECK).args(words)).await {
        Ok(outcome) => outcome.stdout.text().trim() == STOPPING,
        Err(error) => {
            tracing::info!(check, %error, "nobody says whether this host goes down: it is taken not to");
            false
        }
    }
}

/// proofs (1): has the VMs of this host moved or stopped, and waits until its goodbye stands.
pub async fn clear_host(cluster: &Cluster, patience: Duration) {
    let me = cluster.me.clone();
    let leave = Command::Leave { actor: "the host's shutdown".to_owned(), node: me.node.clone(), session: me.session };
    tracing::info!(?patience, "this host goes down: what it has moves or stops first");
    match cluster.change(None, leave).await {
        Ok((_, Outcome::Refused(why))) => return tracing::warn!(%why, "it goes down with what it has"),
        Err(error) => return tracing::warn!(%error, "the cluster cannot be told: it goes down with what it has"),
        Ok(_) => {}
    }
    let mut applied = cluster.replica.applied();
    let gone = applied.wait_for(|_| {
        cluster.state(|state| {
            let session = state.nodes.get(&me.node).and_then(|node| node.session.as_ref());
            session.is_none_or(|session| matches!(session.state, SessionState::Ended(_)))
        })
    });
    match timeout(patience, gone).await {
        Ok(_) => tracing::info!("nothing is left here: this host may go down"),
        Err(_) => tracing::warn!("not everything moved or stopped in time: it goes down with the rest"),
    }
}
