//! `cargo xtask bed status`: what is true of every host, whatever the cluster believes.

use std::io::{Write as _, stdout};

use anyhow::Result;
use quorate_bed::Bed;

pub(crate) fn print(bed: &Bed) -> Result<()> {
    let vms = bed.vms()?;
    writeln!(stdout(), "bed {} in {}", bed.layout().id, bed.layout().dir.display())?;
    for host in bed.hosts() {
        let power = match (bed.is_on(&host)?, bed.is_frozen(&host)?) {
            (false, _) => "off",
            (true, true) => "frozen",
            (true, false) => "on",
        };
        let daemon = match bed.daemon_pid(&host)? {
            Some(pid) => format!("daemon {pid}"),
            None => "no daemon".to_owned(),
        };
        let guests: Vec<&str> = vms.iter().filter(|vm| vm.host == host).map(|vm| vm.vm.as_str()).collect();
        let guests = if guests.is_empty() { "no guests".to_owned() } else { guests.join(" ") };
        let (address, bmc) = (bed.layout().address(&host)?, bed.layout().bmc_address(&host)?);
        writeln!(stdout(), "{host:<4} {power:<7} {address:<11} bmc {bmc:<11} {daemon:<14} {guests}")?;
    }
    Ok(())
}
