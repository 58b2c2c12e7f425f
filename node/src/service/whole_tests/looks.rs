//! What is shown, and to whom nothing is.

use super::{Daemon, N1, change, member, open, shown};
use crate::service::{Forming, Seat};
use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_api::proto::{Document, InitReply, JoinReply, JoinRequest, RecoverReply, ResourceVerb, ViewKind};
use quorate_api::{Client, ClientOptions, Fault, Reason};
use quorate_core::id::NodeId;
use quorate_core::state::{Event, EventKind};
use quorate_core::view::Status;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

struct Refusing;

impl Forming for Refusing {
    fn init(&self, cluster: String, node: String, _address: String) -> BoxFuture<'_, Result<InitReply, Fault>> {
        async move { Ok(InitReply { cluster_id: format!("{cluster} of {node}") }) }.boxed()
    }

    fn join(&self, _wish: JoinRequest) -> BoxFuture<'_, Result<JoinReply, Fault>> {
        async { Err(Fault::new(Reason::Refused, "not today").hint("tomorrow")) }.boxed()
    }

    fn recover(&self, actor: String, dead: Vec<String>) -> BoxFuture<'_, Result<RecoverReply, Fault>> {
        async move { Err(Fault::new(Reason::Refused, format!("{actor} says that {dead:?} are gone"))) }.boxed()
    }
}

#[tokio::test]
async fn a_daemon_in_no_cluster_only_founds_and_joins() {
    let daemon = Daemon::start(Seat::empty());
    let client = daemon.client().await;
    let fault = client.view(ViewKind::Status, "").await.unwrap_err();
    assert_eq!(fault.reason, Reason::NoCluster);
    assert!(fault.message.contains("qrm cluster init or join"), "{fault:?}");
    let answers = [
        client.configure(change("primitive vm1 vm:fake")).await.map(|_| ()),
        client.token(None).await.map(|_| ()),
        client.resource(ResourceVerb::Restart, "vm1", None).await.map(|_| ()),
        client.watch(None).await.map(|_| ()),
    ];
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_err_and(|fault| fault.reason == Reason::NoCluster)),
        "{answers:?}"
    );

    daemon.seat.set_forming(Arc::new(Refusing));
    assert_eq!(client.init("house", N1, "127.0.0.1:7001").await.unwrap().cluster_id, "house of n1");
    let fault = client.join("token", N1, "127.0.0.1:7001", false).await.unwrap_err();
    assert_eq!((fault.reason, fault.hint.as_deref()), (Reason::Refused, Some("tomorrow")));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_from_any_number_until_the_daemon_stops() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let mut from_the_beginning = client.watch(Some(0)).await.unwrap();
    let mut to_come = client.watch(None).await.unwrap();
    client.configure(change("primitive vm1 vm:fake")).await.unwrap();
    let read = |document: Document| {
        assert_eq!(document.schema, "event/1");
        serde_json::from_str::<Event>(&document.json).unwrap()
    };
    let first = read(from_the_beginning.next().await.unwrap().unwrap());
    assert_eq!((first.number, first.kind), (0, EventKind::Member));
    let next = read(to_come.next().await.unwrap().unwrap());
    assert_eq!(next.kind, EventKind::Configured);
    let mut last = first;
    while last.kind != EventKind::Configured {
        let event = read(from_the_beginning.next().await.unwrap().unwrap());
        assert_eq!(event.number, last.number + 1);
        last = event;
    }
    assert_eq!(last, next);
    daemon.seat.close();
    assert_eq!(to_come.next().await.unwrap(), None, "it ends in order");
    daemon.cluster().replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_shown_with_and_without_a_leader() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let status: Status = shown(&client, ViewKind::Status).await;
    assert!(status.quorum.confirmed, "{:?}", status.quorum);
    let n1 = Some(NodeId::from(N1));
    assert_eq!((&status.quorum.leader, &status.cluster.name), (&n1, &"house".to_owned()));
    assert_eq!((&status.quorum.voters, &status.quorum.reachable), (&vec![NodeId::from(N1)], &vec![NodeId::from(N1)]));

    // A member that was never made one has no leader and no majority.
    let alone = TempDir::new().unwrap();
    let lonely = Daemon::start(Seat::running(open(&alone).await));
    let client = lonely.client().await;
    let began = std::time::Instant::now();
    let status: Status = shown(&client, ViewKind::Status).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(!status.quorum.confirmed && status.quorum.leader.is_none(), "{:?}", status.quorum);
    let hasty = ClientOptions { patience: Duration::from_secs(2), ..ClientOptions::default() };
    let client = Client::connect_socket(lonely.dir.path().join("sock"), hasty).await.unwrap();
    assert_eq!(client.configure(change("primitive vm1 vm:fake")).await.unwrap_err().reason, Reason::NoLeader);
    daemon.cluster().replica.shutdown().await;
    lonely.cluster().replica.shutdown().await;
}
