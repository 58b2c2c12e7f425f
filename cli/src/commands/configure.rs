//! `qrm configure`

mod batch;
mod commit;
mod edit;
mod history;
pub(crate) mod load;
mod save;
mod show;
mod statement;
mod verify;

use super::Context;
use crate::error::CliError;
use clap::{Args, Subcommand};
use quorate_api::proto::{ConfigureMode, ConfigureReply};
use quorate_api::{Change, Client};
use serde_json::json;

/// Say what the cluster should be, in crmsh's words
///
/// A command is committed at once. Several that belong together are read from standard input, in the same words and
/// without `qrm configure`, and committed as one at each line of `commit` and at the end.
///
/// Example: qrm configure primitive vm1 vm:libvirt params xml=@vm1.xml
///
/// Example: qrm configure < household.txt
#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Configure {
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    command: Option<ConfigureCommand>,
}

/// How a change is made; these stand before the statement, since what follows it is taken as it is.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Say what would change, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Go on in spite of warnings that need it
    #[arg(short = 'F', long)]
    pub(crate) force: bool,
    /// Only if the configuration is still at this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) base: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum ConfigureCommand {
    Show(show::Show),
    #[command(flatten)]
    Statement(statement::Statement),
    Load(load::Load),
    Save(save::Save),
    Edit(edit::Edit),
    Verify(verify::Verify),
    Commit(commit::Commit),
    History(history::History),
}

pub(crate) async fn run(context: &Context, command: Configure) -> Result<(), CliError> {
    let how = &command.how;
    match command.command {
        None => batch::run(context, how).await,
        Some(ConfigureCommand::Show(command)) => show::run(context, &command).await,
        Some(ConfigureCommand::Statement(command)) => statement::run(context, how, &command).await,
        Some(ConfigureCommand::Load(command)) => load::run(context, how, &command).await,
        Some(ConfigureCommand::Save(command)) => save::run(context, &command).await,
        Some(ConfigureCommand::Edit(command)) => edit::run(context, how, &command).await,
        Some(ConfigureCommand::Verify(command)) => verify::run(context, &command).await,
        Some(ConfigureCommand::Commit(command)) => commit::run(context, &command),
        Some(ConfigureCommand::History(command)) => history::run(context, &command).await,
    }
}

/// Sends a change and says what came of it.
pub(crate) async fn change(
    context: &Context,
    client: &Client,
    how: &How,
    mode: ConfigureMode,
    text: String,
) -> Result<ConfigureReply, CliError> {
    let change = Change { text, mode, base_revision: how.base, force: how.force, dry_run: how.dry_run };
    let reply = client.configure(change).await?;
    let document = json!({
        "revision": reply.revision, "diff": reply.diff, "warnings": reply.warnings, "dry_run": how.dry_run,
    });
    if !context.output.json {
        for warning in &reply.warnings {
            context.output.remark(&format!("warning: {warning}"));
        }
    }
    context.output.answer(&document, || words(&reply, how.dry_run))?;
    Ok(reply)
}

fn words(reply: &ConfigureReply, dry_run: bool) -> String {
    let diff = reply.diff.trim_end();
    match (diff.is_empty(), dry_run) {
        (true, _) => format!("nothing changes; the configuration is at revision {}", reply.revision),
        (false, true) => format!("{diff}\nthis would change revision {}", reply.revision),
        (false, false) => format!("{diff}\ncommitted as revision {}", reply.revision),
    }
}

/// What would be sent for a statement.
#[cfg(test)]
pub(crate) fn statement_text(configure: &Configure) -> Option<String> {
    match &configure.command {
        Some(ConfigureCommand::Statement(statement)) => Some(statement.text()),
        _ => None,
    }
}
