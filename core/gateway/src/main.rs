//! The binary `synod`.

use clap::Parser;
use std::borrow::Cow;
use std::process::ExitCode;
use synod_gateway::cli::Cli;
use synod_gateway::command;
use synod_gateway::redaction::redacted;
use synod_gateway::telemetry::panicking;

fn main() -> ExitCode {
    panicking::install();
    match command::run(arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synod: {}", redacted(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// The command line. What is wrong with it is told in colours where there are colours, unless it has to be made unreadable.
fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| match redacted(&error.render().to_string()) {
        Cow::Borrowed(_) => error.exit(),
        Cow::Owned(redacted) => {
            eprint!("{redacted}");
            std::process::exit(error.exit_code())
        }
    })
}
