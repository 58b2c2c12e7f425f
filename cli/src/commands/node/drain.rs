//! `qrm node drain`

use crate::commands::{Context, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::Client;
use quorate_api::proto::{NodeVerb, ViewKind};
use quorate_core::grammar;
use quorate_core::view::{ResourceView, Status};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(500);

/// Empty a node: what it has moves away, and what has no other place runs on there
///
/// A drain stops nothing that cannot run elsewhere: with --wait it says what is stuck, and why. It ends with
/// `qrm node online`.
///
/// Example: qrm node drain n2 --wait
#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The node
    node: String,
    /// Return only when nothing is left there
    #[arg(short, long)]
    wait: bool,
    /// Wait no longer than this
    #[arg(long, default_value = "10m", value_parser = time, requires = "wait")]
    timeout: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    grammar::duration(text).ok_or_else(|| "a time such as 30s or 10m".to_owned())
}

pub(crate) async fn run(context: &Context, command: &Drain) -> Result<(), CliError> {
    let client = context.client().await?;
    let reply = client.node(NodeVerb::Drain, &command.node, None).await?;
    if !command.wait {
        return context.changed(&reply);
    }
    emptied(&client, &command.node, command.timeout).await?;
    let message = format!("{} is drained: nothing is left there", command.node);
    let document = json!({ "index": reply.index, "message": message });
    context.output.answer(&document, || message.clone())
}

/// Waits until nothing is left; what is stuck is told as soon as nothing else goes on.
async fn emptied(client: &Client, node: &str, timeout: Duration) -> Result<(), CliError> {
    let end = Instant::now() + timeout;
    let mut still_stuck = 0;
    loop {
        let status = view::<Status>(client, ViewKind::Status, "").await?.read;
        let left: Vec<&ResourceView> = status.resources.iter().filter(|resource| is_on(resource, node)).collect();
        if left.is_empty() && status.quorum.confirmed {
            return Ok(());
        }
        let stuck = stuck(&status, &left);
        // One look may fall between two plans.
        still_stuck = if stuck.len() == left.len() && status.quorum.confirmed { still_stuck + 1 } else { 0 };
        if still_stuck < 4 && Instant::now() + PAUSE < end {
            sleep(PAUSE).await;
            continue;
        }
        let what = match stuck.is_empty() {
            true => format!("{} still moving", left.len()),
            false => stuck.join("; "),
        };
        let message = format!("{node} is not empty: {what}");
        let hint = Some(format!("it stays drained until `qrm node online {node}`"));
        return Err(CliError::NotInTime { message, hint });
    }
}

fn is_on(resource: &ResourceView, node: &str) -> bool {
    resource.places.iter().any(|place| place.node.as_str() == node)
}

/// What is at rest there, and why.
fn stuck(status: &Status, left: &[&ResourceView]) -> Vec<String> {
    let at_rest = left.iter().filter(|resource| resource.doing.is_empty());
    let why = at_rest.filter_map(|resource| {
        let blocked = status.blocked.iter().find(|blocked| blocked.resource == resource.id);
        let unsure = resource.places.iter().find(|place| !place.state.runs());
        let why = blocked.map(|blocked| blocked.why.clone());
        let why = why.or_else(|| unsure.and_then(|place| place.why.clone()));
        Some(format!("{}: {}", resource.id, why?))
    });
    why.collect()
}
