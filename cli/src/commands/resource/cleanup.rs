//! `qrm resource cleanup`

use super::change::{Waiting, look, outcome};
use crate::commands::Context;
use crate::error::CliError;
use crate::wait::{self, Goal};
use clap::Args;
use quorate_api::proto::ResourceVerb;

/// Forget a VM's failures and look again
///
/// Example: qrm resource cleanup vm1
#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// The VM
    resource: String,
    /// Only on this node
    #[arg(short, long)]
    node: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

pub(crate) async fn run(context: &Context, command: &Cleanup) -> Result<(), CliError> {
    let client = context.client().await?;
    let name = command.resource.as_str();
    let reply = client.resource(ResourceVerb::Cleanup, name, command.node.as_deref()).await?;
    context.changed(&reply)?;
    if !command.waiting.wait {
        return Ok(());
    }
    let time = match command.waiting.timeout {
        Some(time) => time,
        None => wait::whole_time(look(&client, name).await?.as_ref()),
    };
    let resource = wait::until(&client, name, &Goal::Known, time).await?;
    if !context.output.json {
        context.output.text(&outcome(name, resource.as_ref()))?;
    }
    Ok(())
}
