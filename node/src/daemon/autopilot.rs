//! Keeps the replica's membership in step with the members: on the leader, new ones become learners, then voters; a
//! store that was lost gives its vote to the one in its place.

use super::cluster::Cluster;
use quorate_raft::{Node, ReplicaError, Role, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// A learner may take so long to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// A learner so few entries behind has caught up: under load it is never level.
const LEVEL: u64 = 1000;
/// More voters make every write slower and tolerate no more than most need.
const MOST_VOTERS: usize = 7;

/// One change of the membership; the next follows when it is in force.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Learner(u64, Node),
    Voters(BTreeSet<u64>),
    Remove(BTreeSet<u64>),
}

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

async fn look(cluster: &Cluster) -> Result<(), ReplicaError> {
    let status = cluster.replica.status().borrow().clone();
    if status.role != Role::Leader || !status.established {
        return Ok(());
    }
    let members: BTreeMap<u64, Node> = cluster.state(|state| {
        let node = |member: &quorate_core::state::Member| Node {
            name: member.name.to_string(),
            address: member.address.clone(),
        };
        state.members.values().map(|member| (member.raft_id.0, node(member))).collect()
    });
    match change(&members, &status) {
        None => Ok(()),
        Some(Change::Learner(id, node)) => cluster.replica.add_learner(id, node, CATCH_UP).await.map(drop),
        Some(Change::Voters(voters)) => cluster.replica.change_voters(voters, CATCH_UP).await.map(drop),
        Some(Change::Remove(gone)) => cluster.replica.remove_learners(gone, CATCH_UP).await.map(drop),
    }
}

/// What to change next, if anything.
fn change(members: &BTreeMap<u64, Node>, status: &Status) -> Option<Change> {
    if let Some((id, node)) = members.iter().find(|(id, _)| !status.members.contains_key(id)) {
        return Some(Change::Learner(*id, node.clone()));
    }
    let last = status.last_log.unwrap_or(0);
    let is_level = |matched: Option<u64>| matched.is_some_and(|at| at + LEVEL >= last);
    let before: BTreeSet<u64> = status.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect();
    let learners = status
        .members
        .iter()
        .filter(|(id, member)| members.contains_key(id) && !member.voter && is_level(member.matched));
    // Those of lost stores come first: the vote they take is one that is never cast.
    let (heirs, others): (Vec<u64>, Vec<u64>) = learners.map(|(id, _)| *id).partition(|id| {
        let name = members.get(id).map(|node| &node.name);
        let lost = before.iter().filter(|voter| !members.contains_key(voter));
        lost.filter_map(|voter| status.members.get(voter)).any(|voter| Some(&voter.node.name) == name)
    });
    let stays = |voter: &u64| {
        // A lost store keeps its place until its heir can take it: fewer voters would tolerate no more.
        let name = status.members.get(voter).map(|member| &member.node.name);
        let has_heir = members.values().any(|node| Some(&node.name) == name);
        let is_ready = heirs.iter().filter_map(|heir| members.get(heir)).any(|node| Some(&node.name) == name);
        members.contains_key(voter) || has_heir && !is_ready
    };
    let mut voters: BTreeSet<u64> = before.iter().copied().filter(stays).collect();
    let room = MOST_VOTERS.saturating_sub(voters.len());
    voters.extend(heirs.iter().chain(&others).take(room));
    if voters != before && !voters.is_empty() {
        return Some(Change::Voters(voters));
    }
    let gone = status.members.keys().filter(|id| !members.contains_key(id) && !before.contains(id));
    let gone: BTreeSet<u64> = gone.copied().collect();
    (!gone.is_empty()).then_some(Change::Remove(gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_raft::Member;

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), address: format!("{name}:1") }
    }

    fn members(list: &[(u64, &str)]) -> BTreeMap<u64, Node> {
        list.iter().map(|(id, name)| (*id, node(name))).collect()
    }

    /// Ids, names, votes, and how far each is.
    fn status(list: &[(u64, &str, bool, Option<u64>)]) -> Status {
        let of = |(id, name, voter, matched): &(u64, &str, bool, Option<u64>)| {
            (*id, Member { node: node(name), voter: *voter, matched: *matched })
        };
        Status { last_log: Some(5000), members: list.iter().map(of).collect(), ..Status::default() }
    }

    const AT: Option<u64> = Some(5000);

    #[test]
    fn a_new_member_is_a_learner_then_a_voter() {
        let known = members(&[(1, "n1"), (2, "n2")]);
        let alone = status(&[(1, "n1", true, AT)]);
        assert_eq!(change(&known, &alone), Some(Change::Learner(2, node("n2"))));
        let far = status(&[(1, "n1", true, AT), (2, "n2", false, Some(10))]);
        assert_eq!(change(&known, &far), None);
        let level = status(&[(1, "n1", true, AT), (2, "n2", false, Some(4990))]);
        assert_eq!(change(&known, &level), Some(Change::Voters([1, 2].into())));
        let done = status(&[(1, "n1", true, AT), (2, "n2", true, AT)]);
        assert_eq!(change(&known, &done), None);
    }

    #[test]
    fn a_lost_store_gives_its_vote_to_the_one_in_its_place_at_once() {
        let known = members(&[(1, "n1"), (2, "n2"), (4, "n3")]);
        let lost = [(1, "n1", true, AT), (2, "n2", true, AT), (3, "n3", true, Some(70))];
        assert_eq!(change(&known, &status(&lost)), Some(Change::Learner(4, node("n3"))));
        let with = |matched| [&lost[..], &[(4, "n3", false, matched)]].concat();
        // It keeps its place until then: two voters would tolerate no failure either.
        assert_eq!(change(&known, &status(&with(None))), None);
        assert_eq!(change(&known, &status(&with(AT))), Some(Change::Voters([1, 2, 4].into())));
        let swapped = [(1, "n1", true, AT), (2, "n2", true, AT), (3, "n3", false, Some(70)), (4, "n3", true, AT)];
        assert_eq!(change(&known, &status(&swapped)), Some(Change::Remove([3].into())));
    }

    #[test]
    fn who_is_no_member_any_more_votes_no_more() {
        let known = members(&[(1, "n1"), (2, "n2")]);
        let three = status(&[(1, "n1", true, AT), (2, "n2", true, AT), (3, "n3", true, AT)]);
        assert_eq!(change(&known, &three), Some(Change::Voters([1, 2].into())));
    }
}
