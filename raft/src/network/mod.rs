//! How members talk: a private protocol over tonic, on connections the embedder secures.
//!
//! Each peer has two connections, so that a snapshot or a full append stream does not hold up
//! a vote or a beat. Every call has a deadline. A member answers only messages meant for it and
//! its cluster. Nothing here knows what certificates look like: the embedder dials and admits.

mod client;
mod messages;
mod peers;
mod reach;
mod server;

pub use peers::{CallError, Dial, Lane, Peers};
pub use server::{Calls, NoCalls, Service};

pub(crate) use client::Network;
pub(crate) use messages::{KINDS, read_messages};
pub(crate) use peers::ForwardError;

/// Generated from proto/raft.proto.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub(crate) mod proto {
    tonic::include_proto!("quorate.raft.v1");
}

/// The largest message: an append batch is about 1 MiB, or one entry of the largest size.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024 * 1024;
