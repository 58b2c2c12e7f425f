//! What can be typed: the top level. Each command's own words stand in its file.

use crate::commands;
use crate::connect::Connection;
use crate::error::EXIT_CODES;
use clap::{Args as Options, Parser, Subcommand};

/// Look after a Quorate cluster: virtual machines that run on when the machines under them die.
///
/// Commands and their words may be shortened as long as they stay unique: `qrm st`, `qrm conf sh vm1`.
#[derive(Debug, Parser)]
#[command(name = "qrm", version, infer_subcommands = true, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Options)]
pub(crate) struct Global {
    /// Print documents as JSON, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(commands::status::Status),
    #[command(subcommand)]
    Cluster(commands::cluster::Cluster),
    Configure(commands::configure::Configure),
    #[command(subcommand)]
    Ra(commands::ra::Ra),
    #[command(subcommand)]
    Resource(commands::resource::Resource),
    #[command(subcommand)]
    Node(commands::node::Node),
    #[command(subcommand)]
    Ticket(commands::ticket::Ticket),
    /// Manage tickets, as crmsh calls it: qrm site ticket grant east
    #[command(subcommand, hide = true)]
    Site(commands::ticket::Site),
    Fence(commands::fence::Fence),
    Events(commands::events::Events),
    Explain(commands::explain::Explain),
    Simulate(commands::simulate::Simulate),
    Import(commands::import::Import),
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "pages_tests.rs"]
mod pages;
