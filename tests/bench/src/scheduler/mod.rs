//! `bench scheduler`: what a plan costs when a node is lost, alone and as a whole program, beside `crm_simulate`.

mod allocated;
mod cib;
mod live;
mod measure;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use quorate_bed::binaries;
use quorate_core::planner;
use quorate_core::scheduler::{Model, Planner, schedule};

use crate::figures::{Report, max, median, table};
use crate::stage::progress;

/// Time plans after the loss of a node, beside Pacemaker's
///
/// Example: cargo xtask bench scheduler --sizes 32x1000,100x2000
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Nodes and VMs
    #[arg(long, value_delimiter = ',', default_value = "32x1000,100x2000,200x10000,200x50000,1000x50000")]
    sizes: Vec<Size>,
    /// What CIBs are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each is planned; large ones less often
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// A program that writes the CIBs instead: `PROGRAM -n NODES -r VMS --seed SEED -o FILE`
    #[arg(long, value_name = "PROGRAM")]
    generator: Option<PathBuf>,
    /// For how many seconds `crm_simulate` may plan; 0 does without it
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// Nodes and VMs of live clusters; each pair of them is kept in memory
    #[arg(long, value_delimiter = ',', default_value = "32x1000,100x2000,200x10000")]
    live: Vec<Size>,
}

/// How many nodes and VMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    nodes: usize,
    vms: usize,
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('x').and_then(|(nodes, vms)| Some((nodes.parse().ok()?, vms.parse().ok()?)));
        match numbers {
            Some((nodes, vms)) if nodes > 2 && vms > 0 => Ok(Self { nodes, vms }),
            _ => bail!("{text:?}: a size is NODESxVMS with three nodes or more, for example 32x1000"),
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.nodes, self.vms)
    }
}

/// What is promised of a size, and what Pacemaker 2.1.5 took on another machine of two cores.
struct Promise {
    size: Size,
    plan_ms: f64,
    pacemaker_s: Option<f64>,
}

const PROMISES: &[Promise] = &[
    Promise { size: Size { nodes: 32, vms: 1_000 }, plan_ms: 5.0, pacemaker_s: Some(2.0) },
    Promise { size: Size { nodes: 100, vms: 2_000 }, plan_ms: 15.0, pacemaker_s: Some(43.0) },
    Promise { size: Size { nodes: 200, vms: 10_000 }, plan_ms: 100.0, pacemaker_s: Some(243.0) },
    Promise { size: Size { nodes: 1_000, vms: 50_000 }, plan_ms: 1_000.0, pacemaker_s: None },
];
/// The plan after an attribute has changed that nobody reads.
const NEXT_PLAN_MS: f64 = 10.0;
/// The most bytes of a plan for each VM.
const PLAN_BYTES: f64 = 2_048.0;
/// The whole program takes so much of the processor time of `crm_simulate`.
const SHARE: f64 = 0.02;
/// How the cost grows with five times the VMs on as many nodes.
const GROWTH: f64 = 6.5;
const SMALL: Size = Size { nodes: 200, vms: 10_000 };
const LARGE: Size = Size { nodes: 200, vms: 50_000 };

/// Programs and places of a measurement.
struct Stage<'a> {
    arguments: &'a Arguments,
    qrm: PathBuf,
    crm_simulate: Option<PathBuf>,
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(arguments.runs > 0, "nothing to measure");
    let qrm = binaries::build_qrm(true)?;
    let dir = qrm.with_file_name(format!("bench-scheduler-{}", std::process::id()));
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let crm_simulate = found("crm_simulate").filter(|_| arguments.patience > 0);
    let stage = Stage { arguments, qrm, crm_simulate, dir };
    let report = stage.all();
    std::fs::remove_dir_all(&stage.dir).with_context(|| format!("remove {}", stage.dir.display()))?;
    report
}

/// A program on the path.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

impl Stage<'_> {
    fn all(&self) -> Result<Report> {
        let mut report = Report::default();
        let mut rows = table(&[
            "nodes x VMs",
            "plan ms",
            "next plan ms",
            "bytes a VM",
            "qrm CPU s",
            "crm_simulate CPU s",
            "crm_simulate / qrm",
        ]);
        if self.crm_simulate.is_none() && self.arguments.patience > 0 {
            report.notes.push("crm_simulate is not installed (pacemaker-cli-utils): nothing is beside it".to_owned());
        }
        for size in &self.arguments.sizes {
            self.measure(*size, &mut report)?;
            let of = |what: &str| report.figures.get(&format!("scheduler.{size}.{what}")).unwrap_or(f64::NAN);
            let (ours, theirs) = (of("process_cpu_s"), of("crm_simulate_cpu_s"));
            let or_none = |value: f64, digits| {
                if value.is_nan() { "–".to_owned() } else { format!("{value:.digits$}") }
            };
            rows.add_row([
                size.to_string(),
                format!("{:.2}", of("plan_ms")),
                format!("{:.3}", of("next_plan_ms")),
                format!("{:.0}", of("plan_bytes_per_vm")),
                format!("{ours:.3}"),
                or_none(theirs, 2),
                or_none(theirs / ours, 0),
            ]);
        }
        grown(&mut report);
        for size in &self.arguments.live {
            self.live(*size, &mut report)?;
            let of = |what: &str| report.figures.get(&format!("scheduler.live.{size}.{what}")).unwrap_or(f64::NAN);
            let mut row = vec![format!("{size}, live"), format!("{:.2}", of("plan_ms"))];
            row.push(format!("{:.3}", of("next_plan_ms")));
            row.push(format!("{:.0}", of("plan_bytes_per_vm")));
            row.resize(7, "–".to_owned());
            rows.add_row(row);
        }
        report.table = Some(rows);
        Ok(report)
    }

    fn measure(&self, size: Size, report: &mut Report) -> Result<()> {
        let file = self.dir.join(format!("{size}.xml"));
        let text = self.text(size, &file)?;
        progress(format!("{size}: {} MB of CIB", text.len() / 1_000_000));
        let (model_bytes, model) = measure::kept(|| quorate_core::cib::read(&text, None, 0));
        let model = model.context("read the CIB")?;
        drop(text);
        let name = |what: &str| format!("scheduler.{size}.{what}");
        let runs = self.arguments.runs.min(500_000 / size.vms).max(3);
        report.figures.put(name("plan_ms"), plans(&model, runs)?);
        let per_vm = |bytes: usize| bytes as f64 / size.vms as f64;
        report.figures.put(name("plan_bytes_per_vm"), per_vm(measure::plan_memory(&model)));
        report.figures.put(name("model_bytes_per_vm"), per_vm(model_bytes));
        report.figures.put(name("next_plan_ms"), next_plan(model, runs)?);
        report.figures.put(name("process_cpu_s"), self.processes(&file, runs)?);
        let theirs = self.pacemaker(&file)?;
        report.figures.put(name("crm_simulate_cpu_s"), theirs.unwrap_or(f64::NAN));
        std::fs::remove_file(&file).context("remove the CIB")?;
        judge(size, theirs, report);
        Ok(())
    }

    /// The leader's own plan, of the state that the log came to.
    fn live(&self, size: Size, report: &mut Report) -> Result<()> {
        let mut state = live::make(size, self.arguments.seed)?;
        let runs = self.arguments.runs.min(500_000 / size.vms).max(3);
        let name = |what: &str| format!("scheduler.live.{size}.{what}");
        let first = planner::plan(&state);
        ensure!(!first.add.is_empty(), "there is nothing to plan");
        let mut samples = Vec::new();
        for _ in 0..runs {
            let (took, plan) = measure::milliseconds(|| planner::plan(&state))?;
            ensure!(plan == first, "two plans of the same state differ");
            samples.push(took);
        }
        report.figures.put(name("plan_ms"), median(&samples));
        let most = measure::most(|| planner::plan(&state));
        report.figures.put(name("plan_bytes_per_vm"), most as f64 / size.vms as f64);
        let mut samples = Vec::new();
        for run in 0..runs {
            live::remark(&mut state, run)?;
            let (took, plan) = measure::milliseconds(|| planner::plan(&state))?;
            ensure!(plan == first, "an attribute that nobody reads changes the plan");
            samples.push(took);
        }
        report.figures.put(name("next_plan_ms"), median(&samples));
        let Some(promise) = PROMISES.iter().find(|promise| promise.size == size) else { return Ok(()) };
        report.promise(&name("plan_ms"), |took| took <= promise.plan_ms, &format!("at most {} ms", promise.plan_ms));
        Ok(())
    }

    fn text(&self, size: Size, file: &Path) -> Result<String> {
        let Some(generator) = &self.arguments.generator else {
            let text = cib::make(size, self.arguments.seed)?;
            std::fs::write(file, &text).with_context(|| format!("write {}", file.display()))?;
            return Ok(text);
        };
        let (nodes, vms, seed) = (size.nodes.to_string(), size.vms.to_string(), self.arguments.seed.to_string());
        let path = file.to_str().context("a path in UTF-8")?;
        let arguments = ["-n", &nodes, "-r", &vms, "--seed", &seed, "-o", path];
        measure::program(generator, &arguments, Duration::from_secs(600))?.context("the generator does not end")?;
        std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
    }

    /// Processor seconds of `qrm simulate`, the median of several runs.
    fn processes(&self, file: &Path, runs: usize) -> Result<f64> {
        let path = file.to_str().context("a path in UTF-8")?;
        let arguments = ["simulate", "--cib", path, "--json"];
        let one = || measure::program(&self.qrm, &arguments, Duration::from_secs(120))?.context("qrm does not end");
        one()?;
        let samples: Vec<f64> = (0..runs).map(|_| one()).collect::<Result<_>>()?;
        Ok(median(&samples))
    }

    /// Processor seconds of `crm_simulate`, where it is installed and ends in time.
    fn pacemaker(&self, file: &Path) -> Result<Option<f64>> {
        let Some(program) = &self.crm_simulate else { return Ok(None) };
        let path = file.to_str().context("a path in UTF-8")?;
        measure::program(program, &["-R", "-x", path], Duration::from_secs(self.arguments.patience))
    }
}

/// Milliseconds of a plan: the median after a first one that warms up. Every plan must be the same.
fn plans(model: &Model, runs: usize) -> Result<f64> {
    let (_, first) = measure::plan(model)?;
    let mut samples = Vec::new();
    for _ in 0..runs {
        let (took, outcome) = measure::plan(model)?;
        ensure!(outcome == first, "two plans of the same model differ");
        samples.push(took);
    }
    progress(format!("plans of {:.2} to {:.2} ms", samples.iter().copied().fold(f64::MAX, f64::min), max(&samples)));
    Ok(median(&samples))
}

/// Milliseconds of the next plan when an attribute of a node has changed that nobody reads, and the last plan is kept. It
/// must be the plan that is made from scratch.
fn next_plan(model: Model, runs: usize) -> Result<f64> {
    let scratch = schedule(model.clone());
    let node = model.nodes.first().context("a model with nodes")?.name.clone();
    let mut planner = Planner::default();
    planner.plan(model);
    let mut samples = Vec::new();
    for run in 0..runs {
        let (took, outcome) = measure::milliseconds(|| planner.attribute(&node, "comment", Some(&run.to_string())))?;
        ensure!(outcome.is_some_and(|outcome| *outcome == scratch), "the next plan differs from one from scratch");
        samples.push(took);
    }
    Ok(median(&samples))
}

fn judge(size: Size, theirs: Option<f64>, report: &mut Report) {
    let name = |what: &str| format!("scheduler.{size}.{what}");
    report.promise(&name("next_plan_ms"), |took| took <= NEXT_PLAN_MS, &format!("at most {NEXT_PLAN_MS} ms"));
    report.promise(&name("plan_bytes_per_vm"), |bytes| bytes <= PLAN_BYTES, "at most 2 KiB");
    let Some(promise) = PROMISES.iter().find(|promise| promise.size == size) else { return };
    report.promise(&name("plan_ms"), |took| took <= promise.plan_ms, &format!("at most {} ms", promise.plan_ms));
    let (theirs, whose) = match (theirs, promise.pacemaker_s) {
        (Some(theirs), _) => (theirs, "of crm_simulate here"),
        (None, Some(theirs)) => (theirs, "of what crm_simulate took elsewhere"),
        (None, None) => return,
    };
    let most = theirs * SHARE;
    let words = format!("at most {most:.3}, 1/50 {whose} ({theirs:.2} s)");
    report.promise(&name("process_cpu_s"), |took| took <= most, &words);
}

/// Holds five times the VMs on as many nodes against the fewer, where both were measured.
fn grown(report: &mut Report) {
    let of = |size: Size| report.figures.get(&format!("scheduler.{size}.plan_ms"));
    let (Some(small), Some(large)) = (of(SMALL), of(LARGE)) else { return };
    let name = "scheduler.200x50000_over_200x10000";
    report.figures.put(name, large / small);
    report.promise(name, |growth| growth <= GROWTH, &format!("at most {GROWTH}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!("32x1000".parse::<Size>().ok(), Some(Size { nodes: 32, vms: 1000 }));
        for bad in ["32", "2x10", "3x0", "x", "3x10x2"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
