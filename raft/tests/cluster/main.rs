//! Three members over loopback: elections, forwarding, catching up, refusing.

mod standing;
mod support;

use std::time::{Duration, Instant};

use quorate_raft::{CallError, Importance, OpenError, ProposeError, ReplicaError, Role, StoreError};
use support::{Host, PATIENCE, Write, get, options, propose, set, three, wait};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_anywhere_is_applied_everywhere() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    let mut last = 0;
    for (number, host) in hosts.iter().enumerate() {
        last = propose(host, set(format!("k{number}"), number)).await;
    }
    for host in &hosts {
        host.applied(last).await;
        assert_eq!(get(host, "k2").as_deref(), Some("2"));
    }
    let follower = hosts.iter().find(|h| !h.replica.is_leader()).expect("follower");
    let refused = follower.replica.propose(Importance::Vital, &Write::Clear).await;
    assert!(matches!(refused, Err(ProposeError::NotLeader { leader: Some(1) })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_catches_up_by_snapshot() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    propose(&hosts[0], set("before", "yes")).await;

    let term = hosts[0].replica.term();
    let started = Instant::now();
    let killed = hosts.remove(0).kill().await;
    let led = |s: &quorate_raft::Status| s.leader.is_some_and(|id| id != 1) && s.term > term;
    hosts[0].status("new leader", led).await;
    println!("new leader after {:?}", started.elapsed());

    // More than one snapshot and its tail, so that the log the killed one lacks is gone.
    let mut last = 0;
    for number in 0..600 {
        last = propose(&hosts[number % 2], set(format!("k{}", number % 10), number)).await;
    }
    let leader = hosts.iter().find(|h| h.replica.is_leader()).expect("leader");
    leader.status("snapshot", |s| s.snapshot >= Some(400)).await;

    let back = killed.restart().await;
    back.applied(last).await;
    assert_eq!(get(&back, "k9").as_deref(), Some("599"));
    assert_eq!(get(&back, "before").as_deref(), Some("yes"));
    let status = back.status("follows", |s| s.role == Role::Follower).await;
    assert!(status.snapshot >= Some(400), "came by snapshot: {status:?}");

    // Every member stands at the same state: compare the hash at the same index.
    for host in &hosts {
        let at = wait(back.replica.state_hash(), "hash", Option::is_some).await;
        let same =
            |theirs: &Option<quorate_raft::StateHash>| theirs.is_some_and(|t| at.is_none_or(|a| t.index >= a.index));
        let theirs = wait(host.replica.state_hash(), "hash", same).await;
        if theirs.map(|t| t.index) == at.map(|a| a.index) {
            assert_eq!(theirs, at);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_cluster_has_all_it_acknowledged() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    let large = "x".repeat(1024 * 1024);
    propose(&hosts[0], set("large", &large)).await;
    let mut last = 0;
    for number in 0..50 {
        last = propose(&hosts[0], set(number, number)).await;
    }
    let mut killed = Vec::new();
    for host in hosts.drain(..) {
        killed.push(host.kill().await);
    }
    for host in killed {
        hosts.push(host.restart().await);
    }
    for host in &hosts {
        host.applied(last).await;
        assert_eq!(get(host, "large").as_deref(), Some(large.as_str()));
        assert_eq!(get(host, "49").as_deref(), Some("49"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_and_reads_are_confirmed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    let index = propose(&hosts[2], set("k", "v")).await;
    let read = hosts[0].replica.linearizable_read(PATIENCE).await;
    assert!(read.expect("leader reads") >= index);

    hosts[0].replica.transfer_leader(3).await.expect("asked");
    hosts[2].status("leads", |s| s.established).await;
    hosts[0].status("follows", |s| s.leader == Some(3)).await;
    let refused = hosts[0].replica.linearizable_read(PATIENCE).await;
    assert!(matches!(refused, Err(ReplicaError::NotLeader { leader: Some(3) })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_a_majority_confirms_no_read_and_claims_no_write() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    hosts.remove(2).kill().await;
    hosts.remove(1).kill().await;
    let read = hosts[0].replica.linearizable_read(Duration::from_secs(2)).await;
    assert!(
        matches!(read, Err(ReplicaError::NoMajority | ReplicaError::Timeout(_) | ReplicaError::NotLeader { .. })),
        "{read:?}"
    );
    let (lost, deadline) = (set("lost", "?"), Duration::from_secs(2));
    let replica = &hosts[0].replica;
    let write = replica.propose_anywhere(Importance::Ordinary, &lost, deadline).await;
    let error = write.expect_err("no majority");
    assert!(error.is_unknown() || matches!(error, ProposeError::NotSent { .. }), "{error}");
    assert_eq!(get(&hosts[0], "lost"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_ask_each_other_and_refuse_strangers() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    let answer = hosts[0].replica.call(2, "echo", b"hello".to_vec(), PATIENCE).await;
    assert_eq!(answer.expect("answers"), b"1:hello");
    let refused = hosts[0].replica.call(2, "nonsense", Vec::new(), PATIENCE).await;
    assert!(matches!(&refused, Err(CallError::Refused { why, .. }) if why == "what is nonsense?"));

    // The address of 2 taken for that of 3: a message not meant for it is refused.
    let node = hosts[1].node.clone();
    let peers = hosts[0].replica.peers();
    let wrong = peers.call(3, &node, "echo", Vec::new(), PATIENCE).await;
    assert!(matches!(&wrong, Err(CallError::Refused { why, .. }) if why.contains("not 3")), "{wrong:?}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = closed.local_addr().expect("bound").to_string();
    drop(closed);
    let node = quorate_raft::Node { name: "gone".to_owned(), address };
    let dead = peers.call(3, &node, "echo", Vec::new(), Duration::from_secs(2)).await;
    assert!(matches!(dead, Err(CallError::Unreachable { .. })), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_not_admitted_gets_no_answer() {
    let dir = tempfile::tempdir().expect("tempdir");
    let strict = Host::start_refusing(dir.path(), 1, 2).await;
    let other = Host::start(dir.path(), 2).await;
    let peers = other.replica.peers();
    let refused = peers.call(1, &strict.node, "echo", Vec::new(), PATIENCE).await;
    assert!(matches!(&refused, Err(CallError::Refused { why, .. }) if why.contains("revoked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_could_not_win_does_not_raise_the_term() {
    let dir = tempfile::tempdir().expect("tempdir");
    let hosts = three(dir.path()).await;
    let term = hosts[0].replica.term();
    hosts[2].status("votes", |s| s.role == Role::Follower).await;
    // It hears nobody, so it wants an election all the time; without pre-vote it would raise
    // its term each time, and unseat the leader as soon as it hears again.
    hosts[2].hears(false);
    // Several times the longest election timeout.
    tokio::time::sleep(Duration::from_secs(2)).await;
    hosts[2].hears(true);
    let index = propose(&hosts[0], set("k", "v")).await;
    hosts[2].applied(index).await;
    assert_eq!(hosts[0].replica.term(), term);
    assert_eq!(hosts[0].replica.leader(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lost_a_part_is_damaged_and_not_a_new_one() {
    for lost in ["log", "snapshots"] {
        let dir = tempfile::tempdir().expect("tempdir");
        let host = Host::start(dir.path(), 1).await;
        host.replica.initialize(host.node.clone()).await.expect("initializes");
        host.status("leader", |s| s.established).await;
        for number in 0..300 {
            propose(&host, set("k", number)).await;
        }
        host.status("snapshot", |s| s.snapshot >= Some(150)).await;
        host.kill().await;
        std::fs::remove_dir_all(dir.path().join("member-1").join(lost)).expect("removes");
        let again = quorate_raft::Replica::<support::Texts>::open(
            support::options(dir.path(), 1),
            support::dial(),
            std::sync::Arc::new(|_| {}),
        );
        let error = again.await.err();
        assert!(matches!(&error, Some(OpenError::Store(StoreError::Damaged { .. }))), "{lost}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_before_it_is_in_any_log() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut full = support::options(dir.path(), 1);
    full.full_percent = 0;
    let mut busy = support::options(dir.path(), 2);
    busy.in_flight = 0;
    for (options, expected) in [(full, "full"), (busy, "in flight")] {
        let id = options.id;
        let replica =
            quorate_raft::Replica::<support::Texts>::open(options, support::dial(), std::sync::Arc::new(|_| {}));
        let replica = replica.await.expect("opens");
        let node = quorate_raft::Node { name: format!("n{id}"), address: "127.0.0.1:1".to_owned() };
        replica.initialize(node).await.expect("initializes");
        wait(replica.status(), "leader", |s| s.established).await;
        let before = replica.status().borrow().last_log;
        let refused = replica.propose(Importance::Ordinary, &set("k", "v")).await.expect_err("refused");
        assert!(!refused.is_unknown() && refused.to_string().contains(expected), "{refused}");
        let large = replica.propose(Importance::Ordinary, &set("k", "v".repeat(5 * 1024 * 1024))).await;
        assert!(matches!(large, Err(ProposeError::TooLarge(_))));
        assert_eq!(replica.status().borrow().last_log, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_disk_has_room_leadership_stays_and_is_not_passed_around() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = Vec::new();
    for host in three(dir.path()).await {
        hosts.push(host.kill().await.restart_full().await);
    }
    for host in &hosts {
        hosts.iter().for_each(|other| host.replica.peers().forget(&other.node.address));
    }
    // Each leader has to hear first how the others stand.
    let led = hosts[0].status("a leader", |s| s.leader.is_some()).await.term;
    let known = |host: &Host| host.replica.stores().values().filter(|store| store.full).count();
    let end = Instant::now() + PATIENCE;
    while !hosts.iter().any(|host| host.replica.is_leader() && known(host) == 3) {
        assert!(Instant::now() < end, "no leader has learned how the others stand");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let term = hosts.iter().map(|host| host.replica.term()).max().expect("three");
    assert!(term <= led + 2, "leadership went around: from term {led} to {term}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_goes_on_alone_with_all_that_its_log_has() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut hosts = three(dir.path()).await;
    let mut last = 0;
    // Snapshots, and a tail after them.
    for number in 0..450 {
        last = propose(&hosts[0], set(number % 10, number)).await;
    }
    let survivor = hosts.pop().expect("three");
    survivor.applied(last).await;
    for host in hosts {
        host.kill().await;
    }
    let node = survivor.node.clone();
    let killed = survivor.kill().await;
    let store = options(dir.path(), 3).dir;
    let at = quorate_raft::recover::<support::Texts>(&store, (3, node.clone()), ("test", ""), &set("alone", "yes"))
        .expect("recovered");
    assert!(at > last);
    // Done again, as after a crash, it does no harm.
    let again = quorate_raft::recover::<support::Texts>(&store, (3, node), ("test", ""), &set("alone", "again"))
        .expect("recovered");
    let back = killed.restart().await;
    let status = back.status("leads alone", |s| s.established && s.role == Role::Leader).await;
    assert_eq!(status.members.keys().copied().collect::<Vec<_>>(), [3]);
    back.applied(again).await;
    assert_eq!((get(&back, "9").as_deref(), get(&back, "alone").as_deref()), (Some("449"), Some("again")));
    let next = propose(&back, set("next", "yes")).await;
    assert!(next > again);
}
