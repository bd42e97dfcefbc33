//! The binary `synod`.

use clap::Parser;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use synod_gateway::cli::Cli;
use synod_gateway::command;
use synod_gateway::redaction::redacted;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(on_panic));
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        let text = error.render().to_string();
        match redacted(&text) {
            std::borrow::Cow::Borrowed(_) => error.exit(),
            std::borrow::Cow::Owned(redacted) => {
                eprint!("{redacted}");
                std::process::exit(error.exit_code())
            }
        }
    });
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synod: {}", redacted(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Says that something panicked: in one line to standard error, and to the log where there is one. What the panic says may repeat what a
/// client sent, so that it passes the net as everything else does.
fn on_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let message = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    let message = message.unwrap_or("it says nothing in words");
    if message.starts_with("failed printing to stdout") {
        // `synod check | head` closes the pipe before all is written: that is no fault to report.
        std::process::exit(1);
    }
    // One line, whatever it says.
    let said = redacted(message).escape_debug().to_string();
    let location = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
    // Standard error may be closed; there is nobody left to tell.
    let _ =
        std::io::Write::write_all(&mut std::io::stderr(), format!("synod: thread {thread} panicked at {location}: {said}\n").as_bytes());
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        eprintln!("{}", redacted(&backtrace.to_string()));
    }
    tracing::error!(target: "panic", thread, location, said, "a thread panicked");
}
