//! `qrm fence`

mod history;
mod test;

use super::{Context, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view;
use std::io::IsTerminal;

/// Have a node proven off, or show the fences
///
/// Everything that runs on the node dies with it and starts elsewhere once the proof is there.
///
/// Example: qrm fence n2
///
/// Example: qrm fence n2 --action reboot
///
/// Example: qrm fence test n2
///
/// Example: qrm fence history
///
/// Example: qrm fence distrust fence-n2
///
/// Example: qrm fence prepare-disk /dev/disk/by-id/wwn-0x5000c500a1b2c3d4
#[derive(Debug, Args)]
pub(crate) struct Fence {
    // No sub-command: `qrm fence h` must not be taken for its beginning.
    /// The node to be switched off, or the word `test`, `history`, `trust`, `distrust` or `prepare-disk`
    #[arg(value_name = "NODE|test|history|trust|distrust|prepare-disk")]
    node: String,
    /// What follows the proof; without it, as the property stonith-action says
    #[arg(long, value_enum)]
    action: Option<Action>,
    /// Of `trust` and `distrust`: the fence device whose word proves something again, or nothing. Of `test`: the node
    /// whose devices are read; nothing is switched. Of `prepare-disk`: the shared disk on which slots for pills are made
    device: Option<String>,
    /// Of `prepare-disk`: whatever is on it may be lost
    #[arg(long)]
    force: bool,
    /// Do not ask on a terminal
    #[arg(short, long)]
    yes: bool,
}

/// What follows the proof that a node is off.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Action {
    /// It stays off
    Off,
    /// It is switched on again
    Reboot,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reboot => "reboot",
        }
    }
}

pub(crate) async fn run(context: &Context, command: Fence) -> Result<(), CliError> {
    match command.node.as_str() {
        "test" => match &command.device {
            Some(node) => test::run(context, node).await,
            None => Err(CliError::usage("the devices of which node?", Some("qrm fence test n1"))),
        },
        "history" => history::run(context).await,
        word @ ("trust" | "distrust") => match &command.device {
            Some(device) => context.changed(&context.client().await?.trust(device, word == "trust").await?),
            None => Err(CliError::usage("which device?", Some(&format!("qrm fence {word} fence-n2")))),
        },
        "prepare-disk" => match &command.device {
            Some(path) => context.changed(&context.client().await?.prepare_disk(path, command.force).await?),
            None => Err(CliError::usage("which disk?", Some("qrm fence prepare-disk /dev/disk/by-id/…"))),
        },
        _ if command.force => Err(CliError::usage("only a disk is prepared by force", None)),
        node if command.device.is_some() => {
            let hint = format!("qrm fence {node}");
            Err(CliError::usage("one node at a time, and no device", Some(&hint)))
        }
        node => fence(context, node, command.action, command.yes).await,
    }
}

/// Has a node fenced; on a terminal it asks before.
pub(super) async fn fence(
    context: &Context,
    node: &str,
    action: Option<Action>,
    is_sure: bool,
) -> Result<(), CliError> {
    let client = context.client().await?;
    if !is_sure && std::io::stdin().is_terminal() {
        let status = view::<view::Status>(&client, ViewKind::Status, "").await?.read;
        let known = status.nodes.iter().find(|known| known.id.as_str() == node);
        let runs = status.noun().counted(known.map_or(0, |known| known.resources));
        let question = format!("Switch {node} off, with {runs} on it? Type its name to go on: ");
        if super::node::typed(&question)? != node {
            return Err(CliError::refused(format!("{node} was not fenced"), None));
        }
    }
    context.changed(&client.fence(node, action.map(Action::word)).await?)
}
