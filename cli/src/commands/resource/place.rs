//! `qrm resource move | ban | clear`

use super::change::{Waiting, look, outcome, time};
use crate::commands::Context;
use crate::error::CliError;
use crate::wait::{self, Goal};
use clap::Args;
use quorate_api::proto::ResourceVerb;
use quorate_core::view::ResourceView;
use serde_json::json;
use std::time::Duration;

/// Have a VM run on another node
///
/// Without a node it moves away from where it runs. A move is no constraint: it is shown in the status with who asked,
/// and ends by itself once the VM runs there and stays there, or when it cannot run there. Where a location pulls the
/// VM back, the move lasts until `qrm resource clear`; with a lifetime it lasts exactly so long.
///
/// Example: qrm resource move vm1 n2 --wait
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// The VM
    resource: String,
    /// Where to
    node: Option<String>,
    #[command(flatten)]
    lifetime: Lifetime,
    #[command(flatten)]
    waiting: Waiting,
}

/// Keep a VM away from a node, until that is cleared
///
/// Example: qrm resource ban vm1 n2 --lifetime 2h
#[derive(Debug, Args)]
pub(crate) struct Ban {
    /// The VM
    resource: String,
    /// The node that it shall not run on
    node: String,
    #[command(flatten)]
    lifetime: Lifetime,
    #[command(flatten)]
    waiting: Waiting,
}

/// Take moves and bans of a VM back
///
/// Example: qrm resource clear vm1
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// The VM
    resource: String,
    /// Only those about this node
    node: Option<String>,
}

/// For how long.
#[derive(Debug, Args)]
struct Lifetime {
    /// End it after this time: 30m, 2h, PT30M
    #[arg(long, value_name = "TIME", value_parser = time)]
    lifetime: Option<Duration>,
}

pub(crate) async fn run_move(context: &Context, command: &Move) -> Result<(), CliError> {
    let node = command.node.as_deref();
    let goal = |before: Option<&ResourceView>| match (node, before.map(|before| before.places.as_slice())) {
        (Some(node), _) => Goal::On(node.to_owned()),
        (None, Some([place])) => Goal::NotOn(place.node.to_string()),
        (None, _) => Goal::Running,
    };
    let asked = Asked { resource: &command.resource, node, lifetime: &command.lifetime, waiting: &command.waiting };
    asked.run(context, ResourceVerb::Move, goal).await
}

pub(crate) async fn run_ban(context: &Context, command: &Ban) -> Result<(), CliError> {
    let goal = |_: Option<&ResourceView>| Goal::NotOn(command.node.clone());
    let node = Some(command.node.as_str());
    let asked = Asked { resource: &command.resource, node, lifetime: &command.lifetime, waiting: &command.waiting };
    asked.run(context, ResourceVerb::Ban, goal).await
}

pub(crate) async fn run_clear(context: &Context, command: &Clear) -> Result<(), CliError> {
    let client = context.client().await?;
    let node = command.node.as_deref();
    context.changed(&client.place(ResourceVerb::Clear, &command.resource, node, None).await?)
}

/// A move or a ban.
struct Asked<'a> {
    resource: &'a str,
    node: Option<&'a str>,
    lifetime: &'a Lifetime,
    waiting: &'a Waiting,
}

impl Asked<'_> {
    async fn run(
        &self,
        context: &Context,
        verb: ResourceVerb,
        goal: impl FnOnce(Option<&ResourceView>) -> Goal,
    ) -> Result<(), CliError> {
        let client = context.client().await?;
        let before = look(&client, self.resource).await?;
        let reply = client.place(verb, self.resource, self.node, self.lifetime.lifetime).await?;
        if !self.waiting.wait {
            return context.changed(&reply);
        }
        let time = self.waiting.timeout.unwrap_or_else(|| wait::whole_time(before.as_ref()));
        let resource = wait::until(&client, self.resource, &goal(before.as_ref()), time).await?;
        let document = json!({ "index": reply.index, "message": reply.message, "resource": resource });
        context.output.answer(&document, || outcome(self.resource, resource.as_ref()))
    }
}
