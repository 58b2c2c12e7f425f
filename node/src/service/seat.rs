//! What the service stands on: the cluster this daemon runs in, once it runs in one, and the way into one.

use crate::daemon::cluster::Cluster;
use futures::future::BoxFuture;
use quorate_api::proto::{InitReply, JoinReply, JoinRequest, RecoverReply};
use quorate_api::{Fault, Reason};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::watch;

/// How a removed member comes back.
const COME_BACK: &str =
    "to come back: stop quorated, empty its data directory, start it, and `qrm cluster join` with a fresh token";

/// A daemon's place in a cluster; empty until it founded or joined one.
#[derive(Default)]
pub struct Seat {
    cluster: RwLock<Option<Cluster>>,
    forming: OnceLock<Arc<dyn Forming>>,
    waiting: RwLock<Option<String>>,
    closed: watch::Sender<bool>,
}

impl Seat {
    /// A daemon in no cluster.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A daemon that runs as this member.
    pub fn running(cluster: Cluster) -> Self {
        let seat = Self::default();
        seat.take(cluster);
        seat
    }

    /// From now on this daemon runs as this member; requests that came before are not touched.
    pub fn take(&self, cluster: Cluster) {
        *self.cluster.write().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
        self.wait(None);
    }

    /// What a member waits for that is not running yet.
    pub fn wait(&self, what: Option<String>) {
        *self.waiting.write().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// The same, for who asks.
    pub fn waits(&self) -> Option<String> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The member, if this daemon is one.
    pub fn cluster(&self) -> Option<Cluster> {
        self.cluster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is a member.
    pub fn is_taken(&self) -> bool {
        self.cluster.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Who founds and joins on behalf of this seat: told once, before anybody is served.
    pub fn set_forming(&self, forming: Arc<dyn Forming>) {
        // One that is there stays: there is one way into a cluster.
        let _ = self.forming.set(forming);
    }

    /// The daemon stops: streams end in order, so that the listeners can.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Follows whether the daemon stops.
    pub(super) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    pub(super) fn forming(&self) -> Result<Arc<dyn Forming>, Fault> {
        let still = || Fault::new(Reason::Busy, "this daemon is still starting").hint("ask again in a moment");
        self.forming.get().cloned().ok_or_else(still)
    }

    /// The member, or what to say where there is none.
    pub(super) fn member(&self) -> Result<Cluster, Fault> {
        let cluster = self.cluster().ok_or_else(|| match self.waits() {
            Some(what) => Fault::new(Reason::NoLeader, format!("this member does not take part yet: {what}"))
                .hint("a majority of the other members has to be up: look at `qrm status` on another node"),
            None => Fault::new(Reason::NoCluster, "this daemon is in no cluster: qrm cluster init or join")
                .hint("found one with `qrm cluster init`, or join one with the token that `qrm cluster token` gives"),
        })?;
        match cluster.removed() {
            Some(why) => Err(Fault::new(Reason::NoCluster, why).hint(COME_BACK)),
            None => Ok(cluster),
        }
    }
}

/// How a daemon comes into a cluster; asked on the local socket only. It refuses where the daemon is in one already.
pub trait Forming: Send + Sync + 'static {
    /// Founds a cluster with this daemon as its first member.
    fn init(&self, cluster_name: String, node_name: String, address: String)
    -> BoxFuture<'_, Result<InitReply, Fault>>;

    /// Joins the cluster that the token is of.
    fn join(&self, wish: JoinRequest) -> BoxFuture<'_, Result<JoinReply, Fault>>;

    /// Goes on alone, with the next generation; every other member is off for good, by this person's word.
    fn recover(&self, actor: String, dead: Vec<String>) -> BoxFuture<'_, Result<RecoverReply, Fault>>;
}
