//! The frozen wire forms of openraft's messages; see `wire` for the rule they follow.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::codec::{CodecError, Kind};
use crate::types::{LogId, TypeConfig};
use crate::wire::{EntryV1, LogIdV1, SnapshotMetaV1, VoteV1};

fn id(id: Option<&LogId>) -> Option<LogIdV1> {
    id.map(Into::into)
}

#[derive(Serialize, Deserialize)]
pub(super) struct AppendV1 {
    vote: VoteV1,
    previous: Option<LogIdV1>,
    entries: Vec<EntryV1>,
    commit: Option<LogIdV1>,
}

impl From<&AppendEntriesRequest<TypeConfig>> for AppendV1 {
    fn from(rpc: &AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            vote: (&rpc.vote).into(),
            previous: id(rpc.prev_log_id.as_ref()),
            entries: rpc.entries.iter().map(Into::into).collect(),
            commit: id(rpc.leader_commit.as_ref()),
        }
    }
}

impl AppendV1 {
    pub(super) fn into_rpc(self) -> Result<AppendEntriesRequest<TypeConfig>, CodecError> {
        let entries: Result<_, _> = self.entries.into_iter().map(EntryV1::into_entry).collect();
        Ok(AppendEntriesRequest {
            vote: self.vote.into(),
            prev_log_id: self.previous.map(Into::into),
            entries: entries?,
            leader_commit: self.commit.map(Into::into),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum AppendReplyV1 {
    Success,
    Partial(Option<LogIdV1>),
    Conflict,
    HigherVote(VoteV1),
}

impl From<AppendEntriesResponse<TypeConfig>> for AppendReplyV1 {
    fn from(reply: AppendEntriesResponse<TypeConfig>) -> Self {
        match reply {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(at) => Self::Partial(id(at.as_ref())),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote((&vote).into()),
        }
    }
}

impl From<AppendReplyV1> for AppendEntriesResponse<TypeConfig> {
    fn from(reply: AppendReplyV1) -> Self {
        match reply {
            AppendReplyV1::Success => Self::Success,
            AppendReplyV1::Partial(at) => Self::PartialSuccess(at.map(Into::into)),
            AppendReplyV1::Conflict => Self::Conflict,
            AppendReplyV1::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct VoteRequestV1 {
    vote: VoteV1,
    last: Option<LogIdV1>,
    transfer: bool,
}

impl From<&VoteRequest<TypeConfig>> for VoteRequestV1 {
    fn from(rpc: &VoteRequest<TypeConfig>) -> Self {
        Self { vote: (&rpc.vote).into(), last: id(rpc.last_log_id.as_ref()), transfer: rpc.leadership_transfer }
    }
}

impl From<VoteRequestV1> for VoteRequest<TypeConfig> {
    fn from(rpc: VoteRequestV1) -> Self {
        let mut request = Self::new(rpc.vote.into(), rpc.last.map(Into::into));
        request.leadership_transfer = rpc.transfer;
        request
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct VoteReplyV1 {
    vote: VoteV1,
    granted: bool,
    last: Option<LogIdV1>,
}

impl From<&VoteResponse<TypeConfig>> for VoteReplyV1 {
    fn from(reply: &VoteResponse<TypeConfig>) -> Self {
        Self { vote: (&reply.vote).into(), granted: reply.vote_granted, last: id(reply.last_log_id.as_ref()) }
    }
}

impl From<VoteReplyV1> for VoteResponse<TypeConfig> {
    fn from(reply: VoteReplyV1) -> Self {
        let vote: crate::types::Vote = reply.vote.into();
        Self::new(vote, reply.last.map(Into::into), reply.granted)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct TransferV1 {
    leader: VoteV1,
    to: u64,
    last: Option<LogIdV1>,
}

impl From<&TransferLeaderRequest<TypeConfig>> for TransferV1 {
    fn from(rpc: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self { leader: rpc.from_leader().into(), to: *rpc.to_node_id(), last: id(rpc.last_log_id()) }
    }
}

impl From<TransferV1> for TransferLeaderRequest<TypeConfig> {
    fn from(rpc: TransferV1) -> Self {
        Self::new(rpc.leader.into(), rpc.to, rpc.last.map(Into::into))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum TransferReplyV1 {
    Done,
    VoteChanged(VoteV1, VoteV1),
    LogNotFlushed(Option<LogIdV1>, Option<LogIdV1>),
}

impl From<TransferLeaderResponse<TypeConfig>> for TransferReplyV1 {
    fn from(reply: TransferLeaderResponse<TypeConfig>) -> Self {
        match reply {
            Ok(()) => Self::Done,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self::VoteChanged((&expected).into(), (&actual).into())
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                Self::LogNotFlushed(id(expected.as_ref()), id(actual.as_ref()))
            }
        }
    }
}

impl TransferReplyV1 {
    pub(super) fn into_reply(self) -> TransferLeaderResponse<TypeConfig> {
        match self {
            Self::Done => Ok(()),
            Self::VoteChanged(expected, actual) => {
                Err(TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() })
            }
            Self::LogNotFlushed(expected, actual) => Err(TransferLeaderError::LogNotFlushed {
                expected: expected.map(Into::into),
                actual: actual.map(Into::into),
            }),
        }
    }
}

/// Goes before the parts of a snapshot.
#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotHeadV1 {
    pub(super) vote: VoteV1,
    pub(super) meta: SnapshotMetaV1,
    pub(super) length: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotReplyV1 {
    vote: VoteV1,
}

impl From<&SnapshotResponse<TypeConfig>> for SnapshotReplyV1 {
    fn from(reply: &SnapshotResponse<TypeConfig>) -> Self {
        let vote = (&reply.vote).into();
        Self { vote }
    }
}

impl From<SnapshotReplyV1> for SnapshotResponse<TypeConfig> {
    fn from(reply: SnapshotReplyV1) -> Self {
        Self::new(reply.vote.into())
    }
}

/// Reads bytes as each message of a peer, and makes of it what openraft is given.
pub(crate) fn read_messages(bytes: &[u8]) {
    use crate::codec::decode;
    use crate::wire::V1;
    let _ = decode::<AppendV1>(Kind::Append, V1, bytes).map(|message| message.into_rpc().is_ok());
    let _ = decode::<AppendReplyV1>(Kind::AppendReply, V1, bytes).map(AppendEntriesResponse::<TypeConfig>::from);
    let _ = decode::<VoteRequestV1>(Kind::VoteRequest, V1, bytes).map(VoteRequest::<TypeConfig>::from);
    let _ = decode::<VoteReplyV1>(Kind::VoteReply, V1, bytes).map(VoteResponse::<TypeConfig>::from);
    let _ = decode::<TransferV1>(Kind::Transfer, V1, bytes).map(TransferLeaderRequest::<TypeConfig>::from);
    let _ = decode::<TransferReplyV1>(Kind::TransferReply, V1, bytes).map(TransferReplyV1::into_reply);
    let _ = decode::<SnapshotHeadV1>(Kind::SnapshotHead, V1, bytes).map(|head| head.meta.into_meta().is_ok());
    let _ = decode::<SnapshotReplyV1>(Kind::SnapshotReply, V1, bytes).map(SnapshotResponse::<TypeConfig>::from);
}

/// The envelopes of those messages.
pub(crate) const KINDS: [Kind; 8] = [
    Kind::Append,
    Kind::AppendReply,
    Kind::VoteRequest,
    Kind::VoteReply,
    Kind::Transfer,
    Kind::TransferReply,
    Kind::SnapshotHead,
    Kind::SnapshotReply,
];
