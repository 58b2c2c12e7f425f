//! A Redfish service for tests: the bed's, on loopback, whose power is a file.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::common::have;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_agents::fence::{Call, FenceDevice, Problem};
use quorate_agents::process::Processes;

pub(crate) const UUID: &str = "33221100-5544-7766-8899-AABBCCDDEEFF";

/// A running service, ended with the test.
pub(crate) struct Service {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) fingerprint: String,
}

impl Service {
    pub(crate) fn start() -> Option<Self> {
        have("python3").then_some(())?;
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let digest = <sha2::Sha256 as sha2::Digest>::digest(signed.cert.der());
        let fingerprint = digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let chassis = format!(
            "#!/bin/sh\n. {hook}\ncase \"$1 $2\" in\n'get power') echo power:$(cat {power});;\n\
             'set power') echo $3 >>{log}; echo $3 >{power};;\nesac\n",
            log = at("log"),
            hook = at("hook"),
            power = at("power"),
        );
        let files = [("redfish.crt", signed.cert.pem()), ("redfish.key", signed.signing_key.serialize_pem())];
        let plain = [("chassis.sh", &*chassis), ("password", "secret"), ("hook", ""), ("log", ""), ("power", "1")];
        for (name, text) in files.iter().map(|(name, text)| (*name, &**text)).chain(plain) {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path().join("chassis.sh"), mode).expect("executable");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/bed/assets/redfish.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(["127.0.0.1", &port.to_string(), &at(""), UUID, &at("chassis.sh")]);
        let log = std::fs::File::create(dir.path().join("service.log")).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().expect("twice")).stderr(log).spawn();
        let service = Self { child: child.expect("python starts"), dir, port, fingerprint };
        for _ in 0..1000 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(service);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the service does not listen: {}", service.read("service.log"));
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).expect("readable").trim().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    /// How often the power was ordered.
    pub(crate) fn orders(&self) -> usize {
        self.read("log").lines().count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it lives");
    }

    /// The built-in device for it, which believes its certificate.
    pub(crate) fn device(&self, changes: &[(&str, &str)]) -> FenceDevice {
        let certificate = self.path("redfish.crt");
        self.opened(&[&[("ssl_ca_file", &*certificate)], changes].concat()).expect("a device")
    }

    pub(crate) fn opened(&self, changes: &[(&str, &str)]) -> Result<FenceDevice, Problem> {
        let port = self.port.to_string();
        let all = [("ip", "127.0.0.1"), ("ipport", &*port), ("username", "admin"), ("password", "secret")];
        let params: BTreeMap<String, String> =
            all.iter().chain(changes).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        FenceDevice::new("redfish", &params, &Processes::new(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn call(millis: u64) -> Call {
    Call::new("fence-1", Duration::from_millis(millis))
}
