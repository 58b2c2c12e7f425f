//! What the play needs of the hosts it is played on, real or not.

use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;
use quorate_e2e::Site;

/// A VM as it really is: a process on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) vm: String,
    pub(super) host: String,
    pub(super) pid: i32,
    pub(super) started: SystemTime,
}

/// Hosts that can lose power.
pub(super) trait Stage: Site {
    /// In a few words, what the hosts are.
    fn label(&self) -> String;
    /// Makes the files of VMs; the file with the statements that define them, as every host finds it.
    fn define(&self, vms: &[String]) -> Result<String>;
    /// Cuts the power of a host.
    fn cut(&self, host: &str) -> Result<()>;
    /// Every process of a VM that there is.
    fn running(&self) -> Result<Vec<Running>>;
    /// When the fence device of a host was asked for its power.
    fn readings(&self, host: &str, since: SystemTime) -> Result<Vec<SystemTime>>;
    /// When the guest of a VM first showed that it lives, after this; `None`: not yet.
    fn alive(&self, vm: &str, since: SystemTime) -> Option<SystemTime>;
    /// What shows that all guests live, in words, where that is more than that they were started.
    fn sign_of_life(&self) -> Option<&'static str>;
    /// Whether nothing ever ran twice, and who says so.
    fn judge(&self) -> Result<(bool, String)>;
    /// A command on a host that prints events as JSON lines from this number on, for as long as it runs.
    fn follow(&self, host: &str, from: u64) -> Result<Command>;
}
