//! The replicated store: openraft over an embedded store, its transport, membership and
//! snapshots.
//!
//! It answers one question: what did the cluster agree on. It does not know what the commands
//! mean (`machine` is the seam), it decides nothing about nodes or resources, and it dials and
//! listens only through what the embedder gives it.

mod belongs;
mod codec;
#[doc(hidden)]
pub mod doors;
mod error;
mod log;
mod log_store;
mod machine;
mod network;
#[doc(hidden)]
pub mod probe;
mod real_sync;
mod recover;
mod replica;
mod snapshot;
mod standing;
mod state;
mod types;
mod wire;

pub use codec::CodecError;
pub use error::{OnStoreFailed, StoreError, StoreFailed};
pub use machine::Machine;
pub use network::{CallError, Calls, Dial, Lane, NoCalls, Peers, Service};
pub use recover::recover;
pub use replica::{Importance, Member, OpenError, Options, ProposeError, Replica, ReplicaError, Role, Status};
pub use standing::record::{StoreFault, StoreStanding};
pub use state::StateHash;
pub use types::{Bytes, MemberId, Node, Reply};

#[cfg(test)]
mod log_store_tests;
#[cfg(test)]
mod storage_tests;
