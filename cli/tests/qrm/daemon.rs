//! A daemon that shows a story's documents, accepts or refuses changes as it is told, and notes what it was asked.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests")]

use crate::story::Story;
use quorate_api::proto::quorate_server::{Quorate, QuorateServer};
use quorate_api::proto::{
    AttributeRequest, CertificateReply, CertificateRequest, ChangeReply, ConfigureReply, ConfigureRequest, Document,
    FenceRequest, InitReply, InitRequest, JoinReply, JoinRequest, NodeRequest, NodeVerb, RecoverReply, RecoverRequest,
    ResourceRequest, TicketRequest, TokenReply, TokenRequest, ViewKind, ViewRequest, WatchRequest,
};
use quorate_api::{Fault, Reason};
use quorate_core::explain::explain;
use quorate_core::planner;
use quorate_core::state::ClusterState;
use quorate_core::suppose::suppose;
use quorate_core::view::{self, Live};
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

pub(crate) struct Daemon {
    directory: TempDir,
    memory: Arc<Memory>,
    server: JoinHandle<()>,
}

/// What came of a run of qrm.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

struct Memory {
    shown: Mutex<(ClusterState, Live)>,
    refusal: Mutex<Option<Fault>>,
    asked: Mutex<Vec<String>>,
}

impl Daemon {
    pub(crate) async fn of(story: &Story) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("quorated.sock")).expect("a fresh directory");
        let memory = Arc::new(Memory {
            shown: Mutex::new((story.state.clone(), story.live("n1"))),
            refusal: Mutex::default(),
            asked: Mutex::default(),
        });
        let service = QuorateServer::from_arc(Arc::clone(&memory));
        let serving = tonic::transport::Server::builder().add_service(service);
        let server = tokio::spawn(async move {
            serving.serve_with_incoming(UnixListenerStream::new(listener)).await.expect("it runs until it is aborted");
        });
        Self { directory, memory, server }
    }

    pub(crate) fn tell(&self, story: &Story) {
        *self.memory.shown.lock().expect("not poisoned") = (story.state.clone(), story.live("n1"));
    }

    pub(crate) fn refuse_changes_with(&self, fault: Fault) {
        *self.memory.refusal.lock().expect("not poisoned") = Some(fault);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.memory.asked.lock().expect("not poisoned").clone()
    }

    /// Where qrm runs.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn qrm(&self, line: &str) -> Ran {
        self.qrm_reading(line, "").await
    }

    /// With a program named in the environment.
    pub(crate) async fn qrm_in(&self, variable: &str, program: &Path, line: &str) -> Ran {
        let mut command = self.command(line);
        command.env_remove("VISUAL").env(variable, program);
        Self::finish(command, "").await
    }

    pub(crate) async fn qrm_reading(&self, line: &str, input: &str) -> Ran {
        Self::finish(self.command(line), input).await
    }

    async fn finish(mut command: Command, input: &str) -> Ran {
        let mut child = command.spawn().expect("qrm was built");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).await.expect("it reads or it ends");
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("qrm writes UTF-8");
        let code = output.status.code().expect("it was not killed");
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// So many lines of what it prints; then it is ended.
    pub(crate) async fn first_lines(&self, line: &str, count: u64) -> Vec<String> {
        let mut child = self.command(line).kill_on_drop(true).spawn().expect("qrm was built");
        let mut printed = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(printed.next_line().await.expect("readable").expect("it goes on"));
        }
        child.kill().await.expect("it still runs");
        lines
    }

    /// Runs a command that agents call.
    pub(crate) async fn helper(&self, name: &str, line: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-helper"));
        command.arg0(name).args(line.split_whitespace()).env_remove("OCF_RESKEY_CRM_meta_on_node");
        command.env("QRM_SOCKET", self.directory.path().join("quorated.sock"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::finish(command, "").await
    }

    // The one program a test of qrm has to start; it is waited for or killed above.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qrm"));
        for name in ["QRM_HOST", "QRM_CA", "QRM_CERT", "QRM_KEY"] {
            command.env_remove(name);
        }
        command
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env("QRM_SOCKET", self.directory.path().join("quorated.sock"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Reply<T> = Result<Response<T>, Status>;

impl Memory {
    fn change<T>(&self, what: String, reply: T) -> Reply<T> {
        if let Some(fault) = self.refusal.lock().expect("not poisoned").clone() {
            return Err(fault.into());
        }
        self.asked.lock().expect("not poisoned").push(what);
        Ok(Response::new(reply))
    }
}

fn document<D: view::Document>(document: &D) -> Document {
    Document { schema: D::SCHEMA.to_owned(), json: document.json() }
}

/// ` +owner=5 -term`
fn attributes(request: &TicketRequest) -> String {
    let set: BTreeMap<&String, &String> = request.set.iter().collect();
    let set = set.iter().map(|(name, value)| format!(" +{name}={value}"));
    set.chain(request.unset.iter().map(|name| format!(" -{name}"))).collect()
}

fn done() -> ChangeReply {
    ChangeReply { index: 9, message: "done".to_owned() }
}

#[tonic::async_trait]
impl Quorate for Memory {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Document, Status>> + Send>>;

    async fn view(&self, request: Request<ViewRequest>) -> Reply<Document> {
        let request = request.into_inner();
        let (state, live) = self.shown.lock().expect("not poisoned").clone();
        let shown = match request.kind() {
            ViewKind::Status => document(&view::status(&state, &planner::plan(&state).report, &live)),
            ViewKind::Config => {
                document(&view::config(&state, &request.argument).expect("tests ask for what is there"))
            }
            ViewKind::Fences => document(&view::fences(&state)),
            // Only the first two, so that the rest has to come by the watch.
            ViewKind::Events => {
                let mut events = view::events(&state, request.argument.parse().ok());
                events.events.truncate(2);
                events.next = events.events.last().map_or(0, |event| event.number + 1);
                document(&events)
            }
            ViewKind::Explanation => match explain(&state, &request.argument.as_str().into()) {
                Some(explained) => document(&explained),
                None => return Err(Fault::new(Reason::NotFound, "there is no such VM").into()),
            },
            ViewKind::Simulation => {
                let what = serde_json::from_str(&request.argument).expect("qrm asks in the contract's words");
                match suppose(&state, &what, state.now) {
                    Ok(supposed) => document(&view::simulation(&supposed)),
                    Err(error) => return Err(Fault::new(Reason::Invalid, error.to_string()).into()),
                }
            }
            kind => return Err(Status::unimplemented(kind.as_str_name())),
        };
        Ok(Response::new(shown))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Reply<Self::WatchStream> {
        let (state, _) = self.shown.lock().expect("not poisoned").clone();
        let from = request.into_inner().from_number;
        let known: Vec<_> = view::events(&state, from).events.iter().map(|event| Ok(document(event))).collect();
        let stream = tokio_stream::iter(known).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn configure(&self, request: Request<ConfigureRequest>) -> Reply<ConfigureReply> {
        let request = request.into_inner();
        let what = format!("configure {:?} {}", request.mode(), request.text.trim());
        let diff = "+ something".to_owned();
        self.change(what, ConfigureReply { revision: 2, diff, warnings: Vec::new() })
    }

    async fn resource(&self, request: Request<ResourceRequest>) -> Reply<ChangeReply> {
        let request = request.into_inner();
        self.change(format!("resource {:?} {}", request.verb(), request.resource), done())
    }

    async fn node(&self, request: Request<NodeRequest>) -> Reply<ChangeReply> {
        let request = request.into_inner();
        let verb: NodeVerb = request.verb();
        self.change(format!("node {verb:?} {} {}", request.node, request.session.unwrap_or_default()), done())
    }

    async fn attribute(&self, request: Request<AttributeRequest>) -> Reply<ChangeReply> {
        let AttributeRequest { node, name, value, .. } = request.into_inner();
        self.change(format!("attribute {node} {name} {value:?}"), done())
    }

    async fn fence(&self, request: Request<FenceRequest>) -> Reply<ChangeReply> {
        self.change(format!("fence {}", request.into_inner().node), done())
    }

    async fn ticket(&self, request: Request<TicketRequest>) -> Reply<ChangeReply> {
        let request = request.into_inner();
        let (verb, attributes) = (request.verb(), attributes(&request));
        self.change(format!("ticket {verb:?} {}{attributes}", request.ticket), done())
    }

    async fn init(&self, _: Request<InitRequest>) -> Reply<InitReply> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn join(&self, _: Request<JoinRequest>) -> Reply<JoinReply> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn token(&self, _: Request<TokenRequest>) -> Reply<TokenReply> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn recover(&self, _: Request<RecoverRequest>) -> Reply<RecoverReply> {
        Err(Status::unimplemented("not part of these tests"))
    }
    async fn certificate(&self, _: Request<CertificateRequest>) -> Reply<CertificateReply> {
        Err(Status::unimplemented("not part of these tests"))
    }
}
