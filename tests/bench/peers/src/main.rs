//! What a row costs in the sandbox, and in the same Rust code compiled natively. `scripts/bench-peers.sh` runs it beside other libraries;
//! `tests/bench/README.md` says how to read the answer.
//!
//! The comparison is made in rounds, in which all take turns; so [`serve`](Command::Serve) fits once, and then measures one round for each line
//! of its input.

mod case;
mod native;
mod rows;

use case::Case;
use clap::Parser;
use std::io::{BufRead, Write};
use std::path::PathBuf;

type Failed = Box<dyn std::error::Error>;

/// Measures detectors in the sandbox and natively, a round at a time.
#[derive(Debug, Parser)]
#[command(name = "synod-bench-peers", version, max_term_width = 110)]
enum Command {
    /// Write rows of normal noise in two clusters as CSV without a header, the same for the same seed.
    Rows {
        #[arg(long)]
        count: usize,
        #[arg(long, default_value_t = 8)]
        width: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        output: PathBuf,
    },
    /// Fit a detector, say `{"fit_ms", "model_bytes", "places"}`, and then for each line `PLACE BATCH` how many nanoseconds a row takes, best of the passes of about a twentieth of a second.
    Serve {
        /// The plugin's component.
        #[arg(long)]
        component: PathBuf,
        /// The plugin's parameters, a JSON object.
        #[arg(long, default_value = "{}")]
        parameters: String,
        /// A foreign model, for a plugin that wants one.
        #[arg(long)]
        artifact: Option<PathBuf>,
        /// Rows to learn from: CSV of numbers without a header.
        #[arg(long)]
        training: PathBuf,
        /// Rows to score, at least as many as the greatest batch.
        #[arg(long)]
        queries: PathBuf,
        /// Write the fitted model as an ONNX file.
        #[arg(long)]
        export: Option<PathBuf>,
    },
}

fn main() -> Result<(), Failed> {
    match Command::parse() {
        Command::Rows { count, width, seed, output } => rows::write(&output, width, &rows::noise(count, width, seed)),
        Command::Serve { component, parameters, artifact, training, queries, export } => {
            let artifact = artifact.map(std::fs::read).transpose()?;
            let case = Case::fit(&component, &parameters, artifact.as_deref(), &training, &queries)?;
            if let Some(path) = export {
                std::fs::write(path, case.export()?)?;
            }
            serve(&case)
        }
    }
}

fn serve(case: &Case) -> Result<(), Failed> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(&case.facts)?)?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (place, batch) = line.split_once(' ').ok_or_else(|| format!("{line:?} is not of the form `sandbox BATCH`"))?;
        let batch = batch.parse()?;
        let nanoseconds = match place {
            "sandbox" => case.sandbox_round(batch)?,
            place => case.native_round(place, batch)?,
        };
        writeln!(output, "{nanoseconds}")?;
        output.flush()?;
    }
    Ok(())
}
