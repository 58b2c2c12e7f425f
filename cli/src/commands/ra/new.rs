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
    /// [PROVIDER:]NAME: letters, digits, `-` and `_`
    name: String,
    /// In which language
    #[arg(long, value_enum, default_value = "sh")]
    lang: Language,
    /// Where it is written, with a provider in that one's directory below; in /usr/lib/ocf/resource.d/PROVIDER it is
    /// ocf:PROVIDER:NAME
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
    let (provider, name) = match new.name.split_once(':') {
        Some((provider, name)) => (Some(provider), name),
        None => (None, new.name.as_str()),
    };
    if !is_name(name) || provider.is_some_and(|provider| !is_name(provider)) {
        let message = format!("'{}' is no name of an agent: letters, digits, - and _", new.name.escape_debug());
        return Err(CliError::usage(message, Some("qrm ra new mysite:Counter --lang sh")));
    }
    let directory = provider.map_or_else(|| new.directory.clone(), |provider| new.directory.join(provider));
    let text = match new.lang {
        Language::Sh => SHELL,
        Language::Python => PYTHON,
    };
    let path = directory.join(name);
    // What is there already is somebody's.
    let made = if provider.is_some() { std::fs::create_dir_all(&directory) } else { Ok(()) };
    let file = made.and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path));
    let written = file.and_then(|mut file| file.write_all(text.replace(NAME, name).as_bytes()));
    written.map_err(|error| CliError::refused(format!("{} is not written: {error}", path.display()), None))?;
    let words = || {
        let (shown, provider) = (path.display(), provider.unwrap_or("PROVIDER"));
        format!(
            "{shown} is written: it keeps one program running\n\nTry it as `{shown} meta-data`. In /usr/lib/ocf/resource.d/{provider} of each host it is \
             ocf:{provider}:{name}:\n    qrm ra validate ocf:{provider}:{name} program=/bin/sleep options=1000"
        )
    };
    context.output.answer(&json!({ "path": path, "name": name }), words)
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 60 && text.chars().all(fits)
}
