//! Changes, from the client's call to the applied state.

use super::{Daemon, N1, change, member, see, shown};
use crate::daemon::cluster::Cluster;
use crate::service::Seat;
use crate::service::asker::Asker;
use crate::service::configure::configure;
use quorate_api::Change;
use quorate_api::Reason;
use quorate_api::proto::{ConfigureMode, ConfigureRequest, NodeVerb, ResourceVerb, TicketVerb, ViewKind};
use quorate_core::id::{NodeId, RequestId, ResourceId};
use quorate_core::state::{Intent, Seen};
use quorate_core::view::{ConfigView, Status};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_made_shown_and_kept() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::empty());
    daemon.seat.take(member(&dir).await);
    let client = daemon.client().await;

    let dry = Change { dry_run: true, ..change("primitive vm1 vm:fake") };
    assert_eq!(client.configure(dry).await.unwrap().diff, "+ primitive vm1 vm:fake\n");
    assert_eq!(daemon.cluster().state(|state| state.revision), 0, "a dry run changes nothing");

    let made = client.configure(change("primitive vm1 vm:fake")).await.unwrap();
    assert_eq!((made.revision, made.diff.as_str()), (1, "+ primitive vm1 vm:fake\n"));
    let again = Change { mode: ConfigureMode::Update, ..change("primitive vm1 vm:fake") };
    let again = client.configure(again).await.unwrap();
    assert_eq!((again.revision, again.diff.as_str()), (1, ""), "nothing changed");
    let late = Change { base_revision: Some(0), ..change("primitive vm2 vm:fake") };
    assert_eq!(client.configure(late).await.unwrap_err().reason, Reason::Stale);

    let stopped = client.resource(ResourceVerb::Stop, "vm1", None).await.unwrap();
    assert!(stopped.message.contains("vm1 is to be stopped"), "{}", stopped.message);
    let config: ConfigView = shown(&client, ViewKind::Config).await;
    assert!(config.revision == 2 && config.text.contains("target-role=Stopped"), "{config:?}");
    let unknown = client.resource(ResourceVerb::Start, "vm11", None).await.unwrap_err();
    assert_eq!((unknown.reason, unknown.hint.as_deref()), (Reason::NotFound, Some("did you mean 'vm1'?")));
    assert!(client.resource(ResourceVerb::Cleanup, "vm1", Some("n2")).await.unwrap_err().message.contains("'n2'"));
    client.set_failures("vm1", N1, 2).await.unwrap();
    assert!(client.set_failures("vm1", "n2", 2).await.unwrap_err().message.contains("'n2'"));
    assert!(client.set_failures("vm9", N1, 2).await.unwrap_err().message.contains("'vm9'"));
    let status = client.view(ViewKind::Status, "").await.unwrap();
    assert!(status.json.contains(r#""set":2"#), "{}", status.json);
    client.resource(ResourceVerb::Cleanup, "vm1", Some(N1)).await.unwrap();

    client.node(NodeVerb::Standby, N1, None).await.unwrap();
    assert_eq!(daemon.cluster().state(|state| state.nodes[&NodeId::from(N1)].intent), Intent::Standby);
    client.node(NodeVerb::Online, N1, None).await.unwrap();
    assert!(client.node(NodeVerb::Ready, N1, None).await.unwrap().message.contains("already"));
    let asked = client.node(NodeVerb::ConfirmOff, N1, Some("boot-1")).await.unwrap_err();
    assert!(asked.reason == Reason::Refused && asked.message.contains("nobody asks"), "{asked:?}");
    assert_eq!(client.fence(N1, None).await.unwrap_err().reason, Reason::Refused, "no device, and nobody else");

    let history = client.view(ViewKind::History, "").await.unwrap();
    assert!(history.json.contains("@n1"), "who did it is in the history: {}", history.json);
    let state = client.view(ViewKind::State, "").await.unwrap();
    assert!(!state.json.contains("PRIVATE KEY"), "the CA's key stays in the cluster");
    for kind in [ViewKind::Fences, ViewKind::Events, ViewKind::Plan] {
        assert!(client.view(kind, "").await.unwrap().schema.ends_with("/1"));
    }
    let missing = client.view(ViewKind::Config, "vm11").await.unwrap_err();
    assert_eq!((missing.reason, missing.hint.as_deref()), (Reason::NotFound, Some("did you mean vm1?")));
    daemon.cluster().replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_known_by_its_hash_and_never_twice_the_same() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let first = client.token(Some(Duration::from_secs(60))).await.unwrap();
    let second = client.token(None).await.unwrap();
    assert_ne!(first.token, second.token);
    for made in [&first, &second] {
        let token = crate::security::token::Token::parse(&made.token).unwrap();
        assert_eq!(token.addresses, ["127.0.0.1:7001".parse().unwrap()]);
        let known = daemon.cluster().state(|state| state.tokens.get(&token.hash()).map(|token| token.expires.0));
        // One is told in the time of the cluster, the other in that of this host.
        assert!(known.is_some_and(|known| known.abs_diff(made.expires_unix_ms) < 60_000), "{known:?}");
    }
    let long = client.token(Some(Duration::from_secs(90_000))).await.unwrap_err();
    assert_eq!(long.reason, Reason::Invalid);
    daemon.cluster().replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_answered_and_a_change_that_others_overtook_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let cluster = member(&dir).await;
    let asker = |client: &str, serial| Asker {
        cluster: cluster.clone(),
        actor: "root@n1".to_owned(),
        request: Some(RequestId { client: client.to_owned(), serial }),
        patience: Duration::from_secs(5),
    };
    let text = |text: &str| ConfigureRequest { text: text.to_owned(), ..Default::default() };
    let add = text("primitive vm1 vm:fake");
    let first = configure(&asker("a", 1), &add).await.unwrap();
    let retry = configure(&asker("a", 1), &add).await.unwrap();
    assert_eq!((first.revision, &first.diff), (retry.revision, &retry.diff));
    assert_eq!(configure(&asker("a", 2), &add).await.unwrap_err().reason, Reason::Invalid, "it exists");
    assert_eq!(configure(&asker("a", 2), &text("primitive vm2 vm:fake")).await.unwrap().revision, 2);
    assert_eq!(configure(&asker("a", 1), &add).await.unwrap_err().reason, Reason::Stale, "it is an old one");

    // As many at once as there are attempts: each is overtaken by the others, and all come through.
    let requests: Vec<_> =
        (0..4).map(|number| (asker(&format!("b{number}"), 1), text(&format!("primitive x{number} vm:fake")))).collect();
    let all = requests.iter().map(|(asker, text)| configure(asker, text));
    let revisions = futures::future::join_all(all).await.into_iter().map(|reply| reply.unwrap().revision);
    let mut revisions: Vec<u64> = revisions.collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [3, 4, 5, 6]);
    assert_eq!(cluster.state(|state| state.config.primitives.len()), 6);
    let (asker, again) = &requests[3];
    let retried = configure(asker, again).await.unwrap();
    assert_eq!(retried.diff, "+ primitive x3 vm:fake\n");
    assert_eq!(cluster.state(|state| state.revision), 6, "the retry changed nothing");
    cluster.replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_waits_for_the_stop_and_goes_on_without_its_client() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    client.configure(change("primitive vm1 vm:fake")).await.unwrap();
    let cluster = daemon.cluster();
    see(&cluster, "vm1", Seen::Running).await;
    let asked = tokio::spawn(async move { client.resource(ResourceVerb::Restart, "vm1", None).await });
    let role = |cluster: &Cluster| {
        cluster.state(|state| state.config.primitives[&ResourceId::from("vm1")].meta.get("target-role").cloned())
    };
    reaches(&cluster, || role(&cluster).as_deref() == Some("Stopped")).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(role(&cluster).as_deref(), Some("Stopped"), "it is not stopped yet");
    see(&cluster, "vm1", Seen::Stopped).await;
    reaches(&cluster, || role(&cluster).is_none()).await;
    cluster.replica.shutdown().await;
}

async fn reaches(cluster: &Cluster, is_so: impl Fn() -> bool) {
    let mut applied = cluster.replica.applied();
    let waiting = async {
        while !is_so() {
            applied.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it never came to be so");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_node_again_is_written_once() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let first = client.attribute(N1, "connected", Some("1")).await.unwrap().index;
    for _ in 0..3 {
        assert_eq!(client.attribute(N1, "connected", Some("1")).await.unwrap().index, first);
    }
    assert!(client.attribute(N1, "connected", Some("0")).await.unwrap().index > first);
    let attributes = daemon.cluster().state(|state| state.attributes[&NodeId::from(N1)].clone());
    assert_eq!(attributes["connected"], "0");
    client.attribute(N1, "connected", None).await.unwrap();
    assert!(daemon.cluster().state(|state| state.attributes[&NodeId::from(N1)].is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_adds_a_resource_hears_where_no_fence_device_is() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let told = async |text: &str| client.configure(change(text)).await.unwrap().warnings.join("\n");
    let none = "n1: no fence device is for this node, so it gets no resources\n  hint: add one: `primitive fence-n1";
    assert!(told("primitive vm1 vm:fake").await.starts_with(none));
    assert_eq!(told("set vm1.target-role Stopped").await, "", "it is known");
    assert_eq!(told("primitive ipmi stonith:fake params target=n1").await, "");
    assert_eq!(told("primitive vm2 vm:fake").await, "");
    assert!(told("set ipmi.target n2").await.contains(none), "it lost what it had");
    assert!(!told("property stonith-enabled=false\nprimitive vm3 vm:fake").await.contains("no fence device"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_given_and_taken() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    client.configure(change("primitive vm1 vm:fake\nrsc_ticket t east: vm1 loss-policy=freeze")).await.unwrap();
    let status: Status = shown(&client, ViewKind::Status).await;
    assert_eq!(status.resources[0].ticket.as_deref(), Some("ticket east is not granted"));

    let granted = client.ticket(TicketVerb::Grant, "east").await.unwrap().message;
    assert_eq!(granted, "ticket east is granted: vm1 (t, loss-policy=freeze) may run");
    let status: Status = shown(&client, ViewKind::Status).await;
    assert!(status.tickets[0].granted && status.resources[0].ticket.is_none(), "{:?}", status.tickets);
    assert_eq!(client.ticket(TicketVerb::Delete, "east").await.unwrap_err().reason, Reason::Refused, "it is granted");
    client.ticket(TicketVerb::Standby, "east").await.unwrap();
    client.ticket(TicketVerb::Activate, "east").await.unwrap();
    see(&daemon.cluster(), "vm1", Seen::Running).await;
    let revoked = client.ticket(TicketVerb::Revoke, "east").await.unwrap().message;
    assert!(revoked.ends_with("\n  vm1 is left alone on n1"), "{revoked}");
    let status: Status = shown(&client, ViewKind::Status).await;
    assert_eq!(status.resources[0].ticket.as_deref(), Some("ticket east was revoked"));
    let events = client.view(ViewKind::Events, "").await.unwrap().json;
    for word in ["granted", "put on standby", "activated", "revoked"] {
        assert!(events.contains(&format!("ticket east was {word} by")), "{word}: {events}");
    }
    // What an arbitrator keeps goes with the change, alone, and with the ticket.
    let owner = |value: Option<&str>| [("owner".to_owned(), value.map(str::to_owned))].into();
    client.ticket_with(TicketVerb::Grant, "east", &owner(Some("5"))).await.unwrap();
    let status: Status = shown(&client, ViewKind::Status).await;
    assert_eq!((status.tickets[0].granted, status.tickets[0].attributes["owner"].as_str()), (true, "5"));
    client.ticket_with(TicketVerb::Unspecified, "east", &owner(None)).await.unwrap();
    let status: Status = shown(&client, ViewKind::Status).await;
    assert!(status.tickets[0].granted && status.tickets[0].attributes.is_empty(), "{:?}", status.tickets);
    let own = [("granted".to_owned(), Some("false".to_owned()))].into();
    assert!(client.ticket_with(TicketVerb::Unspecified, "east", &own).await.is_err(), "it is the ticket's own");
    assert!(client.ticket(TicketVerb::Unspecified, "east").await.is_err(), "it says nothing");
    client.ticket(TicketVerb::Revoke, "east").await.unwrap();
    client.ticket(TicketVerb::Delete, "east").await.unwrap();
    assert_eq!(client.ticket(TicketVerb::Grant, "a b").await.unwrap_err().reason, Reason::Refused);
}
