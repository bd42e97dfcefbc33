//! The binary `synod`.

use clap::Parser;
use std::process::ExitCode;
use synod_gateway::cli::Cli;
use synod_gateway::command;

fn main() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synod: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
