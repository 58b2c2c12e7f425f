//! A BMC for tests: ipmi_sim on loopback whose power is a file.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::common::have;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_agents::fence::{Call, FenceDevice};
use quorate_agents::process::Processes;

/// A running ipmi_sim, ended with the test.
pub(crate) struct Bmc {
    child: Child,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Bmc {
    pub(crate) fn start() -> Option<Self> {
        Self::with(|_| String::new())
    }

    /// With these commands of the emulator beside; what they read is in the directory.
    pub(crate) fn with(more: impl Fn(&Path) -> String) -> Option<Self> {
        have("ipmi_sim").then_some(())?;
        let dir = tempfile::tempdir().expect("a directory");
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port").port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let chassis = format!(
            "#!/bin/sh\necho \"$*\" >>{log}\n. {hook}\ncase \"$1 $2 $3\" in\n'get power '*) echo power:$(cat {power});;\n'set power '*) echo $3 >{power};;\nesac\nexit 0\n",
            log = at("log"),
            hook = at("hook"),
            power = at("power"),
        );
        let lan = format!(
            "name \"bmc1\"\nset_working_mc 0x20\nstartlan 1\n addr 127.0.0.1 {port}\n priv_limit admin\n \
             allowed_auths_callback none md2 md5 straight\n allowed_auths_user none md2 md5 straight\n \
             allowed_auths_operator none md2 md5 straight\n allowed_auths_admin none md2 md5 straight\n \
             guid a123456789abcdefa123456789abcd01\nendlan\nchassis_control \"{}\"\n\
             user 2 true \"admin\" \"secret\" admin 10 none md2 md5 straight\n",
            at("chassis.sh")
        );
        let more = more(dir.path());
        let emu = format!(
            "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n{more}mc_enable 0x20\n"
        );
        for (name, text) in [
            ("chassis.sh", &*chassis),
            ("lan.conf", &lan),
            ("bmc.emu", &emu),
            ("hook", ""),
            ("log", ""),
            ("power", "1"),
        ] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path().join("chassis.sh"), mode).expect("executable");
        std::fs::create_dir(dir.path().join("state")).expect("made");
        let mut command = Command::new("ipmi_sim");
        command.args(["-n", "-c", &at("lan.conf"), "-f", &at("bmc.emu"), "-s", &at("state")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let bmc = Self { child: child.expect("ipmi_sim starts"), dir, port };
        bmc.wait_until_bound();
        Some(bmc)
    }

    fn wait_until_bound(&self) {
        let port = format!(":{:04X} ", self.port);
        for _ in 0..1000 {
            if std::fs::read_to_string("/proc/net/udp").expect("/proc").contains(&port) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("ipmi_sim does not bind its port");
    }

    /// The power as the BMC has it, behind the protocol.
    pub(crate) fn power(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("power")).expect("readable").trim().to_owned()
    }

    pub(crate) fn set_power(&self, power: &str) {
        std::fs::write(self.dir.path().join("power"), power).expect("written");
    }

    /// Shell lines run at the begin of every call of the chassis program.
    pub(crate) fn hook(&self, text: &str) {
        std::fs::write(self.dir.path().join("hook"), text).expect("written");
    }

    /// How often the power was ordered.
    pub(crate) fn orders(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("log")).expect("readable");
        log.lines().filter(|l| l.starts_with("set power")).count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it lives");
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn device(agent: &str, port: u16, changes: &[(&str, &str)]) -> FenceDevice {
    let port = port.to_string();
    let all = [("ip", "127.0.0.1"), ("ipport", &*port), ("username", "admin"), ("password", "secret"), ("cipher", "3")];
    let mut params: BTreeMap<String, String> =
        all.iter().chain(changes).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if agent == "fence_ipmilan" {
        params.extend([("lanplus", "1"), ("power_wait", "0")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
    FenceDevice::new(agent, &params, &Processes::new(None)).expect("a device")
}

pub(crate) fn call(millis: u64) -> Call {
    Call::new("fence-1", Duration::from_millis(millis))
}
