//! What can befall the services of a host: its daemon, its libvirtd, its guests.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bed::Bed;
use crate::cgroup;
use crate::command::wait_for;
use crate::truth::{inner_pid, is_stopped, process_name};

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
        Ok(candidates.into_iter().find(|pid| inner_pid(*pid) == Some(inner)))
    }

    /// Starts the daemon of a host that runs without.
    ///
    /// # Errors
    /// When it runs already, the host is off, or the bed was brought up without a daemon.
    pub fn daemon_start(&self, host: &str) -> Result<()> {
        self.daemon_start_with(host, &[])
    }

    /// The same, with more words on its command line.
    ///
    /// # Errors
    /// As there.
    pub fn daemon_start_with(&self, host: &str, more: &[&str]) -> Result<()> {
        let script = self.layout.home(host).join("daemon.sh");
        if !script.exists() {
            bail!("this bed was brought up without a daemon");
        }
        if let Some(pid) = self.daemon_pid(host)? {
            bail!("the daemon of {host} runs already (pid {pid})");
        }
        let script = script.to_string_lossy();
        let argv: Vec<&str> = ["setsid", "-f", script.as_ref()].into_iter().chain(more.iter().copied()).collect();
        self.exec(host, &argv)?.ok()?;
        wait_for("the daemon's process", Duration::from_secs(5), || Ok(self.daemon_pid(host)?.is_some()))
    }

    /// Does something bad to a daemon.
    ///
    /// # Errors
    /// When it does not run, or survives.
    pub fn daemon(&self, host: &str, fault: DaemonFault) -> Result<()> {
        let pid = self.daemon_pid(host)?.with_context(|| format!("no daemon runs on {host}"))?;
        let (signal, ends) = match fault {
            DaemonFault::Kill => (Signal::SIGKILL, true),
            DaemonFault::Stop => (Signal::SIGTERM, true),
            DaemonFault::Hang => (Signal::SIGSTOP, false),
            DaemonFault::Resume => (Signal::SIGCONT, false),
        };
        send(pid, signal)?;
        if fault == DaemonFault::Hang {
            wait_for("the daemon to stand still", Duration::from_secs(5), || Ok(is_stopped(pid)))?;
        }
        if ends {
            // Reaped: while one of its threads dies it may still hold its files and locks.
            let entry = std::path::PathBuf::from(format!("/proc/{pid}"));
            wait_for("the daemon to end", Duration::from_secs(60), || Ok(!entry.exists()))?;
        }
        Ok(())
    }

    /// Shuts a host down in order: its daemon is stopped, which may take a while, then its power goes. Returns how long
    /// the daemon took.
    ///
    /// # Errors
    /// When no daemon runs, or it does not end.
    pub fn shut_down(&self, host: &str) -> Result<Duration> {
        let state = self.layout.home(host).join("run/quorate-bed/state");
        fs::write(&state, "stopping\n").with_context(|| format!("write {}", state.display()))?;
        let begin = std::time::Instant::now();
        self.daemon(host, DaemonFault::Stop)?;
        let took = begin.elapsed();
        self.power_off(host)?;
        Ok(took)
    }

    /// Does something to a host's libvirtd.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn libvirtd(&self, host: &str, fault: LibvirtFault) -> Result<()> {
        if fault == LibvirtFault::Start {
            let script = self.layout.dir.join("libvirt.sh");
            self.exec(host, &[script.to_string_lossy().as_ref()])?.ok()?;
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
            wait_for("libvirtd to end", Duration::from_secs(10), || Ok(running()?.is_empty()))?;
        }
        Ok(())
    }

    /// SIGKILL to the QEMU process of a guest.
    ///
    /// # Errors
    /// When it does not run there.
    pub fn kill_vm(&self, host: &str, vm: &str) -> Result<()> {
        let mut found = self.vms()?.into_iter().filter(|process| process.host == host && process.vm == vm);
        let process = found.next().with_context(|| format!("{vm} does not run on {host}"))?;
        send(process.pid, Signal::SIGKILL)?;
        let gone = || Ok(!self.vms()?.iter().any(|other| other.pid == process.pid));
        wait_for("the QEMU process to end", Duration::from_secs(10), gone)
    }
}

fn send(pid: i32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid), signal).with_context(|| format!("send {signal} to process {pid}"))
}
