//! `qrm configure show`

use crate::commands::{Context, view};
use crate::error::CliError;
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::view::ConfigView;

/// Show the configuration; what is printed is valid input
///
/// Example: qrm configure show vm1 property
///
/// Example: qrm configure show type:location tag:databases
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Only these objects; type:KEYWORD is all of a kind, tag:TAG a tag with what it names, changed what the last commit changed
    ids: Vec<String>,
    /// Show passwords, which are masked else; what is loaded with a mask keeps the password behind it
    #[arg(long)]
    secrets: bool,
}

pub(super) async fn run(context: &Context, command: &Show) -> Result<(), CliError> {
    let client = context.client().await?;
    let kind = if command.secrets { ViewKind::ConfigWithSecrets } else { ViewKind::Config };
    let config = view::<ConfigView>(&client, kind, &command.ids.join(" ")).await?;
    context.output.answer(&config.raw, || config.read.text.clone())
}
