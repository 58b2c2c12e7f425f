//! `qrm import`

use super::Context;
use super::configure::load::{directory, read};
use super::configure::{How, change};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::{ConfigureMode, NodeVerb, TicketVerb};
use quorate_api::{Change, Client};
use quorate_core::import::{Fate, Imported, import};
use quorate_core::state::Intent;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Turn a Pacemaker configuration into ours; say what was left out
///
/// The configuration is printed as `qrm configure load` takes it; what was left out or is otherwise here is told on
/// standard error, one line for each. No daemon is needed until --commit. A VM's definition is looked for beside the
/// CIB, then where its `config` says.
///
/// Example: qrm import --cib cib.xml > household.txt
///
/// Example: qrm import --cib cib.xml --commit --dry-run
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What `cibadmin --query` prints; `-` is standard input
    #[arg(long, value_name = "FILE")]
    cib: PathBuf,
    /// Commit it, as `qrm configure load update` would; put nodes in standby or maintenance that are so there, and grant
    /// the tickets that are held there
    #[arg(long)]
    commit: bool,
    /// Change nothing: with --commit, say what would change
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Commit in spite of warnings that need it
    #[arg(short = 'F', long, requires = "commit")]
    force: bool,
}

pub(crate) async fn run(context: &Context, command: &Import) -> Result<(), CliError> {
    let imported = imported(&command.cib)?;
    if !context.output.json {
        for told in &imported.told {
            context.output.remark(&told.to_string());
        }
        let count = |fate| imported.told.iter().filter(|told| told.fate == fate).count();
        let [lost, changed, noted] = [Fate::LeftOut, Fate::Changed, Fate::Note].map(count);
        context.output.remark(&format!("{lost} left out, {changed} changed, {noted} noted"));
    }
    if !command.commit {
        let document = json!({
            "configuration": imported.text, "told": imported.told, "missing_files": imported.missing,
            "tickets": imported.tickets,
            "intents": imported.intents.iter().map(|(node, intent)| json!([node, intent.word()])).collect::<Vec<_>>(),
        });
        return context.output.answer(&document, || imported.text.clone());
    }
    if !imported.missing.is_empty() {
        let hint = "put what `virsh dumpxml --inactive VM` prints into each, beside the CIB, and import again";
        let message = format!("definitions of VMs are missing: {}", imported.missing.join(", "));
        return Err(CliError::refused(message, Some(hint)));
    }
    let how = How { dry_run: command.dry_run, force: command.force, base: None };
    let client = context.client().await?;
    let has_more_to_say = !imported.intents.is_empty() || !imported.tickets.is_empty();
    if !how.dry_run && has_more_to_say {
        // Nothing may start on them in between, and nothing may be said to them where the rest is refused.
        let text = imported.text.clone();
        client
            .configure(Change {
                text,
                mode: ConfigureMode::Update,
                base_revision: None,
                force: how.force,
                dry_run: true,
            })
            .await?;
        for (node, intent) in &imported.intents {
            let verb = if *intent == Intent::Standby { NodeVerb::Standby } else { NodeVerb::Maintenance };
            match client.node(verb, node.as_str(), None).await {
                Ok(_) => context.output.remark(&format!("{node} is in {}", intent.word())),
                Err(fault) => context.output.remark(&format!("{node} is not in {}: {fault}", intent.word())),
            }
        }
        grant(context, &client, &imported.tickets).await;
    }
    change(context, &client, &how, ConfigureMode::Update, imported.text).await?;
    Ok(())
}

/// Before anything needs them: else what runs would be stopped for what is held.
async fn grant(context: &Context, client: &Client, tickets: &[(String, bool)]) {
    for (ticket, is_standby) in tickets {
        let mut done = client.ticket(TicketVerb::Grant, ticket).await;
        if *is_standby && done.is_ok() {
            done = client.ticket(TicketVerb::Standby, ticket).await;
        }
        match done {
            Ok(reply) => context.output.remark(&reply.message),
            Err(fault) => context.output.remark(&format!("ticket {ticket} was not granted: {fault}")),
        }
    }
}

fn imported(cib: &Path) -> Result<Imported, CliError> {
    let text = read(cib)?;
    let beside = directory(cib);
    let mut bring = |path: &str| {
        let name = Path::new(path).file_name().unwrap_or_default();
        let near = std::fs::read_to_string(beside.join(name));
        near.or_else(|_| std::fs::read_to_string(path)).map_err(|error| error.to_string())
    };
    import(&text, &mut bring).map_err(|error| {
        let lines: Vec<String> = error.to_string().lines().map(|line| format!("{}: {line}", cib.display())).collect();
        CliError::refused(lines.join("\n"), None)
    })
}
