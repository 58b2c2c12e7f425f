//! A machine that is one more host of a bed: it hangs on the bed's switch, has a disk that keeps its store, and a watchdog
//! that resets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{MEMORY, Machine, Plan};
use crate::bed::Bed;
use crate::command::{Output, must, wait_for};
use crate::guest::uuid_of;
use crate::network;

pub(super) const INIT: &str = include_str!("../../assets/machine-host.sh");
/// Its name, in the cluster and on the switch.
pub(super) const NAME: &str = "m1";
/// None of the hosts, their BMCs and the switch has it.
pub(super) const ADDRESS: &str = "10.99.0.100";
pub(super) const MAC: &str = "02:99:00:00:00:64";
const DISK_BYTES: u64 = 512 << 20;
/// It is emulated, and others may use this machine.
const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// A machine on the switch of a bed.
#[derive(Debug)]
pub struct HostMachine<'a> {
    machine: Machine,
    bed: &'a Bed,
}

/// Writes what the machine finds of itself and of the others, and makes its disk; answers where that is.
pub(super) fn host_files(bed: &Bed) -> Result<PathBuf> {
    let dir = bed.layout.home(NAME);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let qrm = bed.options.qrm.first().context("this bed was brought up without programs")?;
    let binaries = Path::new(qrm).parent().context("qrm lies in a directory")?.display();
    fs::write(dir.join("env"), format!("NAME={NAME}\nADDRESS={ADDRESS}\nBINARIES='{binaries}'\n"))?;
    let mut hosts = format!("127.0.0.1 localhost\n{ADDRESS} {NAME}\n");
    for host in bed.layout.names() {
        hosts.push_str(&format!("{} {host}\n", bed.layout.address(&host)?));
    }
    fs::write(dir.join("hosts"), hosts)?;
    let disk = dir.join("disk.img");
    fs::File::create(&disk).and_then(|file| file.set_len(DISK_BYTES)).context("create the machine's disk")?;
    must("mkfs.ext4", &["-q", "-F", &disk.to_string_lossy()])?;
    Ok(disk)
}

impl Bed {
    /// Switches on a machine with an i6300ESB watchdog, where the daemon and its feeder start by themselves; returns before
    /// it has booted. Without a BMC.
    ///
    /// # Errors
    /// When the bed was brought up without programs, or QEMU does not start.
    pub fn machine(&self) -> Result<HostMachine<'_>> {
        let disk = host_files(self)?;
        let dir = self.layout.home(NAME);
        network::add_tap(&self.layout, NAME)?;
        let cgroup = self.layout.host_cgroup(NAME)?;
        fs::create_dir_all(&cgroup).context("create the cgroup of the machine")?;
        let disk = format!("file={},format=raw,if=virtio,cache=unsafe", disk.display());
        let tap = format!("tap,id=net,ifname={NAME},script=no,downscript=no");
        let card = format!("virtio-net-pci,netdev=net,mac={MAC},romfile=");
        let devices = [
            ["-uuid", &uuid_of(NAME)],
            ["-drive", &disk],
            ["-netdev", &tap],
            ["-device", &card],
            ["-device", "i6300esb"],
            ["-watchdog-action", "reset"],
        ];
        let devices = devices.concat().into_iter().map(str::to_owned).collect();
        let place = Some((cgroup, self.layout.switch()));
        let machine = Machine::boot(&Plan { dir: &dir, init: INIT, memory: MEMORY, devices, place })?;
        Ok(HostMachine { machine, bed: self })
    }
}

impl HostMachine<'_> {
    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// Where the others reach it.
    #[must_use]
    pub fn address(&self) -> &'static str {
        ADDRESS
    }

    /// What is the same with every machine.
    #[must_use]
    pub fn inner(&self) -> &Machine {
        &self.machine
    }

    /// Waits until it has booted so many times, and its shell answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_boots(&self, boots: usize, limit: Duration) -> Result<()> {
        wait_for(&format!("{NAME} to boot"), limit, || Ok(self.machine.boots().len() >= boots))
    }

    /// Runs a line of shell in it.
    ///
    /// # Errors
    /// As for [`Machine::exec`].
    pub fn exec(&self, line: &str) -> Result<Output> {
        self.machine.exec(line, EXEC_LIMIT)
    }

    /// Runs `qrm` in it.
    ///
    /// # Errors
    /// As for [`Machine::exec`].
    pub fn qrm(&self, arguments: &str) -> Result<Output> {
        let qrm = self.bed.options.qrm.first().context("this bed was brought up without programs")?;
        self.exec(&format!("{qrm} {arguments}"))
    }

    /// Parts it from all other hosts; frames vanish silently.
    ///
    /// # Errors
    /// When the rule cannot be set.
    pub fn cut(&self) -> Result<()> {
        network::cut(&self.bed.layout, NAME)
    }

    /// Takes that back.
    ///
    /// # Errors
    /// When the rule cannot be removed.
    pub fn heal(&self) -> Result<()> {
        network::heal(&self.bed.layout, NAME)
    }
}
