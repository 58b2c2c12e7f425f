//! `qrm node standby | online | maintenance | ready`

use crate::commands::Context;
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::NodeVerb;

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The node
    node: String,
}

pub(crate) async fn run(context: &Context, verb: NodeVerb, named: &Named) -> Result<(), CliError> {
    let client = context.client().await?;
    context.changed(&client.node(verb, &named.node, None).await?)
}
