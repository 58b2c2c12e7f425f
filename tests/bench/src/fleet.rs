//! Many daemons on one machine, on its loopback or each in a network namespace of its own: real consensus, TLS and disks;
//! fake VMs and fake fence devices. It forms the cluster and takes everything away again.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quorate_bed::{uuid_of, wait_for};
use quorate_core::view::Status;

/// Where members meet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    /// On this machine's loopback, by ports.
    Loopback,
    /// Each in a namespace of its own on one bridge, so that its traffic can be told from the others'.
    Namespaces,
}

const PORT: u16 = 5407;
const FORMING: Duration = Duration::from_secs(60);

pub(crate) struct Fleet {
    dir: PathBuf,
    qrm: PathBuf,
    net: Net,
    pub(crate) members: Vec<Member>,
}

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: String,
    home: PathBuf,
    daemon: Child,
}

impl Member {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.daemon.id()).unwrap_or(i32::MAX)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("quorated.sock")
    }

    /// Bytes received and sent since its namespace was made.
    pub(crate) fn traffic(&self) -> Result<(u64, u64)> {
        let text =
            fs::read_to_string(format!("/proc/{}/net/dev", self.pid())).context("read its network's counters")?;
        traffic_of(&text, "eth0").with_context(|| format!("no counters of {}", self.name))
    }
}

/// Of a member in a namespace of its own.
fn ip_of(number: usize) -> String {
    format!("10.98.{}.{}", number / 250, number % 250 + 1)
}

/// The same in hardware.
fn hardware_of(number: usize) -> String {
    format!("02:00:00:00:{:02x}:{:02x}", number / 256, number % 256)
}

/// Received and sent bytes of an interface in a `/proc/net/dev`.
fn traffic_of(text: &str, interface: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))?;
    let fields: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Some((*fields.first()?, *fields.get(8)?))
}

impl Fleet {
    /// Starts the daemons and forms one cluster of them.
    pub(crate) fn form(binaries: &Path, count: usize, net: Net) -> Result<Self> {
        let dir = binaries.with_file_name(format!("bench-{}-{count}", std::process::id()));
        let mut fleet = Self { dir, qrm: binaries.join("qrm"), net, members: Vec::new() };
        fs::create_dir_all(&fleet.dir).with_context(|| format!("create {}", fleet.dir.display()))?;
        let addresses = fleet.addresses(count)?;
        for (number, address) in (1..).zip(addresses) {
            let member = fleet.start(binaries, number, address)?;
            fleet.members.push(member);
        }
        for member in &fleet.members {
            wait_for(&format!("the daemon of {}", member.name), FORMING, || Ok(member.socket().exists()))?;
        }
        let (first, others) = fleet.members.split_first().context("no members")?;
        fleet.qrm(first, &["cluster", "init", "bench", "--node", &first.name, "--address", &first.address])?;
        for member in others {
            let token = fleet.qrm(first, &["cluster", "token"])?;
            fleet.qrm(
                member,
                &["cluster", "join", token.trim(), "--node", &member.name, "--address", &member.address],
            )?;
        }
        let online = |status: &Status| status.nodes.iter().filter(|node| node.liveness == "online").count() == count;
        fleet.wait("all members online", FORMING, online)?;
        Ok(fleet)
    }

    fn addresses(&self, count: usize) -> Result<Vec<String>> {
        if self.net == Net::Namespaces {
            self.switch()?;
            let addresses = (1..=count).map(|number| self.namespace(number)).collect::<Result<_>>()?;
            self.introduce(count)?;
            return Ok(addresses);
        }
        // Ports of the kernel's choice, all held until all are known.
        let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        held.iter().map(|port| Ok(port.local_addr()?.to_string())).collect()
    }

    fn netns(&self, what: impl std::fmt::Display) -> String {
        format!("qbench-{}-{what}", std::process::id())
    }

    fn switch(&self) -> Result<()> {
        let switch = self.netns("sw");
        must("ip", &["netns", "add", &switch])?;
        must("ip", &["-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        must("ip", &["-n", &switch, "link", "set", "br0", "up"])
    }

    /// Its address.
    fn namespace(&self, number: usize) -> Result<String> {
        let (switch, own, port) = (self.netns("sw"), self.netns(number), format!("p{number}"));
        let (address, hardware) = (ip_of(number), hardware_of(number));
        must("ip", &["netns", "add", &own])?;
        let peer = ["peer", "name", "eth0", "address", &hardware, "netns", &own];
        must("ip", &[&["link", "add", &port, "netns", &switch, "type", "veth"], &peer[..]].concat())?;
        must("ip", &["-n", &switch, "link", "set", &port, "master", "br0", "up"])?;
        must("ip", &["-n", &own, "addr", "add", &format!("{address}/16"), "dev", "eth0"])?;
        must("ip", &["-n", &own, "link", "set", "eth0", "up"])?;
        must("ip", &["-n", &own, "link", "set", "lo", "up"])?;
        Ok(format!("{address}:{PORT}"))
    }

    /// Tells each member the others' hardware addresses. The kernel looks 1,024 of them up for all namespaces together, by
    /// default, and 33 members would need more; those that it was told are not counted.
    fn introduce(&self, count: usize) -> Result<()> {
        for own in 1..=count {
            let others = (1..=count).filter(|other| *other != own);
            let known: String = others
                .map(|other| {
                    format!("neigh add {} lladdr {} dev eth0 nud permanent\n", ip_of(other), hardware_of(other))
                })
                .collect();
            let file = self.dir.join("neighbours");
            fs::write(&file, known).with_context(|| format!("write {}", file.display()))?;
            must("ip", &["-n", &self.netns(own), "-batch", &file.to_string_lossy()])?;
        }
        Ok(())
    }

    fn start(&self, binaries: &Path, number: usize, address: String) -> Result<Member> {
        let name = format!("n{number}");
        // The fake VMs of a host are found by this name.
        let home = self.dir.join(format!("bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        fs::write(home.join("hardware"), uuid_of(&home.to_string_lossy()))?;
        fs::write(home.join("power"), "on\n")?;
        let switch = home.join("switch");
        fs::write(&switch, "#!/bin/sh\necho \"nobody is fenced here\" >&2\nexit 1\n")?;
        fs::set_permissions(&switch, Permissions::from_mode(0o755))?;
        let mut command = match self.net {
            Net::Loopback => Command::new(binaries.join("quorated")),
            Net::Namespaces => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &self.netns(number)]).arg(binaries.join("quorated"));
                command
            }
        };
        command.arg("--data-dir").arg(&home).arg("--socket").arg(home.join("quorated.sock"));
        command.arg("--hardware-id-file").arg(home.join("hardware")).arg("--fake-vms").arg(self.dir.join("vms"));
        // Not this machine's reboot.
        command.arg("--reboot-command").arg(&switch);
        let log = File::create(home.join("quorated.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let daemon = command.spawn().context("run quorated")?;
        Ok(Member { name, address, home, daemon })
    }

    /// The directory of everything; it is on a real disk, beside the programs.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files of a person who may ask over the network: CA, certificate, key.
    pub(crate) fn admin(&self) -> Result<[String; 3]> {
        let home = &self.members.first().context("no members")?.home;
        let read = |name: &str| fs::read_to_string(home.join(name)).with_context(|| format!("read {name}"));
        Ok([read("ca.pem")?, read("admin.pem")?, read("admin.key")?])
    }

    /// The words after `primitive ID` that define a member's fence device.
    pub(crate) fn fence_device(&self, member: &Member) -> String {
        let (state, command) = (member.home.join("power"), member.home.join("switch"));
        format!("stonith:fake params state={} command={} target={}", state.display(), command.display(), member.name)
    }

    /// Runs `qrm` on a member; what it printed.
    pub(crate) fn qrm(&self, member: &Member, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.qrm);
        command.arg("--socket").arg(member.socket()).args(arguments).stdin(Stdio::null());
        let output = command.output().context("run qrm")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("on {}: qrm {}: {}", member.name, arguments.join(" "), words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn status(&self) -> Result<Status> {
        let first = self.members.first().context("no members")?;
        let text = self.qrm(first, &["--json", "status"])?;
        serde_json::from_str(&text).context("read what qrm status says")
    }

    pub(crate) fn wait(&self, what: &str, limit: Duration, fits: impl Fn(&Status) -> bool) -> Result<()> {
        wait_for(what, limit, || Ok(self.status().is_ok_and(|status| status.quorum.confirmed && fits(&status))))
    }

    pub(crate) fn leader(&self) -> Result<&Member> {
        let leader = self.status()?.quorum.leader.context("there is no leader")?;
        self.members.iter().find(|member| member.name == leader.as_str()).context("a foreign leader")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // What has ended already is what is wanted.
            let _ = member.daemon.kill();
            let _ = member.daemon.wait();
        }
        end_fake_vms(&self.dir);
        if self.net == Net::Namespaces {
            let namespaces = (1..=self.members.len()).map(|number| self.netns(number)).chain([self.netns("sw")]);
            for namespace in namespaces {
                let _ = Command::new("ip").args(["netns", "del", &namespace]).stderr(Stdio::null()).status();
            }
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A fake VM outlives its daemon; it is known by the host in its environment, which is a directory of ours.
fn end_fake_vms(dir: &Path) {
    let hosts: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .filter_map(|name| name.into_string().ok())
        .collect();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment);
        let host = text.split('\0').find_map(|value| value.strip_prefix("QUORATE_FAKE_HOST="));
        if host.is_some_and(|host| hosts.iter().any(|known| known == host)) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// A short command that has to succeed.
pub(crate) fn must(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_read_from_the_kernels_counters() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  \
                    eth0: 1500 10 0 0 0 0 0 0 2600 12 0 0 0 0 0 0\n";
        assert_eq!(traffic_of(text, "eth0"), Some((1500, 2600)));
        assert_eq!(traffic_of(text, "eth1"), None);
    }
}
