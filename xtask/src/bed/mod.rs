//! `cargo xtask bed`: the test bed left running, to play with.

mod status;
mod up;

use std::io::{Write as _, stdout};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use quorate_bed::{Bed, BmcMode, DaemonFault, LibvirtFault, Options};

/// Run real hosts with libvirt, guests and BMCs on this machine
///
/// Example: cargo xtask bed up --hosts 3
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Arguments),
    /// End every process of the bed and remove all its files
    ///
    /// Example: cargo xtask bed down
    Down,
    /// Show the hosts, their daemons and the guests that really run
    ///
    /// Example: cargo xtask bed status
    Status,
    /// Switch a host's power
    ///
    /// Example: cargo xtask bed power n2 off --bmc-too
    Power {
        /// The host
        host: String,
        /// What to do
        to: Power,
        /// The BMC loses its power, or gets it back, with the host
        #[arg(long)]
        bmc_too: bool,
    },
    /// Part a host from all others and from all BMCs; its packets vanish
    ///
    /// Example: cargo xtask bed cut n2
    Cut {
        /// The host
        host: String,
        /// Only between the two hosts
        #[arg(long, value_name = "OTHER")]
        from: Option<String>,
        /// Pull its cable instead: the host sees that the link is gone
        #[arg(long, conflicts_with = "from")]
        link: bool,
    },
    /// Take back every cut that touches a host
    ///
    /// Example: cargo xtask bed heal n2
    Heal {
        /// The host
        host: String,
    },
    /// Stop a whole host where it stands, as if it hung
    ///
    /// Example: cargo xtask bed freeze n2
    Freeze {
        /// The host
        host: String,
    },
    /// Let a frozen host go on
    ///
    /// Example: cargo xtask bed thaw n2
    Thaw {
        /// The host
        host: String,
    },
    /// Change how a host's BMC behaves: ok, dead, unplugged, hung, slow, lying, stuck or wrong-password
    ///
    /// Example: cargo xtask bed bmc n2 lying
    Bmc {
        /// The host
        host: String,
        /// How it behaves
        mode: BmcMode,
    },
    /// Set what the temperature sensor of a host's BMC reads, in °C; 95 is critical
    Temperature {
        /// The host
        host: String,
        /// What it reads
        celsius: u8,
    },
    /// Give the BMC of a host a Redfish service too; prints what a device that uses it is configured with
    ///
    /// Example: cargo xtask bed redfish n2
    Redfish {
        /// The host
        host: String,
    },
    /// Kill, stop, start, hang or resume the daemon of a host; its guests stay
    ///
    /// Example: cargo xtask bed daemon n2 kill
    Daemon {
        /// The host
        host: String,
        /// What to do
        action: Service,
    },
    /// Kill, start, hang or resume the libvirtd of a host; its guests stay
    ///
    /// Example: cargo xtask bed libvirtd n2 hang
    Libvirtd {
        /// The host
        host: String,
        /// What to do
        action: Service,
    },
    /// Kill the QEMU process of a guest
    ///
    /// Example: cargo xtask bed kill-vm n2 vm1
    KillVm {
        /// The host it runs on
        host: String,
        /// The guest
        vm: String,
    },
    /// Create the disks and the XML of a guest, good on every host; prints the path of the XML
    ///
    /// Example: cargo xtask bed guest vm1
    Guest {
        /// The guest
        vm: String,
    },
    /// Run qrm on a host
    ///
    /// Example: cargo xtask bed qrm n1 status
    Qrm {
        /// The host
        host: String,
        /// What qrm is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run any command on a host
    ///
    /// Example: cargo xtask bed exec n1 virsh list
    Exec {
        /// The host
        host: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Judge from the guests' own records whether any ran twice at the same time
    ///
    /// Exits with 1 if one did. Example: cargo xtask bed audit
    Audit,
}

#[derive(Clone, Copy, ValueEnum)]
enum Power {
    /// Boot it
    On,
    /// Cut its power
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Service {
    /// SIGKILL
    Kill,
    /// SIGTERM, and wait
    Stop,
    /// Start it again
    Start,
    /// SIGSTOP
    Hang,
    /// SIGCONT
    Resume,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = Options::left_running();
    match &arguments.command {
        Command::Up(arguments) => up::run(arguments)?,
        Command::Down => down(&options)?,
        command => return on_bed(&Bed::attach(&options.dir)?, command),
    }
    Ok(ExitCode::SUCCESS)
}

fn down(options: &Options) -> Result<()> {
    match Bed::attach(&options.dir) {
        Ok(bed) => bed.down(),
        // Perhaps one that never came up.
        Err(_) => Bed::clean(options),
    }
}

fn on_bed(bed: &Bed, command: &Command) -> Result<ExitCode> {
    match command {
        Command::Up(_) | Command::Down => {}
        Command::Status => status::print(bed)?,
        Command::Power { host, to, bmc_too } => power(bed, host, *to, *bmc_too)?,
        Command::Cut { host, from: Some(other), .. } => bed.cut_between(host, other)?,
        Command::Cut { host, link: true, .. } => bed.link(host, false)?,
        Command::Cut { host, .. } => bed.cut(host)?,
        Command::Heal { host } => bed.heal(host)?,
        Command::Freeze { host } => bed.freeze(host)?,
        Command::Thaw { host } => bed.thaw(host)?,
        Command::Bmc { host, mode } => bed.bmc(host, *mode)?,
        Command::Temperature { host, celsius } => bed.temperature(host, *celsius)?,
        Command::Redfish { host } => {
            let (certificate, address) = (bed.add_redfish(host)?, bed.layout().bmc_address(host)?);
            let certificate = certificate.display();
            let params = format!("ip={address} username=admin password=secret ssl_ca_file={certificate} target={host}");
            writeln!(stdout(), "stonith:redfish params {params}")?;
        }
        Command::Daemon { host, action } => daemon(bed, host, *action)?,
        Command::Libvirtd { host, action } => libvirtd(bed, host, *action)?,
        Command::KillVm { host, vm } => bed.kill_vm(host, vm)?,
        Command::Guest { vm } => writeln!(stdout(), "{}", bed.create_guest(vm)?.display())?,
        Command::Qrm { host, arguments } => {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            return become_command(bed, host, &bed.qrm_argv(host, &arguments)?);
        }
        Command::Exec { host, command } => return become_command(bed, host, command),
        Command::Audit => return audit(bed),
    }
    Ok(ExitCode::SUCCESS)
}

/// The terminal, signals and the exit code are the command's.
fn become_command(bed: &Bed, host: &str, argv: &[String]) -> Result<ExitCode> {
    Err(bed.command(host, argv)?.exec().into())
}

fn power(bed: &Bed, host: &str, to: Power, bmc_too: bool) -> Result<()> {
    match (to, bmc_too) {
        (Power::Off, false) => bed.power_off(host),
        (Power::Off, true) => bed.power_off_with_bmc(host),
        (Power::On, false) => bed.power_on(host),
        (Power::On, true) => {
            bed.bmc(host, BmcMode::Ok)?;
            bed.power_on(host)
        }
    }
}

fn daemon(bed: &Bed, host: &str, action: Service) -> Result<()> {
    match action {
        Service::Start => bed.daemon_start(host),
        Service::Kill => bed.daemon(host, DaemonFault::Kill),
        Service::Stop => bed.daemon(host, DaemonFault::Stop),
        Service::Hang => bed.daemon(host, DaemonFault::Hang),
        Service::Resume => bed.daemon(host, DaemonFault::Resume),
    }
}

fn libvirtd(bed: &Bed, host: &str, action: Service) -> Result<()> {
    match action {
        Service::Start => bed.libvirtd(host, LibvirtFault::Start),
        Service::Kill | Service::Stop => bed.libvirtd(host, LibvirtFault::Kill),
        Service::Hang => bed.libvirtd(host, LibvirtFault::Hang),
        Service::Resume => bed.libvirtd(host, LibvirtFault::Resume),
    }
}

fn audit(bed: &Bed) -> Result<ExitCode> {
    let verdict = bed.audit()?;
    writeln!(stdout(), "{verdict}")?;
    Ok(if verdict.clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
