//! How a host becomes a member: it trades a join token for a certificate and a place in the replicated state.
//!
//! Any member answers. The joiner trusts nothing but the CA's fingerprint in the token, and sends the secret only to a
//! server whose chain ends in that CA. Asked again by the same joiner with the same key, the answer is the same.

mod client;
mod pinned;
mod rejoin;
mod replicated;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Applicant, Enrolled, Peer, enrol};
pub use rejoin::rejoin;
pub use server::{Enrolment, Members};

/// Generated from proto/enrol.proto.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub(crate) mod proto {
    tonic::include_proto!("quorate.enrol.v1");
}

/// The largest message either side takes; certificates are about 1 KiB.
const MESSAGE_LIMIT: usize = 64 * 1024;
