//! Starts this host's member: store, engine, listener and driver, as one.

use super::calls::Answers;
use super::clock::boot_time;
use super::cluster::Cluster;
use super::driver::{Driver, Ended};
use super::executor::Executor;
use super::feeder::Disks;
use super::inventory;
use super::ocf::Ocf;
use super::power::Power;
use super::{autopilot, peers, store};
use crate::engine::{Engine, Event, Me};
use crate::pace;
use crate::security::{Credentials, DataDir, FilesError, Identity, LossKind, enrol, tls};
use crate::service::{Seat, Service};
use quorate_agents::ocf::Agents;
use quorate_agents::process::Processes;
use quorate_agents::systemd::Systemd;
use quorate_agents::vm::VmBackend;
use quorate_api::proto::quorate_server::QuorateServer;
use quorate_api::{Fault, MESSAGE_LIMIT, Reason};
use quorate_core::id::SessionId;
use quorate_core::state::Release;
use quorate_raft::{OpenError, Options as RaftOptions, Replica, StoreError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Below the data directory: what agents were sending when they were last heard of.
const MIGRATING: &str = "migrating";

/// What every member of this host works with, whichever cluster it is in.
#[derive(Clone)]
pub struct Host {
    /// Its VMs.
    pub backend: VmBackend,
    /// Where its programs run.
    pub processes: Arc<Processes>,
    /// Its units.
    pub systemd: Arc<Systemd>,
    /// Its OCF resource agents.
    pub agents: Arc<Agents>,
    /// Where the feeder of its watchdog listens, if it has one.
    pub feeder: PathBuf,
    /// What reboots it.
    pub reboot_command: Option<Vec<String>>,
    /// Where it keeps itself.
    pub data: Arc<DataDir>,
    /// This boot.
    pub session: SessionId,
    /// This program.
    pub release: Release,
    /// What the local socket shows; the member takes its seat in it.
    pub seat: Arc<Seat>,
    /// Who is told when the member ends.
    pub ended: mpsc::Sender<Ended>,
    /// How the running member is told of events.
    pub events: Arc<OnceLock<mpsc::Sender<Event>>>,
}

/// Why a member did not start.
#[derive(Debug)]
pub enum StartError {
    /// Its store cannot be used under its raft id any more.
    Lost(LossKind, String),
    /// Anything else.
    Fault(Fault),
}

impl From<Fault> for StartError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<FilesError> for StartError {
    fn from(error: FilesError) -> Self {
        Self::Fault(Fault::new(Reason::Failed, error.to_string()))
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Fault(fault) => fault,
            StartError::Lost(_, why) => Self::new(Reason::Failed, format!("the store was lost while it began: {why}"))
                .hint("look at the disk under the data directory"),
        }
    }
}

impl Host {
    /// Opens the store and starts everything; the member takes its seat.
    ///
    /// # Errors
    /// When the store or the address cannot be used.
    pub async fn start(&self, identity: &Identity, credentials: &Credentials) -> Result<Cluster, StartError> {
        let address: SocketAddr = identity.address.parse().map_err(|_| {
            Fault::new(Reason::Invalid, format!("'{}' is no address and port to listen on", identity.address))
        })?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Fault::new(Reason::Failed, format!("cannot listen on {address}: {error}"))
                .hint("the address must be one of this host, and the port free")
        })?;
        let cluster = self.open(identity, credentials).await?;
        self.listen(listener, credentials, &cluster)?;
        let marks = self.data.path().join(MIGRATING);
        let ocf = Arc::new(Ocf::new(self.agents.clone(), self.systemd.clone(), identity.node.clone(), marks));
        let executor = Executor::new(self.backend.clone(), self.processes.clone(), self.reboot_command.clone(), ocf);
        let power = Power::new(self.processes.clone());
        let (driver, events) = Driver::new(cluster.clone(), executor.clone(), power, self.feeder.clone());
        cluster.beats.begin(events.clone());
        tokio::spawn(inventory::watch(executor.clone(), cluster.clone(), events.clone()));
        tokio::spawn(executor.follow_events(events.clone()));
        // One member runs in one process: a second start is refused by the seat.
        let _ = self.events.set(events);
        tokio::spawn(autopilot(cluster.clone()));
        tokio::spawn(store::watch(cluster.clone(), self.data.clone(), identity.raft_id));
        tokio::spawn(peers::keep(cluster.clone(), self.data.clone()));
        let ended = self.ended.clone();
        tokio::spawn(async move {
            match tokio::spawn(driver.run()).await {
                // Main waits for it as long as the process lives.
                Ok(end) => drop(ended.send(end).await),
                Err(error) => {
                    // It would answer polls, might even lead, and do nothing: to the others a dead daemon is better.
                    tracing::error!(%error, "the engine's task ended by itself: this daemon ends");
                    std::process::abort();
                }
            }
        });
        self.seat.take(cluster.clone());
        Ok(cluster)
    }

    async fn open(&self, identity: &Identity, credentials: &Credentials) -> Result<Cluster, StartError> {
        let dir = self.data.store_dir();
        let mut options = RaftOptions::new(&dir, identity.raft_id.0, &identity.cluster_id);
        options.heartbeat = pace::HEARTBEAT;
        options.store = identity.store.to_string();
        options.may_begin = self.data.may_begin(&identity.store)?;
        let on_failed = Arc::new(|failed: &quorate_raft::StoreFailed| {
            // durable: what is on disk is not known any more; a stopped node is fenced, a wrong one corrupts.
            tracing::error!(%failed, "the store failed: this daemon ends");
            std::process::abort();
        });
        let opened = Replica::open(options, tls::dial(credentials), on_failed).await;
        let replica = opened.map_err(|error| match error {
            OpenError::Store(StoreError::Damaged { path, why }) => {
                StartError::Lost(LossKind::Damaged, format!("{}: {why}", path.display()))
            }
            OpenError::Store(StoreError::Foreign { path, why }) => {
                StartError::Lost(LossKind::Foreign, format!("{}: {why}", path.display()))
            }
            error => {
                let message = format!("the store in {} cannot be used: {error}", dir.display());
                StartError::Fault(Fault::new(Reason::Failed, message))
            }
        })?;
        self.data.store_began()?;
        let me = Me {
            node: identity.node.clone(),
            hardware: identity.hardware.clone(),
            session: self.session.clone(),
            release: self.release.clone(),
        };
        let engine = Arc::new(Mutex::new(Engine::new(me.clone(), boot_time())));
        let (agents, systemd) = (self.agents.clone(), self.systemd.clone());
        Ok(Cluster { replica, engine, me, agents, systemd, beats: Arc::default(), disks: Disks::default() })
    }

    fn listen(&self, listener: TcpListener, credentials: &Credentials, cluster: &Cluster) -> Result<(), Fault> {
        let answers = Answers::new(cluster.clone());
        let builder = Server::builder().tls_config(tls::server(credentials));
        let mut builder = builder
            .map_err(|error| Fault::new(Reason::Failed, format!("our own certificate cannot be used: {error:?}")))?;
        let router = builder
            .add_service(quorate_raft::Service::new(cluster.replica.clone(), answers))
            .add_service(enrol::Enrolment::service(cluster.clone()))
            .add_service(server(self.seat.clone()));
        tokio::spawn(async move {
            // Answers are small and urgent: without this the kernel may hold them back.
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            if let Err(error) = router.serve_with_incoming(incoming).await {
                tracing::error!(%error, "the listener ended: this daemon ends");
                std::process::abort();
            }
        });
        Ok(())
    }
}

/// The `Quorate` service, ready to be mounted.
pub(super) fn server(seat: Arc<Seat>) -> QuorateServer<Service> {
    QuorateServer::new(Service::new(seat))
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT)
}
