//! The command line of `synod plugin`.

use super::{Calling, Format};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// `synod plugin`
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Write a new project: a detector that builds and passes at once, to be changed.
    #[command(
        after_help = "Examples:\n  synod plugin new spend-velocity\n  synod plugin new spend-velocity --directory ~/detectors/spend-velocity\n\n\
        The project is complete: SDK and contract come with it. `synod plugin test` there is the next step."
    )]
    New(NewPlugin),
    /// Compile a project and make a component of it; or make a component of a core module in any language.
    #[command(
        after_help = "Examples:\n  synod plugin build\n  synod plugin build spend-velocity\n  synod plugin build core.wasm --output spend-velocity.wasm\n\n\
        A project becomes NAME.wasm in its own folder. SYNOD_WASM_TOOLCHAIN=debian takes Debian's compiler (rustc-web) also where there is another."
    )]
    Build(BuildPlugin),
    /// Try a plugin as production would run it: its unit tests, the conformance suite in the production host, what it costs.
    #[command(
        after_help = "Examples:\n  synod plugin test\n  synod plugin test spend-velocity --json\n  synod plugin test detector.wasm\n  \
        synod plugin test detector.wasm --normal usual.csv --anomalous odd.csv --parameters '{\"trees\": 50}'\n\n\
        A project says in plugin.yaml what it is tried with. A component alone, of whatever language, is tried with rows that are made up, or with\n\
        those of --normal and --anomalous; --manifest names a plugin.yaml for it. The exit code is 1 if a check fails."
    )]
    Test(TestPlugin),
    /// Look at a component without fitting it: what it is, which contract it speaks, what it imports and says of itself.
    #[command(after_help = "Examples:\n  synod plugin check spend-velocity.wasm\n  synod plugin check spend-velocity.wasm --json")]
    Check(CheckPlugin),
    /// Vouch for a component with a key. The signatures go into a file beside it; several may sign, one after the other.
    #[command(after_help = "Examples:\n  synod plugin sign spend-velocity.wasm --key ana.key.pem\n\n\
        Keys are those of `synod models keygen`. What is signed are the plugin's name, its version and the digest of the component.")]
    Sign(SignPlugin),
    /// Store a component with its signatures in an OCI registry.
    #[command(after_help = "Example:\n  synod plugin push spend-velocity.wasm oci://registry.example/detectors/spend-velocity:1.0.0\n\n\
        Credentials are those of `docker login` (~/.docker/config.json), unless they are given. The digest is printed, to be pinned.")]
    Push(PushPlugin),
    /// Get a component from an OCI registry, and say who vouches for it.
    #[command(
        after_help = "Examples:\n  synod plugin pull oci://registry.example/detectors/spend-velocity:1.0.0 --output spend-velocity.wasm\n  \
        synod plugin pull oci://registry.example/detectors/spend-velocity:1.0.0 --output plugins/spend-velocity.wasm --config synod.yaml\n\n\
        With --config the signatures must be as its `models.signatures` asks for. Without it nobody is trusted, and it is only told who has signed."
    )]
    Pull(PullPlugin),
}

/// `synod plugin sign`
#[derive(Debug, Args)]
pub struct SignPlugin {
    /// The component.
    #[arg(value_name = "FILE.wasm")]
    pub component: PathBuf,
    /// A private key, as `synod models keygen` or openssl makes it. Can be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,
}

/// `synod plugin push`
#[derive(Debug, Args)]
pub struct PushPlugin {
    /// The component.
    #[arg(value_name = "FILE.wasm")]
    pub component: PathBuf,
    /// Where to: oci://HOST/REPOSITORY[:TAG], `latest` without a tag.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// How the registry is called.
    #[command(flatten)]
    pub calling: Calling,
    /// How it is told.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `synod plugin pull`
#[derive(Debug, Args)]
pub struct PullPlugin {
    /// From where: oci://HOST/REPOSITORY[:TAG] or oci://HOST/REPOSITORY@sha256:DIGEST.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// The file to write; it must not be there yet. Signatures are written beside it.
    #[arg(long, short, value_name = "FILE.wasm")]
    pub output: PathBuf,
    /// A configuration that says whose signatures count.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the registry is called.
    #[command(flatten)]
    pub calling: Calling,
    /// How it is told.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `synod plugin new`
#[derive(Debug, Args)]
pub struct NewPlugin {
    /// The plugin's name: lower-case letters, digits and single hyphens.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The folder to write; it must not exist yet, or be empty. NAME, if it is not said.
    #[arg(long, value_name = "FOLDER")]
    pub directory: Option<PathBuf>,
}

/// `synod plugin build`
#[derive(Debug, Args)]
pub struct BuildPlugin {
    /// The folder of a project, or a core module.
    #[arg(value_name = "FOLDER|FILE.wasm", default_value = ".")]
    pub plugin: PathBuf,
    /// The component to write; of a project NAME.wasm in its folder, if it is not said.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The profile of cargo's to build a project with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub profile: String,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, Args)]
pub struct Reporting {
    /// How the findings are written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl Reporting {
    /// Whether they are for programs.
    pub fn is_json(self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// `synod plugin test`
#[derive(Debug, Args)]
pub struct TestPlugin {
    /// The folder of a project, or a component.
    #[arg(value_name = "FOLDER|FILE.wasm", default_value = ".")]
    pub plugin: PathBuf,
    /// What it is tried with; a project's own plugin.yaml, if it is not said.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Rows to learn from, in place of the manifest's: CSV, JSON lines or Parquet.
    #[arg(long, value_name = "FILE", requires = "anomalous")]
    pub normal: Option<PathBuf>,
    /// Rows that must rank above them, in place of the manifest's.
    #[arg(long, value_name = "FILE", requires = "normal")]
    pub anomalous: Option<PathBuf>,
    /// Parameters, in place of the manifest's.
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub parameters: Option<Value>,
    /// A foreign model, in place of the manifest's.
    #[arg(long, value_name = "FILE")]
    pub artifact: Option<PathBuf>,
    /// Leave a project's unit tests out.
    #[arg(long)]
    pub no_unit_tests: bool,
    /// The profile of cargo's to build a project with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub profile: String,
    /// How findings are written.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `synod plugin check`
#[derive(Debug, Args)]
pub struct CheckPlugin {
    /// The component.
    #[arg(value_name = "FILE.wasm")]
    pub component: PathBuf,
    /// How findings are written.
    #[command(flatten)]
    pub reporting: Reporting,
}

fn object(text: &str) -> Result<Value, String> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("write a JSON object, as '{{\"trees\": 50}}': {error}"))?;
    Ok(Value::Object(object))
}
