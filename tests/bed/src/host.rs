//! What can be done to one host of a bed: power, freezing, its daemon, its libvirtd, its guests, and commands run in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bed::Bed;
use crate::bmc::BmcMode;
use crate::cgroup;
use crate::command::{Output, run, wait_for};
use crate::setup::fill;
use crate::truth::{init_pid, inner_pid, process_name};

const EXEC_LIMIT: Duration = Duration::from_secs(120);

/// What can befall a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonFault {
    /// SIGKILL to the daemon alone; what it started goes on.
    Kill,
    /// SIGTERM; returns when it has ended.
    Stop,
    /// SIGSTOP: it exists and does nothing.
    Hang,
    /// SIGCONT after [`DaemonFault::Hang`].
    Resume,
}

/// What can befall a libvirtd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibvirtFault {
    /// SIGKILL; guests go on.
    Kill,
    /// SIGSTOP: calls to it never return.
    Hang,
    /// SIGCONT after [`LibvirtFault::Hang`].
    Resume,
    /// Starts it again after [`LibvirtFault::Kill`].
    Start,
}

impl Bed {
    fn power(&self, host: &str, verb: &str) -> Result<String> {
        let number = self.layout.number(host)?.to_string();
        let mut command = Command::new(self.layout.dir.join("power.sh"));
        let output = run(command.args([&number, verb]), Duration::from_secs(60))?;
        output.ok().with_context(|| format!("switch {verb} {host}"))
    }

    /// Presses the power button of a host that is off; returns when its process 1 runs. No-op if it is on.
    ///
    /// # Errors
    /// When it does not start.
    pub fn power_on(&self, host: &str) -> Result<()> {
        self.power(host, "on").map(drop)
    }

    /// Cuts a host's power: link first, then every process; returns when none is left.
    ///
    /// # Errors
    /// When a process survives.
    pub fn power_off(&self, host: &str) -> Result<()> {
        self.power(host, "off").map(drop)
    }

    /// Cuts the power of a host and of its BMC, as a failed power supply does.
    ///
    /// # Errors
    /// When a process survives.
    pub fn power_off_with_bmc(&self, host: &str) -> Result<()> {
        self.power_off(host)?;
        self.bmc(host, BmcMode::Unplugged)
    }

    /// Whether anything of the host lives.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn is_on(&self, host: &str) -> Result<bool> {
        Ok(cgroup::populated(&self.cgroup_of(host)?))
    }

    /// Every process of the host, as seen from outside.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn processes(&self, host: &str) -> Result<Vec<i32>> {
        Ok(cgroup::processes(&self.cgroup_of(host)?))
    }

    fn cgroup_of(&self, host: &str) -> Result<PathBuf> {
        self.layout.number(host)?;
        self.layout.host_cgroup(host)
    }

    /// The boot id that the host has, or had last.
    ///
    /// # Errors
    /// When it never was on.
    pub fn boot_id(&self, host: &str) -> Result<String> {
        let path = self.layout.home(host).join("boot_id");
        Ok(fs::read_to_string(&path)
            .with_context(|| format!("read {}", path.display()))?
            .trim()
            .to_owned())
    }

    /// The hardware id of the host and its BMC.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn hardware_id(&self, host: &str) -> Result<String> {
        let path = self.layout.home(host).join("product_uuid");
        Ok(fs::read_to_string(&path)
            .with_context(|| format!("read {}", path.display()))?
            .trim()
            .to_owned())
    }

    /// Waits until the host has booted and its libvirtd answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_ready(&self, host: &str, limit: Duration) -> Result<()> {
        let booted = self.layout.home(host).join("run/quorate-bed/booted");
        wait_for(&format!("{host} to boot"), limit, || Ok(booted.exists()))?;
        // The socket's file is there before anybody listens: only an answer counts.
        let answers = || {
            Ok(self
                .exec(host, &["virsh", "-c", "qemu:///system", "list"])?
                .success())
        };
        wait_for(&format!("libvirtd of {host} to answer"), limit, answers)
    }

    /// Stops every process of the host where it stands: a hung host. Its kernel still answers TCP.
    ///
    /// # Errors
    /// When the host is off or does not freeze.
    pub fn freeze(&self, host: &str) -> Result<()> {
        self.init(host)?;
        cgroup::freeze(&self.cgroup_of(host)?, true)
    }

    /// Lets a frozen host go on as if no time had passed.
    ///
    /// # Errors
    /// When it does not thaw.
    pub fn thaw(&self, host: &str) -> Result<()> {
        cgroup::freeze(&self.cgroup_of(host)?, false)
    }

    /// Whether the host is frozen.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn is_frozen(&self, host: &str) -> Result<bool> {
        Ok(cgroup::frozen(&self.cgroup_of(host)?))
    }

    fn init(&self, host: &str) -> Result<i32> {
        self.layout.number(host)?;
        init_pid(&self.layout, host)?
            .with_context(|| format!("{host} is off: `bed power {host} on` starts it"))
    }

    /// A command that runs inside the host, in the caller's directory where the host has it; it dies with the host's power.
    ///
    /// # Errors
    /// When the host is off.
    pub fn command<S: AsRef<str>>(&self, host: &str, argv: &[S]) -> Result<Command> {
        let init = self.init(host)?.to_string();
        let outside = "cgroup=$1 init=$2 inside=$3; shift 3; echo 0 >\"$cgroup/exec/cgroup.procs\" && \
                       exec nsenter -t \"$init\" -m -u -i -n -p -- sh -c \"$inside\" sh \"$@\"";
        let inside = "cd \"$1\" 2>/dev/null || cd /; shift; exec \"$@\"";
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let mut command = Command::new("sh");
        command
            .args(["-c", outside, "sh"])
            .arg(self.cgroup_of(host)?)
            .args([&init, inside])
            .arg(here);
        command.args(argv.iter().map(AsRef::as_ref));
        Ok(command)
    }

    /// Runs a command inside the host to its end.
    ///
    /// # Errors
    /// When the host is off or the command takes over two minutes; an exit code is no error here.
    pub fn exec<S: AsRef<str>>(&self, host: &str, argv: &[S]) -> Result<Output> {
        run(&mut self.command(host, argv)?, EXEC_LIMIT)
    }

    /// Runs `qrm` inside the host.
    ///
    /// # Errors
    /// When the bed has no `qrm`, or as for [`Bed::exec`].
    pub fn qrm(&self, host: &str, arguments: &[&str]) -> Result<Output> {
        self.exec(host, &self.qrm_argv(host, arguments)?)
    }

    /// The full command line of `qrm` on a host, for [`Bed::command`].
    ///
    /// # Errors
    /// When the bed has no `qrm`.
    pub fn qrm_argv(&self, host: &str, arguments: &[&str]) -> Result<Vec<String>> {
        if self.options.qrm.is_empty() {
            bail!("this bed was brought up without qrm");
        }
        let mut argv = Vec::new();
        for word in &self.options.qrm {
            argv.push(fill(&self.layout, host, word)?);
        }
        argv.extend(arguments.iter().map(|word| (*word).to_owned()));
        Ok(argv)
    }

    /// The daemon's process as seen from outside; `None` when it does not run.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn daemon_pid(&self, host: &str) -> Result<Option<i32>> {
        let path = self.layout.home(host).join("run/quorate-bed/daemon.pid");
        let Ok(Ok(inner)) = fs::read_to_string(path).map(|text| text.trim().parse::<i32>()) else {
            return Ok(None);
        };
        let candidates = cgroup::processes(&self.cgroup_of(host)?.join("quorated/daemon"));
        Ok(candidates
            .into_iter()
            .find(|pid| inner_pid(*pid) == Some(inner)))
    }

    /// Starts the daemon of a host that runs without.
    ///
    /// # Errors
    /// When it runs already, the host is off, or the bed was brought up without a daemon.
    pub fn daemon_start(&self, host: &str) -> Result<()> {
        let script = self.layout.home(host).join("daemon.sh");
        if !script.exists() {
            bail!("this bed was brought up without a daemon");
        }
        if let Some(pid) = self.daemon_pid(host)? {
            bail!("the daemon of {host} runs already (pid {pid})");
        }
        let script = script.to_string_lossy();
        self.exec(host, &["setsid", "-f", script.as_ref()])?.ok()?;
        wait_for("the daemon's process", Duration::from_secs(5), || {
            Ok(self.daemon_pid(host)?.is_some())
        })
    }

    /// Does something bad to a daemon.
    ///
    /// # Errors
    /// When it does not run, or survives.
    pub fn daemon(&self, host: &str, fault: DaemonFault) -> Result<()> {
        let pid = self
            .daemon_pid(host)?
            .with_context(|| format!("no daemon runs on {host}"))?;
        let (signal, ends) = match fault {
            DaemonFault::Kill => (Signal::SIGKILL, true),
            DaemonFault::Stop => (Signal::SIGTERM, true),
            DaemonFault::Hang => (Signal::SIGSTOP, false),
            DaemonFault::Resume => (Signal::SIGCONT, false),
        };
        send(pid, signal)?;
        if ends {
            wait_for("the daemon to end", Duration::from_secs(60), || {
                Ok(self.daemon_pid(host)?.is_none())
            })?;
        }
        Ok(())
    }

    /// Does something to a host's libvirtd.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn libvirtd(&self, host: &str, fault: LibvirtFault) -> Result<()> {
        if fault == LibvirtFault::Start {
            let script = self.layout.dir.join("libvirt.sh");
            self.exec(host, &[script.to_string_lossy().as_ref()])?
                .ok()?;
            return self.wait_ready(host, Duration::from_secs(30));
        }
        let signal = match fault {
            LibvirtFault::Hang => Signal::SIGSTOP,
            LibvirtFault::Resume => Signal::SIGCONT,
            LibvirtFault::Kill | LibvirtFault::Start => Signal::SIGKILL,
        };
        let running = || -> Result<Vec<i32>> {
            let named = |pid: &i32| process_name(*pid).as_deref() == Some("libvirtd");
            Ok(self.processes(host)?.into_iter().filter(named).collect())
        };
        let pids = running()?;
        if pids.is_empty() {
            bail!("no libvirtd runs on {host}");
        }
        for pid in pids {
            send(pid, signal)?;
        }
        if fault == LibvirtFault::Kill {
            wait_for("libvirtd to end", Duration::from_secs(10), || {
                Ok(running()?.is_empty())
            })?;
        }
        Ok(())
    }

    /// SIGKILL to the QEMU process of a guest.
    ///
    /// # Errors
    /// When it does not run there.
    pub fn kill_vm(&self, host: &str, vm: &str) -> Result<()> {
        let mut found = self
            .vms()?
            .into_iter()
            .filter(|process| process.host == host && process.vm == vm);
        let process = found
            .next()
            .with_context(|| format!("{vm} does not run on {host}"))?;
        send(process.pid, Signal::SIGKILL)?;
        let gone = || Ok(!self.vms()?.iter().any(|other| other.pid == process.pid));
        wait_for("the QEMU process to end", Duration::from_secs(10), gone)
    }
}

fn send(pid: i32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid), signal).with_context(|| format!("send {signal} to process {pid}"))
}
