//! The gRPC contract of Quorate and its client: all that qrm and other programs say to a quorated.
//!
//! It carries; it decides nothing. The messages are `proto/quorate.proto`; errors on both sides are [`Fault`].
//!
//! A server implements [`proto::quorate_server::Quorate`] and turns a [`Fault`] into a status by `into`.

mod client;
mod fault;

/// The generated messages, client and server.
pub mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
    tonic::include_proto!("quorate.v1");
}

pub use client::{Change, Client, ClientOptions, Remote, Watch};
pub use fault::{Fault, Reason};

/// Where the daemon listens unless it is told otherwise.
pub const SOCKET_PATH: &str = "/run/quorate/quorated.sock";

/// The commands of Pacemaker's that resource agents find on their `PATH`, and nobody else: one program of ours under these
/// names. Of some it says only that they are not here.
pub const HELPERS: &[&str] = &[
    "attrd_updater",
    "cibadmin",
    "crm_attribute",
    "crm_failcount",
    "crm_master",
    "crm_mon",
    "crm_node",
    "crm_resource",
    "crm_simulate",
    "crm_standby",
    "crm_ticket",
    "ha_logger",
    "stonith_admin",
];

/// The socket beside the daemon's that they use where they run as another user than root: it serves who belongs to an
/// action that runs.
pub const AGENTS_SOCKET: &str = "agents.sock";

/// That program, beside `quorated`.
pub const HELPER_PROGRAM: &str = "quorate-helper";

/// Where members listen unless they are told otherwise.
pub const DEFAULT_PORT: u16 = 5407;

/// The name that every member's certificate carries beside its own; a remote client checks it.
pub const SERVER_NAME: &str = "quorated";

/// The largest message either side takes: a whole state with every VM's definition in it.
pub const MESSAGE_LIMIT: usize = 64 << 20;
