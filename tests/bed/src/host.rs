//! What can be done to one host of a bed: power, freezing, and commands run in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::bed::Bed;
use crate::bmc::BmcMode;
use crate::cgroup;
use crate::command::{Output, run, wait_for};
use crate::setup::fill;
use crate::truth::init_pid;
use anyhow::{Context, Result, bail};

const EXEC_LIMIT: Duration = Duration::from_secs(120);

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

    /// Cuts the power of several hosts at the same moment, as a failed feed does: no host sees another one go first.
    ///
    /// # Errors
    /// When a process survives.
    pub fn power_off_together(&self, hosts: &[String]) -> Result<()> {
        std::thread::scope(|scope| {
            let cuts: Vec<_> = hosts.iter().map(|host| scope.spawn(|| self.power_off(host))).collect();
            cuts.into_iter().try_for_each(|cut| cut.join().expect("cutting power does not panic"))
        })
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

    pub(crate) fn cgroup_of(&self, host: &str) -> Result<PathBuf> {
        self.layout.number(host)?;
        self.layout.host_cgroup(host)
    }

    /// The boot id that the host has, or had last.
    ///
    /// # Errors
    /// When it never was on.
    pub fn boot_id(&self, host: &str) -> Result<String> {
        let path = self.layout.home(host).join("boot_id");
        Ok(fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?.trim().to_owned())
    }

    /// The hardware id of the host and its BMC.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn hardware_id(&self, host: &str) -> Result<String> {
        let path = self.layout.home(host).join("product_uuid");
        Ok(fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?.trim().to_owned())
    }

    /// Waits until the host has booted and its libvirtd answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_ready(&self, host: &str, limit: Duration) -> Result<()> {
        // A former boot left its mark as well, and in a power cycle the host is off for a while.
        let path = self.layout.home(host).join("run/quorate-bed/booted");
        let booted = || {
            let mark = fs::read_to_string(&path).unwrap_or_default();
            Ok(self.is_on(host)? && mark.trim() == self.boot_id(host)?)
        };
        wait_for(&format!("{host} to boot"), limit, booted)?;
        // The socket's file is there before anybody listens: only an answer counts.
        let answers = || Ok(self.exec(host, &["virsh", "-c", "qemu:///system", "list"])?.success());
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
        let mut found = None;
        // Between its firmware and its process 1 a host that is switched on has neither.
        wait_for(&format!("process 1 of {host}, which is on"), Duration::from_secs(10), || {
            found = init_pid(&self.layout, host)?;
            Ok(found.is_some() || !self.is_on(host)?)
        })?;
        found.with_context(|| format!("{host} is off: `bed power {host} on` starts it"))
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
        command.args(["-c", outside, "sh"]).arg(self.cgroup_of(host)?).args([&init, inside]).arg(here);
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
}
