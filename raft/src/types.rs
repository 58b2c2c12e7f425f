//! The types openraft works with here, and the names the rest of the crate uses for them.
//!
//! Log payloads and replies are opaque bytes: openraft never learns what the cluster's
//! commands look like, and a member that cannot read an entry still stores and ships it.
//! Leadership is standard Raft: at most one leader in a term.

use std::fmt;
use std::sync::Arc;

use openraft::impls::leader_id_std;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

openraft::declare_raft_types!(
    /// openraft's type parameters.
    pub(crate) TypeConfig:
        D = Bytes,
        R = Reply,
        NodeId = u64,
        Node = Node,
        LeaderId = leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

/// The raft id of a member. Drawn from a committed counter, never used twice.
pub type MemberId = u64;

/// Who a member is and where it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node's name in the configuration.
    pub name: String,
    /// `host:port` of its member service.
    pub address: String,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// Shared immutable bytes; cloning an entry does not copy its payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Arc<[u8]>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(v.into()))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<Bytes, E> {
                Ok(v.into())
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

/// What applying one log entry answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// The entry was Raft's own: blank, or a membership.
    Nothing,
    /// The machine's outcome, in its envelope.
    Outcome(Bytes),
    /// The entry's bytes are no command at all; every member refuses it alike.
    Refused(String),
}

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type Payload = openraft::type_config::alias::PayloadOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<MemberId, Node>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, Bytes>;
pub(crate) type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;

/// A log id of a term and an index.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    use openraft::vote::RaftLeaderIdExt;
    LogId::new(LeaderId::new_committed(term, 0), index)
}
