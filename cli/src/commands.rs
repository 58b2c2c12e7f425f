//! The commands, one in a file; their doc comments are their help.

pub(crate) mod cluster;
pub(crate) mod configure;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fence;
pub(crate) mod import;
pub(crate) mod node;
pub(crate) mod ra;
pub(crate) mod resource;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod ticket;

use crate::args::Command;
use crate::connect::Connection;
use crate::error::CliError;
use crate::output::Output;
use quorate_api::Client;
use quorate_api::proto::{ChangeReply, Document, ViewKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) connection: Connection,
    pub(crate) output: Output,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Status(command) => status::run(context, &command).await,
        Command::Cluster(command) => cluster::run(context, command).await,
        Command::Configure(command) => configure::run(context, command).await,
        Command::Ra(command) => ra::run(context, command).await,
        Command::Resource(command) => resource::run(context, command).await,
        Command::Node(command) => node::run(context, command).await,
        Command::Ticket(command) | Command::Site(ticket::Site::Ticket(command)) => ticket::run(context, command).await,
        Command::Fence(command) => fence::run(context, command).await,
        Command::Events(command) => events::run(context, &command).await,
        Command::Explain(command) => explain::run(context, &command).await,
        Command::Import(command) => import::run(context, &command).await,
        Command::Simulate(command) => simulate::run(context, &command).await,
    }
}

impl Context {
    pub(crate) async fn client(&self) -> Result<Client, CliError> {
        self.connection.open().await
    }

    /// Says what a change did.
    pub(crate) fn changed(&self, reply: &ChangeReply) -> Result<(), CliError> {
        let document = json!({ "index": reply.index, "message": reply.message });
        self.output.answer(&document, || reply.message.clone())
    }
}

/// A document in both its forms.
pub(crate) struct Viewed<T> {
    /// As it came: with what this qrm does not know yet.
    pub(crate) raw: String,
    /// As it is understood.
    pub(crate) read: T,
}

impl<T> Viewed<T> {
    /// One of its fields, as it came.
    pub(crate) fn part(&self, name: &str) -> Value {
        let mut whole: Value = serde_json::from_str(&self.raw).expect("it was read before");
        whole[name].take()
    }
}

pub(crate) async fn view<T: DeserializeOwned>(
    client: &Client,
    kind: ViewKind,
    argument: &str,
) -> Result<Viewed<T>, CliError> {
    read(client.view(kind, argument).await?)
}

pub(crate) fn read<T: DeserializeOwned>(document: Document) -> Result<Viewed<T>, CliError> {
    let unreadable = |source| CliError::Document { schema: document.schema.clone(), source };
    let read = serde_json::from_str(&document.json).map_err(unreadable)?;
    Ok(Viewed { raw: document.json, read })
}
