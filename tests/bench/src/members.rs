//! `bench members`: what many members cost the leader, and what a learner costs: processor, traffic, time to commit.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use quorate_api::{Client, ClientOptions};
use quorate_bed::{binaries, domain_xml, setup};

use crate::figures::{Report, median, percentile, table};
use crate::fleet::{Fleet, Net};
use crate::stage::{cost, percent_of_core, progress};

/// See what clusters of different sizes cost the leader
///
/// Example: cargo xtask bench members --counts 5,16
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many members, in turn
    #[arg(long, value_delimiter = ',', default_values_t = [5, 16, 64])]
    counts: Vec<usize>,
    /// For how many seconds each is looked at
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

const VMS: usize = 4;
const CALM: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
const WRITES: usize = 200;

/// What was seen of one cluster.
struct Size {
    members: usize,
    voters: usize,
    leader_percent: f64,
    learner_percent: f64,
    in_kbs: f64,
    out_kbs: f64,
    commits_ms: Vec<f64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    setup::require_root()?;
    ensure!(arguments.counts.iter().all(|count| (1..=200).contains(count)), "--counts: 1 to 200 members each");
    let binaries = binaries::build(true)?;
    let mut sizes = Vec::new();
    for count in &arguments.counts {
        progress(format!("{count} members come up, one after another"));
        let fleet = Fleet::form(&binaries, *count, Net::Namespaces)?;
        sizes.push(measure(&fleet, Duration::from_secs(arguments.seconds))?);
    }
    Ok(report(&sizes))
}

fn measure(fleet: &Fleet, over: Duration) -> Result<Size> {
    run_vms(fleet)?;
    sleep(CALM);
    let leader = fleet.leader()?;
    let status = fleet.status()?;
    let voters = status.quorum.voters.len();
    let learner = fleet.members.iter().find(|member| !status.quorum.voters.iter().any(|it| it.as_str() == member.name));
    let used =
        |member: Option<&crate::fleet::Member>| member.map(|it| cost(it.pid()).map(|(_, used)| used)).transpose();
    let (before, learner_before) = (used(Some(leader))?, used(learner)?);
    let (begin, traffic) = (Instant::now(), leader.traffic()?);
    sleep(over);
    let (now, elapsed) = (leader.traffic()?, begin.elapsed());
    let percent = |before: Option<Duration>, after: Option<Duration>| {
        before.zip(after).map_or(f64::NAN, |(before, after)| percent_of_core(after.saturating_sub(before), elapsed))
    };
    let kbs = |bytes: u64| bytes as f64 / 1000.0 / elapsed.as_secs_f64();
    Ok(Size {
        members: fleet.members.len(),
        voters,
        leader_percent: percent(before, used(Some(leader))?),
        learner_percent: percent(learner_before, used(learner)?),
        in_kbs: kbs(now.0 - traffic.0),
        out_kbs: kbs(now.1 - traffic.1),
        commits_ms: commits(&leader.socket(), &leader.name)?,
    })
}

/// Fence devices for all and a few fake VMs.
fn run_vms(fleet: &Fleet) -> Result<()> {
    let mut text = String::new();
    for member in &fleet.members {
        text.push_str(&format!("primitive fence-{} {}\n", member.name, fleet.fence_device(member)));
    }
    for number in 1..=VMS {
        fs::write(fleet.dir().join(format!("vm{number}.xml")), domain_xml(&format!("vm{number}")))?;
        text.push_str(&format!("primitive vm{number} vm:fake params xml=@vm{number}.xml\n"));
    }
    let file = fleet.dir().join("all.txt");
    fs::write(&file, text)?;
    let first = fleet.members.first().context("no members")?;
    fleet.qrm(first, &["configure", "load", "update", &file.to_string_lossy()])?;
    let run = |status: &quorate_core::view::Status| {
        status.resources.iter().filter(|it| it.role == quorate_core::view::Role::Started).count() == VMS
    };
    fleet.wait("the fake VMs to run", PATIENCE, run)
}

/// How long writes take at the leader, one after another.
fn commits(socket: &std::path::Path, node: &str) -> Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(async {
        let client = Client::connect_socket(socket, ClientOptions::default()).await.map_err(|e| anyhow!("{e}"))?;
        let mut took = Vec::new();
        for serial in 0..WRITES {
            let begin = Instant::now();
            client.attribute(node, "bench", Some(&serial.to_string())).await.map_err(|e| anyhow!("{e}"))?;
            took.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(took)
    })
}

fn report(sizes: &[Size]) -> Report {
    let mut report = Report::default();
    let columns = ["members", "voters", "leader: processor", "in", "out", "a learner: processor", "commit p50 / p99"];
    let mut shown = table(&columns);
    for size in sizes {
        let (p50, p99) = (median(&size.commits_ms), percentile(&size.commits_ms, 99.0));
        let named = [
            ("voters", size.voters as f64),
            ("leader_cpu_percent", size.leader_percent),
            ("leader_in_kbs", size.in_kbs),
            ("leader_out_kbs", size.out_kbs),
            ("learner_cpu_percent", size.learner_percent),
            ("commit_p50_ms", p50),
            ("commit_p99_ms", p99),
        ];
        for (name, value) in named {
            report.figures.put(format!("members.{}.{name}", size.members), value);
        }
        shown.add_row([
            size.members.to_string(),
            size.voters.to_string(),
            format!("{:.1} %", size.leader_percent),
            format!("{:.0} kB/s", size.in_kbs),
            format!("{:.0} kB/s", size.out_kbs),
            if size.learner_percent.is_nan() { "none".to_owned() } else { format!("{:.1} %", size.learner_percent) },
            format!("{p50:.1} / {p99:.1} ms"),
        ]);
    }
    if let Some(per) = per_learner(sizes) {
        report.figures.put("members.per_learner.leader_cpu_percent", per.0);
        report.figures.put("members.per_learner.leader_out_kbs", per.1);
        report
            .notes
            .push(format!("each further learner costs the leader {:.2} % of a core and {:.1} kB/s out", per.0, per.1));
    }
    report.notes.push(format!(
        "daemons in network namespaces of their own, {VMS} fake VMs, fake fence devices, nothing happens"
    ));
    report.table = Some(shown);
    report
}

/// What each learner adds, from the smallest to the largest cluster that have any.
fn per_learner(sizes: &[Size]) -> Option<(f64, f64)> {
    let learners = |size: &Size| (size.members - size.voters) as f64;
    let least = sizes.iter().min_by_key(|size| size.members)?;
    let most = sizes.iter().max_by_key(|size| size.members)?;
    let more = learners(most) - learners(least);
    (more > 0.0).then(|| ((most.leader_percent - least.leader_percent) / more, (most.out_kbs - least.out_kbs) / more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(members: usize, voters: usize, leader_percent: f64, out_kbs: f64) -> Size {
        let (learner_percent, in_kbs, commits_ms) = (f64::NAN, 1.0, vec![2.0, 4.0, 3.0]);
        Size { members, voters, leader_percent, learner_percent, in_kbs, out_kbs, commits_ms }
    }

    #[test]
    fn a_learner_costs_what_it_adds() {
        let sizes = [size(64, 7, 12.0, 640.0), size(5, 5, 1.0, 70.0), size(16, 7, 3.0, 160.0)];
        let (percent, kbs) = per_learner(&sizes).expect("there are learners");
        assert!((percent - 11.0 / 57.0).abs() < 1e-9 && (kbs - 10.0).abs() < 1e-9, "{percent} {kbs}");
        assert!(per_learner(&[size(5, 5, 1.0, 1.0)]).is_none());
        assert_eq!(report(&sizes).figures.get("members.16.commit_p50_ms"), Some(3.0));
    }
}
