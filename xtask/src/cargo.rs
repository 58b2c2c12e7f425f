//! The cargo that runs this program, and the repository it works on.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

/// The root of the working copy.
pub(crate) fn repository() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize().with_context(|| format!("the repository is not at {} any more", path.display()))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(chosen) => Ok(PathBuf::from(chosen)),
        None => Ok(repository()?.join("target")),
    }
}

/// Cargo in the root of the working copy, without standard input.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = quorate_bed::binaries::cargo();
    command.args(arguments).current_dir(repository()?).stdin(Stdio::null());
    Ok(command)
}

/// Runs a program of the workspace with the arguments of whoever called; its exit code becomes ours.
pub(crate) fn pass_through(cargo: &[&str], arguments: &[String]) -> Result<ExitCode> {
    let mut command = command(cargo)?;
    command.arg("--").args(arguments);
    exit_of(command, "run cargo")
}

/// Runs it to its end; its exit code becomes ours.
pub(crate) fn exit_of(mut command: Command, what: &'static str) -> Result<ExitCode> {
    let status = command.status().context(what)?;
    // None of ours ends by a signal that cargo would not have told about.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
