//! `qrm node show`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::{NodeView, Status};
use serde_json::json;

/// Show nodes with what is observed and wanted of them
///
/// Example: qrm node show n2
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Only this one, with all there is to say
    node: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Show) -> Result<(), CliError> {
    let client = context.client().await?;
    let status = view::<Status>(&client, ViewKind::Status, "").await?;
    let Some(name) = &command.node else {
        let raw = status.part("nodes");
        let style = context.output.style;
        return context.output.answer(&raw, || output::nodes(&status.read, style, &Clock::of_process()));
    };
    let found = status.read.nodes.iter().find(|node| node.id.as_str() == name);
    let node =
        found.ok_or_else(|| CliError::refused(format!("there is no node {name}"), Some("see `qrm node show`")))?;
    context.output.answer(&json!(node), || details(node, &Clock::of_process()))
}

fn details(node: &NodeView, clock: &Clock) -> String {
    let level = |level: &Vec<_>| level.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let levels = node.fence_levels.iter().map(level).collect::<Vec<_>>();
    let session = match (&node.session, node.session_ended) {
        (None, _) => "it never said hello".to_owned(),
        (Some(session), true) => format!("{session}, proven dead"),
        (Some(session), false) => session.to_string(),
    };
    let rows = [
        ("address", node.address.clone()),
        ("is", format!("{} since {}", node.liveness, clock.at(node.since))),
        ("should be", node.intent.clone()),
        ("boot", session),
        ("votes", if node.is_voter { "yes" } else { "no" }.to_owned()),
        ("leads", if node.is_leader { "yes" } else { "no" }.to_owned()),
        ("resources", node.resources.to_string()),
        ("fenced by", if levels.is_empty() { "nothing".to_owned() } else { levels.join(", then ") }),
    ];
    let armed = match (&node.arming, node.is_armed) {
        (None, is_armed) => if is_armed { "yes" } else { "no" }.to_owned(),
        (Some(why), true) => format!("yes, but {why}"),
        (Some(why), false) => format!("no: {why}"),
    };
    let armed = std::iter::once(format!("  {:<10}{armed}", "armed")).filter(|_| !node.witness);
    let health = node.health.iter().map(|why| format!("  {:<10}{why}", "health"));
    let room = node.room.iter().map(|(name, room)| {
        let counts = if room.counts { "" } else { "; placement-strategy=default does not count it" };
        format!("  room      {} of {} {name} used{counts}", room.used, room.capacity)
    });
    let said = node.attributes.iter().map(|(name, value)| format!("  said of it {name}={value}"));
    let lines = rows.iter().map(|(name, value)| format!("  {name:<10}{value}"));
    format!("{}\n{}", node.id, lines.chain(armed).chain(health).chain(room).chain(said).collect::<Vec<_>>().join("\n"))
}
