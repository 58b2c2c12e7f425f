//! `qrm cluster certificate`

use crate::commands::Context;
use crate::error::CliError;
use clap::Args;
use quorate_core::grammar;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Make an administrator's certificate, with which `qrm --host` may ask from anywhere
///
/// Asked on any member's own host. It writes ca.pem, admin.pem and admin.key.
///
/// Example: qrm cluster certificate admin-of-house --valid 30d
#[derive(Debug, Args)]
pub(crate) struct Certificate {
    /// The directory to write them to; no file there is overwritten
    dir: PathBuf,
    /// For how long it is good: 8h, 30d; two years when absent
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid: Option<Duration>,
}

pub(crate) async fn run(context: &Context, command: &Certificate) -> Result<(), CliError> {
    let made = context.client().await?.certificate(command.valid).await?;
    fs::create_dir_all(&command.dir).map_err(|source| unwritten(&command.dir, &source))?;
    let files = [("ca.pem", made.ca_certificate, 0o644), ("admin.key", made.key, 0o600)];
    for (name, text, mode) in files.into_iter().chain([("admin.pem", made.certificate, 0o644)]) {
        write(&command.dir.join(name), &text, mode)?;
    }
    let dir = command.dir.display();
    let document = json!({ "directory": command.dir });
    context.output.answer(&document, || {
        format!("{dir}: use it with --host ADDRESS --ca {dir}/ca.pem --cert {dir}/admin.pem --key {dir}/admin.key")
    })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| unwritten(path, &source))
}

fn unwritten(path: &Path, source: &std::io::Error) -> CliError {
    CliError::refused(format!("cannot write {}: {source}", path.display()), Some("name a directory that is new"))
}

fn time(text: &str) -> Result<Duration, String> {
    let time = grammar::duration(text).filter(|time| *time >= Duration::from_secs(1));
    time.ok_or_else(|| "a time of a second or more, such as 8h or 30d".to_owned())
}
