//! `qrm cluster join`

use crate::commands::Context;
use crate::connect::with_port;
use crate::error::CliError;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Make this host a node of a cluster
///
/// Example: qrm cluster join TOKEN --address 10.0.0.2
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// What `qrm cluster token` printed on a member; `-` reads it from standard input, where nobody else sees it
    token: String,
    /// Where the other nodes will reach this one
    #[arg(short, long, value_name = "ADDRESS[:PORT]")]
    address: String,
    /// This node's name; without it the host's
    #[arg(short, long, value_name = "NAME")]
    node: Option<String>,
    /// Vote only: it runs nothing, and needs neither a hypervisor nor a fence device
    #[arg(short, long)]
    witness: bool,
}

pub(crate) async fn run(context: &Context, command: &Join) -> Result<(), CliError> {
    let node = command.node.clone().map_or_else(super::host_name, Ok)?;
    let token = match command.token.as_str() {
        "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|source| CliError::Read { path: PathBuf::from("standard input"), source })?,
        token => token.to_owned(),
    };
    let client = context.client().await?;
    let reply = client.join(token.trim(), &node, &with_port(&command.address), command.witness).await?;
    let document = json!({ "cluster_id": reply.cluster_id, "cluster_name": reply.cluster_name, "node": node, "witness": command.witness });
    context.output.answer(&document, || {
        let what = if command.witness { "a witness" } else { "a node" };
        format!("{node} is {what} of {} ({})", reply.cluster_name, reply.cluster_id)
    })
}
