//! `qrm node confirm-off`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::question;
use clap::Args;
use quorate_api::proto::{NodeVerb, ViewKind};
use quorate_core::id::SessionId;
use quorate_core::view::Status;
use std::io::IsTerminal;

/// Say that a node is off, having made sure of it
///
/// What ran there starts elsewhere at once. If the node still runs, its VMs run twice and their disks are lost: look
/// at the machine, or pull its plug, before you say so. The answer is kept with your name.
///
/// Example: qrm node confirm-off n2
#[derive(Debug, Args)]
pub(crate) struct ConfirmOff {
    /// The node that is off
    node: String,
    /// Its name once more, instead of typing it when asked
    #[arg(long, value_name = "NODE", visible_alias = "yes")]
    i_have_checked: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &ConfirmOff) -> Result<(), CliError> {
    let node = command.node.as_str();
    let client = context.client().await?;
    let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
    let session = asked_session(&status, node)?;
    if !context.output.json {
        let asked = status.questions.iter().find(|asked| asked.node.as_str() == node);
        let words = match asked {
            Some(asked) => question(asked, context.output.style),
            None => format!("{node} is being fenced, and its devices were not all tried yet."),
        };
        context.output.remark(&format!("{words}\n  Its boot: {session}"));
    }
    let name = match &command.i_have_checked {
        Some(name) => name.clone(),
        None if std::io::stdin().is_terminal() => super::typed("Type the node's name if it is off for sure: ")?,
        None => {
            let hint = format!("qrm node confirm-off {node} --i-have-checked {node}");
            return Err(CliError::usage("there is no terminal to ask at", Some(&hint)));
        }
    };
    if name != node {
        return Err(CliError::refused(format!("'{name}' is not '{node}': nothing was confirmed"), None));
    }
    context.changed(&client.node(NodeVerb::ConfirmOff, node, Some(session.as_str())).await?)
}

/// The boot that the question is about: the answer is good for no other.
fn asked_session(status: &Status, node: &str) -> Result<SessionId, CliError> {
    let fenced = status.fencing.iter().find(|fence| fence.target.as_str() == node && !fence.settling);
    if let Some(fence) = fenced {
        return Ok(fence.session.clone());
    }
    let known = status.nodes.iter().find(|known| known.id.as_str() == node);
    Err(match known {
        None => CliError::refused(format!("there is no node {node}"), Some("see `qrm node show`")),
        Some(known) => {
            let message =
                format!("nobody asks whether {node} is off: it is {} and is not being fenced", known.liveness);
            CliError::refused(message, Some("see `qrm status`"))
        }
    })
}
