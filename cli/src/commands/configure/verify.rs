//! `qrm configure verify`

use super::load::{directory, read};
use crate::commands::{Context, view};
use crate::error::CliError;
use crate::script;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::config::Config;
use quorate_core::config::validate::{Report, of_members, validate, without_device};
use quorate_core::grammar;
use quorate_core::id::NodeId;
use quorate_core::view::{ConfigView, Status};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Look for mistakes in the configuration, or in a file before it is loaded
///
/// A file is looked at without any daemon. To try it on the live configuration: qrm configure --dry-run load update FILE
///
/// Example: qrm configure verify household.txt
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A whole configuration; `-` is standard input; without it the live one
    file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: &Verify) -> Result<(), CliError> {
    let report = match &command.file {
        Some(file) => validate(&parse(&read(file)?, directory(file))?),
        None => live(context).await?,
    };
    let words = |problems: &[quorate_core::config::validate::Problem]| {
        problems.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let (errors, warnings) = (words(&report.errors), words(&report.warnings));
    let document = json!({ "errors": errors, "warnings": warnings });
    context.output.answer(&document, || {
        let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
        let errors = errors.iter().map(|error| format!("error: {error}"));
        let lines: Vec<String> = errors.chain(warnings).collect();
        if lines.is_empty() { "no mistakes found".to_owned() } else { lines.join("\n") }
    })?;
    match errors.len() {
        0 => Ok(()),
        1 => Err(CliError::refused("the configuration has a mistake", None)),
        count => Err(CliError::refused(format!("the configuration has {count} mistakes"), None)),
    }
}

fn parse(text: &str, directory: &Path) -> Result<Config, CliError> {
    let mut expand = |name: &str| script::content(name, directory).map_err(|error| error.words());
    grammar::read(text, &mut expand).map_err(|error| CliError::refused(error.to_string(), None))
}

async fn live(context: &Context) -> Result<Report, CliError> {
    let client = context.client().await?;
    let text = view::<ConfigView>(&client, ViewKind::Config, "").await?.read.text;
    let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
    let workers = status.nodes.iter().filter(|node| !node.witness).map(|node| node.id.clone()).collect();
    let members: BTreeSet<NodeId> = status.nodes.into_iter().map(|node| node.id).collect();
    let config = parse(&text, Path::new(""))?;
    let mut report = validate(&config);
    report.warnings.extend(of_members(&config, &members));
    report.warnings.extend(without_device(&config, &workers));
    Ok(report)
}
