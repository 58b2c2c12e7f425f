//! The whole service through its own client: a member of one over a unix socket, with the real store under it.

mod agents;
mod changes;
mod late;
mod looks;

use super::{Seat, Service};
use crate::daemon::clock::boot_time;
use crate::daemon::cluster::{Cluster, Store};
use crate::engine::{Engine, Me};
use crate::security::Ca;
use quorate_agents::ocf::Agents;
use quorate_agents::process::Processes;
use quorate_agents::systemd::Systemd;
use quorate_api::proto::ViewKind;
use quorate_api::{Change, Client, ClientOptions};
use quorate_core::id::{HardwareId, Incarnation, NodeId, RaftId, ResourceId, SessionId, StoreId};
use quorate_core::state::{Command, Founding, Member, Outcome, Release, Seen, Speaker};
use quorate_core::time::Timestamp;
use quorate_raft::{Node, Options, Replica};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

const N1: &str = "n1";

/// A daemon that ends with the test.
struct Daemon {
    seat: Arc<Seat>,
    dir: TempDir,
    server: JoinHandle<()>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Daemon {
    fn start(seat: Seat) -> Self {
        let dir = TempDir::new().unwrap();
        let seat = Arc::new(seat);
        let listener = UnixListener::bind(dir.path().join("sock")).unwrap();
        let router = Server::builder().add_service(Service::server(seat.clone()));
        let server = tokio::spawn(async move {
            router.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
        });
        Self { seat, dir, server }
    }

    async fn client(&self) -> Client {
        Client::connect_socket(self.dir.path().join("sock"), ClientOptions::default()).await.unwrap()
    }

    fn cluster(&self) -> Cluster {
        self.seat.cluster().unwrap()
    }
}

fn me() -> Me {
    Me {
        node: NodeId::from(N1),
        hardware: HardwareId::from("hardware-1"),
        session: SessionId::from("boot-1"),
        release: Release::this(),
    }
}

async fn open(dir: &TempDir) -> Cluster {
    let options = Options::new(dir.path(), 1, "house");
    let dial: quorate_raft::Dial = Arc::new(|_: &Node| Err("this test has one member".to_owned()));
    let replica: Replica<Store> = Replica::open(options, dial, Arc::new(|_: &_| {})).await.unwrap();
    let engine = Arc::new(Mutex::new(Engine::new(me(), boot_time())));
    let agents = Arc::new(Agents::new(dir.path().join("ocf"), Processes::new(None)));
    // There is no systemd in this directory.
    let systemd = Arc::new(Systemd::new(quorate_agents::systemd::BUS, dir.path().join("systemd")));
    Cluster { replica, engine, me: me(), agents, systemd, beats: Arc::default(), disks: Default::default() }
}

/// A cluster of one that was founded and said hello; nobody plans or works in it.
async fn member(dir: &TempDir) -> Cluster {
    let cluster = open(dir).await;
    let address = "127.0.0.1:7001".to_owned();
    cluster.replica.initialize(Node { name: N1.to_owned(), address: address.clone() }).await.unwrap();
    let authority = Ca::create("house").unwrap();
    let member = Member {
        name: NodeId::from(N1),
        raft_id: RaftId(1),
        address,
        hardware: me().hardware,
        hardware_is_dmi: true,
        store: StoreId::from("store-1"),
        fingerprint: "key-1".to_owned(),
        joined: Timestamp(0),
        witness: false,
    };
    let founding = Founding {
        cluster_id: "c0ffee".to_owned(),
        name: "house".to_owned(),
        ca_certificate: authority.certificate_pem.clone(),
        ca_key: authority.key_pem.clone(),
        member,
    };
    tell(&cluster, Command::Found(founding)).await;
    let (node, hardware, session) = (NodeId::from(N1), me().hardware, me().session);
    let (follows, inventory, release) = (Incarnation(0), BTreeMap::new(), Release::this());
    tell(&cluster, Command::Hello { node, hardware, session, follows, inventory, release }).await;
    cluster
}

async fn tell(cluster: &Cluster, command: Command) {
    let (_, outcome) = cluster.change(None, command).await.unwrap();
    assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

async fn see(cluster: &Cluster, resource: &str, seen: Seen) {
    let (resource, node) = (ResourceId::from(resource), NodeId::from(N1));
    let operation = cluster.state(|state| state.resources[&resource][&node].operation);
    let speaker = Speaker { node, session: me().session, incarnation: Incarnation(1) };
    tell(cluster, Command::Observe { speaker, resource, operation, seen, error: None }).await;
}

fn change(text: &str) -> Change {
    Change { text: text.to_owned(), ..Change::default() }
}

async fn shown<T: serde::de::DeserializeOwned>(client: &Client, kind: ViewKind) -> T {
    let document = client.view(kind, "").await.unwrap();
    serde_json::from_str(&document.json).unwrap()
}
