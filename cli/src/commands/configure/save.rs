//! `qrm configure save`

use crate::commands::{Context, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::ConfigView;
use serde_json::json;
use std::path::PathBuf;

/// Write the configuration into a file, as `configure load` takes it
///
/// Passwords are masked; what is loaded with a mask keeps the password behind it.
///
/// Example: qrm configure save household.txt
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The file; it must not be there yet
    file: PathBuf,
    /// Only these objects, as with `configure show`
    ids: Vec<String>,
    /// Go on though the file is there, and replace it
    #[arg(long)]
    replace: bool,
}

pub(super) async fn run(context: &Context, command: &Save) -> Result<(), CliError> {
    let client = context.client().await?;
    let config = view::<ConfigView>(&client, ViewKind::Config, &command.ids.join(" ")).await?.read;
    let mut how = std::fs::OpenOptions::new();
    how.write(true).truncate(command.replace).create(command.replace).create_new(!command.replace);
    let written =
        how.open(&command.file).and_then(|mut file| std::io::Write::write_all(&mut file, config.text.as_bytes()));
    written.map_err(|source| CliError::Save { path: command.file.clone(), source })?;
    let (revision, file) = (config.revision, command.file.display().to_string());
    let document = json!({ "revision": revision, "file": file });
    context.output.answer(&document, || format!("revision {revision} is in {file}"))
}
