//! `qrm events`

use super::{Context, read, view};
use crate::error::CliError;
use crate::output::{Clock, event_line};
use clap::Args;
use quorate_api::Client;
use quorate_api::proto::ViewKind;
use quorate_core::state::Event;
use quorate_core::view;
use std::time::Duration;

/// Show what happened, or what happens
///
/// Example: qrm events -f
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what happens until it is interrupted
    #[arg(short, long)]
    follow: bool,
    /// The number of the first event to show; without it the last 20
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
}

const SHOWN: usize = 20;
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, command: &Events) -> Result<(), CliError> {
    let client = context.client().await?;
    let argument = command.from.map_or_else(String::new, |from| from.to_string());
    let past = view::<view::Events>(&client, ViewKind::Events, &argument).await?;
    if context.output.json && !command.follow {
        return context.output.text(&past.raw);
    }
    let skipped = if command.from.is_some() { 0 } else { past.read.events.len().saturating_sub(SHOWN) };
    for event in &past.read.events[skipped..] {
        show(context, event)?;
    }
    if command.follow { follow(context, client, past.read.next).await } else { Ok(()) }
}

/// Follows through every restart and change of leader: an event is shown once, and none is left out.
async fn follow(context: &Context, mut client: Client, mut next: u64) -> Result<(), CliError> {
    let mut is_told = false;
    loop {
        let error = match watch(context, &client, &mut next, &mut is_told).await {
            Ok(()) => None,
            Err(error @ (CliError::Write(_) | CliError::Document { .. })) => return Err(error),
            Err(error) => Some(error),
        };
        if !is_told {
            let why = error.map_or_else(|| "the daemon ended".to_owned(), |error| error.words());
            context.output.remark(&format!("{why}; waiting for it"));
            is_told = true;
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
        if let Ok(again) = context.client().await {
            client = again;
        }
    }
}

async fn watch(context: &Context, client: &Client, next: &mut u64, is_told: &mut bool) -> Result<(), CliError> {
    let mut watch = client.watch(Some(*next)).await?;
    while let Some(document) = watch.next().await? {
        let event = read::<Event>(document)?.read;
        if event.number >= *next {
            *next = event.number + 1;
            *is_told = false;
            show(context, &event)?;
        }
    }
    Ok(())
}

fn show(context: &Context, event: &Event) -> Result<(), CliError> {
    if context.output.json {
        let line = serde_json::to_string(event).expect("an event has text keys");
        return context.output.text(&line);
    }
    context.output.text(&event_line(event, context.output.style, &Clock::of_process()))
}
