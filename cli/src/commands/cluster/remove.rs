//! `qrm cluster remove`

use crate::commands::{Context, node};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::NodeVerb;

/// Remove a node from the cluster for good; its certificate is revoked
///
/// It has to be off for sure, or to have nothing: `qrm node standby NODE` first. To come back it joins anew, with an
/// emptied data directory and a fresh token.
///
/// Example: qrm cluster remove n3
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The node
    node: String,
    /// Do not ask on a terminal
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: &Remove) -> Result<(), CliError> {
    let name = &command.node;
    if !command.yes && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let typed = node::typed(&format!("{name} is removed for good. Type its name to go on: "))?;
        if typed != *name {
            return Err(CliError::usage(format!("'{typed}' is not {name}: nothing was removed"), None));
        }
    }
    let client = context.client().await?;
    context.changed(&client.node(NodeVerb::Remove, name, None).await?)
}
