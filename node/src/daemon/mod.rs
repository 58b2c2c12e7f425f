//! The daemon around the engine: everything that touches the world.
//!
//! `driver` steps the engine and carries its effects out; `cluster` is the member as the rest sees it; `executor`,
//! `ocf` and `power` are the hands; `calls` answers peers; `autopilot` keeps the voters; `forming` founds and joins;
//! `leaving` ends in order; `feeder` and `beats` keep its watchdog fed; `sleep` keeps the host awake; `member` puts a
//! member together, `returning` starts it again, with a new store where its own was lost, `recovering` alone; `local` is
//! the socket, `agents_socket` that of agents which run as somebody else.

pub mod agents_socket;
mod autopilot;
mod beats;
pub mod calls;
pub mod clock;
pub mod cluster;
mod device;
mod driver;
mod executor;
mod feeder;
pub mod forming;
pub(crate) mod guid;
pub mod helpers;
mod inventory;
pub mod leaving;
pub mod local;
mod log_clock;
pub mod member;
mod ocf;
pub mod options;
mod peers;
mod polls;
pub(crate) mod power;
mod recovering;
pub mod returning;
pub mod sleep;
mod store;

pub use autopilot::autopilot;
pub(crate) use driver::bring;
pub use driver::{Driver, Ended};
