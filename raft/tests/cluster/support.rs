//! Members in one process, talking over loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use quorate_raft::{Calls, Dial, Importance, Machine, MemberId, Node, Options, Replica, Service, Status};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;

/// Long enough for a loaded machine; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A map of text; deterministic, and its size is easy to grow.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Texts {
    pub(crate) values: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Write {
    Set(String, String),
    Clear,
    /// Not deterministic, on purpose: the third to apply it gets another state.
    Part,
}

static APPLIED: AtomicU32 = AtomicU32::new(0);

impl Machine for Texts {
    type Command = Write;
    type Outcome = usize;

    fn apply(&mut self, _index: u64, command: &Write) -> usize {
        match command {
            Write::Set(key, value) => {
                self.values.insert(key.clone(), value.clone());
            }
            Write::Clear => self.values.clear(),
            Write::Part => {
                let is_third = APPLIED.fetch_add(1, Ordering::Relaxed) == 2;
                self.values.insert("parted".to_owned(), is_third.to_string());
            }
        }
        self.values.len()
    }
}

/// Answers `echo`, nobody who is refused, and nobody at all while deaf.
pub(crate) struct Echo {
    refused: Option<MemberId>,
    deaf: Arc<AtomicBool>,
}

impl Calls for Echo {
    fn call(&self, from: MemberId, kind: String, body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(async move {
            match kind.as_str() {
                "echo" => Ok([format!("{from}:").as_bytes(), &body].concat()),
                other => Err(format!("what is {other}?")),
            }
        })
    }

    fn admit(&self, from: MemberId, _: &tonic::Extensions) -> Result<(), String> {
        if self.deaf.load(Ordering::Relaxed) {
            return Err("deaf".to_owned());
        }
        match self.refused {
            Some(id) if id == from => Err("its certificate was revoked".to_owned()),
            Some(_) | None => Ok(()),
        }
    }
}

pub(crate) struct Host {
    pub(crate) replica: Replica<Texts>,
    pub(crate) node: Node,
    dir: PathBuf,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
    deaf: Arc<AtomicBool>,
}

pub(crate) fn dial() -> Dial {
    Arc::new(|node: &Node| {
        tonic::transport::Endpoint::from_shared(format!("http://{}", node.address)).map_err(|e| e.to_string())
    })
}

pub(crate) fn options(dir: &Path, id: MemberId) -> Options {
    let mut options = Options::new(dir.join(format!("member-{id}")), id, "test");
    options.snapshot_every = 200;
    options.keep_entries = 20;
    options.hash_every = 50;
    // Not what is tested, and the disk of a build machine is full at times.
    options.full_percent = 100;
    options
}

async fn serve(address: SocketAddr, replica: Replica<Texts>, echo: Echo) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let served = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(Service::new(replica, echo))
            .serve_with_incoming(TcpListenerStream::new(listener));
        served.await.expect("serves");
    });
    (address, server)
}

impl Host {
    pub(crate) async fn start(dir: &Path, id: MemberId) -> Self {
        Self::start_at(dir, options(dir, id), "127.0.0.1:0".parse().expect("address"), None).await
    }

    pub(crate) async fn start_refusing(dir: &Path, id: MemberId, refused: MemberId) -> Self {
        let any = "127.0.0.1:0".parse().expect("address");
        Self::start_at(dir, options(dir, id), any, Some(refused)).await
    }

    async fn start_at(dir: &Path, options: Options, address: SocketAddr, refused: Option<MemberId>) -> Self {
        // The directory of a finished test is removed under members that still run.
        let on_failed = Arc::new(|_: &quorate_raft::StoreFailed| {});
        let id = options.id;
        let replica = Replica::<Texts>::open(options, dial(), on_failed).await.expect("replica opens");
        let deaf = Arc::new(AtomicBool::new(false));
        let echo = Echo { refused, deaf: deaf.clone() };
        let (address, server) = serve(address, replica.clone(), echo).await;
        let node = Node { name: format!("n{id}"), address: address.to_string() };
        Self { replica, node, dir: dir.to_path_buf(), address, server, deaf }
    }

    /// Whether it hears the others; what it says still arrives.
    pub(crate) fn hears(&self, hears: bool) {
        self.deaf.store(!hears, Ordering::Relaxed);
    }

    /// Stops it without a word to the others.
    pub(crate) async fn kill(self) -> Killed {
        self.server.abort();
        self.hears(false);
        self.replica.shutdown().await;
        Killed { id: self.replica.id(), dir: self.dir, address: self.address }
    }

    pub(crate) async fn status(&self, what: &str, is: impl FnMut(&Status) -> bool) -> Status {
        wait(self.replica.status(), what, is).await
    }

    /// Waits until everything up to `index` is applied.
    pub(crate) async fn applied(&self, index: u64) {
        wait(self.replica.applied(), "apply", |at| *at >= Some(index)).await;
    }
}

pub(crate) struct Killed {
    id: MemberId,
    dir: PathBuf,
    address: SocketAddr,
}

impl Killed {
    pub(crate) async fn restart(self) -> Host {
        Host::start_at(&self.dir, options(&self.dir, self.id), self.address, None).await
    }

    /// On a disk that counts as full.
    pub(crate) async fn restart_full(self) -> Host {
        let mut options = options(&self.dir, self.id);
        options.full_percent = 0;
        Host::start_at(&self.dir, options, self.address, None).await
    }
}

pub(crate) async fn wait<T: Clone + std::fmt::Debug>(
    mut watched: watch::Receiver<T>,
    what: &str,
    is: impl FnMut(&T) -> bool,
) -> T {
    let found = tokio::time::timeout(PATIENCE, watched.wait_for(is)).await;
    let found = found.map(|value| value.expect("replica runs").clone()).ok();
    found.unwrap_or_else(|| panic!("not in time: {what}; {:?}", *watched.borrow()))
}

/// Three voters, the first of which leads.
pub(crate) async fn three(dir: &Path) -> Vec<Host> {
    let mut hosts = Vec::new();
    for id in 1..=3 {
        hosts.push(Host::start(dir, id).await);
    }
    let first = &hosts[0];
    first.replica.initialize(first.node.clone()).await.expect("initializes");
    first.status("leader", |s| s.established).await;
    for host in &hosts[1..] {
        let (id, node) = (host.replica.id(), host.node.clone());
        first.replica.add_learner(id, node, PATIENCE).await.expect("learner");
    }
    let voters = [1, 2, 3].into();
    first.replica.change_voters(voters, PATIENCE).await.expect("voters");
    hosts
}

pub(crate) fn set(key: impl ToString, value: impl ToString) -> Write {
    Write::Set(key.to_string(), value.to_string())
}

pub(crate) async fn propose(host: &Host, write: Write) -> u64 {
    let proposed = host.replica.propose_anywhere(Importance::Ordinary, &write, PATIENCE).await;
    proposed.expect("proposed").0
}

pub(crate) fn get(host: &Host, key: &str) -> Option<String> {
    host.replica.read(|texts, _| texts.values.get(key).cloned())
}
