//! `qrm status`

use super::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::Args;
use quorate_api::Client;
use quorate_api::proto::ViewKind;
use quorate_core::view;
use std::time::Duration;

/// Show whether all is well, what waits for whom and what goes on
///
/// Example: qrm status --watch
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show it again and again until it is interrupted
    #[arg(short, long)]
    watch: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 1.0, value_parser = interval, requires = "watch")]
    interval: f64,
}

pub(crate) async fn run(context: &Context, command: &Status) -> Result<(), CliError> {
    if !command.watch {
        return show(context, &context.client().await?).await;
    }
    let mut client = None;
    loop {
        let shown = look(context, &mut client).await;
        if let Err(error) = shown {
            // The daemon may be back with the next look: a watch outlives what it watches.
            if matches!(error, CliError::Write(_)) {
                return Err(error);
            }
            client = None;
            context.output.error(&error);
        }
        tokio::time::sleep(Duration::from_secs_f64(command.interval)).await;
    }
}

async fn look(context: &Context, client: &mut Option<Client>) -> Result<(), CliError> {
    let connected = match client.take() {
        Some(connected) => connected,
        None => context.client().await?,
    };
    let connected = client.insert(connected);
    let page = page(context, connected).await?;
    if context.output.is_terminal() {
        // Home, the page with the rest of each line cleared, the rest of the screen cleared.
        let lines = page.lines().map(|line| format!("{line}\x1b[K\n")).collect::<String>();
        return context.output.text(&format!("\x1b[H{lines}\x1b[J"));
    }
    context.output.text(&format!("{page}\n"))
}

async fn show(context: &Context, client: &Client) -> Result<(), CliError> {
    let page = page(context, client).await?;
    context.output.text(&page)
}

async fn page(context: &Context, client: &Client) -> Result<String, CliError> {
    let status = view::<view::Status>(client, ViewKind::Status, "").await?;
    if context.output.json {
        return Ok(status.raw);
    }
    Ok(output::status(&status.read, context.output.style, &Clock::of_process()))
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    (0.1..=3600.0).contains(&seconds).then_some(seconds).ok_or_else(|| "between 0.1 and 3600".to_owned())
}
