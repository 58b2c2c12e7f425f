//! `qrm resource status`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::{self, ResourceView};
use serde_json::json;

/// Show resources: what they are, where, and what goes on
///
/// Example: qrm resource status vm1
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this one, or the members of this group
    resource: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Status) -> Result<(), CliError> {
    let (style, clock) = (context.output.style, Clock::of_process());
    if let Some(name) = &command.resource {
        let found = named(context, name).await?;
        let document = if found.len() == 1 { json!(found[0]) } else { json!(found) };
        return context.output.answer(&document, || output::resources(&found, style, &clock));
    }
    let client = context.client().await?;
    let status = view::<view::Status>(&client, ViewKind::Status, "").await?;
    let raw = status.part("resources");
    context.output.answer(&raw, || output::resources(&status.read.resources, style, &clock))
}

/// The resource of this name, or the members of the group: at least one.
pub(super) async fn named(context: &Context, name: &str) -> Result<Vec<ResourceView>, CliError> {
    let client = context.client().await?;
    let status = view::<view::Status>(&client, ViewKind::Status, "").await?.read;
    let found: Vec<ResourceView> = status.resources.into_iter().filter(|resource| resource.is_named(name)).collect();
    match found.is_empty() {
        true => Err(CliError::refused(format!("there is no resource {name}"), Some("see `qrm resource status`"))),
        false => Ok(found),
    }
}
