//! What only a real bed has: guests, hosts with power, BMCs that write down what they were asked.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{Auditor, Bed, Output, VmProcess, wait_for};

use crate::cluster::{Cluster, Site};

impl Site for Bed {
    fn hosts(&self) -> Vec<String> {
        self.hosts()
    }

    fn address(&self, host: &str) -> Result<String> {
        self.layout().address(host)
    }

    fn qrm(&self, host: &str, arguments: &[&str]) -> Result<Output> {
        self.qrm(host, arguments)
    }

    fn fence_device(&self, host: &str) -> Result<String> {
        let address = self.layout().bmc_address(host)?;
        Ok(format!("stonith:ipmi params ip={address} username=admin password=secret cipher=3 target={host}"))
    }
}

/// The statements that define guests which prefer a host, as one text. The files of the guests have to be there.
#[must_use]
pub fn settings(vms: &[&str], host: Option<&str>) -> String {
    let mut text = String::new();
    for vm in vms {
        text.push_str(&format!("primitive {vm} vm:libvirt params xml=@{vm}.xml\n"));
        if let Some(host) = host {
            text.push_str(&format!("location {vm}-on-{host} {vm} 100: {host}\n"));
        }
    }
    text
}

impl Cluster<Bed> {
    /// Makes guests, has the cluster run them on this host, and waits until each has shown that it lives.
    ///
    /// # Errors
    /// When one does not run there.
    pub fn run_vms(&self, auditor: &Auditor, vms: &[&str], host: &str) -> Result<()> {
        self.define(vms, &settings(vms, Some(host)))?;
        self.wait_running(vms, Duration::from_secs(60), |process| process.host == host)?;
        let known = |vm: &&&str| auditor.lives().iter().any(|life| life.vm == ***vm && life.host == host);
        let all = || Ok(vms.iter().filter(known).count() == vms.len());
        wait_for(&format!("{} to boot on {host}", vms.join(", ")), Duration::from_secs(90), all)
    }

    /// Makes the files of guests and commits the statements about them.
    ///
    /// # Errors
    /// When they are refused.
    pub fn define(&self, vms: &[&str], statements: &str) -> Result<()> {
        for vm in vms {
            self.site.create_guest(vm)?;
        }
        fs::write(self.site.layout().shared().join("vms.txt"), statements)?;
        let host = self.contact()?;
        self.qrm(&host, &["configure", "load", "update", "/run/quorate-bed/shared/vms.txt"]).map(drop)
    }

    /// Waits until each of these runs once, where it should by `fits`, in truth and by the cluster's word.
    ///
    /// # Errors
    /// When that does not come about, or one runs twice meanwhile.
    pub fn wait_running(&self, vms: &[&str], limit: Duration, fits: impl Fn(&VmProcess) -> bool) -> Result<()> {
        wait_for(&format!("{} to run where they should", vms.join(", ")), limit, || {
            let found = self.site.vms()?;
            let of = |vm: &str| found.iter().filter(|process| process.vm == vm).collect::<Vec<_>>();
            for vm in vms {
                ensure!(of(vm).len() <= 1, "{vm} has more than one process: {:?}", of(vm));
            }
            Ok(vms.iter().all(|vm| of(vm).first().is_some_and(|process| fits(process))))
        })?;
        let started = |status: &quorate_core::view::Status| {
            let one = |vm: &&str| {
                status.resources.iter().any(|r| r.id.as_str() == *vm && r.role == quorate_core::view::Role::Started)
            };
            vms.iter().all(one)
        };
        self.wait_status(&format!("the cluster to know that {} run", vms.join(", ")), limit, started).map(drop)
    }

    /// Waits until each guest has written from another life than those it had at `known`.
    ///
    /// # Errors
    /// When one does not in time.
    pub fn wait_reborn(&self, auditor: &Auditor, vms: &[&str], since: SystemTime) -> Result<()> {
        let lives = |vm: &&&str| auditor.lives().iter().any(|life| life.vm == ***vm && life.first > since);
        let all = || Ok(vms.iter().filter(lives).count() == vms.len());
        wait_for(&format!("{} to boot again", vms.join(", ")), Duration::from_secs(90), all)
    }

    /// The process of every guest, by guest; an error when one has two.
    ///
    /// # Errors
    /// When one has two.
    pub fn processes(&self) -> Result<BTreeMap<String, VmProcess>> {
        let mut found = BTreeMap::new();
        for process in self.site.vms()? {
            let vm = process.vm.clone();
            if let Some(other) = found.insert(vm, process.clone()) {
                anyhow::bail!("{} has two processes: {other:?} and {process:?}", process.vm);
            }
        }
        Ok(found)
    }
}

/// What the BMC of a host was asked since then: `get power`, `set power 0`.
///
/// # Errors
/// When its log cannot be read.
pub fn bmc_log(bed: &Bed, host: &str, since: SystemTime) -> Result<Vec<(SystemTime, String)>> {
    let path = bed.layout().bmc_dir(host).join("chassis.log");
    // The first thing that is asked creates it.
    let text = if path.exists() {
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?
    } else {
        String::new()
    };
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let seconds: f64 = words.next()?.parse().ok()?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        let _mode = words.next()?;
        Some((at, words.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(line).filter(|(at, _)| *at >= since).collect())
}
