//! `qrm node status-attr`

use crate::commands::{Context, view};
use crate::error::CliError;
use clap::{Args, ValueEnum};
use quorate_api::Client;
use quorate_api::proto::ViewKind;
use quorate_core::view::Status;
use serde_json::json;

/// Say something of a node that lasts until it stops, or see what was said
///
/// Example: qrm node status-attr n2 set rack r7
#[derive(Debug, Args)]
pub(crate) struct Attribute {
    /// The node
    node: String,
    /// What to do
    verb: Verb,
    /// The attribute
    name: String,
    /// Its value
    #[arg(required_if_eq("verb", "set"))]
    value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verb {
    /// Set it
    Set,
    /// Show it
    Show,
    /// Take it back
    Delete,
}

pub(crate) async fn run(context: &Context, command: &Attribute) -> Result<(), CliError> {
    let client = context.client().await?;
    let value = match command.verb {
        Verb::Show => return show(context, &client, command).await,
        Verb::Set => command.value.as_deref(),
        Verb::Delete => None,
    };
    context.changed(&client.attribute(&command.node, &command.name, value).await?)
}

async fn show(context: &Context, client: &Client, command: &Attribute) -> Result<(), CliError> {
    let status = view::<Status>(client, ViewKind::Status, "").await?.read;
    let hint = |hint: &str| Some(format!("see `{hint}`"));
    let found = status.nodes.into_iter().find(|node| node.id.as_str() == command.node);
    let node = found.ok_or_else(|| CliError::Refused {
        message: format!("there is no node {}", command.node),
        hint: hint("qrm node show"),
    })?;
    let value = node.attributes.get(&command.name).ok_or_else(|| CliError::Refused {
        message: format!("{} has no attribute {}", command.node, command.name),
        hint: hint(&format!("qrm node show {}", command.node)),
    })?;
    context.output.answer(&json!({ "node": node.id, "name": command.name, "value": value }), || value.clone())
}
