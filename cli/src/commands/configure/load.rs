//! `qrm configure load`

use super::{How, change};
use crate::commands::Context;
use crate::error::CliError;
use crate::script;
use clap::{Args, Subcommand};
use quorate_api::proto::ConfigureMode;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Read the configuration from a file
///
/// Without a word before the file, as `update`.
///
/// Example: qrm configure load vms.txt
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, infer_subcommands = true)]
pub(crate) struct Load {
    #[command(subcommand)]
    way: Option<Way>,
    #[command(flatten)]
    source: Option<Source>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Way {
    /// Make the file the whole configuration: what is not in it goes
    ///
    /// Example: qrm configure --dry-run load replace household.txt
    #[command(alias = "push")]
    Replace(Source),
    /// Define what the file defines, again where it exists; the rest stays
    ///
    /// Example: qrm configure load update vms.txt
    Update(Source),
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The file; `-` is standard input
    file: PathBuf,
}

pub(super) async fn run(context: &Context, how: &How, command: &Load) -> Result<(), CliError> {
    let (mode, source) = match (&command.way, &command.source) {
        (Some(Way::Replace(source)), _) => (ConfigureMode::Replace, source),
        (Some(Way::Update(source)), _) | (None, Some(source)) => (ConfigureMode::Update, source),
        (None, None) => {
            let hint = "qrm configure load FILE, or load replace FILE for the whole configuration";
            return Err(CliError::usage("what is to be loaded?", Some(hint)));
        }
    };
    let text = read(&source.file)?;
    let text = script::expand(&text, directory(&source.file))?;
    let client = context.client().await?;
    change(context, &client, how, mode, text).await?;
    Ok(())
}

/// The text of a file, or of standard input.
pub(crate) fn read(file: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let is_read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|all| bytes = all)
    };
    is_read.map_err(|source| CliError::Read { path: file.to_path_buf(), source })?;
    script::text(file, bytes)
}

/// What `xml=@FILE` in it is relative to: where the file stands, so that both can be moved together.
pub(crate) fn directory(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
