//! `qrm cluster token`

use crate::commands::Context;
use crate::error::CliError;
use crate::output::Clock;
use clap::Args;
use quorate_core::grammar;
use quorate_core::time::Timestamp;
use serde_json::json;
use std::time::Duration;

/// Make a token with which one node can join, once
///
/// Example: qrm cluster token --valid 1h
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// For how long it is good: 30m, 1h
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid: Option<Duration>,
}

pub(crate) async fn run(context: &Context, command: &Token) -> Result<(), CliError> {
    let reply = context.client().await?.token(command.valid).await?;
    let document = json!({ "token": reply.token, "expires": reply.expires_unix_ms });
    context.output.answer(&document, || reply.token.clone())?;
    if !context.output.json {
        let until = Clock::of_process().at(Timestamp(reply.expires_unix_ms));
        let remark = format!("good once and until {until}: qrm cluster join TOKEN --address ADDRESS");
        context.output.remark(&remark);
    }
    Ok(())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = grammar::duration(text).filter(|time| *time >= Duration::from_secs(1));
    time.ok_or_else(|| "a time of a second or more, such as 30m or 1h".to_owned())
}
