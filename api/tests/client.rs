//! The client against a real server on a unix socket: retries keep their id, errors keep their reason.

mod daemon;

use daemon::Daemon;
use quorate_api::proto::quorate_server::QuorateServer;
use quorate_api::proto::{ResourceVerb, ViewKind};
use quorate_api::{Change, Client, ClientOptions, Fault, Reason};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;

fn serve(daemon: &Arc<Daemon>, socket: &Path) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).expect("a fresh directory");
    let service = QuorateServer::from_arc(Arc::clone(daemon));
    tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(UnixListenerStream::new(listener))
            .await
            .expect("the server runs until it is aborted");
    })
}

fn quick() -> ClientOptions {
    ClientOptions {
        attempt: Duration::from_millis(500),
        patience: Duration::from_millis(1500),
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn retries_carry_the_same_request_id_and_new_requests_a_new_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let daemon = Arc::new(Daemon::default());
    *daemon.failing.lock().expect("not poisoned") = 2;
    let server = serve(&daemon, &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");

    let reply = client.configure(Change::default()).await.expect("the third try is answered");
    assert_eq!(reply.revision, 7);
    client.configure(Change::default()).await.expect("answered at once");

    let asked = daemon.asked.lock().expect("not poisoned").clone();
    let serials: Vec<u64> = asked.iter().map(|(_, serial)| *serial).collect();
    assert_eq!(serials, [1, 1, 1, 2]);
    assert!(asked.iter().all(|(client, _)| *client == asked[0].0));
    server.abort();
}

#[tokio::test]
async fn what_lasts_longer_than_patience_is_reported_with_its_reason() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let daemon = Arc::new(Daemon::default());
    *daemon.failing.lock().expect("not poisoned") = u32::MAX;
    let server = serve(&daemon, &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");

    let fault = client.configure(Change::default()).await.expect_err("no leader ever");
    assert_eq!(fault, Fault::new(Reason::NoLeader, "no leader now"));
    let fault = client.view(ViewKind::Events, "never").await.expect_err("it never answers");
    assert_eq!(fault.reason, Reason::Timeout);
    server.abort();
}

#[tokio::test]
async fn an_error_that_is_final_is_not_retried_and_keeps_its_hint() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let server = serve(&Arc::default(), &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");

    let fault = client.resource(ResourceVerb::Start, "vm9", None).await.expect_err("no vm9");
    assert_eq!(fault.reason, Reason::NotFound);
    assert_eq!(fault.message, "there is no resource vm9");
    assert_eq!(fault.hint.as_deref(), Some("see `qrm configure show`"));
    server.abort();
}

#[tokio::test]
async fn a_watch_gives_every_event_and_then_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let server = serve(&Arc::default(), &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");

    let mut watch = client.watch(Some(5)).await.expect("it opens");
    let mut seen = Vec::new();
    while let Some(event) = watch.next().await.expect("no error") {
        seen.push(event.json);
    }
    assert_eq!(seen, ["5", "6"]);
    server.abort();
}

#[tokio::test]
async fn a_connection_survives_a_restart_of_the_daemon() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let daemon = Arc::new(Daemon::default());
    let first = serve(&daemon, &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");
    client.configure(Change::default()).await.expect("answered");

    first.abort();
    first.await.expect_err("aborted");
    std::fs::remove_file(&socket).expect("it was there");
    let second = serve(&daemon, &socket);
    client.configure(Change::default()).await.expect("answered by the second one");
    second.abort();
}

#[tokio::test]
async fn no_daemon_is_said_with_the_path() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let fault = Client::connect_socket(&socket, quick()).await.expect_err("nobody listens");
    assert_eq!(fault.reason, Reason::Unreachable);
    assert!(fault.message.contains(socket.to_str().expect("UTF-8")), "{}", fault.message);

    let listens_to_something_else = directory.path().join("closed.sock");
    drop(UnixListener::bind(&listens_to_something_else).expect("a fresh directory"));
    let fault = Client::connect_socket(&listens_to_something_else, quick()).await.expect_err("closed");
    assert_eq!(fault.reason, Reason::Unreachable);
    assert!(fault.hint.is_some_and(|hint| hint.contains("systemctl start quorated")));
}

#[tokio::test]
async fn a_document_may_be_larger_than_grpcs_own_limit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("quorated.sock");
    let server = serve(&Arc::default(), &socket);
    let client = Client::connect_socket(&socket, quick()).await.expect("it listens");
    let document = client.view(ViewKind::State, "large").await.expect("8 MiB are taken");
    assert_eq!(document.json.len(), 8 << 20);
    server.abort();
}
