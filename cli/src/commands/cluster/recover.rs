//! `qrm cluster recover`

use crate::commands::{Context, node, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::Status;
use serde_json::json;
use std::io::IsTerminal;

/// Go on alone when a majority of the members is lost for good
///
/// Run on the one host that is left. Every other member has to be off, and is no member any more: to come back it joins
/// anew, with an emptied data directory. If one still runs, its VMs run twice and their disks are lost: look at the
/// machine, or pull its plug, before you say so. Afterwards nothing is started until you end maintenance-mode.
///
/// Example: qrm cluster recover --lost n2 --lost n3
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// A member that is off for good, instead of typing its name when asked; one for each
    #[arg(long, value_name = "NODE")]
    lost: Vec<String>,
}

pub(crate) async fn run(context: &Context, command: &Recover) -> Result<(), CliError> {
    let client = context.client().await?;
    let lost = match command.lost.is_empty() && std::io::stdin().is_terminal() {
        false => command.lost.clone(),
        true => {
            let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
            if status.quorum.confirmed {
                let why = "a majority of the members answers: there is nothing to recover";
                return Err(CliError::refused(why, Some("members that are lost for good: qrm cluster remove NODE")));
            }
            asked(&status)?
        }
    };
    let reply = client.recover(lost).await?;
    let document = json!({ "generation": reply.generation, "message": reply.message });
    context.output.answer(&document, || reply.message.clone())
}

/// Every other member's name, as a person types it.
fn asked(status: &Status) -> Result<Vec<String>, CliError> {
    let mut lost = Vec::new();
    for other in status.nodes.iter().filter(|node| node.id != status.quorum.from) {
        let question = format!(
            "{} ({}) had {} resources. Type its name if it is off for good: ",
            other.id, other.address, other.resources
        );
        let typed = node::typed(&question)?;
        if typed != other.id.as_str() {
            return Err(CliError::refused(format!("'{typed}' is not '{}': nothing was changed", other.id), None));
        }
        lost.push(typed);
    }
    Ok(lost)
}
