//! The stand-in for systemd on a host, where the real one would be: on the system bus, with units of the test.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bed::Bed;
use crate::command::wait_for;

/// The system bus, in a host.
const BUS: &str = "/run/dbus/system_bus_socket";
/// What does not outlive a boot, where systemd has it.
const RUNTIME: &str = "/run/systemd/system";
/// The unit files, below the directory of a host, and in the host itself.
const UNITS: &str = "run/quorate-bed/units";
/// Whoever is root there may say anything.
const CONFIG: &str = "<busconfig><type>custom</type><listen>unix:path=/run/dbus/system_bus_socket</listen>\
                      <policy context=\"default\"><allow own=\"*\"/><allow send_destination=\"*\"/>\
                      <allow receive_sender=\"*\"/><allow user=\"*\"/></policy></busconfig>";

impl Bed {
    /// Starts a system bus and the stand-in, with these units, on a host that is on; both end with the host's boot.
    ///
    /// # Errors
    /// When the bed was brought up without the programs, the host is off, or the bus does not come up.
    pub fn systemd(&self, host: &str, units: &[(&str, &str)]) -> Result<()> {
        let home = self.layout.home(host);
        let dir = home.join(UNITS);
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        for (name, text) in units.iter().chain([&("bus.conf", CONFIG)]) {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        let qrm = self.options.qrm.first().context("this bed was brought up without programs")?;
        let program = Path::new(qrm).with_file_name("stand-in-systemd").to_string_lossy().into_owned();
        let script = format!(
            "mkdir -p {RUNTIME} $(dirname {BUS}) && exec </dev/null >>/run/quorate-bed/systemd.log 2>&1\n\
             setsid -f dbus-daemon --config-file=/{UNITS}/bus.conf --nofork --nopidfile\n\
             setsid -f {program} unix:path={BUS} {RUNTIME} /{UNITS}"
        );
        self.exec(host, &["sh", "-c", &script])?.ok()?;
        wait_for("the system bus", Duration::from_secs(10), || Ok(self.exec(host, &["test", "-S", BUS])?.success()))
    }
}
