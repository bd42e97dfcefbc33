//! What a request to Synod costs: CPU time of the server's process for each request, beside a bare server that is asked with the same
//! bodies in the same run. `scripts/bench.sh` prepares what this needs; `tests/bench/README.md` says how to read the answer.

mod bare;
mod connection;
mod fault;
mod hostile;
mod load;
mod pinning;
mod processor;
mod report;
mod run;
mod server;
mod shipping;
mod statistics;
mod target;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures what a request costs.
#[derive(Debug, Parser)]
#[command(name = "synod-bench", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the servers, ask them in turns, print the table.
    Run(run::Settings),
    /// Serve the bare handler on a free port; its address is written to standard output.
    Bare,
    /// Ask a detector beside one that misbehaves, in turns with one that does not, print the table.
    Hostile(hostile::Settings),
    /// Ship documents by Synod and by rsyslog in turns, print the table.
    Shipping(shipping::run::Settings),
    /// Serve the server that takes documents and keeps nothing, on a free port; its address is written to standard output.
    Null(shipping::null::Settings),
    /// Append decisions to a log, to be shipped.
    Decisions(shipping::decisions::Settings),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(settings) => run::run(&settings),
        Command::Bare => bare::serve(),
        Command::Hostile(settings) => hostile::run(&settings),
        Command::Shipping(settings) => shipping::run::run(&settings),
        Command::Null(settings) => shipping::null::serve(&settings),
        Command::Decisions(settings) => shipping::decisions::make(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("synod-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}
