//! `qrm resource start | stop | restart`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::wait::{self, Goal};
use clap::Args;
use quorate_api::Client;
use quorate_api::proto::{ResourceVerb, ViewKind};
use quorate_core::grammar;
use quorate_core::time::Timestamp;
use quorate_core::view::{ResourceView, Status};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The VM
    resource: String,
    #[command(flatten)]
    waiting: Waiting,
}

/// How long to wait, if at all.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Return only when it is so
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Wait no longer than this
    #[arg(long, default_value = "120s", value_parser = time, requires = "wait")]
    pub(crate) timeout: Duration,
}

pub(crate) async fn run(context: &Context, verb: ResourceVerb, command: &Change) -> Result<(), CliError> {
    let client = context.client().await?;
    let name = command.resource.as_str();
    let goal = match verb {
        ResourceVerb::Stop => Goal::Stopped,
        ResourceVerb::Restart if command.waiting.wait => Goal::RunningAfresh(last_change(&client, name).await?),
        _ => Goal::Running,
    };
    let reply = client.resource(verb, name, None).await?;
    if !command.waiting.wait {
        return context.changed(&reply);
    }
    let resource = wait::until(&client, name, goal, command.waiting.timeout).await?;
    let document = json!({ "index": reply.index, "message": reply.message, "resource": resource });
    context.output.answer(&document, || outcome(name, resource.as_ref()))
}

/// When what is seen of it changed last: what is newer was done for us.
async fn last_change(client: &Client, name: &str) -> Result<Timestamp, CliError> {
    let status = view::<Status>(client, ViewKind::Status, "").await?.read;
    let found = status.resources.iter().find(|resource| resource.id.as_str() == name);
    let since = found.and_then(|resource| resource.places.iter().map(|place| place.since).max());
    Ok(since.unwrap_or_default())
}

/// Where it ended up.
pub(super) fn outcome(name: &str, resource: Option<&ResourceView>) -> String {
    let places = resource.map_or(&[][..], |resource| &resource.places);
    let word = resource.map_or("stopped", crate::output::role);
    match places {
        [] => format!("{name} is {word}"),
        places => {
            let nodes: Vec<String> = places.iter().map(|place| place.node.to_string()).collect();
            format!("{name} is {word} on {}", nodes.join(", "))
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    grammar::duration(text).ok_or_else(|| "a time such as 30s or 10m".to_owned())
}
