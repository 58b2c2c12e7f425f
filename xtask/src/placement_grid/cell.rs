//! One cluster: drawn, planned, judged.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

use super::replay;

/// Clusters of one size and headroom.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) nodes: u32,
    pub(super) vms: u32,
    pub(super) headroom: &'static str,
}

/// The grid.
pub(super) const CELLS: &[Cell] = &[
    Cell { nodes: 3, vms: 30, headroom: "1.01" },
    Cell { nodes: 3, vms: 30, headroom: "1.04" },
    Cell { nodes: 3, vms: 30, headroom: "1.10" },
    Cell { nodes: 8, vms: 100, headroom: "1.01" },
    Cell { nodes: 8, vms: 100, headroom: "1.04" },
    Cell { nodes: 8, vms: 100, headroom: "1.10" },
    Cell { nodes: 16, vms: 200, headroom: "1.10" },
];

/// What draws, plans and judges.
pub(super) struct Tools {
    pub(super) beside: PathBuf,
    pub(super) qrm: PathBuf,
    pub(super) python: PathBuf,
    pub(super) best: Option<u32>,
    pub(super) has_pacemaker: bool,
    pub(super) scratch: PathBuf,
}

/// What came of one cluster.
pub(super) enum Judged {
    /// The generator finds no start.
    Skipped,
    Answered(Answer),
}

/// An answer, judged.
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) resources: i64,
    pub(super) placed: i64,
    pub(super) moved: i64,
    /// Rules that are broken in the end, or on the way.
    pub(super) broken: Vec<String>,
    pub(super) stopped: i64,
    /// The whole process, reading and writing too.
    pub(super) cpu_ms: i64,
    /// How many `crm_simulate` places.
    pub(super) pacemaker: Option<i64>,
    /// How many can be placed, with how many moves; only what is proven.
    pub(super) best: Option<(i64, i64)>,
}

impl Tools {
    pub(super) fn judge(&self, cell: &Cell, seed: u32) -> Result<Judged> {
        let name = format!("{}x{}-{}-{seed}", cell.nodes, cell.vms, cell.headroom);
        let (cib, instance) = (self.scratch.join("cib.xml"), self.scratch.join("instance.json"));
        let mut draw = Command::new(&self.python);
        draw.arg(self.beside.join("gen_cib.py")).args(["--pad", "0", "--headroom", cell.headroom]);
        draw.args(["-n", &cell.nodes.to_string(), "-r", &cell.vms.to_string(), "--seed", &seed.to_string()]);
        let drawn = draw.arg("-o").arg(&cib).arg("--json").arg(&instance).output().context("python3 draws clusters")?;
        if !drawn.status.success() {
            let why = String::from_utf8_lossy(&drawn.stderr);
            ensure!(why.contains("initial placement impossible"), "{name} cannot be drawn: {why}");
            return Ok(Judged::Skipped);
        }
        let before = children_ms()?;
        let planned = Command::new(&self.qrm).arg("simulate").arg("--cib").arg(&cib).arg("--json").output()?;
        let cpu_ms = children_ms()? - before;
        ensure!(planned.status.success(), "{name}: qrm simulate: {}", String::from_utf8_lossy(&planned.stderr));
        let checked = self.check(&instance, &planned.stdout)?;
        let plan: Value = serde_json::from_slice(&planned.stdout).context("the answer of qrm simulate")?;
        let cluster: Value = serde_json::from_str(&std::fs::read_to_string(&instance)?)?;
        let mut broken = rules(&checked);
        broken.extend(replay::faults(&cluster, &plan));
        Ok(Judged::Answered(Answer {
            resources: number(&checked, "resources")?,
            placed: number(&checked, "placed")?,
            moved: number(&checked, "healthy_moved")?,
            stopped: number(&checked, "healthy_stopped")?,
            pacemaker: if self.has_pacemaker { Some(self.pacemaker(&cib, &instance)?) } else { None },
            best: self.best(&instance)?,
            name,
            broken,
            cpu_ms,
        }))
    }

    fn check(&self, instance: &Path, answer: &[u8]) -> Result<Value> {
        let path = self.scratch.join("answer");
        std::fs::write(&path, answer)?;
        let check = self.beside.join("check_placement.py");
        let output = Command::new(&self.python).arg(check).arg(instance).arg(&path).output()?;
        ensure!(output.status.success(), "the judge failed: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("the judge's line")
    }

    fn pacemaker(&self, cib: &Path, instance: &Path) -> Result<i64> {
        let output = Command::new("crm_simulate").arg("-S").arg("-x").arg(cib).output()?;
        if !output.status.success() {
            bail!("crm_simulate: {}", String::from_utf8_lossy(&output.stderr));
        }
        number(&self.check(instance, &output.stdout)?, "placed")
    }

    fn best(&self, instance: &Path) -> Result<Option<(i64, i64)>> {
        let Some(seconds) = self.best else { return Ok(None) };
        let solver = self.beside.join("best_placement.py");
        let output = Command::new(&self.python).arg(solver).arg(instance).arg(seconds.to_string()).output()?;
        ensure!(output.status.success(), "the exact solver failed: {}", String::from_utf8_lossy(&output.stderr));
        let best: Value = serde_json::from_slice(&output.stdout).context("the exact solver's line")?;
        if best["status"] != "OPTIMAL" {
            return Ok(None);
        }
        Ok(Some((number(&best, "placed")?, number(&best, "healthy_moved")?)))
    }
}

/// The processor time of what has ended so far.
fn children_ms() -> Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
    Ok(ms(usage.user_time()) + ms(usage.system_time()))
}

fn rules(checked: &Value) -> Vec<String> {
    let Some(all) = checked.as_object() else { return vec!["the judge says nothing".to_owned()] };
    let is_rule = |name: &str| name.ends_with("_violations") || name == "twice" || name == "unknown_or_lost_node";
    let broken = all.iter().filter(|(name, value)| is_rule(name) && value.as_i64() != Some(0));
    broken.map(|(name, value)| format!("{name}: {value}")).collect()
}

fn number(value: &Value, name: &str) -> Result<i64> {
    value[name].as_i64().with_context(|| format!("there is no number {name:?} in {value}"))
}
