//! `qrm ra new`: an agent to begin with. It is written here and asks no daemon.

use crate::commands::Context;
use crate::error::CliError;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

const SHELL: &str = include_str!("../../../agents/agent.sh");
const PYTHON: &str = include_str!("../../../agents/agent.py");
/// What stands for the agent's name in them.
const NAME: &str = "AGENT";

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The agent's name: letters, digits, `-` and `_`
    name: String,
    /// In which language
    #[arg(long, value_enum, default_value = "sh")]
    lang: Language,
    /// Where it is written; the directory of a provider makes it ocf:PROVIDER:NAME
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    /// For /bin/sh
    Sh,
    /// Python 3
    Python,
}

pub(crate) fn run(context: &Context, new: &New) -> Result<(), CliError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let begins = new.name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || new.name.len() > 60 || !new.name.chars().all(fits) {
        let message = format!("'{}' is no name of an agent: letters, digits, - and _", new.name.escape_debug());
        return Err(CliError::usage(message, Some("qrm ra new Counter --lang sh")));
    }
    let text = match new.lang {
        Language::Sh => SHELL,
        Language::Python => PYTHON,
    };
    let path = new.directory.join(&new.name);
    // What is there already is somebody's.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.replace(NAME, &new.name).as_bytes()));
    written.map_err(|error| CliError::refused(format!("{} is not written: {error}", path.display()), None))?;
    let words = || {
        format!(
            "{} is written: it keeps one program running\n\nTry it as `{} meta-data`. In /usr/lib/ocf/resource.d/PROVIDER of each host it is ocf:PROVIDER:{}:\n    \
             qrm ra validate ocf:PROVIDER:{} program=/bin/sleep options=1000",
            path.display(),
            path.display(),
            new.name,
            new.name
        )
    };
    context.output.answer(&json!({ "path": path, "name": new.name }), words)
}
