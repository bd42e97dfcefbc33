//! Writes the generated files to their places.

use clap::Parser;
use std::fs;
use std::path::PathBuf;
use synod_monitoring::rules::Links;
use synod_monitoring::{Artifact, artifacts, repository};

/// Writes the rules, dashboards and the mixin that are generated from the list of metrics.
#[derive(Parser)]
struct Arguments {
    /// Where the runbook is: alerts link `RUNBOOK#name-of-the-alert`.
    #[arg(long, value_name = "URL", default_value_t = Links::default().runbook)]
    runbook: String,
    /// Where Grafana is.
    #[arg(long, value_name = "URL", default_value_t = Links::default().dashboards)]
    dashboards: String,
    /// The folder that the files are written to; the repository's if none is given.
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

fn main() -> std::io::Result<()> {
    let Arguments { runbook, dashboards, output } = Arguments::parse();
    let output = output.unwrap_or_else(|| repository().to_owned());
    for Artifact { path, contents } in artifacts(&Links { runbook, dashboards }) {
        let place = output.join(&path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&place, contents)?;
        println!("{}", path.display());
    }
    Ok(())
}
