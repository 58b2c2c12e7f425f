//! Stores that are older than they were, two of one kind, states that part, and disks without room.

use std::path::Path;
use std::time::Duration;

use quorate_raft::probe::{Contents, Probe};
use quorate_raft::{Importance, ProposeError, StoreFault};

use crate::support::{Host, Killed, PATIENCE, Write, get, propose, set, three, wait};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes a directory");
    for entry in std::fs::read_dir(from).expect("lists").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).expect("copies");
        }
    }
}

fn restore(dir: &Path, name: &str, from: &str) {
    std::fs::remove_dir_all(dir.join(name)).expect("removes");
    copy(&dir.join(from), &dir.join(name));
}

/// Restarted; the others dial anew, as they do when a process has really died.
async fn restart(killed: Killed, others: &[Host]) -> Host {
    let host = killed.restart().await;
    others.iter().for_each(|other| other.replica.peers().forget(&host.node.address));
    host
}

async fn refused(host: &Host) -> String {
    match wait(host.replica.fault(), "refusal", Option::is_some).await {
        Some(StoreFault::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_a_store_is_refused_however_it_was_taken() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    propose(&hosts[0], set("before", "yes")).await;
    // Taken while it was stopped, before its last start.
    let stopped = hosts.remove(2).kill().await;
    copy(&dir.path().join("member-3"), &dir.path().join("stopped"));
    let host = restart(stopped, &hosts).await;
    let mut last = 0;
    for number in 0..20 {
        last = propose(&hosts[0], set("k", number)).await;
    }
    host.applied(last).await;
    let killed = host.kill().await;
    restore(dir.path(), "member-3", "stopped");
    let host = restart(killed, &hosts).await;
    let why = refused(&host).await;
    assert!(why.contains("older copy"), "{why}");
    assert!(!host.replica.is_taken());
    let (write, wait) = (set("said", "by the copy"), Duration::from_millis(300));
    let said = host.replica.propose_anywhere(Importance::Ordinary, &write, wait).await;
    assert!(matches!(said, Err(ProposeError::NotSent { .. })), "{said:?}");

    // The others go on, and nothing it might say is taken.
    let index = propose(&hosts[0], set("after", "yes")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(*host.replica.applied().borrow() < Some(index));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_taken_in_the_same_life_is_told_by_what_it_lacks() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    // The second start, so that the store is one that has been seen, and holds who its peers are.
    hosts[2].applied(propose(&hosts[0], set("before", "yes")).await).await;
    let killed = hosts.remove(2).kill().await;
    copy(&dir.path().join("member-3"), &dir.path().join("before"));
    let third = restart(killed, &hosts).await;
    let mut last = 0;
    for number in 0..20 {
        last = propose(&hosts[0], set("k", number)).await;
    }
    third.applied(last).await;
    // What was acknowledged is told within a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // It was never started again, but it has been seen to hold more: and the leader that knew it best is gone.
    let killed = third.kill().await;
    restore(dir.path(), "member-3", "before");
    hosts.remove(0).kill().await;
    let back = restart(killed, &hosts).await;
    let why = refused(&back).await;
    assert!(why.contains("copy"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_from_before_a_store_held_anything_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let third = Host::start(dir.path(), 3).await.kill().await;
    copy(&dir.path().join("member-3"), &dir.path().join("empty"));
    let mut hosts = Vec::new();
    for id in 1..=2 {
        hosts.push(Host::start(dir.path(), id).await);
    }
    hosts.push(third.restart().await);
    let last = together(&hosts).await;
    hosts[2].applied(last).await;

    let killed = hosts.remove(2).kill().await;
    restore(dir.path(), "member-3", "empty");
    let host = restart(killed, &hosts).await;
    let why = refused(&host).await;
    assert!(why.contains("older copy"), "{why}");
    assert!(!host.replica.is_taken());
}

/// A cluster of these, founded by the first; up to which entry all of them are needed.
async fn together(hosts: &[Host]) -> u64 {
    let first = &hosts[0];
    first.replica.initialize(first.node.clone()).await.expect("initializes");
    first.status("leader", |s| s.established).await;
    for host in &hosts[1..] {
        first.replica.add_learner(host.replica.id(), host.node.clone(), PATIENCE).await.expect("learner");
    }
    let voters = hosts.iter().map(|host| host.replica.id()).collect();
    first.replica.change_voters(voters, PATIENCE).await.expect("voters");
    propose(first, set("together", "yes")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_stopped_between_its_first_vote_and_its_first_entry_goes_on() {
    let dir = tempfile::tempdir().expect("tempdir");
    // Of the cluster it has nothing but the vote of a term: whom to ask it is told by the leader.
    let killed = Host::start(dir.path(), 4).await.kill().await;
    let (mut probe, held) = Probe::open(&dir.path().join("member-4").join("log")).await.expect("opens");
    assert_eq!(held, Contents::default());
    probe.save_vote(1, 1).await.expect("saves");
    drop(probe);
    let hosts = three(dir.path()).await;
    let fourth = killed.restart().await;
    assert!(!fourth.replica.is_taken());
    let leader = &hosts[0].replica;
    leader.add_learner(4, fourth.node.clone(), PATIENCE).await.expect("learner");
    leader.change_voters([1, 2, 3, 4].into(), PATIENCE).await.expect("voters");
    fourth.applied(propose(&hosts[0], set("after", "yes")).await).await;
    assert!(fourth.replica.is_taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_never_got_an_entry_takes_part_when_the_leader_is_gone() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = Vec::new();
    for id in 1..=3 {
        hosts.push(Host::start(dir.path(), id).await);
    }
    let third = hosts.pop().expect("three");
    together(&hosts).await;
    third.hears(false);
    let leader = &hosts[0].replica;
    leader.add_learner(3, third.node.clone(), PATIENCE).await.expect("learner");
    leader.change_voters([1, 2, 3].into(), PATIENCE).await.expect("voters");
    hosts[1].applied(propose(&hosts[0], set("before", "yes")).await).await;
    // The other two are a majority, and only one of them knows that.
    hosts.remove(0).kill().await;
    third.hears(true);
    hosts[0].status("leads with it", |s| s.established).await;
    third.applied(propose(&hosts[0], set("after", "yes")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_goes_on_when_all_it_knew_are_gone() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    propose(&hosts[0], set("before", "yes")).await;
    let killed = hosts.remove(2).kill().await;
    for id in [4, 5] {
        let host = Host::start(dir.path(), id).await;
        hosts[0].replica.add_learner(id, host.node.clone(), PATIENCE).await.expect("learner");
        hosts.push(host);
    }
    let leader = &hosts[0].replica;
    leader.change_voters([3, 4, 5].into(), PATIENCE).await.expect("voters");
    for _ in 0..2 {
        hosts.remove(0).kill().await;
    }
    // Two of three vote for one of them; to the third both are strangers.
    propose(&hosts[0], set("alone", "yes")).await;
    let leader = hosts.iter().find(|host| host.replica.is_leader()).expect("leader");
    leader.replica.remove_learners([1, 2].into(), PATIENCE).await.expect("removed");
    let third = restart(killed, &hosts).await;
    third.applied(propose(&hosts[0], set("after", "yes")).await).await;
    assert!(third.replica.is_taken());
    assert_eq!(get(&third, "before").as_deref(), Some("yes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_comes_back_with_all_it_had_again_and_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    for round in 0..3 {
        let killed = hosts.remove(0).kill().await;
        let index = propose(&hosts[0], set("round", round)).await;
        let back = restart(killed, &hosts).await;
        back.applied(index).await;
        assert!(back.replica.is_taken() && back.replica.fault().borrow().is_none());
        hosts.push(back);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_parts_from_the_others_is_named_and_stops() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    // Whoever applies it last gets another state.
    propose(&hosts[0], Write::Part).await;
    for number in 0..60 {
        propose(&hosts[0], set("k", number)).await;
    }
    let mut wrong = Vec::new();
    let end = tokio::time::Instant::now() + crate::support::PATIENCE;
    while wrong.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let differs = |host: &&Host| matches!(*host.replica.fault().borrow(), Some(StoreFault::Differs(_)));
        wrong = hosts.iter().filter(differs).collect();
    }
    assert_eq!(wrong.len(), 1, "one of three differs");
    let id = wrong[0].replica.id();
    let well: Vec<&Host> = hosts.iter().filter(|host| host.replica.id() != id).collect();
    let named = |host: &Host| host.replica.differing().borrow().contains_key(&format!("n{id}"));
    assert!(hosts.iter().any(named), "the leader names n{id}");
    let index = propose(well[0], set("after", "yes")).await;
    well[1].applied(index).await;
    assert_eq!(get(wrong[0], "after"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_knows_where_every_store_stands() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    let mut last = 0;
    for number in 0..450 {
        last = propose(&hosts[0], set("k", number)).await;
    }
    let end = tokio::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let stores = hosts[0].replica.stores();
        let is_told = |id: &u64| {
            stores.get(id).is_some_and(|s| s.applied >= Some(last) && s.snapshot >= Some(200) && s.purged >= Some(150))
        };
        if [1, 2, 3].iter().all(is_told) {
            // Bounded: what is kept is a snapshot's worth and a little.
            assert!(stores.values().all(|s| s.last.zip(s.purged).is_some_and(|(last, purged)| last - purged < 300)));
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{stores:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
