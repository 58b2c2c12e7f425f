//! openraft's calls to a peer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use openraft::RPCTypes;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::messages::{
    AppendReplyV1, AppendV1, SnapshotHeadV1, SnapshotReplyV1, TransferReplyV1, TransferV1, VoteReplyV1, VoteRequestV1,
};
use super::peers::{CallError, Lane, Peers, within};
use super::proto::Message;
use crate::codec::{self, CodecError, Kind};
use crate::types::{Bytes, MemberId, Node, Snapshot, TypeConfig, Vote};
use crate::wire::V1;

/// How long a follower may take to store a batch of entries. openraft's own limit for this is
/// the heartbeat interval, which a disk under load does not keep.
const APPEND: Duration = Duration::from_secs(1);
/// Snapshots go in parts of this size.
const PART: usize = 512 * 1024;

/// Makes the connections openraft asks for.
pub(crate) struct Network {
    pub(crate) peers: Arc<Peers>,
}

/// One peer, for one purpose.
pub(crate) struct Connection {
    peers: Arc<Peers>,
    target: MemberId,
    node: Node,
    lane: Lane,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: MemberId, node: &Node) -> Connection {
        Connection { peers: self.peers.clone(), target, node: node.clone(), lane: Lane::Bulk }
    }

    async fn new_heartbeat_client(&mut self, target: MemberId, node: &Node) -> Connection {
        Connection { lane: Lane::Control, ..self.new_client(target, node).await }
    }
}

/// The answer's bytes as the type they should be.
fn read<T: DeserializeOwned>(kind: Kind, message: &Message) -> Result<T, CodecError> {
    codec::decode(kind, V1, &message.body)
}

impl Connection {
    /// rolled-back: nothing of Raft goes out before the peers have taken this store for what it is.
    fn ready(&self, action: RPCTypes) -> Result<(), RPCError<TypeConfig>> {
        if self.peers.standing.is_open() {
            return Ok(());
        }
        let why = "this member's store was not taken by its peers yet".to_owned();
        Err(self.failed(action, CallError::Unreachable { to: self.node.clone(), why }))
    }

    fn write<T: Serialize>(&self, kind: Kind, value: &T) -> Result<Message, CodecError> {
        Ok(self.peers.message(self.target, codec::encode(kind, V1, value)?))
    }

    /// The error as openraft wants it: what cannot be reached, or refuses, is left alone for a
    /// while; anything else is tried again at once.
    fn failed(&self, action: RPCTypes, error: CallError) -> RPCError<TypeConfig> {
        match error {
            CallError::Timeout { after, .. } => {
                RPCError::Timeout(Timeout { action, id: self.peers.me, target: self.target, timeout: after })
            }
            other => RPCError::Unreachable(Unreachable::new(&other)),
        }
    }

    async fn send_vote(
        &self,
        rpc: &VoteRequest<TypeConfig>,
        deadline: Duration,
        pre: bool,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let action = RPCTypes::Vote;
        self.ready(action)?;
        let request = self.write(Kind::VoteRequest, &VoteRequestV1::from(rpc)).map_err(garbled)?;
        let client = self.peers.client(&self.node, Lane::Control);
        let mut client = client.map_err(|e| self.failed(action, e))?;
        let reply = if pre {
            within(&self.node, deadline, client.pre_vote(request)).await
        } else {
            within(&self.node, deadline, client.vote(request)).await
        };
        let reply = reply.map_err(|e| self.failed(action, e))?;
        let reply: VoteReplyV1 = read(Kind::VoteReply, reply.get_ref()).map_err(garbled)?;
        let reply: VoteResponse<TypeConfig> = reply.into();
        if reply.vote_granted && !pre {
            let vote = (&reply.vote).into();
            self.peers.standing.note(self.target, |seen| seen.note_vote(vote));
        }
        Ok(reply)
    }

    /// Sends head and parts, and waits until the other end has installed them.
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
        deadline: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ready(RPCTypes::InstallSnapshot)?;
        let state = snapshot.snapshot;
        let head =
            SnapshotHeadV1 { vote: (&vote).into(), meta: (&snapshot.meta).into(), length: state.as_ref().len() as u64 };
        let head = self.write(Kind::SnapshotHead, &head).map_err(garbled)?;
        let parts = state.as_ref().chunks(PART).map(<[u8]>::to_vec);
        let parts: Vec<_> = parts.map(|p| self.peers.message(self.target, p)).collect();
        let messages = futures::stream::iter(std::iter::once(head).chain(parts));

        let action = RPCTypes::InstallSnapshot;
        let client = self.peers.client(&self.node, Lane::Bulk);
        let mut client = client.map_err(|e| self.failed(action, e))?;
        let reply = within(&self.node, deadline, client.snapshot(messages)).await;
        let reply = reply.map_err(|e| self.failed(action, e))?;
        let reply: SnapshotReplyV1 = read(Kind::SnapshotReply, reply.get_ref()).map_err(garbled)?;
        Ok(reply.into())
    }
}

fn garbled(error: CodecError) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(&error))
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let deadline = if self.lane == Lane::Control { option.hard_ttl() } else { APPEND };
        let action = RPCTypes::AppendEntries;
        self.ready(action)?;
        let request = self.write(Kind::Append, &AppendV1::from(&rpc)).map_err(garbled)?;
        let client = self.peers.client(&self.node, self.lane);
        let mut client = client.map_err(|e| self.failed(action, e))?;
        let attempt = self.peers.reach.attempt(self.target, &self.node, self.lane, deadline);
        let reply = within(&self.node, deadline, client.append(request)).await;
        attempt.ended(reply.as_ref().err());
        let reply = reply.map_err(|e| self.failed(action, e))?;
        let reply: AppendReplyV1 = read(Kind::AppendReply, reply.get_ref()).map_err(garbled)?;
        Ok(reply.into())
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.send_vote(&rpc, option.hard_ttl(), false).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.send_vote(&rpc, option.hard_ttl(), true).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + openraft::OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sending = self.send_snapshot(vote, snapshot, option.hard_ttl());
        match select(Box::pin(sending), Box::pin(cancel)).await {
            Either::Left((sent, _)) => Ok(sent?),
            Either::Right((closed, _)) => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let action = RPCTypes::TransferLeader;
        self.ready(action)?;
        let request = self.write(Kind::Transfer, &TransferV1::from(&rpc)).map_err(garbled)?;
        let client = self.peers.client(&self.node, Lane::Control);
        let mut client = client.map_err(|e| self.failed(action, e))?;
        let reply = within(&self.node, option.hard_ttl(), client.transfer_leader(request)).await;
        let reply = reply.map_err(|e| self.failed(action, e))?;
        let reply: TransferReplyV1 = read(Kind::TransferReply, reply.get_ref()).map_err(garbled)?;
        Ok(reply.into_reply())
    }
}
