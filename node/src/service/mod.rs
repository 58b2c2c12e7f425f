//! What a quorated answers to qrm and to other programs: the `Quorate` service of the contract.
//!
//! It says who asks, looks, and brings changes into the log. It decides nothing about safety: `apply` does, and what is
//! refused here beforehand is refused so that a person is told why.

mod actor;
mod agents;
mod asker;
mod attribute;
mod certificate;
mod configure;
mod edit;
mod fault;
mod fence;
mod fence_test;
mod membership;
mod node;
mod ocf;
mod place;
#[cfg(test)]
mod place_tests;
mod resource;
mod restart;
mod seat;
#[cfg(test)]
mod tests;
mod ticket;
mod token;
pub mod units;
mod view;
mod watch;
#[cfg(test)]
mod whole_tests;

#[doc(hidden)]
pub use agents::read_question;
pub use fence::{HAND_OVER_CALL, hand_over, hand_over_to};
pub use seat::{Forming, Seat};

use actor::Actor;
use asker::{Asker, patience, request_id};
use quorate_api::proto::quorate_server::{Quorate, QuorateServer};
use quorate_api::proto::{
    self, AttributeRequest, CertificateReply, CertificateRequest, ChangeReply, ConfigureReply, ConfigureRequest,
    Document, FenceRequest, InitReply, InitRequest, JoinReply, JoinRequest, NodeRequest, RecoverReply, RecoverRequest,
    ResourceRequest, ResourceVerb, TicketRequest, TokenReply, TokenRequest, ViewKind, ViewRequest, WatchRequest,
};
use quorate_api::{Fault, MESSAGE_LIMIT, Reason};
use restart::Restarts;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service; clones answer for the same daemon.
#[derive(Clone)]
pub struct Service {
    seat: Arc<Seat>,
    restarts: Arc<Restarts>,
}

impl Service {
    /// A service for the daemon in this seat.
    pub fn new(seat: Arc<Seat>) -> Self {
        Self { seat, restarts: Arc::default() }
    }

    /// The tonic service to mount, on the socket and on the network alike.
    pub fn server(seat: Arc<Seat>) -> QuorateServer<Self> {
        let server = QuorateServer::new(Self::new(seat));
        server.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT)
    }

    /// For what only who looks after the cluster may do, and look at.
    async fn admit<T>(&self, request: Request<T>) -> Result<(Actor, T), Fault> {
        let (actor, message) = self.admit_agents(request).await?;
        only_people(&actor)?;
        Ok((actor, message))
    }

    /// For what an agent's action may do too, whoever it runs as: the caller looks at the actor.
    async fn admit_agents<T>(&self, request: Request<T>) -> Result<(Actor, T), Fault> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor::admit(&extensions, &self.seat).await?;
        Ok((actor, message))
    }

    /// Who asks for a change, of which cluster.
    async fn asker<T>(
        &self,
        request: Request<T>,
        id: impl FnOnce(&T) -> Option<proto::RequestId>,
    ) -> Result<(Asker, T), Fault> {
        let patience = patience(request.metadata());
        let (actor, asked) = self.admit(request).await?;
        let request = request_id(id(&asked))?;
        Ok((Asker { cluster: self.seat.member()?, actor: actor.name, request, patience }, asked))
    }
}

/// What an agent's action says is trusted with its node's attributes only, unless root runs it.
fn only_people(actor: &Actor) -> Result<(), Fault> {
    if !actor.is_agent {
        return Ok(());
    }
    let why = "an agent that does not run as root may read the status and the configuration without its secrets, and set \
               attributes of its own node that last until the node stops; nothing else";
    Err(Fault::new(Reason::Denied, why).hint("let the agent ask as root"))
}

fn only_local(actor: &Actor) -> Result<(), Fault> {
    if actor.is_local {
        return Ok(());
    }
    Err(Fault::new(Reason::Denied, "a cluster is founded and joined on the host itself")
        .hint("run it there, on its own socket"))
}

#[tonic::async_trait]
impl Quorate for Service {
    type WatchStream = watch::Events;

    async fn init(&self, request: Request<InitRequest>) -> Result<Response<InitReply>, Status> {
        let (actor, asked) = self.admit(request).await?;
        only_local(&actor)?;
        tracing::info!(actor = actor.name, cluster = asked.cluster_name, node = asked.node_name, "to found a cluster");
        let forming = self.seat.forming()?;
        // It goes on when the client goes away: half a founding would be worse than one that nobody saw.
        let founding = async move { forming.init(asked.cluster_name, asked.node_name, asked.address).await };
        Ok(Response::new(detached(founding).await?))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let (actor, asked) = self.admit(request).await?;
        only_local(&actor)?;
        tracing::info!(actor = actor.name, node = asked.node_name, "to join a cluster");
        let forming = self.seat.forming()?;
        let joining = async move { forming.join(asked).await };
        Ok(Response::new(detached(joining).await?))
    }

    async fn token(&self, request: Request<TokenRequest>) -> Result<Response<TokenReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        Ok(Response::new(token::create(&asker, &asked).await?))
    }

    async fn certificate(&self, request: Request<CertificateRequest>) -> Result<Response<CertificateReply>, Status> {
        let (actor, asked) = self.admit(request).await?;
        if !actor.is_local {
            // A certificate must not be able to outlive itself.
            let why = Fault::new(Reason::Denied, "a certificate is made on a member's own host");
            return Err(why.hint("run it there, on its own socket").into());
        }
        let made = self.seat.member()?.state(|state| certificate::administrator(state, asked.valid_seconds))?;
        tracing::info!(actor = actor.name, "a certificate for an administrator was made");
        Ok(Response::new(made))
    }

    async fn recover(&self, request: Request<RecoverRequest>) -> Result<Response<RecoverReply>, Status> {
        let (actor, asked) = self.admit(request).await?;
        if !actor.is_local {
            let why = Fault::new(Reason::Denied, "a cluster is recovered on the host that is left");
            return Err(why.hint("run it there, on its own socket").into());
        }
        tracing::warn!(actor = actor.name, dead = ?asked.lost, "to go on alone");
        let forming = self.seat.forming()?;
        let recovering = async move { forming.recover(actor.name, asked.lost).await };
        Ok(Response::new(detached(recovering).await?))
    }

    async fn view(&self, request: Request<ViewRequest>) -> Result<Response<Document>, Status> {
        let (actor, asked) = self.admit_agents(request).await?;
        if !matches!(asked.kind(), ViewKind::Status | ViewKind::Config) {
            only_people(&actor)?;
        }
        Ok(Response::new(view::view(&self.seat.member()?, &asked).await?))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (_, asked) = self.admit(request).await?;
        Ok(Response::new(watch::watch(self.seat.member()?, &self.seat, asked.from_number)))
    }

    async fn configure(&self, request: Request<ConfigureRequest>) -> Result<Response<ConfigureReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        Ok(Response::new(configure::configure(&asker, &asked).await?))
    }

    async fn resource(&self, request: Request<ResourceRequest>) -> Result<Response<ChangeReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        let reply = match asked.verb() {
            ResourceVerb::Restart => self.restarts.restart(asker, asked.resource).await?,
            _ => resource::resource(&asker, &asked).await?,
        };
        Ok(Response::new(reply))
    }

    async fn node(&self, request: Request<NodeRequest>) -> Result<Response<ChangeReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        Ok(Response::new(node::node(&asker, &asked).await?))
    }

    async fn attribute(&self, request: Request<AttributeRequest>) -> Result<Response<ChangeReply>, Status> {
        let patience = patience(request.metadata());
        let (actor, asked) = self.admit_agents(request).await?;
        let cluster = self.seat.member()?;
        if !attribute::is_an_agents(&asked, &cluster.me.node) {
            only_people(&actor)?;
        }
        let request = request_id(asked.request_id.clone())?;
        let asker = Asker { cluster, actor: actor.name, request, patience };
        Ok(Response::new(attribute::attribute(&asker, asked).await?))
    }

    async fn ticket(&self, request: Request<TicketRequest>) -> Result<Response<ChangeReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        Ok(Response::new(ticket::ticket(&asker, &asked).await?))
    }

    async fn fence(&self, request: Request<FenceRequest>) -> Result<Response<ChangeReply>, Status> {
        let (asker, asked) = self.asker(request, |asked| asked.request_id.clone()).await?;
        Ok(Response::new(fence::fence(&asker, &asked).await?))
    }
}

/// Runs to its end, whether or not anybody still waits for it.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let ended = tokio::spawn(work).await;
    ended.unwrap_or_else(|error| Err(Fault::new(Reason::Failed, format!("it ended unexpectedly: {error}"))))
}
