//! The BMC of a host: a real IPMI 2.0 implementation (ipmi_sim) on the management address, and where a test wants it a Redfish
//! service beside it, wired to the host's real power,
//! and the ways in which BMCs fail.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{must, wait_for};
use crate::layout::Layout;
use crate::{cgroup, network, redfish};

/// How a BMC behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BmcMode {
    /// Tells the truth and obeys.
    Ok,
    /// Its process is gone: the port is closed.
    Dead,
    /// Has no power: nobody has its address.
    Unplugged,
    /// Takes packets and never answers.
    Hung,
    /// Waits this long before every answer about power.
    Slow(Duration),
    /// Acknowledges `off`, does nothing, and says off.
    Lying,
    /// Acknowledges `off`, does nothing, and truthfully says on.
    Stuck,
    /// Refuses the password.
    WrongPassword,
}

impl FromStr for BmcMode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<BmcMode> {
        Ok(match text {
            "ok" => BmcMode::Ok,
            "dead" => BmcMode::Dead,
            "unplugged" => BmcMode::Unplugged,
            "hung" => BmcMode::Hung,
            "slow" => BmcMode::Slow(Duration::from_secs(5)),
            "lying" => BmcMode::Lying,
            "stuck" => BmcMode::Stuck,
            "wrong-password" => BmcMode::WrongPassword,
            _ => bail!("no BMC mode {text:?}: use ok, dead, unplugged, hung, slow, lying, stuck or wrong-password"),
        })
    }
}

impl BmcMode {
    /// What `chassis.sh` reads.
    fn file(self) -> String {
        match self {
            BmcMode::Slow(delay) => format!("slow {}", delay.as_secs_f64()),
            BmcMode::Lying => "lying".to_owned(),
            BmcMode::Stuck => "stuck".to_owned(),
            BmcMode::Ok | BmcMode::Dead | BmcMode::Unplugged | BmcMode::Hung | BmcMode::WrongPassword => {
                "ok".to_owned()
            }
        }
    }
}

/// The file whose number a host's temperature sensor reads, in °C: above 85 is a warning, above 95 critical.
const SENSOR: &str = "temperature";
/// The record of that sensor: number 1, a temperature with thresholds, in °C, named "CPU Temp".
const TEMPERATURE: &str = "0x01 0x00 0x51 0x01 0x33 0x20 0x00 0x01 0x03 0x01 0x7f 0x68 0x01 0x01 0x00 0x3f 0x00 0x00 0x3f \
    0x3f 0x00 0x01 0x00 0x00 0x01 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0xff 0x00 0x64 0x5f 0x55 0x00 0x00 0x00 \
    0x02 0x02 0x00 0x00 0x00 0xc8 0x43 0x50 0x55 0x20 0x54 0x65 0x6d 0x70";
/// Every threshold's way up is an event.
const EVENTS: &str = "000111111000000";

/// What the temperature sensor of a host reads from now on.
pub(crate) fn set_temperature(layout: &Layout, host: &str, celsius: u8) -> Result<()> {
    // At once: the BMC may be reading it.
    let (file, new) = (layout.bmc_dir(host).join(SENSOR), layout.bmc_dir(host).join("temperature.new"));
    fs::write(&new, format!("{celsius}\n"))?;
    fs::rename(&new, &file).with_context(|| format!("write {}", file.display()))
}

pub(crate) fn cgroup_of(layout: &Layout, host: &str) -> Result<std::path::PathBuf> {
    Ok(layout.cgroup()?.join(format!("bmc-{host}")))
}

/// Puts the BMC of a host into a mode, from whatever mode it is in.
pub(crate) fn set_mode(layout: &Layout, host: &str, mode: BmcMode) -> Result<()> {
    let dir = layout.bmc_dir(host);
    let cgroup = cgroup_of(layout, host)?;
    fs::create_dir_all(&dir)?;
    if cgroup.exists() {
        cgroup::freeze(&cgroup, false)?;
    }
    // A lie is not carried over into the next mode.
    let _ = fs::remove_file(dir.join("lie"));
    fs::write(dir.join("mode"), mode.file() + "\n")?;
    let password = if mode == BmcMode::WrongPassword { "changed" } else { "secret" };
    fs::write(dir.join("password"), format!("{password}\n"))?;
    let configured = configure(layout, host, password)?;
    let wanted = !matches!(mode, BmcMode::Dead | BmcMode::Unplugged);
    if !wanted || configured {
        cgroup::kill(&cgroup)?;
    }
    network::set_bmc_address(layout, host, mode != BmcMode::Unplugged)?;
    if wanted && !cgroup::populated(&cgroup) {
        start(layout, host, &cgroup)?;
        redfish::start(layout, host)?;
    }
    if mode == BmcMode::Hung {
        cgroup::freeze(&cgroup, true)?;
    }
    Ok(())
}

/// Writes ipmi_sim's files; true if they changed.
fn configure(layout: &Layout, host: &str, password: &str) -> Result<bool> {
    let dir = layout.bmc_dir(host);
    let uuid = fs::read_to_string(layout.home(host).join("product_uuid")).context("read the hardware id")?;
    // The sixteen bytes of the GUID are the hardware id's, in the order in which it is written.
    let guid: String = uuid.trim().chars().filter(|c| *c != '-').collect();
    let address = layout.bmc_address(host)?;
    let lan = format!(
        "name \"{host}\"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan
  chassis_control \"{} {}\"
  user 1 true  \"\"       \"test\"       user  10 none md2 md5 straight
  user 2 true  \"admin\"  \"{password}\" admin 10 none md2 md5 straight
",
        layout.dir.join("chassis.sh").display(),
        layout.number(host)?
    );
    let sensor = dir.join(SENSOR);
    if !sensor.exists() {
        fs::write(&sensor, "40\n")?;
    }
    let emulator = format!(
        "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 100 0x0a
main_sdr_add 0x20 {TEMPERATURE}
sensor_add 0x20 0 1 1 1 poll 200 file \"{}\"
sensor_set_threshold 0x20 0 1 settable 111000 100 95 85 0 0 0
sensor_set_event_support 0x20 0 1 enable scanning per-state {EVENTS} {EVENTS} {EVENTS} {EVENTS}
mc_enable 0x20
",
        sensor.display()
    );
    let mut changed = false;
    for (name, text) in [("lan.conf", lan.as_str()), ("bmc.emu", emulator.as_str())] {
        let path = dir.join(name);
        if fs::read_to_string(&path).unwrap_or_default() != text {
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            changed = true;
        }
    }
    fs::create_dir_all(dir.join("state"))?;
    Ok(changed)
}

fn start(layout: &Layout, host: &str, cgroup: &Path) -> Result<()> {
    fs::create_dir_all(cgroup)?;
    let log = fs::File::options().create(true).append(true).open(layout.bmc_dir(host).join("ipmi_sim.log"))?;
    // The network namespace only: its power script needs the machine's own mounts. The shell ends at once and leaves the
    // BMC to process 1, so it outlives the program that set up the bed.
    let script = "echo 0 >\"$1/cgroup.procs\" && cd \"$3\" && \
                  setsid nsenter --net=\"/run/netns/$2\" ipmi_sim -c lan.conf -f bmc.emu -s state -n &";
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(cgroup)
        .arg(layout.switch())
        .arg(layout.bmc_dir(host))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .context("run sh")?;
    if !status.success() {
        bail!("the BMC of {host} does not start: see {}", layout.bmc_dir(host).join("ipmi_sim.log").display());
    }
    let address = format!("{}:623", layout.bmc_address(host)?);
    let namespace = format!("--net=/run/netns/{}", layout.switch());
    wait_for(&format!("the BMC of {host} to listen"), Duration::from_secs(10), || {
        Ok(must("nsenter", &[&namespace, "--", "ss", "-Hnlu"])?.contains(&address))
    })
}
