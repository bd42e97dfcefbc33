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
    /// Make a key that signs versions. The private part goes into the file, the public part to standard output.
    #[command(after_help = "Examples:\n  synod models keygen --output ana.key.pem > ana.pub.pem\n\n\
        Openssl makes the same kind of key: openssl genpkey -algorithm ed25519\n\
        Where versions are used, name the public part in `models.signatures.trusted`.")]
    Keygen(MakeKey),
    /// Vouch for a version with a key. Several may: each signature is added to those that are there.
    #[command(after_help = "Examples:\n  synod models sign forest --key ana.key.pem\n  \
        synod models sign forest candidate --key ana.key.pem --key bob.key.pem\n\n\
        What is signed are the digests of manifest, model and plugin, and a serial that grows. An installation takes nothing from elsewhere\n\
        whose serial is not above all that it has taken before.")]
    Sign(SignModel),
    /// Compare a version with its digests, and say who vouches for it. The exit code is 3 if it would not be used.
    #[command(after_help = "Examples:\n  synod models verify forest\n  synod models verify forest candidate --format json")]
    Verify(OneModel),
    /// Store a version in an OCI registry: manifest, model, plugin and signatures, as one artifact.
    #[command(after_help = "Examples:\n  synod models push forest oci://registry.example/fraud/forest:2026-11\n  \
        synod models push forest candidate oci://registry.example/fraud/forest --username ana --password-file token\n\n\
        Credentials are those of `docker login` (~/.docker/config.json), unless they are given. The digest is printed: whoever pulls by it gets\n\
        this version and no other. Schema and golden rows stand in the manifest.")]
    Push(PushModel),
    /// Take a version from an OCI registry as the next one here. It judges nothing until it is promoted.
    #[command(after_help = "Examples:\n  synod models pull oci://registry.example/fraud/forest:2026-11\n  \
        synod models pull oci://registry.example/fraud/forest@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n\n\
        By a tag you get what somebody has put there last, and the digest of it to pin. By a digest you get that or nothing.")]
    Pull(PullModel),
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
    /// How it is taken.
    #[command(flatten)]
    pub taking: Taking,
}

/// How a version from elsewhere is taken.
#[derive(Debug, Args)]
pub struct Taking {
    /// For a detector of another name. Signatures are made for a name, and are not kept then.
    #[arg(long, value_name = "NAME")]
    pub detector: Option<String>,
    /// Take it although a newer one was taken before. This is audited.
    #[arg(long)]
    pub allow_older: bool,
}

/// `synod models keygen`
#[derive(Debug, Args)]
pub struct MakeKey {
    /// The file for the private part, which must not be there yet. Only you may read it (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
}

/// What signs.
#[derive(Debug, Clone, Default, Args)]
pub struct SigningKeys {
    /// Sign the new versions with this private key. Can be repeated.
    #[arg(long, value_name = "FILE")]
    pub sign: Vec<PathBuf>,
}

/// `synod models sign`
#[derive(Debug, Args)]
pub struct SignModel {
    /// Which.
    #[command(flatten)]
    pub which: OneVersion,
    /// A private key, as `synod models keygen` or openssl makes it. Can be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,
    /// The serial of the statement, if nobody has signed the version yet: by default the time in seconds, or the one after the highest known.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..1 << 53))]
    pub serial: Option<u64>,
}

/// How a registry is called.
#[derive(Debug, Clone, Args)]
pub struct Calling {
    /// Who calls. Without it, whoever `docker login` knows.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub username: Option<String>,
    /// The file with the password or token, in one line.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Trust the authorities in this file (PEM) alone, in place of those of the system.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Call it by plain http, also where it is not this machine: others can read and change what is sent, also the password.
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
}

/// `synod models push`
#[derive(Debug, Args)]
pub struct PushModel {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The detector.
    #[arg(value_name = "DETECTOR")]
    pub detector: String,
    /// Which version (`live` without one), and where to: oci://HOST/REPOSITORY[:TAG], `latest` without a tag.
    #[arg(value_name = "[VERSION] REFERENCE", num_args = 1..=2, required = true)]
    pub what_and_where: Vec<String>,
    /// How the registry is called.
    #[command(flatten)]
    pub calling: Calling,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod models pull`
#[derive(Debug, Args)]
pub struct PullModel {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// From where: oci://HOST/REPOSITORY[:TAG] or oci://HOST/REPOSITORY@sha256:DIGEST.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// How it is taken.
    #[command(flatten)]
    pub taking: Taking,
    /// How the registry is called.
    #[command(flatten)]
    pub calling: Calling,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
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
