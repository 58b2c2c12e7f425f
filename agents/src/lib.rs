//! What touches the world: contained processes, fence devices, OCF resource agents, units of systemd, virtual machines, and the last resort.
//!
//! Everything here reports what it saw, with "unknown" as a value of its own; nothing here decides. The daemon
//! turns these plain types into claims, results and proofs.

pub mod builtin;
pub mod conformance;
pub mod fence;
pub mod last_resort;
pub mod ocf;
pub mod process;
pub mod systemd;
pub mod vm;
