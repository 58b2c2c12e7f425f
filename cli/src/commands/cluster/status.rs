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
        let members: Vec<String> = read.nodes.iter().map(member).collect();
        let nodes = output::nodes(read, style, &clock);
        let level = read.cluster.feature_level;
        format!(
            "{headline}\ncluster id {}, feature level {level}\n\nMembers\n{}\n\nNodes\n{nodes}",
            read.cluster.id,
            members.join("\n")
        )
    })
}

/// `  n1 10.0.0.1:5407 voter 0.1.0`
fn member(node: &view::NodeView) -> String {
    let voice = if node.is_voter { "voter" } else { "learner" };
    let witness = if node.witness { ", witness" } else { "" };
    let behind = match node.is_behind {
        true => format!(", behind (it takes part up to feature level {})", node.feature_level),
        false => String::new(),
    };
    format!("  {} {} {voice}{witness} {}{behind}{}", node.id, node.address, node.version, store(node))
}

/// Where its store stands: ` (member 3, log 900 to 1204, snapshot 1000, disk 41 %)`
fn store(node: &view::NodeView) -> String {
    let Some(store) = &node.store else { return String::new() };
    let snapshot = store.snapshot.map_or_else(|| "no snapshot".to_owned(), |index| format!("snapshot {index}"));
    let full = if store.is_full { ": FULL, make room" } else { "" };
    let first = store.log_begins_after.map_or(0, |index| index + 1);
    format!(
        " (member {}, log {first} to {}, {snapshot}, disk {} %{full})",
        node.raft_id, store.last, store.disk_percent
    )
}
