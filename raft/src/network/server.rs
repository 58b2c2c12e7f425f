//! What a member answers its peers. Mounted by the embedder on its own mutual-TLS server.

use std::time::Duration;

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
use crate::standing::roll::RollV1;
use crate::standing::{ShowReplyV1, ShowV1, TellV1};
use crate::types::{MemberId, Snapshot};
use crate::wire::V1;

/// The largest snapshot taken in; larger ones do not fit the codec either.
const MAX_SNAPSHOT: u64 = 255 * 1024 * 1024;

/// Asks a member which start of its store it is.
const RUN: &str = "raft-run";
/// Tells a member whose store was not taken yet who the members are.
pub(super) const ROLL: &str = "raft-roll";
/// A member that shows itself answers this at once.
const CALL_BACK: Duration = Duration::from_millis(700);

/// What the embedder answers, and whom.
pub trait Calls: Send + Sync + 'static {
    /// Answers a question of the embedder's own: a beat, a poll. `Err` is told to the asker.
    fn call(&self, from: MemberId, kind: String, body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>>;

    /// Whether this peer may talk to us: is the certificate that of `from`, is it a member and
    /// not tombstoned. Asked before every message is looked at.
    fn admit(&self, from: MemberId, extensions: &tonic::Extensions) -> Result<(), String>;

    /// Why a store of this raft id is a thing of the past: its member has another one since.
    fn replaced(&self, _from: MemberId) -> Option<String> {
        None
    }

    /// The store that this peer showed was refused: for those who have to know.
    fn refused(&self, from: MemberId, why: &str) {
        tracing::error!(from, why, "a member's store is refused");
    }
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
            // Of an earlier generation, most likely: it is to hear that it is no member any more.
            self.calls.admit(from, extensions).map_err(Status::permission_denied)?;
            let text = format!("this is cluster {}, not {cluster}", us.cluster);
            return Err(Status::failed_precondition(text));
        }
        if to != us.me {
            let text = format!("this is member {}, not {to}", us.me);
            return Err(Status::failed_precondition(text));
        }
        self.calls.admit(from, extensions).map_err(Status::permission_denied)
    }

    /// rolled-back: nothing of Raft is answered before the peers have taken this store for what it is.
    fn ready(&self) -> Result<(), Status> {
        match self.replica.peers().standing.is_open() {
            true => Ok(()),
            false => Err(Status::unavailable("this member's store was not taken by its peers yet")),
        }
    }

    /// Why the store that a member shows is refused here.
    async fn refuses(&self, message: &Message, shown: &ShowV1) -> Option<String> {
        let (from, peers) = (message.from, self.replica.peers());
        let seen = peers.standing.of(from);
        if let Some(why) = seen.refuses(shown) {
            return Some(why);
        }
        // Two that live at once: who answers at the address of this member must be the one that shows itself.
        if let Some(node) = self.replica.node(from) {
            let answer = peers.call(from, &node, RUN, Vec::new(), CALL_BACK).await;
            let run = answer.ok().and_then(|run| <[u8; 8]>::try_from(run).ok()).map(u64::from_be_bytes);
            if run.is_some_and(|run| run != shown.run) {
                return Some(format!(
                    "another daemon runs as member {from} at {}: this is a copy of its disk, or a second host of its name",
                    node.address
                ));
            }
        }
        None
    }

    fn take(&self, request: Request<Message>) -> Result<Message, Status> {
        let message = request.get_ref();
        self.admit(message.from, message.to, &message.cluster, request.extensions())?;
        self.ready()?;
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
        if !rpc.entries.is_empty() && self.replica.peers().space.is_brimming() {
            return Err(Status::resource_exhausted("the disk under this member's store is full: make room"));
        }
        let reply = self.replica.raft().append_entries(rpc).await.map_err(stopped)?;
        self.answer(from, Kind::AppendReply, &AppendReplyV1::from(reply))
    }

    async fn vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, rpc): (_, VoteRequestV1) = self.read(request, Kind::VoteRequest)?;
        let rpc: openraft::raft::VoteRequest<crate::types::TypeConfig> = rpc.into();
        let vote = (&rpc.vote).into();
        self.replica.peers().standing.note(from, |seen| seen.note_vote(vote));
        let reply = self.replica.raft().vote(rpc).await.map_err(stopped)?;
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
        self.ready()?;
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

    async fn show(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (_, extensions, message) = request.into_parts();
        let us = self.replica.peers();
        if message.to != us.me {
            // Whoever had that id answers here no more; that says nothing of the one who asks.
            return Err(Status::unavailable(format!("this is member {}, not {}", us.me, message.to)));
        }
        let refused = if message.cluster != us.cluster {
            self.calls.admit(message.from, &extensions).map_err(Status::permission_denied)?;
            Some(format!("this is cluster {}, not {}", us.cluster, message.cluster))
        } else if let Some(why) = self.calls.replaced(message.from) {
            Some(why)
        } else {
            self.calls.admit(message.from, &extensions).map_err(Status::permission_denied)?;
            let shown: ShowV1 = codec::decode(Kind::Show, V1, &message.body).map_err(unreadable)?;
            let refused = self.refuses(&message, &shown).await;
            match &refused {
                Some(why) => self.calls.refused(message.from, why),
                None => us.standing.note(message.from, |seen| seen.note_shown(&shown)),
            }
            us.standing.save().map_err(stopped)?;
            refused
        };
        self.answer(message.from, Kind::ShowReply, &ShowReplyV1 { refused })
    }

    async fn tell(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let (from, tell): (_, TellV1) = self.read(request, Kind::Tell)?;
        let reply = self.replica.told(tell);
        self.answer(from, Kind::TellReply, &reply)
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
        if asked.kind == RUN {
            let body = self.replica.peers().standing.run().to_be_bytes().to_vec().into();
            return Ok(Response::new(CallReply { body }));
        }
        if asked.kind == ROLL {
            let roll: RollV1 = codec::decode(Kind::Roll, V1, asked.body.as_ref()).map_err(unreadable)?;
            self.replica.note_roll(roll.try_into().map_err(unreadable)?);
            return Ok(Response::new(CallReply::default()));
        }
        let answered = self.calls.call(asked.from, asked.kind, asked.body.into());
        let body = answered.await.map_err(Status::aborted)?.into();
        Ok(Response::new(CallReply { body }))
    }
}
