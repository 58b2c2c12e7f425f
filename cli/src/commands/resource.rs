//! `qrm resource`

mod change;
mod cleanup;
mod failcount;
mod locate;
mod place;
mod status;

use super::Context;
use crate::error::CliError;
use clap::Subcommand;
use quorate_api::proto::ResourceVerb;

/// Start, stop, move and look at resources
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub(crate) enum Resource {
    Status(status::Status),
    Locate(locate::Locate),
    /// Have a VM run, on whichever node suits it
    ///
    /// Example: qrm resource start vm1 --wait
    Start(change::Change),
    /// Have a VM stopped, and stay so
    ///
    /// Example: qrm resource stop vm1 --wait
    Stop(change::Change),
    /// Stop a VM and start it again
    ///
    /// Example: qrm resource restart vm1
    Restart(change::Change),
    Cleanup(cleanup::Cleanup),
    Failcount(failcount::Failcount),
    #[command(alias = "migrate")]
    Move(place::Move),
    Ban(place::Ban),
    #[command(aliases = ["unmove", "unmigrate", "unban"])]
    Clear(place::Clear),
}

pub(crate) async fn run(context: &Context, command: Resource) -> Result<(), CliError> {
    match command {
        Resource::Status(command) => status::run(context, &command).await,
        Resource::Locate(command) => locate::run(context, &command).await,
        Resource::Start(command) => change::run(context, ResourceVerb::Start, &command).await,
        Resource::Stop(command) => change::run(context, ResourceVerb::Stop, &command).await,
        Resource::Restart(command) => change::run(context, ResourceVerb::Restart, &command).await,
        Resource::Cleanup(command) => cleanup::run(context, &command).await,
        Resource::Failcount(command) => failcount::run(context, &command).await,
        Resource::Move(command) => place::run_move(context, &command).await,
        Resource::Ban(command) => place::run_ban(context, &command).await,
        Resource::Clear(command) => place::run_clear(context, &command).await,
    }
}
