//! The play where there are no real hosts: daemons on this machine's loopback, VMs that are processes, fence devices that
//! are files. Consensus, claims, fencing and placement are what ships; power and VMs are not, and it says so.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use quorate_bed::{Output, domain_xml, process_started};
use quorate_e2e::Site;

use super::play::play;
use super::screen::Screen;
use super::stage::{Running, Stage};
use crate::binaries::{self, Profile};

/// Plays with everything faked that this machine cannot carry. Whether every promise was kept.
pub(super) fn run(screen: &mut Screen, hosts: u32, why: &str) -> Result<bool> {
    screen.warning(&format!("Not on real hosts: {why}"));
    screen.warning("What follows is real consensus with FAKE power and FAKE VMs: daemons on loopback,");
    screen.warning("processes that stand for VMs, files that stand for BMCs.");
    screen.heading("Set up");
    let begin = Instant::now();
    sweep()?;
    let binaries = binaries::build(Profile::Dev)?;
    let stage = Loopback::start(&binaries, hosts)?;
    let dir = stage.dir.clone();
    screen.text(&format!("{} in {:.1} s", stage.label(), begin.elapsed().as_secs_f64()));
    let played = play(screen, stage);
    if matches!(played, Ok(true)) {
        fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
    } else {
        screen.warning(&format!("The logs are in {}", dir.display()));
    }
    played
}

/// What is written when the power of a fake host is switched. Its daemon is stopped, not killed: a kernel that refuses
/// connections for a dead process would show that the host lives.
const POWER: &str = r#"#!/bin/sh
# The power switch of a fake host.
[ "$1" = off ] || { echo "a fake host stays off" >&2; exit 1; }
kill -STOP "$(cat "@DIR@/daemon.pid")"
# Processes come and go meanwhile, which grep calls an error: only what it found counts.
while vms=$(grep -lzs '^QUORATE_FAKE_HOST=@NAME@$' /proc/[0-9]*/environ); [ -n "$vms" ]; do
    for vm in $vms; do vm=${vm#/proc/}; kill -KILL "${vm%/environ}" 2>/dev/null; done
    sleep 0.01
done
echo off >"@DIR@/power.new" && mv "@DIR@/power.new" "@DIR@/power"
"#;

struct Loopback {
    dir: PathBuf,
    qrm: PathBuf,
    hosts: Vec<Host>,
}

struct Host {
    name: String,
    address: String,
    daemon: Child,
}

impl Loopback {
    fn start(binaries: &Path, count: u32) -> Result<Loopback> {
        let dir = binaries.with_file_name(format!("demo-{}", std::process::id()));
        let mut stage = Loopback { dir, qrm: binaries.join("qrm"), hosts: Vec::new() };
        fs::create_dir_all(stage.dir.join("vms")).with_context(|| format!("create {}", stage.dir.display()))?;
        // Ports of the kernel's choice, all held until all are known.
        let listeners: Vec<TcpListener> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<_, _>>()
            .context("bind to loopback")?;
        let addresses: Vec<String> =
            listeners.iter().map(|it| Ok(it.local_addr()?.to_string())).collect::<Result<_>>()?;
        drop(listeners);
        for (number, address) in (1..).zip(addresses) {
            let name = format!("n{number}");
            let daemon = stage.daemon(binaries, &name)?;
            stage.hosts.push(Host { name, address, daemon });
        }
        Ok(stage)
    }

    /// The name of a fake host to its VMs: no other demo on this machine has it.
    fn home(&self, host: &str) -> PathBuf {
        let demo = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.dir.join(format!("{demo}-{host}"))
    }

    fn daemon(&self, binaries: &Path, host: &str) -> Result<Child> {
        let home = self.home(host);
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let name = home.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let power = home.join("switch");
        fs::write(&power, POWER.replace("@DIR@", &home.to_string_lossy()).replace("@NAME@", &name))?;
        fs::set_permissions(&power, fs::Permissions::from_mode(0o755))?;
        fs::write(home.join("power"), "on\n")?;
        fs::write(home.join("hardware"), quorate_bed::uuid_of(&name))?;
        let log = File::create(home.join("quorated.log"))?;
        let mut command = Command::new(binaries.join("quorated"));
        command.arg("--data-dir").arg(&home).arg("--socket").arg(home.join("quorated.sock"));
        command.arg("--hardware-id-file").arg(home.join("hardware")).arg("--fake-vms").arg(self.dir.join("vms"));
        // Not this machine's reboot.
        command.arg("--reboot-command").arg(format!("{} off", power.display()));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("run quorated")?;
        fs::write(home.join("daemon.pid"), child.id().to_string())?;
        Ok(child)
    }

    fn command(&self, host: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.qrm);
        command.arg("--socket").arg(self.home(host).join("quorated.sock")).args(arguments);
        command
    }

    /// Every process that stands for a VM of one of our hosts.
    fn processes(&self) -> Result<Vec<Running>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").context("read /proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            // One that ends meanwhile, or is somebody else's, is none of ours.
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            found.extend(self.vm_process(pid, &String::from_utf8_lossy(&environment)));
        }
        found.sort_by(|a: &Running, b: &Running| (&a.vm, &a.host, a.pid).cmp(&(&b.vm, &b.host, b.pid)));
        Ok(found)
    }

    fn vm_process(&self, pid: i32, environment: &str) -> Option<Running> {
        let value = |name: &str| environment.split('\0').find_map(|v| v.strip_prefix(name)?.strip_prefix('='));
        let home = value("QUORATE_FAKE_HOST")?;
        let host = self.hosts.iter().find(|host| self.home(&host.name).file_name().is_some_and(|name| name == home))?;
        // A shell is one that was not let go yet.
        let is_let_go = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
        let started = process_started(pid).filter(|_| is_let_go)?;
        Some(Running { vm: value("QUORATE_FAKE_NAME")?.to_owned(), host: host.name.clone(), pid, started })
    }
}

/// Ends what demos left behind that were killed before they could do it themselves.
fn sweep() -> Result<()> {
    for entry in fs::read_dir("/proc").context("read /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let words = [read("environ"), read("cmdline")].concat();
        let text = String::from_utf8_lossy(&words);
        // A VM of a fake host, or its daemon by its data directory.
        let marks = ["QUORATE_FAKE_HOST=demo-", "/hardware\0--fake-vms\0"];
        if !marks.iter().any(|mark| text.contains(mark)) {
            continue;
        }
        let maker = text.split_once("demo-").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit));
        let maker = maker.map(Iterator::collect::<String>).unwrap_or_default();
        if !maker.is_empty() && !Path::new("/proc").join(&maker).exists() {
            end(pid);
        }
    }
    Ok(())
}

fn end(pid: i32) {
    // What has ended already is what is wanted.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

impl Drop for Loopback {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            // What has ended already is what is wanted.
            let _ = host.daemon.kill();
            let _ = host.daemon.wait();
        }
        for process in self.processes().unwrap_or_default() {
            end(process.pid);
        }
    }
}

impl Site for Loopback {
    fn hosts(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    fn address(&self, host: &str) -> Result<String> {
        let found = self.hosts.iter().find(|known| known.name == host);
        Ok(found.with_context(|| format!("no host {host}"))?.address.clone())
    }

    fn qrm(&self, host: &str, arguments: &[&str]) -> Result<Output> {
        let is_off = fs::read_to_string(self.home(host).join("power")).is_ok_and(|power| power.trim() == "off");
        if is_off {
            bail!("{host} is off");
        }
        let output = self.command(host, arguments).stdin(Stdio::null()).output().context("run qrm")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    fn fence_device(&self, host: &str) -> Result<String> {
        let home = self.home(host);
        let (state, command) = (home.join("power"), home.join("switch"));
        let words = format!("state={} command={} target={host}", state.display(), command.display());
        Ok(format!("stonith:fake params {words}"))
    }
}

impl Stage for Loopback {
    fn label(&self) -> String {
        format!("{} daemons run on loopback", self.hosts.len())
    }

    fn define(&self, vms: &[String]) -> Result<String> {
        let mut statements = String::new();
        for vm in vms {
            fs::write(self.dir.join(format!("{vm}.xml")), domain_xml(vm))?;
            statements.push_str(&format!("primitive {vm} vm:fake params xml=@{vm}.xml\n"));
        }
        let file = self.dir.join("vms.txt");
        fs::write(&file, statements).context("write vms.txt")?;
        Ok(file.to_string_lossy().into_owned())
    }

    fn cut(&self, host: &str) -> Result<()> {
        let status = Command::new(self.home(host).join("switch")).arg("off").status().context("switch it off")?;
        if !status.success() {
            bail!("the power switch of {host} failed");
        }
        Ok(())
    }

    fn running(&self) -> Result<Vec<Running>> {
        self.processes()
    }

    fn readings(&self, _host: &str, _since: SystemTime) -> Result<Vec<SystemTime>> {
        // A file does not know when it was read.
        Ok(Vec::new())
    }

    fn alive(&self, vm: &str, since: SystemTime) -> Option<SystemTime> {
        let processes = self.processes().unwrap_or_default();
        // A start is known to within hundredths of a second.
        let is_new = |at: &SystemTime| *at + std::time::Duration::from_millis(30) >= since;
        processes.into_iter().filter(|one| one.vm == vm).map(|one| one.started).find(is_new)
    }

    fn sign_of_life(&self) -> Option<&'static str> {
        None
    }

    fn judge(&self) -> Result<(bool, String)> {
        let files = fs::read_dir(self.dir.join("vms"))?.flatten().map(|entry| entry.path());
        let double = files.filter(|path| path.extension().is_some_and(|extension| extension == "double")).count();
        Ok((double == 0, "by the fake VMs' locks, none was started twice".to_owned()))
    }

    fn follow(&self, host: &str, from: u64) -> Result<Command> {
        Ok(self.command(host, &["--json", "events", "--follow", "--from", &from.to_string()]))
    }
}
