//! `qrm configure history`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::Clock;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view;

/// Show who changed what and when
///
/// Example: qrm configure history
#[derive(Debug, Args)]
pub(crate) struct History {}

pub(super) async fn run(context: &Context, _: &History) -> Result<(), CliError> {
    let client = context.client().await?;
    let history = view::<view::History>(&client, ViewKind::History, "").await?;
    context.output.answer(&history.raw, || text(&history.read, &Clock::of_process()))
}

fn text(history: &view::History, clock: &Clock) -> String {
    let revisions = history.revisions.iter().map(|revision| {
        let diff: String = revision.diff.lines().map(|line| format!("\n  {line}")).collect();
        format!("revision {} by {} at {}{diff}", revision.number, revision.actor, clock.at(revision.at))
    });
    let revisions: Vec<String> = revisions.collect();
    if revisions.is_empty() { "nothing was ever changed".to_owned() } else { revisions.join("\n\n") }
}
