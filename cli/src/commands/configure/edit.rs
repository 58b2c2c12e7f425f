//! `qrm configure edit`

use super::{How, change};
use crate::commands::{Context, view};
use crate::error::CliError;
use crate::script;
use clap::Args;
use quorate_api::proto::{ConfigureMode, ViewKind};
use quorate_core::view::ConfigView;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Change the configuration in an editor: $VISUAL, $EDITOR, or vi
///
/// What is saved becomes the whole configuration, if nobody changed it meanwhile; of named objects only those are as they were
/// written. What is refused stays in a file beside the message, and nothing is changed.
///
/// Example: qrm configure edit
///
/// Example: qrm configure edit vm1
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Only these objects, as with `configure show`
    ids: Vec<String>,
}

pub(super) async fn run(context: &Context, how: &How, command: &Edit) -> Result<(), CliError> {
    let client = context.client().await?;
    let config = view::<ConfigView>(&client, ViewKind::Config, &command.ids.join(" ")).await?.read;
    let file = tempfile::Builder::new().prefix("qrm-").suffix(".txt").tempfile();
    let file = file.map_err(|source| CliError::Save { path: PathBuf::from("a temporary file"), source })?;
    let path = file.path().to_path_buf();
    std::fs::write(&path, &config.text).map_err(|source| CliError::Save { path: path.clone(), source })?;
    open(&path)?;
    let text = std::fs::read_to_string(&path).map_err(|source| CliError::Read { path: path.clone(), source })?;
    if text == config.text {
        return context.output.answer(&serde_json::json!({ "diff": "" }), || "nothing was changed".to_owned());
    }
    let mode = if command.ids.is_empty() { ConfigureMode::Replace } else { ConfigureMode::Update };
    let how = How { base: how.base.or(Some(config.revision)), ..*how };
    let done = match script::expand(&text, Path::new("")) {
        Ok(text) => change(context, &client, &how, mode, text).await.map(|_| ()),
        Err(error) => Err(error),
    };
    if done.is_err() {
        // An hour's work is not to be typed again.
        _ = file.keep();
        context.output.remark(&format!("what you wrote is in {}", path.display()));
    }
    done
}

#[expect(clippy::disallowed_methods, reason = "an editor has the terminal, and all the time its person takes")]
fn open(path: &Path) -> Result<(), CliError> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os).find(|name| !name.is_empty());
    let editor = named.unwrap_or_else(|| "vi".into());
    let editor = editor.to_string_lossy();
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let ended = Command::new(program).args(words).arg(path).status();
    let ended = ended.map_err(|source| CliError::Read { path: PathBuf::from(program), source })?;
    match ended.success() {
        true => Ok(()),
        false => Err(CliError::refused(format!("{program} ended with {ended}, and nothing was changed"), None)),
    }
}
