//! The command line.

use crate::generate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something failed: a file, a plugin, the network
  2  the command line or the configuration has mistakes
  3  the data have mistakes";

/// Hosts anomaly detectors as WebAssembly plugins: fits them, scores files, serves.
#[derive(Debug, Parser)]
#[command(name = "synod", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at a file and write a configuration to start from.
    #[command(after_help = "Example:\n  synod init --data transactions.csv --label fraud --output synod.yaml")]
    Init(Init),
    /// Check all that can be known without serving: the configuration, the plugins, the models.
    #[command(after_help = "Example:\n  synod check --config synod.yaml")]
    Check(Common),
    /// Fit the detectors on rows and publish their models.
    #[command(after_help = "Examples:\n  synod fit --config synod.yaml --data transactions.csv.gz\n  \
        synod fit --config synod.yaml --data labelled.parquet --exclude fraud=1")]
    Fit(Fit),
    /// Score the rows of a file: a line out for every row in.
    #[command(after_help = "Examples:\n  synod score --config synod.yaml --data new.csv --output verdicts.csv\n  \
        synod score --config synod.yaml --data new.jsonl --output verdicts.parquet")]
    Score(Score),
    /// Compare scores and decisions with labels.
    #[command(after_help = "Examples:\n  synod evaluate --config synod.yaml --data labelled.csv --label fraud\n  \
        synod evaluate --config synod.yaml --data labelled.csv --label fraud --split 0.7 --seed 1 --format json\n\n\
        Without --split the published models are judged. With it the detectors are fitted afresh on that share of the rows\n\
        (nothing is published) and judged by the others.")]
    Evaluate(Evaluate),
    /// Serve: score requests over HTTP.
    #[command(after_help = "Example:\n  synod serve --config synod.yaml")]
    Serve(Common),
    /// Make labelled transactions to try things with.
    #[command(after_help = "Example:\n  synod generate --kind bank --rows 20000 --seed 1 --output bank.csv")]
    Generate(Generate),
    /// Write a detector's live model as an ONNX file.
    #[command(after_help = "Example:\n  synod export --config synod.yaml --detector reconstruction --output model.onnx")]
    Export(Export),
}

/// What most commands take.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", env = "SYNOD_CONFIG", default_value = "synod.yaml")]
    pub config: PathBuf,
    /// Where models are kept, in place of the configuration's `data_directory`.
    #[arg(long, value_name = "FOLDER")]
    pub data_directory: Option<PathBuf>,
}

/// `synod init`
#[derive(Debug, Args)]
pub struct Init {
    /// CSV, JSON lines (both may be gzipped) or Parquet.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// A column with the truth; no detector will see it.
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Where the plugins are. All that need no foreign model are declared as detectors.
    #[arg(long, value_name = "FOLDER", env = "SYNOD_PLUGINS_DIRECTORY", default_value = "plugins/dist")]
    pub plugins: PathBuf,
    /// The configuration to write; it must not exist yet.
    #[arg(long, short, value_name = "FILE", default_value = "synod.yaml")]
    pub output: PathBuf,
    /// Overwrite the configuration.
    #[arg(long)]
    pub force: bool,
}

/// Which rows are learnt from.
#[derive(Debug, Clone, Args)]
pub struct Learn {
    /// Leave out rows whose column has this value, for instance known anomalies. Can be repeated.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = exclusion)]
    pub exclude: Vec<(String, String)>,
    /// Leave out rows that the schema refuses, instead of stopping.
    #[arg(long)]
    pub skip_invalid: bool,
}

fn exclusion(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("write COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}

/// `synod fit`
#[derive(Debug, Args)]
pub struct Fit {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Fit this detector only. Can be repeated. Detectors that are fitted together share their held-out rows.
    #[arg(long, value_name = "NAME")]
    pub detector: Vec<String>,
    /// Which rows are learnt from.
    #[command(flatten)]
    pub learn: Learn,
}

/// `synod score`
#[derive(Debug, Args)]
pub struct Score {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// CSV, JSON lines or Parquet, by its name.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// `synod evaluate`
#[derive(Debug, Args)]
pub struct Evaluate {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column with the truth: 1 or 0, true or false; empty is 0.
    #[arg(long, value_name = "COLUMN")]
    pub label: String,
    /// Fit on this share of the rows (drawn by the seed, anomalies and others alike) and judge by the rest.
    #[arg(long, value_name = "SHARE")]
    pub split: Option<f64>,
    /// For the draw and the fit, in place of the configuration's `fit.seed`.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Which rows are learnt from.
    #[command(flatten)]
    pub learn: Learn,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod generate`
#[derive(Debug, Args)]
pub struct Generate {
    /// Which schema.
    #[arg(long, value_enum, default_value = "bank")]
    pub kind: Kind,
    /// How many rows.
    #[arg(long, default_value_t = 20_000)]
    pub rows: u64,
    /// The same seed gives the same rows.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Share of the rows that are fraud, below 0.5.
    #[arg(long, default_value_t = 0.02)]
    pub fraud: f64,
    /// CSV, JSON lines or Parquet, by its name.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Which schema is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A bank's transactions, with accounts, devices, merchants and times.
    Bank,
    /// Amount, average amount, frequency.
    ThreeFields,
}

impl From<Kind> for generate::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bank => Self::Bank,
            Kind::ThreeFields => Self::ThreeFields,
        }
    }
}

/// `synod export`
#[derive(Debug, Args)]
pub struct Export {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Whose model.
    #[arg(long, value_name = "NAME")]
    pub detector: String,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}
