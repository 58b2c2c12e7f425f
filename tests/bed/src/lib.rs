//! The test bed: several real hosts on one machine.
//!
//! A host is a set of namespaces with its own libvirtd, its own boot id, its own power and its own BMC; guests are real QEMU
//! processes. Power, network, BMC, daemon and VM faults are made here, and what really happened is read here
//! ([`Auditor`], [`Bed::vms`]), from outside the cluster. The bed knows nothing of how Quorate decides, and never asks it.

mod bed;
pub mod binaries;
mod bmc;
mod cgroup;
mod command;
mod evidence;
mod guest;
mod host;
mod layout;
mod machine;
mod network;
mod options;
mod redfish;
mod services;
pub mod setup;
mod stuck;
mod systemd;
mod teardown;
pub mod testing;
mod truth;
mod watchdog;

pub use bed::Bed;
pub use bmc::BmcMode;
pub use command::{Output, wait_for};
pub use evidence::{Auditor, Life, Verdict, Violation};
pub use guest::{domain_xml, uuid_of};
pub use layout::{Layout, default_dir};
pub use machine::{HostMachine, Hypervisor, Machine, Told, VirtualHost};
pub use options::{DaemonCommand, Options};
pub use services::{DaemonFault, LibvirtFault};
pub use truth::{VmProcess, process_started};
pub use watchdog::Watchdog;
