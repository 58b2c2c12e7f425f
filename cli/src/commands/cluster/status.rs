//! `qrm cluster status`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view;
use serde_json::json;

/// Show the cluster's identity, its leader and its members
///
/// Example: qrm cluster status
#[derive(Debug, Args)]
pub(crate) struct Status {}

pub(crate) async fn run(context: &Context, _: &Status) -> Result<(), CliError> {
    let client = context.client().await?;
    let status = view::<view::Status>(&client, ViewKind::Status, "").await?;
    let read = &status.read;
    let document = json!({
        "cluster": status.part("cluster"), "health": status.part("health"), "quorum": status.part("quorum"), "nodes": status.part("nodes"),
    });
    context.output.answer(&document, || {
        let (style, clock) = (context.output.style, Clock::of_process());
        let headline = output::headline(read, style, &clock);
        let members: Vec<String> =
            read.nodes.iter().map(|node| format!("  {} {} {}", node.id, node.address, voice(node))).collect();
        let nodes = output::nodes(&read.nodes, style, &clock);
        format!("{headline}\ncluster id {}\n\nMembers\n{}\n\nNodes\n{nodes}", read.cluster.id, members.join("\n"))
    })
}

fn voice(node: &view::NodeView) -> &'static str {
    if node.is_voter { "voter" } else { "learner" }
}
