//! What a member answers its peers. Mounted by the embedder on its own mutual-TLS server.

use futures::future::BoxFuture;
use tonic::{Request, Response, Status, Streaming};

use super::messages::{
    AppendReplyV1, AppendV1, SnapshotHeadV1, SnapshotReplyV1, TransferReplyV1, TransferV1, VoteReplyV1, VoteRequestV1,
};
use super::proto::members_server::{Members, MembersServer};
use super::proto::{Applied, CallReply, CallRequest, Message, ProposeReply, ProposeRequest, Refused, propose_reply};
use super::{MAX_MESSAGE, Peers};
use crate::codec::{self, CodecError, Kind};
use crate::machine::Machine;
use crate::replica::{Importance, ProposeError, Replica};
use crate::types::{MemberId, Snapshot};
use crate::wire::V1;

/// The largest snapshot taken in; larger ones do not fit the codec either.
const MAX_SNAPSHOT: u64 = 255 * 1024 * 1024;

/// What the embedder answers, and whom.
pub trait Calls: Send + Sync + 'static {
    /// Answers a question of the embedder's own: a beat, a poll. `Err` is told to the asker.
    fn call(&self, from: MemberId, kind: String, body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>>;

    /// Whether this peer may talk to us: is the certificate that of `from`, is it a member and
    /// not tombstoned. Asked before every message is looked at.
    fn admit(&self, from: MemberId, extensions: &tonic::Extensions) -> Result<(), String>;
}

/// Answers no calls and admits everybody: for tests, and for a network nobody else is on.
#[derive(Debug, Default)]
pub struct NoCalls;

impl Calls for NoCalls {
    fn call(&self, _from: MemberId, kind: String, _body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(async move { Err(format!("{kind} is not answered here")) })
    }

    fn admit(&self, _from: MemberId, _extensions: &tonic::Extensions) -> Result<(), String> {
        Ok(())
    }
}

/// The member service of one replica.
pub struct Service<M: Machine, C> {
    replica: Replica<M>,
    calls: C,
}

impl<M: Machine, C: Calls> Service<M, C> {
    /// The tonic service to mount.
    pub fn new(replica: Replica<M>, calls: C) -> MembersServer<Self> {
        MembersServer::new(Self { replica, calls })
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    fn admit(&self, from: MemberId, to: MemberId, cluster: &str, extensions: &tonic::Extensions) -> Result<(), Status> {
        let us: &Peers = self.replica.peers();
        if cluster != us.cluster {
            let text = format!("this is cluster {}, not {cluster}", us.cluster);
            return Err(Status::failed_precondition(text));
        }
        if to != us.me {
            let text = format!("this is member {}, not {to}", us.me);
            return Err(Status::failed_precondition(text));
        }
        self.calls.admit(from, extensions).map_err(Status::permission_denied)
    }

    fn take(&self, request: Request<Message>) -> Result<Message, Status> {
        let message = request.get_ref();
        self.admit(message.from, message.to, &message.cluster, request.extensions())?;
        Ok(request.into_inner())
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        request: Request<Message>,
        kind: Kind,
    ) -> Result<(MemberId, T), Status> {
        let message = self.take(request)?;
        let value = codec::decode(kind, V1, &message.body).map_err(unreadable)?;
        Ok((message.from, value))
    }

    fn answer<T: serde::Serialize>(&self, to: MemberId, kind: Kind, value: &T) -> Result<Response<Message>, Status> {
        let body = codec::encode(kind, V1, value).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Response::new(self.replica.peers().message(to, body)))
    }

    async fn receive(&self, mut parts: Streaming<Message>, length: u64) -> Result<Vec<u8>, Status> {
        let mut state = Vec::new();
        while let Some(part) = parts.message().await? {
            state.extend_from_slice(&part.body);
            if state.len() as u64 > length {
                break;
            }
        }
        if state.len() as u64 != length {
            let text = format!("snapshot of {length} bytes came as {}", state.len());
            return Err(Status::data_loss(text));
        }
        Ok(state)
    }
}

fn unreadable(error: CodecError) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("this member has stopped: {error}"))
}

#[tonic::async_trait]
impl<M: Machine, C: Calls> Members for Service<M, C> {
    async fn append(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, rpc): (_, AppendV1) = self.read(request, Kind::Append)?;
        let rpc = rpc.into_rpc().map_err(unreadable)?;
        let reply = self.replica.raft().append_entries(rpc).await.map_err(stopped)?;
        self.answer(from, Kind::AppendReply, &AppendReplyV1::from(reply))
    }

    async fn vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, rpc): (_, VoteRequestV1) = self.read(request, Kind::VoteRequest)?;
        let reply = self.replica.raft().vote(rpc.into()).await.map_err(stopped)?;
        self.answer(from, Kind::VoteReply, &VoteReplyV1::from(&reply))
    }

    async fn pre_vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, rpc): (_, VoteRequestV1) = self.read(request, Kind::VoteRequest)?;
        let reply = self.replica.raft().pre_vote(rpc.into()).await.map_err(stopped)?;
        self.answer(from, Kind::VoteReply, &VoteReplyV1::from(&reply))
    }

    async fn transfer_leader(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, rpc): (_, TransferV1) = self.read(request, Kind::Transfer)?;
        let reply = self.replica.raft().handle_transfer_leader(rpc.into()).await;
        let reply = TransferReplyV1::from(reply.map_err(stopped)?);
        self.answer(from, Kind::TransferReply, &reply)
    }

    async fn snapshot(&self, request: Request<Streaming<Message>>) -> Result<Response<Message>, Status> {
        let (_, extensions, mut parts) = request.into_parts();
        let head = parts.message().await?;
        let head = head.ok_or_else(|| Status::invalid_argument("a snapshot without a head"))?;
        self.admit(head.from, head.to, &head.cluster, &extensions)?;
        let from = head.from;
        let head: SnapshotHeadV1 = codec::decode(Kind::SnapshotHead, V1, &head.body).map_err(unreadable)?;
        if head.length > MAX_SNAPSHOT {
            return Err(Status::out_of_range("the snapshot is too large"));
        }
        let snapshot = Snapshot {
            meta: head.meta.into_meta().map_err(unreadable)?,
            snapshot: self.receive(parts, head.length).await?.into(),
        };
        let installed = self.replica.raft().install_full_snapshot(head.vote.into(), snapshot);
        let reply = SnapshotReplyV1::from(&installed.await.map_err(stopped)?);
        self.answer(from, Kind::SnapshotReply, &reply)
    }

    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeReply>, Status> {
        let asked = request.get_ref();
        self.admit(asked.from, asked.to, &asked.cluster, request.extensions())?;
        let asked = request.into_inner();
        let importance = if asked.vital { Importance::Vital } else { Importance::Ordinary };
        let proposed = self.replica.propose_encoded(importance, asked.command.into());
        let result = match proposed.await {
            Ok((index, outcome)) => {
                let outcome = outcome.as_ref().to_vec().into();
                propose_reply::Result::Applied(Applied { index, outcome })
            }
            Err(ProposeError::Unknown { why }) => propose_reply::Result::Unknown(why),
            Err(e) => {
                let leader = match &e {
                    ProposeError::NotLeader { leader } => Some(leader.unwrap_or(0)),
                    _ => None,
                };
                propose_reply::Result::Refused(Refused {
                    reason: e.to_string(),
                    leader,
                    busy: matches!(e, ProposeError::Busy),
                })
            }
        };
        let result = Some(result);
        Ok(Response::new(ProposeReply { result }))
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallReply>, Status> {
        let asked = request.get_ref();
        self.admit(asked.from, asked.to, &asked.cluster, request.extensions())?;
        let asked = request.into_inner();
        let answered = self.calls.call(asked.from, asked.kind, asked.body.into());
        let body = answered.await.map_err(Status::aborted)?.into();
        Ok(Response::new(CallReply { body }))
    }
}
