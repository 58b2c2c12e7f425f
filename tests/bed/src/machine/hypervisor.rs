//! A hypervisor beside the hosts, with a machine on it that is one more of them: who wants to switch that machine logs in
//! here and says so to libvirt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::host::{ADDRESS, MAC, NAME, host_files};
use super::{MEMORY, SHELL_SOCKET, boot_files, kernel_arguments, shell::Shell};
use crate::bed::Bed;
use crate::cgroup;
use crate::command::{Output, must, run, wait_for};
use crate::guest::uuid_of;
use crate::network;
use crate::setup;

const INIT: &str = include_str!("../../assets/hypervisor.sh");
/// What libvirt calls the machine: another name than the cluster's.
const DOMAIN: &str = "guest-m1";
const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// A hypervisor on the switch of a bed, and its machine.
#[derive(Debug)]
pub struct Hypervisor<'a> {
    bed: &'a Bed,
    address: String,
    dir: PathBuf,
}

impl Bed {
    /// Brings up a hypervisor, lets every host log in on it as root by a key, and defines a machine on it, which is off.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn hypervisor(&self) -> Result<Hypervisor<'_>> {
        let dir = self.layout.home("hypervisor");
        for below in ["etc-libvirt", "log/libvirt", "root/.ssh"] {
            fs::create_dir_all(dir.join(below)).with_context(|| format!("create {below} of the hypervisor"))?;
        }
        let it = Hypervisor { bed: self, address: network::gateway(&self.layout)?, dir };
        it.keys()?;
        setup::write_libvirt_files(&it.dir.join("etc-libvirt"), &it.address, &uuid_of("hypervisor"))?;
        it.start()?;
        it.define()?;
        Ok(it)
    }
}

impl Hypervisor<'_> {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The key that logs in on it as root; good on all hosts.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// What libvirt calls the machine.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        DOMAIN
    }

    /// What the cluster calls the machine, and where the others reach it.
    #[must_use]
    pub fn node(&self) -> (&'static str, &'static str) {
        (NAME, ADDRESS)
    }

    /// Keys of the server and of who logs in, and what the hosts have to know of the server.
    fn keys(&self) -> Result<()> {
        let at = |name: &str| self.dir.join(name).to_string_lossy().into_owned();
        must("dropbearkey", &["-t", "ed25519", "-f", &at("host_key")])?;
        must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "bed", "-f", &at("key")])?;
        fs::copy(at("key.pub"), at("root/.ssh/authorized_keys")).context("let the key in")?;
        // The server looks whether others could write there.
        for path in ["root", "root/.ssh"] {
            fs::set_permissions(at(path), fs::Permissions::from_mode(0o700)).context("close the way to its keys")?;
        }
        let shown = must("dropbearkey", &["-y", "-f", &at("host_key")])?;
        let public = shown.lines().find(|line| line.starts_with("ssh-")).context("dropbearkey shows a key")?;
        fs::write(at("known_hosts"), format!("{} {public}\n", self.address)).context("write what hosts know")?;
        let config = format!("Host *\n UserKnownHostsFile {}\n StrictHostKeyChecking yes\n", at("known_hosts"));
        fs::write(at("ssh_config"), config).context("write how hosts log in")?;
        for host in self.bed.layout.names() {
            self.bed.exec(&host, &["mount", "--bind", &at("ssh_config"), "/etc/ssh/ssh_config"])?.ok()?;
        }
        Ok(())
    }

    fn start(&self) -> Result<()> {
        let layout = &self.bed.layout;
        let script = layout.dir.join("hypervisor.sh");
        setup::program(&script, INIT)?;
        let cgroup = layout.host_cgroup("hypervisor")?;
        fs::create_dir_all(&cgroup).context("create the cgroup of the hypervisor")?;
        let outside = "echo 0 >\"$1/cgroup.procs\" && setsid nsenter --net=\"/run/netns/$2\" unshare -p -f --kill-child=SIGKILL \
                       -m -u -i --mount-proc --propagation private /bin/bash \"$3\" \"$4\" &";
        let log = fs::File::create(self.dir.join("log/init.log")).context("create the log of the hypervisor")?;
        let mut command = Command::new("sh");
        command.args(["-c", outside, "sh"]).arg(cgroup).arg(layout.switch()).arg(script).arg(&self.address);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.status().context("run sh")?;
        let answers = || Ok(self.login("virsh list").is_ok_and(|output| output.success()));
        wait_for("the hypervisor to be logged in on", Duration::from_secs(30), answers)
    }

    fn define(&self) -> Result<()> {
        let disk = host_files(self.bed)?;
        let dir = self.bed.layout.home(NAME);
        let files = boot_files(&dir, super::host::INIT)?;
        let path = |name: &str| dir.join(name).display().to_string();
        let xml = format!(
            "<domain type='qemu'>
  <name>{DOMAIN}</name><uuid>{}</uuid><memory unit='MiB'>{MEMORY}</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{}</kernel><initrd>{}</initrd><cmdline>{}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/><source file='{}'/><target dev='vda' bus='virtio'/>
    </disk>
    <filesystem type='mount' accessmode='passthrough' multidevs='remap'>
      <source dir='/'/><target dir='root'/><readonly/>
    </filesystem>
    <interface type='bridge'>
      <mac address='{MAC}'/><source bridge='br0'/><target dev='{NAME}'/><model type='virtio'/><rom enabled='no'/>
    </interface>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='{}'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='{}'/><target port='1'/></serial>
  </devices>
</domain>
",
            uuid_of(NAME),
            files.join("vmlinux").display(),
            files.join("initrd.img").display(),
            kernel_arguments(&dir),
            disk.display(),
            path("console.log"),
            path(SHELL_SOCKET),
        );
        fs::write(dir.join("domain.xml"), xml).context("write the machine's definition")?;
        self.login(&format!("virsh define {}", path("domain.xml")))?.ok().map(drop)
    }

    /// Runs a line of shell on it, as who logs in there by the key does.
    ///
    /// # Errors
    /// When there is no answer; an exit code is no error here.
    pub fn login(&self, line: &str) -> Result<Output> {
        let config = self.dir.join("ssh_config");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.bed.layout.switch())).args(["--", "ssh", "-n", "-F"]);
        command.arg(config).arg("-i").arg(self.key()).arg(format!("root@{}", self.address)).arg(line);
        run(&mut command, EXEC_LIMIT)
    }

    /// Switches the machine on; returns when its shell answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn boot(&self, limit: Duration) -> Result<VirtualHost> {
        let until = Instant::now() + limit;
        self.login(&format!("virsh start {DOMAIN}"))?.ok()?;
        let shell = Shell::connect(&self.bed.layout.home(NAME).join(SHELL_SOCKET), until)?;
        wait_for(&format!("{DOMAIN} to boot"), limit, || Ok(!shell.boots().is_empty()))?;
        Ok(VirtualHost { shell })
    }

    /// The emulators that run on it, by the kernel's word.
    ///
    /// # Errors
    /// When the bed's cgroups cannot be found.
    pub fn emulators(&self) -> Result<Vec<i32>> {
        let all = cgroup::processes(&self.bed.layout.host_cgroup("hypervisor")?);
        let named = |pid: &i32| crate::truth::process_name(*pid).is_some_and(|name| name.starts_with("qemu-system"));
        Ok(all.into_iter().filter(named).collect())
    }

    /// Parts the machine from all hosts; frames vanish silently.
    ///
    /// # Errors
    /// When the rule cannot be set.
    pub fn cut(&self) -> Result<()> {
        network::cut(&self.bed.layout, NAME)
    }
}

/// The machine in one boot.
#[derive(Debug)]
pub struct VirtualHost {
    shell: Shell,
}

impl VirtualHost {
    /// Runs a line of shell in it.
    ///
    /// # Errors
    /// When it is off, or does not answer in time.
    pub fn exec(&self, line: &str) -> Result<Output> {
        self.shell.exec(line, EXEC_LIMIT)
    }
}
