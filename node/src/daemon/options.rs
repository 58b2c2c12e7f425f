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
    /// So many MiB of memory one action of an agent may have, and a start four times as many; a fifth of the host's when
    /// not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..))]
    pub action_memory: Option<u32>,
    /// The hypervisor.
    #[arg(long, default_value = "qemu:///system")]
    pub libvirt_uri: String,
    /// Where OCF resource agents are: in `resource.d/PROVIDER/TYPE` below it.
    #[arg(long, default_value = quorate_agents::ocf::ROOT)]
    pub ocf_root: PathBuf,
    /// The bus that systemd is on, for `systemd:UNIT`.
    #[arg(long, default_value = quorate_agents::systemd::BUS)]
    pub systemd_bus: String,
    /// Where systemd has what does not outlive a boot. Where this is not there systemd does not run the host, and no unit
    /// runs on it.
    #[arg(long, default_value = quorate_agents::systemd::RUNTIME)]
    pub systemd_runtime: PathBuf,
    /// Where `vm:fake` keeps its machines: shared by all daemons of one demonstration.
    #[arg(long)]
    pub fake_vms: Option<PathBuf>,
    /// Takes part in no higher feature level of the cluster than this, so that an older quorated can take this one's
    /// place again. The level of a cluster never falls.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(quorate_core::state::FEATURE_LEVEL)))]
    pub feature_level: Option<u16>,
    /// What says whether this host goes down when the daemon is stopped: it prints `stopping` if so. Then what runs here
    /// moves or stops first, and no fence is needed.
    #[arg(long, default_value = "/usr/bin/systemctl is-system-running")]
    pub stopping_check: String,
    /// For so many seconds a host that goes down is waited for; the service manager has to wait longer.
    #[arg(long, default_value_t = 120)]
    pub stopping_patience: u64,
    /// What keeps this host from falling asleep, run when the daemon starts: a program and its arguments, with blanks between.
    /// Where there is no such program nothing is run.
    #[arg(long, default_value = super::sleep::MASK)]
    pub sleep_mask: String,
    /// Where `quorate-feeder` listens, which feeds this host's watchdog; without it the host has none.
    #[arg(long, default_value = "/run/quorate/feeder.sock")]
    pub feeder_socket: PathBuf,
    /// What reboots this host, when it has to kill itself: a program and its arguments, with blanks between. The
    /// system call when not given.
    #[arg(long)]
    pub reboot_command: Option<String>,
}
