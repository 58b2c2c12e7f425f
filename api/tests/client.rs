//! The client against a real server on a unix socket: retries keep their id, errors keep their reason.

use quorate_api::proto::quorate_server::{Quorate, QuorateServer};
use quorate_api::proto::{
    ChangeReply, ConfigureReply, ConfigureRequest, Document, FenceRequest, InitReply, InitRequest, JoinReply,
    JoinRequest, NodeRequest, ResourceRequest, ResourceVerb, TokenReply, TokenRequest, ViewKind, ViewRequest,
    WatchRequest,
};
use quorate_api::{Change, Client, ClientOptions, Fault, Reason};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

/// Answers the first `failing` changes with `no-leader`, and notes what it was asked.
#[derive(Default)]
struct Daemon {
    failing: Mutex<u32>,
    asked: Mutex<Vec<(String, u64)>>,
}

type Reply<T> = Result<Response<T>, Status>;

fn unused<T>() -> Reply<T> {
    Err(Status::unimplemented("not part of this test"))
}

#[tonic::async_trait]
impl Quorate for Daemon {
    type WatchStream = std::pin::Pin<Box<dyn Stream<Item = Result<Document, Status>> + Send>>;

    async fn configure(&self, request: Request<ConfigureRequest>) -> Reply<ConfigureReply> {
        let id = request.into_inner().request_id.ok_or_else(|| Status::invalid_argument("no id"))?;
        self.asked.lock().expect("not poisoned").push((id.client, id.serial));
        let mut failing = self.failing.lock().expect("not poisoned");
        if *failing > 0 {
            *failing -= 1;
            return Err(Fault::new(Reason::NoLeader, "no leader now").into());
        }
        Ok(Response::new(ConfigureReply { revision: 7, ..ConfigureReply::default() }))
    }

    async fn resource(&self, request: Request<ResourceRequest>) -> Reply<ChangeReply> {
        let name = request.into_inner().resource;
        Err(Fault::new(Reason::NotFound, format!("there is no resource {name}"))
            .hint("see `qrm configure show`")
            .into())
    }

    async fn view(&self, request: Request<ViewRequest>) -> Reply<Document> {
        let argument = request.into_inner().argument;
        if argument == "never" {
            std::future::pending::<()>().await;
        }
        let json = "x".repeat(if argument == "large" { 8 << 20 } else { 1 });
        let schema = "events/1".to_owned();
        Ok(Response::new(Document { schema, json }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Reply<Self::WatchStream> {
        let from = request.into_inner().from_number.unwrap_or(0);
        let documents =
            (from..from + 2).map(|number| Ok(Document { schema: "event/1".to_owned(), json: number.to_string() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(documents))))
    }

    async fn init(&self, _: Request<InitRequest>) -> Reply<InitReply> {
        unused()
    }
    async fn join(&self, _: Request<JoinRequest>) -> Reply<JoinReply> {
        unused()
    }
    async fn token(&self, _: Request<TokenRequest>) -> Reply<TokenReply> {
        unused()
    }
    async fn node(&self, _: Request<NodeRequest>) -> Reply<ChangeReply> {
        unused()
    }
    async fn fence(&self, _: Request<FenceRequest>) -> Reply<ChangeReply> {
        unused()
    }
}

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
