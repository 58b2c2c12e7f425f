//! A cluster on the real bed with release programs and shipped defaults, and what its processes cost.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use quorate_bed::setup::{self, Packages};
use quorate_bed::{Auditor, Bed, Options, binaries};
use quorate_e2e::Cluster;

/// A bed with a cluster on it; gone when dropped.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster<Bed>,
    pub(crate) auditor: Auditor,
}

impl Stage {
    /// Prepares the machine, builds the release programs and forms a cluster of three hosts.
    pub(crate) fn set() -> Result<Stage> {
        setup::ensure(Packages::default())?;
        let binaries = binaries::build(true)?;
        progress("three real hosts come up");
        let bed = Bed::up(Options::for_test(3).with_quorate(&binaries))?;
        let auditor = bed.auditor();
        let cluster = Cluster { site: bed };
        cluster.form(&mut |_, _| {})?;
        Ok(Stage { cluster, auditor })
    }

    pub(crate) fn bed(&self) -> &Bed {
        &self.cluster.site
    }

    /// Runs guests that prefer no host and stay where they are; each has shown that it lives.
    pub(crate) fn run_guests(&self, count: usize, limit: Duration) -> Result<Vec<String>> {
        let names: Vec<String> = (1..=count).map(|number| format!("vm{number}")).collect();
        let vms: Vec<&str> = names.iter().map(String::as_str).collect();
        let statement =
            |vm: &&str| format!("primitive {vm} vm:libvirt params xml=@{vm}.xml meta resource-stickiness=1000\n");
        self.cluster.define(&vms, &vms.iter().map(statement).collect::<String>())?;
        self.cluster.wait_running(&vms, limit, |_| true)?;
        let lives = || {
            let lives = self.auditor.lives();
            Ok(vms.iter().all(|vm| lives.iter().any(|life| life.vm == *vm)))
        };
        quorate_bed::wait_for("the guests to boot", limit, lives)?;
        Ok(names)
    }

    /// The daemons' process ids, by host.
    pub(crate) fn daemons(&self) -> Result<Vec<(String, i32)>> {
        let hosts = self.bed().hosts();
        let pid = |host: String| {
            let pid = self.bed().daemon_pid(&host)?.with_context(|| format!("no daemon runs on {host}"))?;
            Ok((host, pid))
        };
        hosts.into_iter().map(pid).collect()
    }

    /// Nothing ran twice; then everything is taken away.
    pub(crate) fn strike(self) -> Result<()> {
        let verdict = self.auditor.verdict()?;
        drop(self.auditor);
        verdict.require_clean()?;
        self.cluster.site.down()
    }
}

/// A line for whoever waits.
pub(crate) fn progress(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// What a process costs: its share of memory in MiB, and the processor time it used so far.
pub(crate) fn cost(pid: i32) -> Result<(f64, Duration)> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(|| format!("process {pid}"))?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let pss = pss_mib(&rollup).with_context(|| format!("no Pss of process {pid}"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("no times of process {pid}"))?;
    // USER_HZ has been 100 on every Linux of this kind for ever.
    Ok((pss, Duration::from_millis(ticks * 10)))
}

fn pss_mib(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// User and system time of a `/proc/PID/stat`.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The mean load of a processor over a while, in percent of one core.
pub(crate) fn percent_of_core(used: Duration, over: Duration) -> f64 {
    100.0 * used.as_secs_f64() / over.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_from_the_kernels_words() {
        let rollup = "5500-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  30720 kB\nPss:   10240 kB\nPss_Anon: 1 kB\n";
        assert_eq!(pss_mib(rollup), Some(10.0));
        let stat = "42 (tokio (rt) x) S 1 42 42 0 -1 4194560 9 8 7 6 350 25 3 4 20 0 9 0 12345 1 2";
        assert_eq!(cpu_ticks(stat), Some(375));
        assert_eq!(percent_of_core(Duration::from_millis(600), Duration::from_secs(60)), 1.0);
    }

    #[test]
    fn this_process_costs_something() {
        let (pss, _) = cost(i32::try_from(std::process::id()).expect("pids are small")).expect("it runs");
        assert!(pss > 0.1, "{pss}");
    }
}
