//! Drives a cluster through `qrm`, as a person does, and tells what happened when.
//!
//! Used by the end-to-end rows and by the demo. It asks the cluster only what anybody can ask; what is true is read from
//! the bed.

mod cluster;
mod real;
mod timeline;

pub use cluster::{CLUSTER, Cluster, Site};
pub use real::{bmc_log, settings};
pub use timeline::{Moment, Timeline, timeline};
