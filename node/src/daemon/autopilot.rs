//! Keeps the replica's membership in step with the members: new ones become learners, some of them voters, removed
//! ones go. It works on the leader only.
//!
//! `voters` says who should vote: an odd number of at most seven, which stays with who votes already. A voter that is
//! proven dead gives its place to a learner that is caught up; one that is only silent keeps it. A store that was lost
//! keeps its place, in which nobody votes, until the one that came in its stead is caught up.

use super::cluster::Cluster;
use crate::service;
use quorate_core::id::RaftId;
use quorate_core::state::{ClusterState, Liveness};
use quorate_raft::{Node, ReplicaError, Role, Status};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// One change of membership may take so long: a majority has it by then, or there is none.
const CHANGE: Duration = Duration::from_secs(5);
/// More voters make every write slower and tolerate no more than most need.
const MOST_VOTERS: usize = 7;
/// A learner that is no more entries behind than this is caught up.
const CLOSE: u64 = 200;
/// From so many hosts on a witness votes only where it makes their number odd.
const HOSTS_ENOUGH: usize = 3;

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
    let Some(seats) = cluster.state(|state| state.identity.as_ref().map(|_| seats(state, &status))) else {
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
        cluster.replica.enlist(seat.id, seat.node.clone(), CHANGE).await?;
    }
    let now: BTreeSet<u64> = voting(&status);
    let wanted = voters(&seats);
    if wanted != now && is_safe(&seats, &wanted) {
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

/// A member, as far as its vote is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seat {
    id: u64,
    node: Node,
    leads: bool,
    votes: bool,
    witness: bool,
    /// It takes part, and has nearly all of the log.
    healthy: bool,
    /// Its session is proven dead; or it is a witness, which nobody proves anything of, and lost.
    dead: bool,
    /// A store that its member has lost: nobody votes in its place.
    lost: bool,
    /// It came in place of a lost store that had a vote.
    heir: bool,
}

fn seats(state: &ClusterState, status: &Status) -> Vec<Seat> {
    let last = status.last_log.unwrap_or_default();
    let seat = |member: &quorate_core::state::Member| {
        let RaftId(id) = member.raft_id;
        let at = state.nodes.get(&member.name);
        let known = status.members.get(&id);
        let leads = id == status.id;
        let caught_up = known.and_then(|member| member.matched).is_some_and(|matched| matched + CLOSE >= last);
        let lost = |liveness| liveness == Liveness::Off || (member.witness && liveness == Liveness::Lost);
        Seat {
            id,
            node: Node { name: member.name.to_string(), address: member.address.clone() },
            leads,
            votes: known.is_some_and(|member| member.voter),
            witness: member.witness,
            healthy: leads || (caught_up && at.is_some_and(quorate_core::state::NodeState::is_online)),
            dead: at.is_some_and(|at| lost(at.liveness)),
            lost: false,
            heir: false,
        }
    };
    let mut seats: Vec<Seat> = state.members.values().map(seat).collect();
    let known = |id: u64| state.members.values().any(|member| member.raft_id.0 == id);
    for (id, member) in status.members.iter().filter(|(id, member)| member.voter && !known(**id)) {
        let Some(heir) = seats.iter_mut().find(|seat| seat.node.name == member.node.name) else { continue };
        heir.heir = true;
        let lost = Seat { id: *id, votes: true, healthy: false, dead: true, lost: true, heir: false, ..heir.clone() };
        seats.push(lost);
    }
    seats
}

/// Who should vote.
fn voters(seats: &[Seat]) -> BTreeSet<u64> {
    let odd = |count: usize| if count.is_multiple_of(2) { count.saturating_sub(1) } else { count };
    let hosts = seats.iter().filter(|seat| !seat.witness && !seat.dead).count();
    // The best first; who may not vote is left out.
    let rank = |seat: &Seat| {
        let spare = seat.witness && hosts >= HOSTS_ENOUGH;
        let rank = match (seat.votes, seat.healthy, seat.dead) {
            (_, true, _) if spare => 2,
            (true, _, false) => 0,
            (false, true, _) => 1,
            (true, _, true) => 3,
            (false, false, _) => return None,
        };
        Some((rank, Reverse(seat.leads), Reverse(seat.healthy), Reverse(seat.heir), seat.witness, seat.id))
    };
    let mut ranked: Vec<_> = seats.iter().filter_map(rank).collect();
    ranked.sort_unstable();
    let members = seats.iter().filter(|seat| !seat.lost).count();
    ranked.truncate(odd(members).min(MOST_VOTERS));
    // An even number tolerates no more than one less does.
    ranked.truncate(odd(ranked.len()));
    ranked.into_iter().map(|(.., id)| id).collect()
}

/// Whether a majority of the new voters is there to take over.
fn is_safe(seats: &[Seat], wanted: &BTreeSet<u64>) -> bool {
    let healthy = seats.iter().filter(|seat| seat.healthy && wanted.contains(&seat.id)).count();
    healthy * 2 > wanted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1L 2V 3l 4V!`: id, then (L)eader, (V)oter or (l)earner; `?` behind or silent, `!` proven dead, `w` a witness,
    /// `x` a lost store and `h` what came in its place.
    fn chosen(text: &str) -> Vec<u64> {
        let seat = |word: &str| Seat {
            id: word[..1].parse().unwrap(),
            node: Node::default(),
            leads: word.contains('L'),
            votes: word.contains(['L', 'V']),
            witness: word.contains('w'),
            healthy: !word.contains(['?', '!', 'x']),
            dead: word.contains(['!', 'x']),
            lost: word.contains('x'),
            heir: word.contains('h'),
        };
        let seats: Vec<Seat> = text.split(' ').map(seat).collect();
        let voters = voters(&seats);
        assert!(is_safe(&seats, &voters), "{text}: {voters:?}");
        voters.into_iter().collect()
    }

    #[test]
    fn an_odd_number_votes_and_at_most_seven() {
        assert_eq!(chosen("1L"), [1]);
        assert_eq!(chosen("1L 2l"), [1]);
        assert_eq!(chosen("1L 2l 3l"), [1, 2, 3]);
        assert_eq!(chosen("1L 2l 3l?"), [1]);
        assert_eq!(chosen("1L 2V 3V 4l"), [1, 2, 3]);
        assert_eq!(chosen("1L 2V 3V 4l 5l"), [1, 2, 3, 4, 5]);
        assert_eq!(chosen("1L 2V 3V 4V 5V 6V 7V 8l 9l"), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_voter_that_is_proven_dead_is_replaced_and_a_silent_one_is_not() {
        assert_eq!(chosen("1L 2V? 3V 4l"), [1, 2, 3]);
        assert_eq!(chosen("1L 2V! 3V 4l"), [1, 3, 4]);
        assert_eq!(chosen("1L 2V! 3V 4l?"), [1, 2, 3]);
        assert_eq!(chosen("1L 2V! 3V"), [1, 2, 3]);
        // It comes back as a learner, and stays one.
        assert_eq!(chosen("1L 2l 3V 4V"), [1, 3, 4]);
    }

    #[test]
    fn a_lost_store_keeps_its_place_until_another_is_caught_up_its_own_first() {
        assert_eq!(chosen("1L 2V 3Vx 4lh?"), [1, 2, 3]);
        assert_eq!(chosen("1L 2V 3Vx 4lh"), [1, 2, 4]);
        assert_eq!(chosen("1L 2V 3Vx 4l 5lh"), [1, 2, 5]);
    }

    #[test]
    fn seats_are_what_state_and_replica_say_together() {
        let (cluster, status) = pair(&[("n1", 1), ("n2", 2), ("n3", 4)], &[(1, "n1"), (2, "n2"), (3, "n3"), (9, "n9")]);
        let seats = seats(&cluster, &status);
        let told: Vec<(u64, bool, bool)> = seats.iter().map(|seat| (seat.id, seat.lost, seat.heir)).collect();
        assert_eq!(told, [(1, false, false), (2, false, false), (4, false, true), (3, true, false)]);
    }

    /// Members of the state with their raft ids, and voters of the replica with their names.
    fn pair(members: &[(&str, u64)], voters: &[(u64, &str)]) -> (ClusterState, Status) {
        let mut state = ClusterState::default();
        for (name, id) in members {
            let member = quorate_core::state::Member {
                name: (*name).into(),
                raft_id: RaftId(*id),
                address: String::new(),
                hardware: "h".into(),
                hardware_is_dmi: true,
                store: "s".into(),
                fingerprint: String::new(),
                joined: quorate_core::time::Timestamp(0),
                witness: false,
            };
            state.members.insert((*name).into(), member);
        }
        let voter = |(id, name): &(u64, &str)| {
            let node = Node { name: (*name).to_owned(), address: String::new() };
            (*id, quorate_raft::Member { node, voter: true, matched: Some(10) })
        };
        let status = Status { id: 1, members: voters.iter().map(voter).collect(), ..Status::default() };
        (state, status)
    }

    #[test]
    fn whoever_is_left_after_a_removal_is_an_odd_number_with_the_leader() {
        assert_eq!(chosen("2L 3V"), [2]);
        assert_eq!(chosen("1V 3L 4V? 5V"), [1, 3, 5]);
        assert_eq!(chosen("1V? 3L"), [3]);
    }

    #[test]
    fn a_witness_votes_with_two_hosts_and_makes_odd_more_of_them() {
        assert_eq!(chosen("1L 2l 3lw"), [1, 2, 3]);
        assert_eq!(chosen("1L 2lw"), [1]);
        assert_eq!(chosen("1L 2V 3Vw 4l"), [1, 2, 4]);
        assert_eq!(chosen("1L 2V 3lw 4V 5l"), [1, 2, 3, 4, 5]);
        assert_eq!(chosen("1L 2V 3Vw! 4l"), [1, 2, 4]);
    }
}
