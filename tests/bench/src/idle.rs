//! `bench idle`: what the daemons cost when nothing happens, on real hosts that run real guests.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::{Report, max, table};
use crate::stage::{Stage, cost, percent_of_core, progress};

/// See what the daemons cost while nothing happens
///
/// Example: cargo xtask bench idle
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many guests
    #[arg(long, default_value_t = 10)]
    vms: usize,
    /// For how many seconds it is looked at
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Until everything that a start brings about is over.
const CALM: Duration = Duration::from_secs(20);
/// They boot one after another, in software emulation.
const BOOT: Duration = Duration::from_secs(300);

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let stage = Stage::set()?;
    progress(format!("{} guests boot", arguments.vms));
    stage.run_guests(arguments.vms, BOOT)?;
    sleep(CALM);
    progress(format!("nothing happens for {} s", arguments.seconds));
    let index = stage.cluster.status()?.cluster.index;
    let daemons = stage.daemons()?;
    let before = daemons.iter().map(|(_, pid)| cost(*pid)).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    sleep(Duration::from_secs(arguments.seconds));
    let over = begin.elapsed();
    let after = daemons.iter().map(|(_, pid)| cost(*pid)).collect::<Result<Vec<_>>>()?;
    let status = stage.cluster.status()?;
    let guests = stage.cluster.processes()?;
    stage.strike()?;

    let mut report = Report::default();
    let mut shown = table(&["host", "role", "guests", "memory (PSS)", "processor"]);
    let (mut memory, mut load) = (Vec::new(), Vec::new());
    for ((host, _), ((_, used_before), (pss, used))) in daemons.iter().zip(before.iter().zip(&after)) {
        let percent = percent_of_core(used.saturating_sub(*used_before), over);
        let leads = status.quorum.leader.as_ref().is_some_and(|leader| leader.as_str() == host);
        let role = if leads { "leader" } else { "follower" };
        let here = guests.values().filter(|guest| guest.host == *host).count();
        shown.add_row([
            host.clone(),
            role.to_owned(),
            here.to_string(),
            format!("{pss:.1} MiB"),
            format!("{percent:.2} %"),
        ]);
        memory.push(*pss);
        load.push(percent);
    }
    report.table = Some(shown);
    report
        .notes
        .push(format!("{} real guests on three hosts, each host with its own libvirtd; quorated alone", arguments.vms));
    report.figures.put("idle.pss_mib", max(&memory));
    report.figures.put("idle.cpu_percent", max(&load));
    report.figures.put("idle.log_growth", (status.cluster.index - index) as f64);
    report.promise("idle.pss_mib", |mib| mib <= 60.0, "at most 60 MiB on any host");
    report.promise("idle.cpu_percent", |percent| percent <= 1.0, "at most 1 % of a core on any host");
    report.promise("idle.log_growth", |entries| entries == 0.0, "no entry at all");
    Ok(report)
}
