//! The command line of `synod models`.

use super::{Common, Format, Span};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `synod models`
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List the versions of each detector, with their labels.
    #[command(after_help = "Examples:\n  synod models list\n  synod models list forest --format json")]
    List(ListModels),
    /// Show one version: what it has learnt from, its parameters, its calibration.
    #[command(after_help = "Examples:\n  synod models show forest\n  synod models show forest candidate --format json\n  \
        synod models show forest 3f9a0c51d2e8")]
    Show(OneModel),
    /// Write the model card of a version, in Markdown.
    #[command(after_help = "Example:\n  synod models card forest > forest.md")]
    Card(OneVersion),
    /// Say in what two versions differ.
    #[command(after_help = "Example:\n  synod models diff forest live candidate")]
    Diff(DiffModels),
    /// Have versions judge: the candidates of all detectors, or those that are named. A running server notices within a second.
    #[command(after_help = "Examples:\n  synod models promote                              (all candidates, at once)\n  \
        synod models promote forest=4 reconstruction=candidate\n\n\
        Before a label is moved the models are loaded, and their golden rows are scored. If that fails, nothing is moved.")]
    Promote(PromoteModels),
    /// Have the versions judge again that judged before: of all detectors, or of those that are named.
    #[command(after_help = "Examples:\n  synod models rollback\n  synod models rollback forest")]
    Rollback(RollbackModels),
    /// Say that a version may be the next one, or (with none) that there is no such version any more.
    #[command(after_help = "Examples:\n  synod models propose forest 4\n  synod models propose forest none")]
    Propose(OneVersion),
    /// Write a version into one file: manifest, model and plugin.
    #[command(after_help = "Example:\n  synod models export forest candidate --output forest.synod")]
    Export(ExportModel),
    /// Publish the version of a file as the next one here. It judges nothing until it is promoted.
    #[command(after_help = "Example:\n  synod models import forest.synod")]
    Import(ImportModel),
    /// Compare a model from elsewhere with the library that it comes from, row by row.
    #[command(after_help = "Examples:\n  synod models parity forest --data forest.parity.csv --score score\n  \
        synod models parity forest candidate --data forest.parity.csv --score score --json\n  \
        synod models parity network --data network.parity.csv --score score --tolerance 1e-4\n\n\
        Rows take the same way to the model as those that are judged. The file is the one that scripts/export_model.py writes beside the model,\n\
        or any with a column of raw scores. The exit code is 1 if a row differs by more than the tolerance, or has no score.")]
    Parity(ParityModel),
    /// Remove versions that nothing needs: neither a label nor a rollout nor a kept decision, and older than the latest `models.keep`.
    #[command(after_help = "Examples:\n  synod models gc --dry-run\n  synod models gc")]
    Gc(CollectModels),
}

/// `synod models list`
#[derive(Debug, Args)]
pub struct ListModels {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Of this detector alone.
    #[arg(value_name = "DETECTOR")]
    pub detector: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// A version of a detector.
#[derive(Debug, Args)]
pub struct OneVersion {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The detector.
    #[arg(value_name = "DETECTOR")]
    pub detector: String,
    /// A number, `live`, `previous`, `candidate`, or the beginning of a digest.
    #[arg(value_name = "VERSION", default_value = "live")]
    pub version: String,
}

/// `synod models show`
#[derive(Debug, Args)]
pub struct OneModel {
    /// Which.
    #[command(flatten)]
    pub which: OneVersion,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod models diff`
#[derive(Debug, Args)]
pub struct DiffModels {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The detector.
    #[arg(value_name = "DETECTOR")]
    pub detector: String,
    /// A version.
    #[arg(value_name = "VERSION")]
    pub one: String,
    /// Another one.
    #[arg(value_name = "OTHER", default_value = "live")]
    pub other: String,
}

/// `synod models promote`
#[derive(Debug, Args)]
pub struct PromoteModels {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Which versions; the candidates of all detectors if none is named.
    #[arg(value_name = "DETECTOR=VERSION", value_parser = version)]
    pub versions: Vec<(String, String)>,
}

/// `synod models rollback`
#[derive(Debug, Args)]
pub struct RollbackModels {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Of which detectors; of all that have judged by another version before, if none is named.
    #[arg(value_name = "DETECTOR")]
    pub detectors: Vec<String>,
}

/// `synod models export`
#[derive(Debug, Args)]
pub struct ExportModel {
    /// Which.
    #[command(flatten)]
    pub which: OneVersion,
    /// The file; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `synod models import`
#[derive(Debug, Args)]
pub struct ImportModel {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// For a detector of another name.
    #[arg(long, value_name = "NAME")]
    pub detector: Option<String>,
}

/// `synod models parity`
#[derive(Debug, Args)]
pub struct ParityModel {
    /// Which.
    #[command(flatten)]
    pub which: OneVersion,
    /// CSV, JSON lines (both may be gzipped) or Parquet: rows with what the other library says of them.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column with the other library's raw scores; the schema need not know it.
    #[arg(long, value_name = "COLUMN")]
    pub score: String,
    /// How far two scores may be from each other: absolute up to 1, relative above.
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-9)]
    pub tolerance: f64,
    /// Leave out rows that the schema refuses, instead of stopping.
    #[arg(long)]
    pub skip_invalid: bool,
    /// Which rows, and what came before them.
    #[command(flatten)]
    pub span: Span,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `synod models gc`
#[derive(Debug, Args)]
pub struct CollectModels {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Only say what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn version(text: &str) -> Result<(String, String), String> {
    let (detector, version) = text.split_once('=').ok_or("write DETECTOR=VERSION, as forest=4")?;
    Ok((detector.to_owned(), version.to_owned()))
}
