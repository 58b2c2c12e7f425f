//! The member's side of joining.
//!
//! The one service that strangers can call, so it is bounded: few at a time, small messages, a pause after a wrong
//! token, and nothing goes to the log for a token that is not good here.

use super::MESSAGE_LIMIT;
use super::proto::enrol_server::{Enrol, EnrolServer};
use super::proto::{EnrolReply, EnrolRequest, EnrolledMember, RejoinRequest};
use crate::security::ca::{Ca, CaError, Csr};
use crate::security::hardware::is_placeholder;
use crate::security::names::{check_address, check_hardware_id, check_node_name};
use crate::security::{tls, token};
use futures::future::BoxFuture;
use quorate_api::{Fault, Reason};
use quorate_core::id::{HardwareId, NodeId, RaftId, StoreId};
use quorate_core::state::{ClusterState, Command, Member};
use quorate_core::time::Timestamp;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

/// So many joiners are served at once.
const AT_ONCE: usize = 4;
/// A wrong token keeps its place for so long: guessing is hopeless, and is not to be a load either.
const PAUSE: Duration = Duration::from_millis(500);

/// What enrolment needs of the cluster.
pub trait Members: Send + Sync + 'static {
    /// Looks at the applied state.
    fn state<T>(&self, look: impl FnOnce(&ClusterState) -> T) -> T;

    /// Makes sure that `state` is no older than this call.
    fn fresh(&self) -> BoxFuture<'_, Result<(), Fault>>;

    /// Proposes the member under the token's hash, and waits until that is applied here.
    fn join(&self, token: String, member: Member) -> BoxFuture<'_, Result<RaftId, Fault>>;

    /// Proposes this command about a store, and waits until that is applied here: the raft id it answers, if any.
    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Option<RaftId>, Fault>>;

    /// Whether the daemon of this member answers at its pinned address.
    fn is_alive(&self, raft_id: RaftId) -> BoxFuture<'_, bool>;
}

/// The service.
#[derive(Debug)]
pub struct Enrolment<M> {
    pub(super) members: M,
    places: Semaphore,
}

impl<M: Members> Enrolment<M> {
    /// The tonic service to mount.
    pub fn service(members: M) -> EnrolServer<Self> {
        EnrolServer::new(Self::new(members, AT_ONCE))
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }

    pub(super) fn new(members: M, at_once: usize) -> Self {
        Self { members, places: Semaphore::new(at_once) }
    }

    async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolReply, Fault> {
        let (member, csr) = applicant(request)?;
        let hash = token::hash(&request.token_secret);
        let raft_id = match self.known(&hash, &member).await? {
            Some(raft_id) => raft_id,
            None => self.join(&hash, &member).await?,
        };
        self.members.state(|state| reply(state, &csr, &member.name, raft_id))
    }

    /// The raft id of this very joiner, if it joined by this token already: its first answer was lost. Refuses what
    /// the state cannot accept anyway.
    async fn known(&self, hash: &str, member: &Member) -> Result<Option<RaftId>, Fault> {
        if !self.members.state(|state| state.tokens.contains_key(hash)) {
            // The token may be so new that this member does not know it yet.
            self.members.fresh().await?;
        }
        self.members.state(|state| check(state, hash, member))
    }

    async fn join(&self, hash: &str, member: &Member) -> Result<RaftId, Fault> {
        match self.members.join(hash.to_owned(), member.clone()).await {
            Ok(raft_id) => Ok(raft_id),
            // The same joiner may have asked through another member meanwhile.
            Err(fault) => match self.members.state(|state| check(state, hash, member)) {
                Ok(Some(raft_id)) => Ok(raft_id),
                _ => Err(fault),
            },
        }
    }
}

#[tonic::async_trait]
impl<M: Members> Enrol for Enrolment<M> {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let from = request.remote_addr();
        let request = request.into_inner();
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Fault::new(Reason::Busy, "too many hosts are joining at once; try again").into());
        };
        match Self::enrol(self, &request).await {
            Ok(reply) => {
                tracing::info!(?from, node = request.node_name, raft_id = reply.raft_id, "a host joined");
                Ok(Response::new(reply))
            }
            Err(fault) => {
                tracing::warn!(?from, node = ?request.node_name, why = %fault, "a host that asked to join was refused");
                if fault.reason == Reason::Denied {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(fault.into())
            }
        }
    }

    async fn rejoin(&self, request: Request<RejoinRequest>) -> Result<Response<EnrolReply>, Status> {
        let from = request.remote_addr();
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Fault::new(Reason::Busy, "too many hosts are joining at once; try again").into());
        };
        let peer = tls::require_peer(request.extensions())?;
        let request = request.into_inner();
        match self.readmit(&peer, &request).await {
            Ok(reply) => {
                tracing::warn!(?from, node = request.node_name, raft_id = reply.raft_id, why = ?request.why, "a member that lost its store rejoined");
                Ok(Response::new(reply))
            }
            Err(fault) => {
                tracing::error!(?from, node = ?request.node_name, why = %fault, "a store that asked to rejoin was refused");
                Err(fault.into())
            }
        }
    }
}

/// A raft id and a certificate for it, or why not.
pub(super) fn is_known(what: Option<RaftId>) -> Result<RaftId, Fault> {
    what.ok_or_else(|| Fault::new(Reason::Failed, "the cluster answered without a raft id"))
}

/// The member that the request asks to become, as far as the request alone can tell.
fn applicant(request: &EnrolRequest) -> Result<(Member, Csr), Fault> {
    let invalid = |why: String| Fault::new(Reason::Invalid, why);
    check_node_name(&request.node_name).map_err(invalid)?;
    check_address(&request.address).map_err(invalid)?;
    check_hardware_id(&request.hardware_id).map_err(invalid)?;
    if request.hardware_is_dmi && is_placeholder(&request.hardware_id) {
        return Err(invalid(format!(
            "the hardware id {} is a placeholder that many machines share",
            request.hardware_id
        )));
    }
    if uuid::Uuid::parse_str(&request.store_id).is_err() {
        return Err(invalid("the store id is no UUID".to_owned()));
    }
    let csr = Csr::parse(&request.csr).map_err(|error| invalid(error.to_string()))?;
    let member = Member {
        name: NodeId::new(&request.node_name),
        raft_id: RaftId(0),
        address: request.address.clone(),
        hardware: HardwareId::new(&request.hardware_id),
        hardware_is_dmi: request.hardware_is_dmi,
        store: StoreId::new(&request.store_id),
        fingerprint: csr.fingerprint(),
        joined: Timestamp::default(),
        witness: request.is_witness,
    };
    Ok((member, csr))
}

/// Whether token and names are good here; the raft id, where the token was used by this very joiner.
fn check(state: &ClusterState, hash: &str, new: &Member) -> Result<Option<RaftId>, Fault> {
    if state.identity.is_none() {
        return Err(Fault::new(Reason::NoCluster, "the daemon that was asked is in no cluster"));
    }
    let denied =
        |why: String| Err(Fault::new(Reason::Denied, why).hint("make a new one on a member with `qrm cluster token`"));
    let Some(token) = state.tokens.get(hash) else {
        return denied("the join token is not known in this cluster".to_owned());
    };
    if token.expires <= state.now {
        return denied("the join token has expired".to_owned());
    }
    let twin = state.members.values().find(|member| member.name.as_str().eq_ignore_ascii_case(new.name.as_str()));
    if let Some(by) = &token.used_by {
        let same = |known: &&Member| {
            (&known.name, &known.fingerprint, &known.store, &known.hardware, &known.address)
                == (&new.name, &new.fingerprint, &new.store, &new.hardware, &new.address)
        };
        return match twin.filter(same) {
            Some(known) if *by == known.name => Ok(Some(known.raft_id)),
            _ => denied(format!("the join token was used already, by {by}")),
        };
    }
    match twin {
        Some(twin) => Err(Fault::new(Reason::Refused, format!("there is a member named {} already", twin.name))
            .hint("choose another name with --name")),
        None => Ok(None),
    }
}

pub(super) fn reply(state: &ClusterState, csr: &Csr, node: &NodeId, raft_id: RaftId) -> Result<EnrolReply, Fault> {
    let Some(identity) = &state.identity else {
        return Err(Fault::new(Reason::NoCluster, "the daemon that was asked is in no cluster"));
    };
    let failed = |error: CaError| Fault::new(Reason::Failed, format!("the cluster's CA cannot sign: {error}"));
    let ca = Ca::load(&identity.ca_certificate, &identity.ca_key).map_err(failed)?;
    let enrolled = |member: &Member| EnrolledMember {
        raft_id: member.raft_id.0,
        name: member.name.to_string(),
        address: member.address.clone(),
    };
    Ok(EnrolReply {
        certificate: ca.sign(csr, node.as_str(), raft_id).map_err(failed)?,
        ca_certificate: ca.certificate_pem,
        cluster_id: identity.cluster_id.clone(),
        cluster_name: identity.name.clone(),
        raft_id: raft_id.0,
        members: state.members.values().map(enrolled).collect(),
    })
}
