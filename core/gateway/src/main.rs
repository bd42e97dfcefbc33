//! The binary `synod`.

use clap::Parser;
use std::process::ExitCode;
use synod_gateway::cli::Cli;
use synod_gateway::command;

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    match command::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synod: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// `synod check | head` closes the pipe before all is written: that is no fault to report.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        if message.is_some_and(|message| message.starts_with("failed printing to stdout")) {
            std::process::exit(1);
        }
        usual(panic);
    }));
}
