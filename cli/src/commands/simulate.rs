//! `qrm simulate`

use super::Context;
use super::configure::load::{directory, read};
use crate::commands::view;
use crate::error::CliError;
use crate::output::transition;
use crate::script;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::cib;
use quorate_core::id::NodeId;
use quorate_core::scheduler::{Model, schedule};
use quorate_core::suppose::Supposition;
use quorate_core::time::Timestamp;
use quorate_core::view::{Document, Simulation};
use std::path::{Path, PathBuf};

/// Show what would be done from here, and what would be then
///
/// Nothing is changed: the transition is run in memory, with every action doing well. Without --cib it is the live
/// cluster's, with what is supposed of it: statements that are not committed, nodes that fail.
///
/// Example: qrm simulate --node-down n2
///
/// Example: qrm simulate --with new-vms.txt
///
/// Example: qrm simulate --cib cib.xml
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Not the live cluster, but a Pacemaker CIB (`cibadmin --query`); `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["with", "node_down", "node_standby"])]
    cib: Option<PathBuf>,
    /// As if the statements of this file were committed, as by `configure load update`; `-` is standard input
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// The file is the whole configuration: what is not in it goes
    #[arg(long, requires = "with")]
    replace: bool,
    /// As if this node were lost; may be given again
    #[arg(long, value_name = "NODE")]
    node_down: Vec<String>,
    /// As if this node were in standby; may be given again
    #[arg(long, value_name = "NODE")]
    node_standby: Vec<String>,
    /// Plan as of this time: ISO 8601 or seconds since 1970; without it, now, or the CIB's own
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Simulate) -> Result<(), CliError> {
    let at = command.at.as_deref().map(moment).transpose()?;
    if let Some(file) = &command.cib {
        let simulation = Simulation::from(&schedule(model(file, at)?));
        return context.output.answer(&simulation.json(), || transition(&simulation));
    }
    let with = match &command.with {
        None => None,
        Some(file) => Some(script::expand(&read(file)?, if is_input(file) { Path::new("") } else { directory(file) })?),
    };
    let names = |names: &[String]| names.iter().map(|name| NodeId::new(name.as_str())).collect();
    let supposition = Supposition {
        with,
        replace: command.replace,
        node_down: names(&command.node_down),
        node_standby: names(&command.node_standby),
        at: at.map(|seconds| Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))),
    };
    let argument = serde_json::to_string(&supposition).expect("it has text keys and no writer that fails");
    let client = context.client().await?;
    let simulation = view::<Simulation>(&client, ViewKind::Simulation, &argument).await?;
    context.output.answer(&simulation.raw, || transition(&simulation.read))
}

fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<i64, CliError> {
    cib::moment(&cib::usual(text)).ok_or_else(|| {
        CliError::usage(format!("{text:?} is no time"), Some("write 2026-11-22T12:30, or seconds since 1970"))
    })
}

/// A CIB in the scheduler's terms, with its name before what is wrong in it.
pub(crate) fn model(file: &Path, at: Option<i64>) -> Result<Model, CliError> {
    let text = read(file)?;
    let clock = jiff::Timestamp::now().as_second();
    cib::read(&text, at, clock).map_err(|error| {
        let lines: Vec<String> = error.to_string().lines().map(|line| format!("{}: {line}", file.display())).collect();
        CliError::refused(lines.join("\n"), None)
    })
}
