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
    ///
    /// Where it is not said: as long as its operations may take, and a minute.
    #[arg(long, value_parser = time, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
}

pub(crate) async fn run(context: &Context, verb: ResourceVerb, command: &Change) -> Result<(), CliError> {
    let mut client = context.client().await?;
    let name = command.resource.as_str();
    let before = look(&client, name).await?;
    let goal = match verb {
        ResourceVerb::Stop => Goal::Stopped,
        ResourceVerb::Restart if command.waiting.wait => Goal::RunningAfresh(last_change(before.as_ref())),
        _ => Goal::Running,
    };
    let time = wait::whole_time(before.as_ref());
    if verb == ResourceVerb::Restart {
        // It is answered when it is done, which is not sooner than its operations are.
        client = client.patient(time.max(context.connection.patience));
    }
    let reply = client.resource(verb, name, None).await?;
    if !command.waiting.wait {
        return context.changed(&reply);
    }
    let resource = wait::until(&client, name, &goal, command.waiting.timeout.unwrap_or(time)).await?;
    let document = json!({ "index": reply.index, "message": reply.message, "resource": resource });
    context.output.answer(&document, || outcome(name, resource.as_ref()))
}

/// The resource as it is now, if it is there; of a group its first member, with the time that all of them take.
pub(super) async fn look(client: &Client, name: &str) -> Result<Option<ResourceView>, CliError> {
    let status = view::<Status>(client, ViewKind::Status, "").await?.read;
    let mut named = status.resources.into_iter().filter(|resource| resource.is_named(name));
    let Some(mut first) = named.next() else { return Ok(None) };
    for other in named {
        first.start_timeout_ms = first.start_timeout_ms.saturating_add(other.start_timeout_ms);
        first.stop_timeout_ms = first.stop_timeout_ms.saturating_add(other.stop_timeout_ms);
    }
    Ok(Some(first))
}

/// When what is seen of it changed last: what is newer was done for us.
fn last_change(resource: Option<&ResourceView>) -> Timestamp {
    let since = resource.and_then(|resource| resource.places.iter().map(|place| place.since).max());
    since.unwrap_or_default()
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

pub(super) fn time(text: &str) -> Result<Duration, String> {
    grammar::duration(text).ok_or_else(|| "a time such as 30s or 10m".to_owned())
}
