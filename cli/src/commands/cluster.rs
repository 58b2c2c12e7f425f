//! `qrm cluster`

mod certificate;
mod init;
mod join;
mod recover;
mod remove;
mod status;
mod token;

use super::Context;
use crate::error::CliError;
use clap::Subcommand;

/// Found a cluster, let nodes join, look at its members
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub(crate) enum Cluster {
    Init(init::Init),
    Token(token::Token),
    Join(join::Join),
    Certificate(certificate::Certificate),
    Remove(remove::Remove),
    Recover(recover::Recover),
    Status(status::Status),
}

pub(crate) async fn run(context: &Context, command: Cluster) -> Result<(), CliError> {
    match command {
        Cluster::Init(command) => init::run(context, &command).await,
        Cluster::Token(command) => token::run(context, &command).await,
        Cluster::Certificate(command) => certificate::run(context, &command).await,
        Cluster::Join(command) => join::run(context, &command).await,
        Cluster::Remove(command) => remove::run(context, &command).await,
        Cluster::Recover(command) => recover::run(context, &command).await,
        Cluster::Status(command) => status::run(context, &command).await,
    }
}

/// The name this host has until it is given another.
fn host_name() -> Result<String, CliError> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let short = name.as_deref().and_then(|name| name.split('.').next()).filter(|name| !name.is_empty());
    short.map(str::to_owned).ok_or_else(|| CliError::usage("this host has no name", Some("give it one with --node")))
}
