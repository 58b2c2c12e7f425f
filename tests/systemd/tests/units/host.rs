//! A host with units: those of a stand-in on a bus of its own, or of the systemd that booted the machine this runs in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_agents::ocf::{Found, Purpose, Reach, Verdict};
use quorate_agents::systemd::{BUS, RUNTIME, Systemd};
use tempfile::TempDir;
use tokio::time::sleep;

/// Set where the real one is.
pub(crate) const REAL: &str = "QUORATE_REAL_SYSTEMD";
/// Where an operator's units are, in a real one.
const UNITS: &str = "/etc/systemd/system";

pub(crate) fn is_real() -> bool {
    std::env::var_os(REAL).is_some()
}

/// A time that says how quick something has to be: the real one runs in a machine that is emulated.
pub(crate) fn emulated(time: Duration) -> Duration {
    if is_real() { time * 8 } else { time }
}

/// When nothing was told for so long, nothing is on its way.
pub(crate) fn silence() -> Duration {
    Duration::from_secs(if is_real() { 5 } else { 2 })
}

pub(crate) fn limit() -> Duration {
    emulated(Duration::from_secs(10))
}

/// A bus with a manager; all that was started there ends with this.
pub(crate) struct Host {
    /// What units write.
    pub(crate) dir: TempDir,
    /// Where unit files are.
    pub(crate) etc: PathBuf,
    runtime: PathBuf,
    address: String,
    pub(crate) bus: Option<Child>,
    pub(crate) manager: Option<Child>,
    units: Vec<String>,
    pub(crate) systemd: Arc<Systemd>,
}

impl Host {
    pub(crate) async fn up(units: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        let own = |name: &str| dir.path().join(name);
        let (etc, runtime, address) = match is_real() {
            true => (PathBuf::from(UNITS), PathBuf::from(RUNTIME), BUS.to_owned()),
            false => (own("etc"), own("run"), format!("unix:path={}", own("bus").display())),
        };
        for sub in [&etc, &runtime] {
            std::fs::create_dir_all(sub).expect("it can be made");
        }
        for (name, text) in units {
            let at = dir.path().display().to_string();
            std::fs::write(etc.join(name), text.replace("DIR", &at)).expect("it can be written");
        }
        let units = units.iter().map(|(name, _)| (*name).to_owned()).collect();
        let systemd = Arc::new(Systemd::new(address.clone(), runtime.clone()));
        let mut host = Self { dir, etc, runtime, address, bus: None, manager: None, units, systemd };
        match is_real() {
            true => systemctl(&["daemon-reload"]),
            false => {
                let config = format!(
                    "<busconfig><type>custom</type><listen>{}</listen><policy context=\"default\"><allow own=\"*\"/>\
                     <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow user=\"*\"/></policy></busconfig>",
                    host.address
                );
                std::fs::write(host.path("bus.conf"), config).expect("it can be written");
                host.start_bus().await;
                host.start_manager();
            }
        }
        host
    }

    /// Of what units write.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The drop-in that says how the cluster wants the unit.
    pub(crate) fn drop_in(&self, unit: &str) -> PathBuf {
        self.runtime.join(format!("{unit}.d/50-quorate.conf"))
    }

    pub(crate) fn mask(&mut self, unit: &str) {
        std::os::unix::fs::symlink("/dev/null", self.etc.join(unit)).expect("it can be made");
        self.units.push(unit.to_owned());
    }

    /// Another daemon, which has spoken of no unit yet.
    pub(crate) fn fresh(&self) -> Systemd {
        Systemd::new(self.address.clone(), self.runtime.clone())
    }

    pub(crate) async fn start_bus(&mut self) {
        let socket = self.path("bus");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", self.path("bus.conf").display())).args(["--nofork", "--nopidfile"]);
        self.bus = Some(command.stderr(Stdio::null()).spawn().expect("dbus-daemon is installed: cargo xtask setup"));
        until(|| socket.exists()).await;
    }

    fn start_manager(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in-systemd"));
        command.args([Path::new(&self.address), &self.runtime, &self.etc]);
        self.manager = Some(command.stderr(Stdio::null()).spawn().expect("it was built"));
    }

    pub(crate) async fn run(&self, unit: &str, purpose: Purpose) -> Verdict {
        self.systemd.run(unit, purpose, limit()).await
    }

    /// The number that a unit wrote.
    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        std::fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in ["pid", "child"].into_iter().filter_map(|name| self.pid(name)) {
            signal(pid, "KILL");
        }
        for child in [&mut self.manager, &mut self.bus].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if is_real() {
            // The next test begins with none of them.
            for unit in self.units.iter().filter(|unit| !unit.contains("@.")) {
                let _ = Command::new("systemctl").args(["kill", "--signal=KILL", unit]).stderr(Stdio::null()).status();
                let _ = Command::new("systemctl").args(["stop", unit]).stderr(Stdio::null()).status();
                let _ = Command::new("systemctl").args(["reset-failed", unit]).stderr(Stdio::null()).status();
            }
            for unit in &self.units {
                let _ = std::fs::remove_file(self.etc.join(unit));
                let _ = std::fs::remove_file(self.drop_in(unit));
            }
        }
    }
}

pub(crate) fn systemctl(arguments: &[&str]) {
    let status = Command::new("systemctl").args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "systemctl {}", arguments.join(" "));
}

pub(crate) fn signal(pid: i32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

pub(crate) fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

pub(crate) async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit(), "it never came about");
        sleep(Duration::from_millis(20)).await;
    }
}

#[track_caller]
pub(crate) fn is(verdict: &Verdict, found: &Found) {
    assert_eq!((&verdict.found, &verdict.error), (found, &None));
}

#[track_caller]
pub(crate) fn error(verdict: &Verdict) -> (&str, Reach) {
    let (text, reach) = verdict.error.as_ref().unwrap_or_else(|| panic!("no error: {verdict:?}"));
    (text, *reach)
}
