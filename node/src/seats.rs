//! Who should vote, and who has a place at all: pure, so that the shipping rule is simulated too.
//!
//! `voters` says who should vote: an odd number of at most seven, which stays with who votes already. A voter that is
//! proven dead gives its place to a learner that is caught up; one that is only silent keeps it. A store that was lost
//! keeps its place, in which nobody votes, until the one that came in its stead is caught up.

use quorate_core::id::{NodeId, RaftId};
use quorate_core::state::{ClusterState, Liveness};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// More voters make every write slower and tolerate no more than most need.
const MOST_VOTERS: usize = 7;
/// A learner that is no more entries behind than this is caught up.
const CLOSE: u64 = 200;
/// Who has answered the leader nothing for longer takes no vote over now, whatever it had before: its store may be lost, or
/// refused, while its daemon is heard. Four heartbeats.
const ANSWERS: Duration = Duration::from_millis(600);
/// From so many hosts on a witness votes only where it makes their number odd.
const HOSTS_ENOUGH: usize = 3;

/// What the leader's replica knows of all replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// The leader's own id.
    pub me: u64,
    /// The last entry of its log.
    pub last: u64,
    /// All of them.
    pub known: BTreeMap<u64, Replica>,
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// The name of its member.
    pub name: String,
    /// It has a vote.
    pub voter: bool,
    /// How much of the log it has, as far as the leader knows.
    pub matched: Option<u64>,
    /// For how long it has answered the leader nothing, if it ever did.
    pub silent: Option<Duration>,
}

/// A member, as far as its vote is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// Its id in Raft.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where its peers reach it.
    pub address: String,
    /// It leads.
    pub leads: bool,
    /// It has a vote now.
    pub votes: bool,
    /// It runs nothing.
    pub witness: bool,
    /// It takes part, answers the leader, and has nearly all of the log.
    pub healthy: bool,
    /// Its session is proven dead; or it is a witness, which nobody proves anything of, and lost.
    pub dead: bool,
    /// A store that its member has lost: nobody votes in its place.
    pub lost: bool,
    /// It came in place of a lost store that had a vote.
    pub heir: bool,
}

/// Every place at the table, by the state and the replica together.
pub fn seats(state: &ClusterState, replicas: &Replicas) -> Vec<Seat> {
    let seat = |member: &quorate_core::state::Member| {
        let RaftId(id) = member.raft_id;
        let at = state.nodes.get(&member.name);
        let known = replicas.known.get(&id);
        let leads = id == replicas.me;
        let caught_up = known.and_then(|member| member.matched).is_some_and(|matched| matched + CLOSE >= replicas.last);
        let answers = known.and_then(|member| member.silent).is_some_and(|silent| silent <= ANSWERS);
        let lost = |liveness| liveness == Liveness::Off || (member.witness && liveness == Liveness::Lost);
        Seat {
            id,
            name: member.name.to_string(),
            address: member.address.clone(),
            leads,
            votes: known.is_some_and(|member| member.voter),
            witness: member.witness,
            healthy: leads || (caught_up && answers && at.is_some_and(quorate_core::state::NodeState::is_online)),
            dead: at.is_some_and(|at| lost(at.liveness)),
            lost: false,
            heir: false,
        }
    };
    let mut seats: Vec<Seat> = state.members.values().map(seat).collect();
    let known = |id: u64| state.members.values().any(|member| member.raft_id.0 == id);
    for (id, member) in replicas.known.iter().filter(|(id, member)| member.voter && !known(**id)) {
        let Some(heir) = seats.iter_mut().find(|seat| seat.name == member.name) else { continue };
        heir.heir = true;
        let lost = Seat { id: *id, votes: true, healthy: false, dead: true, lost: true, heir: false, ..heir.clone() };
        seats.push(lost);
    }
    seats
}

/// Who should vote.
pub fn voters(seats: &[Seat]) -> BTreeSet<u64> {
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

/// The names of those who vote, each by its raft id and the name its log has it under. A vote belongs to a store: where a
/// member has lost the one that votes, and has another one since, nobody is heard in its place, and the vote has a name
/// that no node can have.
pub fn names<'a>(state: &ClusterState, voters: impl Iterator<Item = (u64, &'a str)>) -> BTreeSet<NodeId> {
    let name = |(id, name): (u64, &str)| {
        let member = state.members.values().find(|member| member.raft_id.0 == id);
        // An id that the state does not know yet is that of a member which is newer than the state.
        let is_past = member.is_none() && RaftId(id) < state.next_raft_id;
        if is_past { NodeId::new(format!("member {id}")) } else { NodeId::new(name) }
    };
    voters.map(name).collect()
}

/// removal: why this member cannot go yet. Whoever is removed is not let in any more, so those who vote now have to be a
/// majority without it, or nobody could give its place away.
pub fn needed(state: &ClusterState, voters: &BTreeMap<u64, String>, node: &NodeId) -> Option<String> {
    let is_there = |(id, name): &(&u64, &String)| {
        let member = state.members.values().find(|member| member.raft_id.0 == **id);
        let online =
            state.nodes.get(&NodeId::new(name.as_str())).is_some_and(quorate_core::state::NodeState::is_online);
        member.is_some() && online && name.as_str() != node.as_str()
    };
    let (there, away): (Vec<_>, Vec<_>) = voters.iter().partition(is_there);
    let others: Vec<&str> = away.iter().map(|(_, name)| name.as_str()).filter(|name| *name != node.as_str()).collect();
    (!voters.is_empty() && there.len() * 2 <= voters.len()).then(|| {
        format!(
            "{node} cannot be removed now: without it too few of those who vote are left (not there: {})",
            others.join(", ")
        )
    })
}

/// Whether a majority of the new voters is there to take over.
pub fn is_safe(seats: &[Seat], wanted: &BTreeSet<u64>) -> bool {
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
            leads: word.contains('L'),
            votes: word.contains(['L', 'V']),
            witness: word.contains('w'),
            healthy: !word.contains(['?', '!', 'x']),
            dead: word.contains(['!', 'x']),
            lost: word.contains('x'),
            heir: word.contains('h'),
            ..Seat::default()
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

    #[test]
    fn a_vote_whose_store_is_lost_is_heard_from_nobody() {
        let (mut state, _) = pair(&[("n1", 1), ("n2", 2), ("n3", 4)], &[]);
        state.next_raft_id = RaftId(5);
        let names = |voters: &[(u64, &str)]| -> Vec<String> {
            names(&state, voters.iter().copied()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&[(1, "n1"), (2, "n2"), (3, "n3")]), ["member 3", "n1", "n2"]);
        assert_eq!(names(&[(1, "n1"), (2, "n2"), (4, "n3")]), ["n1", "n2", "n3"]);
        // While the vote goes over, both have it.
        assert_eq!(names(&[(1, "n1"), (3, "n3"), (4, "n3")]), ["member 3", "n1", "n3"]);
        // Of a member that joined after what this state knows, the log's word counts.
        assert_eq!(names(&[(1, "n1"), (7, "n7")]), ["n1", "n7"]);
    }

    #[test]
    fn who_answers_the_leader_nothing_gets_no_vote_though_its_daemon_is_heard() {
        let (mut state, mut replicas) = pair(&[("n1", 1), ("n2", 2)], &[(1, "n1"), (2, "n2")]);
        all_online(&mut state);
        // n1 leads alone, and goes down in order: its session has ended, and its vote is to go to n2.
        state.nodes.get_mut(&NodeId::new("n1")).unwrap().liveness = Liveness::Off;
        replicas.known.get_mut(&2).unwrap().voter = false;
        let mut chosen = |silent: Option<u64>| {
            replicas.known.get_mut(&2).unwrap().silent = silent.map(Duration::from_millis);
            let seats = seats(&state, &replicas);
            voters(&seats).into_iter().collect::<Vec<u64>>()
        };
        assert_eq!(chosen(Some(100)), [2]);
        assert_eq!(chosen(Some(700)), [1]);
        assert_eq!(chosen(None), [1]);
    }

    #[test]
    fn who_is_needed_for_a_majority_is_not_removed() {
        let (mut state, replicas) = pair(&[("n1", 1), ("n2", 2), ("n3", 4)], &[(1, "n1"), (2, "n2"), (3, "n3")]);
        let voters: BTreeMap<u64, String> =
            replicas.known.into_iter().map(|(id, replica)| (id, replica.name)).collect();
        all_online(&mut state);
        // n3 has lost its store, which still has the vote.
        assert!(needed(&state, &voters, &"n1".into()).is_some_and(|why| why.contains("not there: n3")));
        assert_eq!(needed(&state, &voters, &"n3".into()), None);
        let voters: BTreeMap<u64, String> = [(1, "n1"), (2, "n2"), (4, "n3")].map(|(id, n)| (id, n.to_owned())).into();
        assert_eq!(needed(&state, &voters, &"n1".into()), None);
    }

    fn all_online(state: &mut ClusterState) {
        for name in ["n1", "n2", "n3"] {
            let mut node = quorate_core::state::NodeState::joining(quorate_core::time::Timestamp(0));
            node.liveness = Liveness::Online;
            node.session = Some(quorate_core::state::Session {
                id: name.into(),
                state: quorate_core::state::SessionState::Open,
                opened: quorate_core::time::Timestamp(0),
            });
            state.nodes.insert(name.into(), node);
        }
    }

    /// Members of the state with their raft ids, and voters of the replica with their names.
    fn pair(members: &[(&str, u64)], voters: &[(u64, &str)]) -> (ClusterState, Replicas) {
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
            let silent = Some(Duration::from_millis(100));
            (*id, Replica { name: (*name).to_owned(), voter: true, matched: Some(10), silent })
        };
        (state, Replicas { me: 1, last: 10, known: voters.iter().map(voter).collect() })
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
