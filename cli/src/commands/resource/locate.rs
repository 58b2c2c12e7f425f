//! `qrm resource locate`

use super::change::outcome;
use crate::commands::Context;
use crate::error::CliError;
use clap::Args;
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
    let resource = super::status::one(context, &command.resource).await?;
    let document = json!({ "id": resource.id, "role": resource.role, "places": resource.places });
    context.output.answer(&document, || outcome(&command.resource, Some(&resource)))
}
