//! `qrm explain`

use super::simulate::{model, moment};
use super::{Context, view};
use crate::error::CliError;
use crate::output::{Clock, explanation};
use clap::Args;
use quorate_api::proto::ViewKind;
use quorate_core::explain::{Explanation, explain_model};
use quorate_core::view::Document;
use std::path::PathBuf;

/// Show why a VM is where it is, why not elsewhere, and what would change that
///
/// Each change that is named was tried on a copy of the cluster: it brings what it promises. Nothing is changed.
///
/// Example: qrm explain vm1 --scores
///
/// Example: qrm explain db --cib cib.xml
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Which
    resource: String,
    /// Show of what each score is made
    #[arg(long)]
    scores: bool,
    /// Not of the live cluster, but of a Pacemaker CIB (`cibadmin --query`); `-` is standard input
    #[arg(long, value_name = "FILE")]
    cib: Option<PathBuf>,
    /// The CIB as of this time: ISO 8601 or seconds since 1970; without it, its own
    #[arg(long, value_name = "TIME", requires = "cib")]
    at: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &Explain) -> Result<(), CliError> {
    let name = &command.resource;
    let text = |explained: &Explanation| explanation(explained, command.scores, &Clock::of_process());
    if let Some(file) = &command.cib {
        let at = command.at.as_deref().map(moment).transpose()?;
        let explained = explain_model(&model(file, at)?, name).ok_or_else(|| {
            let message = format!("there is no resource '{name}' in {}", file.display());
            CliError::refused(message, None)
        })?;
        return context.output.answer(&explained.json(), || text(&explained));
    }
    let client = context.client().await?;
    let explained = view::<Explanation>(&client, ViewKind::Explanation, name).await?;
    context.output.answer(&explained.raw, || text(&explained.read))
}
