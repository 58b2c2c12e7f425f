//! `cargo xtask placement-grid`: how well the scheduler places when capacity is tight.
//!
//! The generator, the judge and the exact solver lie beside the repository, never in it. Where they are not there is
//! nothing to judge by, and this says so. It judges answers of the built `qrm`, nothing else.

mod cell;
mod replay;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use quorate_bed::binaries;

use self::cell::{CELLS, Cell, Judged, Tools};
use crate::cargo;

/// Where the tools lie, beside the repository.
const BESIDE: &str = "../shared/tools";

/// Judge placements where capacity is tight
///
/// Builds `qrm`, lets it plan the loss of a node in clusters with hardly any room left, and prints a table: what is placed,
/// moved and broken, on the way too, beside `crm_simulate` where it is installed and an exact solver where it is asked for.
///
/// Example: cargo xtask placement-grid --seeds 5 --best 20
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many clusters of each size and headroom
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u32,
    /// Only clusters of so many nodes
    #[arg(long)]
    nodes: Option<u32>,
    /// Seconds for the exact solver (`ortools` for Python) on each cluster; without it there is none
    #[arg(long)]
    best: Option<u32>,
    /// The Python that has `ortools`
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let beside = root.join(BESIDE);
    if !beside.join("gen_cib.py").exists() || !beside.join("check_placement.py").exists() {
        println!("no clusters to place in: what draws and judges them is looked for in {}", beside.display());
        return Ok(ExitCode::SUCCESS);
    }
    let qrm = binaries::build_qrm(true)?;
    let has_pacemaker = Command::new("crm_simulate").arg("--version").output().is_ok();
    let tools = Tools {
        beside,
        qrm,
        python: arguments.python.clone(),
        best: arguments.best,
        has_pacemaker,
        scratch: cargo::target_directory()?.join("placement-grid"),
    };
    std::fs::create_dir_all(&tools.scratch).with_context(|| format!("cannot make {}", tools.scratch.display()))?;
    let mut all: Vec<(Cell, Vec<Judged>)> = Vec::new();
    for cell in CELLS.iter().filter(|cell| arguments.nodes.is_none_or(|nodes| nodes == cell.nodes)) {
        let seeds = arguments.from..arguments.from.saturating_add(arguments.seeds);
        let judged = seeds.map(|seed| tools.judge(cell, seed)).collect::<Result<Vec<_>>>()?;
        all.push((*cell, judged));
    }
    let wrong = table::wrong(&all);
    if arguments.json {
        println!("{}", table::json(&all, &wrong));
    } else {
        table::print(&all, has_pacemaker);
        wrong.iter().for_each(|wrong| println!("{wrong}"));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
