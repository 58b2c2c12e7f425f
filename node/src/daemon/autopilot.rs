//! Keeps the replica's membership in step with the members: new ones become learners, some of them voters, removed
//! ones go. It works on the leader only.
//!
//! Who should vote is `seats`' word; here it is brought about.

use super::cluster::Cluster;
use crate::seats::{Replica, Replicas, is_safe, seats, voters};
use crate::service;
use quorate_raft::{Node, ReplicaError, Role, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// One change of membership may take so long: a majority has it by then, or there is none.
const CHANGE: Duration = Duration::from_secs(5);

/// Runs as long as the member does.
pub async fn autopilot(cluster: Cluster) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = look(&cluster).await {
            tracing::warn!(%error, "the membership could not be brought up to date; it is tried again");
        }
    }
}

async fn look(cluster: &Cluster) -> Result<(), ReplicaError> {
    let status = cluster.replica.status().borrow().clone();
    if status.role != Role::Leader || !status.established {
        return Ok(());
    }
    let known = replicas(&status, &cluster.replica.silences());
    let Some(seats) = cluster.state(|state| state.identity.as_ref().map(|_| seats(state, &known))) else {
        // Being founded: who is in the replica is no member yet.
        return Ok(());
    };
    if !seats.iter().any(|seat| seat.id == status.id) {
        // removal: whoever is removed does not lead. Somebody else takes it out of the replica.
        if let Err(fault) = service::hand_over(cluster).await {
            tracing::warn!(%fault, "this member was removed, and leads until another can");
        }
        return Ok(());
    }
    for seat in seats.iter().filter(|seat| !status.members.contains_key(&seat.id)) {
        let node = Node { name: seat.name.clone(), address: seat.address.clone() };
        cluster.replica.enlist(seat.id, node, CHANGE).await?;
    }
    let now: BTreeSet<u64> = voting(&status);
    let wanted = voters(&seats);
    // A change that a leader left half done asks for a majority of the old voters too: it is ended, not left at that.
    if (wanted != now || status.changing) && is_safe(&seats, &wanted) {
        tracing::info!(from = ?now, to = ?wanted, "other members vote from now on");
        cluster.replica.change_voters(wanted.clone(), CHANGE).await?;
    }
    let gone = |id: &&u64| !wanted.contains(id) && !seats.iter().any(|seat| seat.id == **id && !seat.lost);
    let gone: BTreeSet<u64> = status.members.keys().filter(gone).copied().collect();
    let still_vote = voting(&cluster.replica.status().borrow());
    if !gone.is_empty() && gone.is_disjoint(&still_vote) {
        cluster.replica.remove_learners(gone, CHANGE).await?;
    }
    Ok(())
}

fn voting(status: &Status) -> BTreeSet<u64> {
    status.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect()
}

/// What the replica knows, in the words of `seats`.
fn replicas(status: &Status, silences: &BTreeMap<u64, Duration>) -> Replicas {
    let known = |(id, member): (&u64, &quorate_raft::Member)| {
        let (name, silent) = (member.node.name.clone(), silences.get(id).copied());
        (*id, Replica { name, voter: member.voter, matched: member.matched, silent })
    };
    Replicas {
        me: status.id,
        last: status.last_log.unwrap_or_default(),
        known: status.members.iter().map(known).collect(),
    }
}
