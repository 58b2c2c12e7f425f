//! The daemon's parts. `engine` is pure: the very controller, worker and liveness that ship also run in the
//! simulation, as does `seats`; `pace` says how often both do the same. Everything else (feature `daemon`) touches the world.

pub mod engine;
pub mod pace;
pub mod seats;

#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod security;
#[cfg(feature = "daemon")]
pub mod service;
