//! Founding a cluster on this host, and joining one.

use super::member::Host;
use super::recovering;
use crate::security::token::Token;
use crate::security::{Ca, CaError, FilesError, Hardware, Identity, ca, enrol, names};
use crate::service::Forming;
use futures::future::BoxFuture;
use quorate_api::proto::{InitReply, JoinReply, JoinRequest, RecoverReply};
use quorate_api::{Fault, Reason};
use quorate_core::id::{NodeId, RaftId};
use quorate_core::state::{Command, Founding, Member, Outcome};
use quorate_core::time::Timestamp;
use quorate_raft::{Node, Replica};
use std::sync::Arc;
use std::time::Duration;

/// A member of one elects itself at once; a joiner is caught up within this.
const FORMING_DEADLINE: Duration = Duration::from_secs(60);

/// Founds and joins on behalf of the local socket.
#[derive(Clone)]
pub struct Founder {
    /// The host the member will run on.
    pub host: Host,
    /// Its hardware.
    pub hardware: Hardware,
    /// One forming at a time.
    pub busy: Arc<tokio::sync::Mutex<()>>,
}

impl Forming for Founder {
    fn init(
        &self,
        cluster_name: String,
        node_name: String,
        address: String,
    ) -> BoxFuture<'_, Result<InitReply, Fault>> {
        Box::pin(self.found(cluster_name, node_name, address))
    }

    fn join(&self, wish: JoinRequest) -> BoxFuture<'_, Result<JoinReply, Fault>> {
        Box::pin(self.enter(wish))
    }

    fn recover(&self, actor: String, dead: Vec<String>) -> BoxFuture<'_, Result<RecoverReply, Fault>> {
        Box::pin(async move {
            let busy = || Fault::new(Reason::Busy, "this is being asked already");
            let _one = self.busy.clone().try_lock_owned().map_err(|_| busy())?;
            recovering::prepare(&self.host, actor, dead).await
        })
    }
}

impl Founder {
    async fn found(&self, cluster_name: String, node_name: String, address: String) -> Result<InitReply, Fault> {
        let _one = self.begin(&node_name, &address)?;
        names::check_node_name(&cluster_name)
            .map_err(|why| Fault::new(Reason::Invalid, format!("the cluster's name: {why}")))?;
        let authority = Ca::create(&cluster_name).map_err(certificates)?;
        let raft_id = RaftId(1);
        let key = self.host.data.key().map_err(files)?;
        let credentials = authority.member(&key, &node_name, raft_id).map_err(certificates)?;
        let identity = Identity {
            cluster_id: uuid::Uuid::new_v4().to_string(),
            cluster_name: cluster_name.clone(),
            node: NodeId::new(&node_name),
            raft_id,
            address: address.clone(),
            store: self.host.data.store_id().map_err(files)?,
            hardware: self.hardware.id.clone(),
            hardware_is_dmi: self.hardware.is_dmi,
        };
        self.host.data.begin_store(&identity.store).map_err(files)?;
        let cluster = self.host.start(&identity, &credentials).await?;
        let node = Node { name: node_name, address };
        cluster.replica.initialize(node).await.map_err(|error| Fault::new(Reason::Failed, error.to_string()))?;
        established(&cluster.replica).await?;
        let member = member_of(&identity, ca::fingerprint(&credentials.certificate_pem).map_err(certificates)?);
        let founding = Founding {
            cluster_id: identity.cluster_id.clone(),
            name: cluster_name,
            ca_certificate: authority.certificate_pem.clone(),
            ca_key: authority.key_pem.clone(),
            member,
        };
        let founded = cluster.change(None, Command::Found(founding)).await;
        match founded {
            Ok((_, Outcome::Joined(_))) => {}
            Ok((_, other)) => {
                return Err(Fault::new(Reason::Failed, format!("the cluster was not founded: {other:?}")));
            }
            Err(error) => return Err(Fault::new(Reason::Failed, format!("the cluster was not founded: {error}"))),
        }
        self.host.data.save_admin(&authority.admin().map_err(certificates)?).map_err(files)?;
        // Last: only a data directory that has it is a member's.
        self.host.data.save(&identity, &credentials).map_err(files)?;
        Ok(InitReply { cluster_id: identity.cluster_id })
    }

    async fn enter(&self, wish: JoinRequest) -> Result<JoinReply, Fault> {
        let JoinRequest { token, node_name, address, witness } = wish;
        let _one = self.begin(&node_name, &address)?;
        let key = self.host.data.key().map_err(files)?;
        let store = self.host.data.store_id().map_err(files)?;
        let token = Token::parse(&token).map_err(|error| Fault::new(Reason::Invalid, error.to_string()))?;
        let applicant = enrol::Applicant {
            node: NodeId::new(&node_name),
            address,
            hardware: self.hardware.clone(),
            store,
            witness,
            key_pem: key,
        };
        let enrolled = enrol::enrol(&token, &applicant).await?;
        let identity = enrolled.identity;
        let peers = enrolled.members.iter().filter(|peer| peer.name != identity.node);
        let node = |peer: &enrol::Peer| Node { name: peer.name.to_string(), address: peer.address.clone() };
        let peers = peers.map(|peer| (peer.raft_id.0, node(peer))).collect();
        self.host.data.save_peers(&peers).map_err(files)?;
        self.host.data.begin_store(&identity.store).map_err(files)?;
        self.host.data.save(&identity, &enrolled.credentials).map_err(files)?;
        let cluster = self.host.start(&identity, &enrolled.credentials).await?;
        // The leader finds the new member and brings it up to date.
        let mut applied = cluster.replica.applied();
        let caught_up = applied.wait_for(|_| cluster.state(|state| state.members.contains_key(&identity.node)));
        tokio::time::timeout(FORMING_DEADLINE, caught_up)
            .await
            .map_err(|_| {
                Fault::new(
                    Reason::Timeout,
                    format!("{node_name} has joined, and the leader has not brought it up to date yet"),
                )
                .hint("look at `qrm status` on another node; it goes on by itself")
            })?
            .map_err(|_| Fault::new(Reason::Failed, "the replica ended"))?;
        Ok(JoinReply { cluster_id: identity.cluster_id, cluster_name: identity.cluster_name })
    }

    fn begin(&self, node_name: &str, address: &str) -> Result<tokio::sync::OwnedMutexGuard<()>, Fault> {
        let invalid = |why: String| Fault::new(Reason::Invalid, why);
        names::check_node_name(node_name).map_err(invalid)?;
        names::check_address(address).map_err(invalid)?;
        let busy = || Fault::new(Reason::Refused, "this daemon is founding or joining a cluster already");
        let guard = self.busy.clone().try_lock_owned().map_err(|_| busy())?;
        if self.host.seat.is_taken() {
            return Err(
                Fault::new(Reason::Refused, "this daemon is in a cluster already").hint("look at `qrm cluster status`")
            );
        }
        if let Some(waiting) = self.host.seat.waits() {
            let message = format!("this daemon is in a cluster already, and not ready yet: {waiting}");
            return Err(Fault::new(Reason::Refused, message));
        }
        self.host.data.clear_unfinished().map_err(files)?;
        Ok(guard)
    }
}

fn member_of(identity: &Identity, fingerprint: String) -> Member {
    Member {
        name: identity.node.clone(),
        raft_id: identity.raft_id,
        address: identity.address.clone(),
        hardware: identity.hardware.clone(),
        hardware_is_dmi: identity.hardware_is_dmi,
        store: identity.store.clone(),
        fingerprint,
        joined: Timestamp(0),
        witness: false,
    }
}

async fn established<M: quorate_raft::Machine>(replica: &Replica<M>) -> Result<(), Fault> {
    let mut status = replica.status();
    let led = tokio::time::timeout(FORMING_DEADLINE, status.wait_for(|status| status.established)).await;
    match led {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Fault::new(Reason::Failed, "this member did not become the leader of its own cluster")),
    }
}

fn certificates(error: CaError) -> Fault {
    Fault::new(Reason::Failed, error.to_string())
}

fn files(error: FilesError) -> Fault {
    Fault::new(Reason::Failed, error.to_string())
}
