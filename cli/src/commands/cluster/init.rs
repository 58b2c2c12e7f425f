//! `qrm cluster init`

use crate::commands::Context;
use crate::connect::with_port;
use crate::error::CliError;
use clap::Args;
use serde_json::json;

/// Found a cluster of which this host is the first node
///
/// Example: qrm cluster init house --address 10.0.0.1
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The cluster's name
    #[arg(default_value = "quorate")]
    name: String,
    /// Where the other nodes will reach this one
    #[arg(short, long, value_name = "ADDRESS[:PORT]")]
    address: String,
    /// This node's name; without it the host's
    #[arg(short, long, value_name = "NAME")]
    node: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Init) -> Result<(), CliError> {
    let node = command.node.clone().map_or_else(super::host_name, Ok)?;
    let client = context.client().await?;
    let reply = client.init(&command.name, &node, &with_port(&command.address)).await?;
    let document = json!({ "cluster_id": reply.cluster_id, "node": node });
    context.output.answer(&document, || {
        let name = &command.name;
        format!("cluster {name} ({}) is founded with {node}\nnext: qrm cluster token", reply.cluster_id)
    })
}
