//! `qrm resource status`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::{self, ResourceView};
use serde_json::json;

/// Show VMs: what they are, where, and what goes on
///
/// Example: qrm resource status vm1
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this one
    resource: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Status) -> Result<(), CliError> {
    let (style, clock) = (context.output.style, Clock::of_process());
    if let Some(name) = &command.resource {
        let resource = one(context, name).await?;
        return context.output.answer(&json!(resource), || output::resources(&[resource], style, &clock));
    }
    let client = context.client().await?;
    let status = view::<view::Status>(&client, ViewKind::Status, "").await?;
    let raw = status.part("resources");
    context.output.answer(&raw, || output::resources(&status.read.resources, style, &clock))
}

/// One resource, which must be there.
pub(super) async fn one(context: &Context, name: &str) -> Result<ResourceView, CliError> {
    let client = context.client().await?;
    let status = view::<view::Status>(&client, ViewKind::Status, "").await?.read;
    let found = status.resources.into_iter().find(|resource| resource.id.as_str() == name);
    found.ok_or_else(|| CliError::refused(format!("there is no resource {name}"), Some("see `qrm resource status`")))
}
