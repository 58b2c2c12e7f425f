//! The frozen forms of everything Raft stores or sends, and their conversions.
//!
//! These types do not change: a new layout is a new `…V2` type with its own schema number and
//! a conversion, so that an upgrade of openraft cannot change what is on disk. They hold no
//! logic beyond converting.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError, Kind};
use crate::types::{Bytes, Entry, LogId, Membership, Node, Payload, SnapshotMeta, StoredMembership, Vote, log_id};

/// The schema of all `…V1` types.
pub(crate) const V1: u16 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogIdV1 {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteV1 {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) committed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeV1 {
    pub(crate) name: String,
    pub(crate) address: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipV1 {
    pub(crate) configs: Vec<Vec<u64>>,
    pub(crate) nodes: Vec<(u64, NodeV1)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PayloadV1 {
    Blank,
    Normal(Bytes),
    Membership(MembershipV1),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryV1 {
    pub(crate) id: LogIdV1,
    pub(crate) payload: PayloadV1,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotMetaV1 {
    pub(crate) last: Option<LogIdV1>,
    pub(crate) membership_id: Option<LogIdV1>,
    pub(crate) membership: MembershipV1,
}

/// A snapshot file: what it covers, and the machine in its own envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotV1 {
    pub(crate) meta: SnapshotMetaV1,
    pub(crate) state: Bytes,
}

impl From<&LogId> for LogIdV1 {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, index: id.index }
    }
}

impl From<LogIdV1> for LogId {
    fn from(id: LogIdV1) -> Self {
        log_id(id.term, id.index)
    }
}

impl From<&Vote> for VoteV1 {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl From<VoteV1> for Vote {
    fn from(vote: VoteV1) -> Self {
        if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) }
    }
}

impl From<&Node> for NodeV1 {
    fn from(node: &Node) -> Self {
        Self { name: node.name.clone(), address: node.address.clone() }
    }
}

impl From<&Membership> for MembershipV1 {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config();
        Self {
            configs: configs.iter().map(|c| c.iter().copied().collect()).collect(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.into())).collect(),
        }
    }
}

impl MembershipV1 {
    /// The membership, if every voter has a node and no configuration is empty.
    pub(crate) fn into_membership(self) -> Result<Membership, CodecError> {
        let configs = self.configs.into_iter().map(|c| c.into_iter().collect());
        let nodes = self.nodes.into_iter().map(|(id, node)| {
            let NodeV1 { name, address } = node;
            (id, Node { name, address })
        });
        let nodes: std::collections::BTreeMap<u64, Node> = nodes.collect();
        Membership::new(configs.collect(), nodes).map_err(|e| CodecError::Body(format!("membership: {e}")))
    }
}

impl From<&Entry> for EntryV1 {
    fn from(entry: &Entry) -> Self {
        Self {
            id: (&entry.log_id).into(),
            payload: match &entry.payload {
                Payload::Blank => PayloadV1::Blank,
                Payload::Normal(bytes) => PayloadV1::Normal(bytes.clone()),
                Payload::Membership(m) => PayloadV1::Membership(m.into()),
            },
        }
    }
}

impl EntryV1 {
    /// The entry openraft works with.
    pub(crate) fn into_entry(self) -> Result<Entry, CodecError> {
        Ok(Entry {
            log_id: self.id.into(),
            payload: match self.payload {
                PayloadV1::Blank => Payload::Blank,
                PayloadV1::Normal(bytes) => Payload::Normal(bytes),
                PayloadV1::Membership(m) => Payload::Membership(m.into_membership()?),
            },
        })
    }
}

impl From<&SnapshotMeta> for SnapshotMetaV1 {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last: meta.last_log_id.as_ref().map(Into::into),
            membership_id: meta.last_membership.log_id().as_ref().map(Into::into),
            membership: meta.last_membership.membership().into(),
        }
    }
}

impl SnapshotMetaV1 {
    /// The metadata openraft works with.
    pub(crate) fn into_meta(self) -> Result<SnapshotMeta, CodecError> {
        Ok(SnapshotMeta {
            last_log_id: self.last.map(Into::into),
            last_membership: StoredMembership::new(
                self.membership_id.map(Into::into),
                self.membership.into_membership()?,
            ),
        })
    }
}

/// An entry as it is stored.
pub(crate) fn encode_entry(entry: &Entry) -> Result<Vec<u8>, CodecError> {
    codec::encode(Kind::Entry, V1, &EntryV1::from(entry))
}

/// A stored entry.
pub(crate) fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    codec::decode::<EntryV1>(Kind::Entry, V1, bytes)?.into_entry()
}
