//! `qrm resource locate`

use super::change::outcome;
use crate::commands::Context;
use crate::error::CliError;
use clap::Args;
use quorate_core::view::ResourceView;
use serde_json::json;

/// Say where a VM runs
///
/// Example: qrm resource locate vm1
#[derive(Debug, Args)]
pub(crate) struct Locate {
    /// The VM
    resource: String,
}

pub(crate) async fn run(context: &Context, command: &Locate) -> Result<(), CliError> {
    let found = super::status::named(context, &command.resource).await?;
    let document =
        |resource: &ResourceView| json!({ "id": resource.id, "role": resource.role, "places": resource.places });
    let documents: Vec<_> = found.iter().map(document).collect();
    let document = if let [one] = documents.as_slice() { one.clone() } else { json!(documents) };
    let words = found.iter().map(|resource| outcome(resource.id.as_str(), Some(resource)));
    context.output.answer(&document, || words.collect::<Vec<_>>().join("\n"))
}
