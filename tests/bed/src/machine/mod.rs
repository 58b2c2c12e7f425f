//! A machine: QEMU with a kernel of its own on this machine's own root, which it cannot change. For what namespaces cannot
//! show: a watchdog in hardware, though emulated, and a boot of the real systemd.

mod host;
mod hypervisor;
mod monitor;
mod shell;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::command::Output;
use crate::setup::machine_files;
pub use host::HostMachine;
pub use hypervisor::{Hypervisor, VirtualHost};
use monitor::Monitor;
pub use monitor::Told;
use shell::Shell;

const SHELL: &str = include_str!("../../assets/machine-shell.sh");
const SYSTEMD: &str = include_str!("../../assets/machine-systemd.sh");
/// In the machine's directory.
const SHELL_SOCKET: &str = "shell.sock";
/// What a host needs, in MiB.
const MEMORY: &str = "768";
/// QEMU makes its sockets within this.
const SOCKETS: Duration = Duration::from_secs(10);

/// A machine that is on until it is dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    shell: Shell,
    monitor: Monitor,
}

/// What a machine is made of, beside what every one has.
struct Plan<'a> {
    /// Below this its files are. A socket's path must not be long.
    dir: &'a Path,
    /// What its process 1 is, once the initrd is done.
    init: &'a str,
    memory: &'a str,
    /// More arguments of QEMU's.
    devices: Vec<String>,
    /// Runs in this cgroup and this network namespace.
    place: Option<(PathBuf, String)>,
}

/// Writes what a machine runs into its directory; answers where its kernel and initrd are.
fn boot_files(dir: &Path, init: &str) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    for (name, text) in [("init", init), ("shell.sh", SHELL)] {
        crate::setup::program(&dir.join(name), text)?;
    }
    machine_files()
}

fn kernel_arguments(dir: &Path) -> String {
    format!("console=ttyS0 quiet panic=1 nokaslr init2={}", dir.join("init").display())
}

impl Machine {
    /// Boots the systemd that is installed here, with a bus and nothing else to start.
    ///
    /// # Errors
    /// When the machine lacks something (the message says what to run).
    pub fn with_systemd(dir: &Path) -> Result<Machine> {
        Machine::boot(&Plan { dir, init: SYSTEMD, memory: "512", devices: Vec::new(), place: None })
    }

    fn boot(plan: &Plan<'_>) -> Result<Machine> {
        let files = boot_files(plan.dir, plan.init)?;
        let dir = plan.dir.canonicalize().context("find the machine's directory")?;
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let mut command = command(plan.place.as_ref());
        command.args(["-machine", "pc,accel=tcg", "-m", plan.memory, "-nodefaults", "-display", "none"]);
        command.args(["-kernel", &files.join("vmlinux").to_string_lossy()]);
        command.args(["-initrd", &files.join("initrd.img").to_string_lossy()]);
        command.args(["-append", &kernel_arguments(&dir)]);
        command.args(["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"]);
        command.args(["-serial", &format!("file:{}", at("console.log"))]);
        command.args(["-serial", &format!("unix:{},server=on,wait=off", at(SHELL_SOCKET))]);
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp.sock"))]);
        command.args(&plan.devices);
        let log = File::create(dir.join("qemu.log")).context("create the log of QEMU")?;
        let qemu = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("start QEMU")?;
        let mut qemu = Killed(Some(qemu));
        let until = Instant::now() + SOCKETS;
        let monitor = Monitor::connect(&dir.join("qmp.sock"), until);
        let monitor = monitor.with_context(|| format!("QEMU does not come up; its log is {}", at("qemu.log")))?;
        let shell = Shell::connect(&dir.join(SHELL_SOCKET), until)?;
        Ok(Machine { qemu: qemu.0.take().context("it was started")?, shell, monitor })
    }

    /// Runs a line of shell in it. What it printed on either stream is in `stdout`.
    ///
    /// # Errors
    /// When it is not up, is reset meanwhile, or does not answer in time; an exit code is no error here.
    pub fn exec(&self, line: &str, limit: Duration) -> Result<Output> {
        self.shell.exec(line, limit)
    }

    /// The boot ids it had, one for each boot that came as far as its shell.
    #[must_use]
    pub fn boots(&self) -> Vec<String> {
        self.shell.boots()
    }

    /// What the emulator told since it was switched on: `RESET`, `WATCHDOG` …
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.monitor.told()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// An emulator that is not anybody's yet.
struct Killed(Option<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(mut qemu) = self.0.take() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }
}

/// It dies with whoever started it.
fn command(place: Option<&(PathBuf, String)>) -> Command {
    const QEMU: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"];
    let mut command = match place {
        Some((cgroup, netns)) => {
            let script = "echo 0 >\"$1/cgroup.procs\" && net=$2 && shift 2 && exec nsenter --net=\"$net\" -- \"$@\"";
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(cgroup).arg(format!("/run/netns/{netns}"));
            command.arg(QEMU[0]);
            command
        }
        None => Command::new(QEMU[0]),
    };
    command.args(&QEMU[1..]);
    command
}
