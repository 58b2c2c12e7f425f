//! `qrm resource failcount`

use crate::commands::Context;
use crate::error::CliError;
use clap::{Args, Subcommand};
use quorate_core::view::{FailureView, ResourceView};
use serde_json::json;

/// Show or set how often a resource failed on a node
///
/// Example: qrm resource failcount web show n1
#[derive(Debug, Args)]
pub(crate) struct Failcount {
    /// The resource
    resource: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show how often it failed, by operation, and why last
    ///
    /// Example: qrm resource failcount web show n1
    Show {
        /// Only on this node
        node: Option<String>,
    },
    /// Have it count as failed so often there: migration-threshold goes by that
    ///
    /// Example: qrm resource failcount web set n1 3
    Set {
        /// Where
        node: String,
        /// How often
        count: u32,
    },
    /// Forget its failures there; `cleanup` also looks at it again
    ///
    /// Example: qrm resource failcount web delete n1
    Delete {
        /// Where
        node: String,
    },
}

pub(crate) async fn run(context: &Context, command: &Failcount) -> Result<(), CliError> {
    let name = command.resource.as_str();
    let (node, count) = match &command.verb {
        Verb::Show { node } => return show(context, name, node.as_deref()).await,
        Verb::Set { node, count } => (node, *count),
        Verb::Delete { node } => (node, 0),
    };
    let client = context.client().await?;
    context.changed(&client.set_failures(name, node, count).await?)
}

async fn show(context: &Context, name: &str, node: Option<&str>) -> Result<(), CliError> {
    let found = super::status::named(context, name).await?;
    let mut rows: Vec<(&ResourceView, &FailureView)> = Vec::new();
    for resource in &found {
        let there = resource.failures.iter().filter(|it| node.is_none_or(|node| it.node.as_str() == node));
        rows.extend(there.map(|failure| (resource, failure)));
    }
    let document: Vec<_> =
        rows.iter().map(|(resource, failure)| json!({ "resource": resource.id, "failures": failure })).collect();
    context.output.answer(&json!(document), || match rows.is_empty() {
        true => format!("{name}{} has not failed", node.map_or_else(String::new, |node| format!(" on {node}"))),
        false => rows.iter().map(|(resource, failure)| line(resource, failure)).collect::<Vec<_>>().join("\n"),
    })
}

fn line(resource: &ResourceView, failure: &FailureView) -> String {
    let each = failure.by_operation.iter().map(|(operation, count)| format!("{operation} {count}"));
    let each = each.collect::<Vec<_>>().join(", ");
    let FailureView { node, count, operation, error, .. } = failure;
    format!("{} on {node}: {count} ({each}); last {operation}: {error}", resource.id)
}
