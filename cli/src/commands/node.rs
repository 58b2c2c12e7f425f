//! `qrm node`

mod attribute;
mod change;
mod confirm_off;
mod drain;
mod show;
mod shutdown;

use super::{Context, fence};
use crate::error::CliError;
use clap::{Args, Subcommand};
use quorate_api::proto::NodeVerb;
use std::io::Write;
use std::path::PathBuf;

/// Take nodes out of service and back, or say what you know of them
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub(crate) enum Node {
    Show(show::Show),
    /// Let a node run nothing; what it has moves away
    ///
    /// Example: qrm node standby n2
    Standby(change::Named),
    Drain(drain::Drain),
    /// Let a node in standby, or one that was drained, take part again
    ///
    /// Example: qrm node online n2
    #[command(alias = "undrain")]
    Online(change::Named),
    /// Keep the cluster's hands off all that a node has
    ///
    /// Example: qrm node maintenance n2
    Maintenance(change::Named),
    /// End a node's maintenance
    ///
    /// Example: qrm node ready n2
    Ready(change::Named),
    #[command(name = "status-attr")]
    Attribute(attribute::Attribute),
    Shutdown(shutdown::Shutdown),
    /// End a node's quarantine, or let it have VMs again after it was proven dead and lived
    ///
    /// Example: qrm node release n2
    Release(change::Named),
    ConfirmOff(confirm_off::ConfirmOff),
    /// Have a node proven off, as `qrm fence` does
    ///
    /// Example: qrm node fence n2
    Fence(Fenced),
}

#[derive(Debug, Args)]
pub(crate) struct Fenced {
    /// The node to be switched off
    node: String,
    /// What follows the proof; without it, as the property stonith-action says
    #[arg(long, value_enum)]
    action: Option<fence::Action>,
    /// Do not ask on a terminal
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: Node) -> Result<(), CliError> {
    match command {
        Node::Show(command) => show::run(context, &command).await,
        Node::Standby(named) => change::run(context, NodeVerb::Standby, &named).await,
        Node::Drain(command) => drain::run(context, &command).await,
        Node::Online(named) => change::run(context, NodeVerb::Online, &named).await,
        Node::Maintenance(named) => change::run(context, NodeVerb::Maintenance, &named).await,
        Node::Ready(named) => change::run(context, NodeVerb::Ready, &named).await,
        Node::Attribute(command) => attribute::run(context, &command).await,
        Node::Shutdown(command) => shutdown::run(context, &command).await,
        Node::Release(named) => change::run(context, NodeVerb::Release, &named).await,
        Node::ConfirmOff(command) => confirm_off::run(context, &command).await,
        Node::Fence(command) => fence::fence(context, &command.node, command.action, command.yes).await,
    }
}

/// What a person types after the question.
pub(crate) fn typed(question: &str) -> Result<String, CliError> {
    let mut terminal = std::io::stderr();
    write!(terminal, "{question}").and_then(|()| terminal.flush()).map_err(CliError::Write)?;
    let mut line = String::new();
    let unread = |source| CliError::Read { path: PathBuf::from("standard input"), source };
    std::io::stdin().read_line(&mut line).map_err(unread)?;
    Ok(line.trim().to_owned())
}
