//! The command line of `quorated`.

use clap::Parser;
use std::path::PathBuf;

/// Keeps virtual machines running when the hosts under them die.
///
/// Example: quorated --data-dir /var/lib/quorate --socket /run/quorate/quorated.sock
#[derive(Clone, Debug, Parser)]
#[command(name = "quorated", version)]
pub struct Options {
    /// Where this member keeps its identity, log and snapshots.
    #[arg(long, default_value = "/var/lib/quorate")]
    pub data_dir: PathBuf,
    /// The local socket; root and the group `quorate` may use it.
    #[arg(long, default_value = quorate_api::SOCKET_PATH)]
    pub socket: PathBuf,
    /// A file with this host's hardware id, where there is no DMI.
    #[arg(long)]
    pub hardware_id_file: Option<PathBuf>,
    /// A cgroup v2 directory for the actions; its own when not given.
    #[arg(long)]
    pub cgroup: Option<PathBuf>,
    /// The hypervisor.
    #[arg(long, default_value = "qemu:///system")]
    pub libvirt_uri: String,
    /// Where OCF resource agents are: in `resource.d/PROVIDER/TYPE` below it.
    #[arg(long, default_value = quorate_agents::ocf::ROOT)]
    pub ocf_root: PathBuf,
    /// Where `vm:fake` keeps its machines: shared by all daemons of one demonstration.
    #[arg(long)]
    pub fake_vms: Option<PathBuf>,
    /// What reboots this host, when it has to kill itself: a program and its arguments, with blanks between. The
    /// system call when not given.
    #[arg(long)]
    pub reboot_command: Option<String>,
}
