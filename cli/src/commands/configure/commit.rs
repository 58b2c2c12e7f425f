//! `qrm configure commit`

use crate::commands::Context;
use crate::error::CliError;
use clap::Args;
use serde_json::json;

/// Commit what is staged; on the command line nothing ever is
///
/// Example: printf 'delete a\ndelete b\ncommit\n' | qrm configure
#[derive(Debug, Args)]
pub(crate) struct Commit {}

pub(super) fn run(context: &Context, _: &Commit) -> Result<(), CliError> {
    let message = "nothing is staged: every `qrm configure …` is committed at once. To commit several together, write \
                   them into a file and type `qrm configure < FILE`";
    context.output.answer(&json!({ "message": message }), || message.to_owned())
}
