//! qrm: the command line of Quorate. Each command asks one daemon over its socket or the network, and shows the
//! answer; it decides nothing itself.

mod args;
mod certificate;
mod commands;
mod connect;
mod error;
mod output;
mod script;
mod wait;

#[cfg(test)]
#[path = "../../core/tests/story/mod.rs"]
mod story;

use clap::Parser;
use std::process::ExitCode;

/// A plan takes and gives back a great many small pieces, which this does faster than the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    let output = output::Output::of_process(args.global.json);
    let context = commands::Context { connection: args.global.connection, output };
    match commands::run(&context, args.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            context.output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
