//! The play on the real bed.

use std::fs;
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use quorate_bed::{Auditor, Bed, Options, Output};
use quorate_e2e::{Site, bmc_log, settings};

use super::Arguments;
use super::play::play;
use super::screen::Screen;
use super::stage::{Running, Stage};
use crate::binaries::{self, Profile};

/// Plays on hosts of its own. Whether every promise was kept.
pub(super) fn run(screen: &mut Screen, arguments: &Arguments) -> Result<bool> {
    screen.heading("Set up");
    let begin = Instant::now();
    let binaries = binaries::build(Profile::Dev)?;
    let options = if arguments.keep {
        Options { hosts: arguments.hosts, ..Options::left_running() }
    } else {
        Options::for_test(arguments.hosts)
    };
    let bed = Bed::up(options.with_quorate(&binaries))?;
    let hosts = Hosts { auditor: bed.auditor(), bed: &bed };
    screen.text(&format!("{} in {:.1} s", hosts.label(), begin.elapsed().as_secs_f64()));
    let played = play(screen, hosts);
    if arguments.keep {
        screen.heading("Left running");
        screen.text("cargo xtask bed qrm n1 status      cargo xtask bed status");
        screen.text("cargo xtask bed down               takes it away");
        return played;
    }
    if matches!(played, Ok(true)) {
        bed.down()?;
        return played;
    }
    let dir = bed.down_keeping_files()?;
    screen.warning(&format!("The logs are in {}", dir.display()));
    played
}

struct Hosts<'a> {
    auditor: Auditor,
    bed: &'a Bed,
}

impl Site for Hosts<'_> {
    fn hosts(&self) -> Vec<String> {
        self.bed.hosts()
    }

    fn address(&self, host: &str) -> Result<String> {
        self.bed.address(host)
    }

    fn qrm(&self, host: &str, arguments: &[&str]) -> Result<Output> {
        self.bed.qrm(host, arguments)
    }

    fn fence_device(&self, host: &str) -> Result<String> {
        self.bed.fence_device(host)
    }
}

impl Stage for Hosts<'_> {
    fn label(&self) -> String {
        format!("{} hosts, each with its own libvirtd, daemon, power and BMC, are up", self.bed.hosts().len())
    }

    fn define(&self, vms: &[String]) -> Result<String> {
        let names: Vec<&str> = vms.iter().map(String::as_str).collect();
        for vm in &names {
            self.bed.create_guest(vm)?;
        }
        fs::write(self.bed.layout().shared().join("vms.txt"), settings(&names, None)).context("write vms.txt")?;
        Ok("/run/quorate-bed/shared/vms.txt".to_owned())
    }

    fn cut(&self, host: &str) -> Result<()> {
        self.bed.power_off(host)
    }

    fn running(&self) -> Result<Vec<Running>> {
        let of = |process: quorate_bed::VmProcess| Running {
            vm: process.vm,
            host: process.host,
            pid: process.pid,
            started: process.started,
        };
        Ok(self.bed.vms()?.into_iter().map(of).collect())
    }

    fn readings(&self, host: &str, since: SystemTime) -> Result<Vec<SystemTime>> {
        let asked = bmc_log(self.bed, host, since)?;
        Ok(asked.into_iter().filter(|(_, what)| what == "get power").map(|(at, _)| at).collect())
    }

    fn alive(&self, vm: &str, since: SystemTime) -> Option<SystemTime> {
        self.auditor
            .lives()
            .into_iter()
            .filter(|life| life.vm == vm && life.first >= since)
            .map(|life| life.first)
            .min()
    }

    fn sign_of_life(&self) -> Option<&'static str> {
        Some("every guest has booted and writes to its disk")
    }

    fn judge(&self) -> Result<(bool, String)> {
        let verdict = self.auditor.verdict()?;
        Ok((verdict.clean(), format!("by the guests' own records, {verdict}").trim_end().to_owned()))
    }

    fn follow(&self, host: &str, from: u64) -> Result<Command> {
        let argv = self.bed.qrm_argv(host, &["--json", "events", "--follow", "--from", &from.to_string()])?;
        self.bed.command(host, &argv)
    }
}
