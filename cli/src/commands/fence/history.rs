//! `qrm fence history`

use crate::commands::{Context, view};
use crate::error::CliError;
use crate::output::{self, Clock};
use quorate_api::proto::ViewKind;
use quorate_core::view;

/// Fences under way and those that ended, with their proofs and tries.
pub(crate) async fn run(context: &Context) -> Result<(), CliError> {
    let client = context.client().await?;
    let fences = view::<view::Fences>(&client, ViewKind::Fences, "").await?;
    context.output.answer(&fences.raw, || {
        if fences.read.open.is_empty() && fences.read.ended.is_empty() {
            return "no node was ever fenced".to_owned();
        }
        output::fences(&fences.read, context.output.style, &Clock::of_process())
    })
}
