//! `qrm ticket`, and `qrm site ticket` for hands that know crmsh

use super::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use clap::{Args, Subcommand};
use quorate_api::proto::{TicketVerb, ViewKind};
use quorate_core::view::{Status, TicketView};
use serde_json::json;
use std::io::IsTerminal;

/// Give this cluster leave to run what needs a ticket, or take it back
///
/// A ticket says which of several clusters runs something. What needs one: qrm configure rsc_ticket.
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub(crate) enum Ticket {
    /// This cluster holds the ticket: what needs it may run here
    ///
    /// Make sure first that no other cluster holds it.
    ///
    /// Example: qrm ticket grant east
    Grant(Named),
    /// This cluster holds it no more: what needs it is stopped, demoted, fenced or left alone, as its loss-policy says
    ///
    /// Example: qrm ticket revoke east
    Revoke(Revoked),
    /// Have what needs the ticket stop in order, before it is revoked
    ///
    /// Example: qrm ticket standby east
    Standby(Named),
    /// End a ticket's standby
    ///
    /// Example: qrm ticket activate east
    Activate(Named),
    /// Show tickets, when each was granted and what needs it
    ///
    /// Example: qrm ticket show east
    #[command(alias = "time")]
    Show(Shown),
    /// Forget what is known of a ticket that is not granted
    ///
    /// Example: qrm ticket delete east
    Delete(Named),
}

/// As crmsh calls it.
#[derive(Debug, Subcommand)]
pub(crate) enum Site {
    #[command(subcommand)]
    Ticket(Ticket),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The ticket
    ticket: String,
}

#[derive(Debug, Args)]
pub(crate) struct Revoked {
    /// The ticket
    ticket: String,
    /// Do not ask on a terminal, where hosts would be fenced
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// Only this one
    ticket: Option<String>,
}

pub(crate) async fn run(context: &Context, command: Ticket) -> Result<(), CliError> {
    match command {
        Ticket::Grant(named) => change(context, TicketVerb::Grant, &named.ticket).await,
        Ticket::Standby(named) => change(context, TicketVerb::Standby, &named.ticket).await,
        Ticket::Activate(named) => change(context, TicketVerb::Activate, &named.ticket).await,
        Ticket::Delete(named) => change(context, TicketVerb::Delete, &named.ticket).await,
        Ticket::Revoke(revoked) => revoke(context, &revoked).await,
        Ticket::Show(shown) => show(context, shown.ticket.as_deref()).await,
    }
}

async fn change(context: &Context, verb: TicketVerb, ticket: &str) -> Result<(), CliError> {
    context.changed(&context.client().await?.ticket(verb, ticket).await?)
}

async fn revoke(context: &Context, command: &Revoked) -> Result<(), CliError> {
    let ticket = &command.ticket;
    if !command.yes && std::io::stdin().is_terminal() {
        let client = context.client().await?;
        let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
        let fenced = status.tickets.iter().find(|known| known.id == *ticket).map(|known| &known.would_fence);
        let nodes: Vec<String> = fenced.into_iter().flatten().map(ToString::to_string).collect();
        let question = format!("That fences {}. Type the ticket's name to go on: ", nodes.join(", "));
        if !nodes.is_empty() && super::node::typed(&question)? != *ticket {
            let hint = format!("in order: qrm ticket standby {ticket}, then revoke it when all has stopped");
            return Err(CliError::refused(format!("ticket {ticket} was not revoked"), Some(&hint)));
        }
    }
    change(context, TicketVerb::Revoke, ticket).await
}

async fn show(context: &Context, only: Option<&str>) -> Result<(), CliError> {
    let client = context.client().await?;
    let status = view::<Status>(&client, ViewKind::Status, "").await?.read;
    let tickets: Vec<TicketView> =
        status.tickets.into_iter().filter(|ticket| only.is_none_or(|only| ticket.id == only)).collect();
    if let (Some(name), true) = (only, tickets.is_empty()) {
        let hint = format!("qrm ticket grant {name}, or: qrm configure rsc_ticket ID {name}: RSC");
        return Err(CliError::refused(format!("nothing is known of a ticket {name}"), Some(&hint)));
    }
    let page = || match tickets.is_empty() {
        true => "there is no ticket".to_owned(),
        false => output::tickets(&tickets, context.output.style, &Clock::of_process()),
    };
    context.output.answer(&json!(tickets), page)
}
