//! A Redfish service beside a host's IPMI: another front to the same power switch, with the same ways to fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bed::Bed;
use crate::bmc::cgroup_of;
use crate::command::{must, wait_for};
use crate::layout::Layout;

const SERVICE: &str = include_str!("../assets/redfish.py");

impl Bed {
    /// Gives the BMC of a host a Redfish service too, on port 443 of its address; returns where hosts find the certificate
    /// that it shows. The user is `admin`, the password `secret`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_redfish(&self, host: &str) -> Result<PathBuf> {
        let layout = &self.layout;
        let address = layout.bmc_address(host)?;
        let signed = rcgen::generate_simple_self_signed([address]).context("make a certificate")?;
        let dir = layout.bmc_dir(host);
        let certificate = signed.cert.pem();
        let name = format!("redfish-{host}.crt");
        fs::write(dir.join("redfish.py"), SERVICE)?;
        fs::write(dir.join("redfish.key"), signed.signing_key.serialize_pem())?;
        fs::write(dir.join("redfish.crt"), &certificate)?;
        fs::write(layout.shared().join(&name), &certificate)?;
        start(layout, host)?;
        Ok(Path::new("/run/quorate-bed/shared").join(name))
    }
}

/// Starts the service of a host that has been given one; the others have none.
pub(crate) fn start(layout: &Layout, host: &str) -> Result<()> {
    let dir = layout.bmc_dir(host);
    if !dir.join("redfish.crt").exists() {
        return Ok(());
    }
    let log = fs::File::options().create(true).append(true).open(dir.join("redfish.log"))?;
    let uuid = fs::read_to_string(layout.home(host).join("product_uuid")).context("read the hardware id")?;
    let address = layout.bmc_address(host)?;
    // As for ipmi_sim: the machine's own mounts, and nobody waits for it.
    let script = "echo 0 >\"$1/cgroup.procs\" && cd \"$3\" && \
                  setsid nsenter --net=\"/run/netns/$2\" /usr/bin/python3 redfish.py \"$4\" 443 . \"$5\" \"$6\" \"$7\" &";
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(cgroup_of(layout, host)?)
        .arg(layout.switch())
        .arg(&dir)
        .args([&address, uuid.trim()])
        .arg(layout.dir.join("chassis.sh"))
        .arg(layout.number(host)?.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .context("run sh")?;
    if !status.success() {
        bail!("the Redfish service of {host} does not start: see {}", dir.join("redfish.log").display());
    }
    let listening = format!("{address}:443");
    let namespace = format!("--net=/run/netns/{}", layout.switch());
    wait_for(&format!("the Redfish service of {host} to listen"), Duration::from_secs(15), || {
        Ok(must("nsenter", &[&namespace, "--", "ss", "-Hnlt"])?.contains(&listening))
    })
}
