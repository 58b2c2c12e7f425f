//! `qrm configure < FILE`: statements from standard input, committed together.

use super::{How, change};
use crate::commands::Context;
use crate::error::CliError;
use crate::script;
use quorate_api::proto::ConfigureMode;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

pub(super) async fn run(context: &Context, how: &How) -> Result<(), CliError> {
    if std::io::stdin().is_terminal() {
        let hint = "qrm configure --help lists what can follow; qrm configure < FILE reads statements";
        return Err(CliError::usage("what is to be configured?", Some(hint)));
    }
    let text = std::io::read_to_string(std::io::stdin())
        .map_err(|source| CliError::Read { path: PathBuf::from("standard input"), source })?;
    // Every file is read before the first commit: what is missing shows before anything has changed.
    let expanded: Result<Vec<String>, CliError> =
        script::commits(&text).into_iter().map(|part| script::expand(part, Path::new(""))).collect();
    let client = context.client().await?;
    for part in expanded? {
        change(context, &client, how, ConfigureMode::Add, part).await?;
    }
    Ok(())
}
