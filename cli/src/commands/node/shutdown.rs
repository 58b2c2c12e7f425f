//! `qrm node shutdown`

use crate::commands::{Context, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::{NodeVerb, ViewKind};
use quorate_api::{Fault, Reason};
use quorate_core::grammar;
use quorate_core::view::Status;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(250);

/// Make a node ready to be switched off: its VMs move or stop, then it says goodbye and needs no fence
///
/// It takes part again when its host has booted, or after `qrm node online`.
///
/// Example: qrm node shutdown n2 --wait
#[derive(Debug, Args)]
pub(crate) struct Shutdown {
    /// The node
    node: String,
    /// Return when the host may be switched off
    #[arg(short, long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    timeout: Duration,
}

pub(crate) async fn run(context: &Context, command: &Shutdown) -> Result<(), CliError> {
    let client = context.client().await?;
    let reply = client.node(NodeVerb::Shutdown, &command.node, None).await?;
    if !command.wait {
        return context.changed(&reply);
    }
    let end = Instant::now() + command.timeout;
    loop {
        let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
        let Some(node) = status.nodes.iter().find(|node| node.id.as_str() == command.node) else {
            let gone = Fault::new(Reason::NotFound, format!("{} is no node any more", command.node));
            return Err(gone.into());
        };
        if node.session_ended {
            let message = format!("{} has said goodbye: its host may be switched off", node.id);
            return context.changed(&quorate_api::proto::ChangeReply { message, ..reply });
        }
        if Instant::now() + PAUSE >= end {
            let held: Vec<String> = status
                .resources
                .iter()
                .filter(|resource| resource.places.iter().any(|place| place.node == node.id))
                .map(|resource| resource.id.to_string())
                .collect();
            let what = if held.is_empty() { "something".to_owned() } else { held.join(", ") };
            let late = Fault::new(Reason::Timeout, format!("{} still has {what}; it goes on", node.id));
            return Err(late.hint("look at `qrm status`, or call it off: `qrm node online`").into());
        }
        sleep(PAUSE).await;
    }
}

fn time(text: &str) -> Result<Duration, String> {
    grammar::duration(text).ok_or_else(|| "a time such as 30s or 5m".to_owned())
}
