//! The command line.

mod backup;
mod elk;
mod models;
mod plugin;
mod rollout;

pub use backup::{Backup, BackupCommand, OneBackup, Restore};
pub use elk::{Elk, ElkInstall, ElkRedeliver, ElkServer, ElkVerify, ElkWishes};
pub use models::{
    Calling, CollectModels, DiffModels, ExportModel, ImportModel, ListModels, MakeKey, Models, OneModel, OneVersion, ParityModel,
    PromoteModels, PullModel, PushModel, RollbackModels, SignModel, SigningKeys, Taking,
};
pub use plugin::{BuildPlugin, CheckPlugin, NewPlugin, Plugin, PullPlugin, PushPlugin, Reporting, SignPlugin, TestPlugin};
pub use rollout::{Rollout, ShowRollout, StartRollout, StopRollout};

use crate::generate;
use crate::hexadecimal::digest_of;
use crate::past::Order;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SpanRelativeTo;
use std::path::PathBuf;
use std::time::Duration;
use synod_detection::Outcome;
use synod_store::Anchor;
use uuid::Uuid;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something failed: a file, a plugin, the network
  2  the command line or the configuration has mistakes
  3  the data have mistakes; a replay or a verification found something";

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
        synod fit --config synod.yaml --data labelled.parquet --exclude fraud=1\n  \
        synod fit --config synod.yaml --data yesterday.csv --continue --candidate\n  \
        synod fit --config synod.yaml --data transactions.csv.gz --sign ana.key.pem")]
    Fit(Fit),
    /// Score the rows of a file: a line out for every row in.
    #[command(after_help = "Examples:\n  synod score --config synod.yaml --data new.csv --output verdicts.csv\n  \
        synod score --config synod.yaml --data new.jsonl --output verdicts.parquet\n  \
        synod score --config synod.yaml --data last-quarter.csv --output verdicts.csv --record\n\n\
        With --record a server that is started afterwards knows the past of every entity in the file.")]
    Score(Score),
    /// Compare scores and decisions with labels.
    #[command(after_help = "Examples:\n  synod evaluate --config synod.yaml --data labelled.csv --label fraud\n  \
        synod evaluate --config synod.yaml --data labelled.csv --label fraud --split 0.7 --seed 1 --format json\n\n\
        Without --split the published models are judged. With it the detectors are fitted afresh on that share of the rows\n\
        (nothing is published) and judged by the others.")]
    Evaluate(Evaluate),
    /// Measure what the detectors cost on this machine: time for a row and a call, memory, start.
    #[command(after_help = "Examples:\n  synod bench --config synod.yaml\n  \
        synod bench --config synod.yaml --data rows.csv --rows 1,256 --format json")]
    Bench(Bench),
    /// Let scores mean again what they say: calibrate the live models on recent rows, as new versions.
    #[command(after_help = "Examples:\n  synod recalibrate --config synod.yaml --data recent.csv --exclude fraud=1\n  \
        synod recalibrate --config synod.yaml --from 2026-01-01\n\n\
        With --data the rows of a file are scored, which the models must not have learnt from. Without it the raw scores that decisions\n\
        of the live models recorded are taken, decided between --from and --until.")]
    Recalibrate(Recalibrate),
    /// Try detectors and policy on the past as if it were happening: fit on earlier rows, score later ones, and go on.
    #[command(after_help = "Examples:\n  synod backtest --config synod.yaml --data labelled.csv --label fraud --train 30d --every 30d\n  \
        synod backtest --config synod.yaml --data labelled.csv --label fraud --train 7d --delay 7d --every 7d \\\n    \
        --amount amount --cost-alarm 5 --by scenario --output backtest\n\n\
        Nothing is published. The labels judge, and are learnt from only as far as --exclude says.\n\
        --output writes report.json, rows.csv, sweep.csv and the picture backtest.svg.")]
    Backtest(Backtest),
    /// Serve: score requests over HTTP.
    #[command(after_help = "Example:\n  synod serve --config synod.yaml")]
    Serve(Serve),
    /// Ask a running server whether it is ready: the exit code is 0 if it is, 1 if not.
    #[command(
        after_help = "Examples:\n  synod health --config synod.yaml\n  synod health --url http://127.0.0.1:8081 --timeout 2s --verbose\n\n\
        In a Dockerfile: HEALTHCHECK CMD [\"synod\", \"health\"]\n\n\
        Without --url the server is asked at the configuration's `listen.administration`. One line says why it is not ready, and what else is\n\
        not well. Whatever is wrong, even with the command line's values, the exit code is 1."
    )]
    Health(Health),
    /// Pass Alertmanager's notifications on: SMS by Twilio or any gateway that takes JSON, Microsoft Teams.
    #[command(after_help = "Examples:\n  synod notify --config notify.yaml\n  synod notify --config notify.yaml --dry-run\n\n\
        In Alertmanager's configuration:\n  \
        receivers:\n    - name: on-call\n      webhook_configs:\n        - url: http://127.0.0.1:9095/receivers/sms\n          \
        send_resolved: true\n          http_config: {authorization: {credentials_file: /etc/alertmanager/notify.token}}\n\n\
        What could not be sent is answered with 503, and Alertmanager sends it again; who has it already does not get it twice.")]
    Notify(Notify),
    /// Say which settings are insecure, and what mends them.
    #[command(after_help = "Example:\n  synod doctor --config synod.yaml")]
    Doctor(Common),
    /// Make labelled transactions to try things with.
    #[command(after_help = "Example:\n  synod generate --kind bank --rows 20000 --seed 1 --output bank.csv")]
    Generate(Generate),
    /// Write decisions as tables, or a detector's live model as an ONNX file.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod export decisions --config synod.yaml --output decisions\n  \
        synod export onnx --config synod.yaml --detector reconstruction --output model.onnx"
    )]
    Export(Export),
    /// Judge recorded decisions again: by what they were made by, or by another configuration.
    #[command(after_help = "Examples:\n  synod replay --config synod.yaml\n  \
        synod replay --decision 0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07 --explain\n  \
        synod replay --from 2026-01-01 --until 2026-02-01 --outcome block --format json\n  \
        synod replay --candidate stricter.yaml --flips 50\n\n\
        Every decision must come out again bit for bit, by its own configuration, plugins and models; the exit code is 3 if one\n\
        does not, or cannot be judged. It only reads, and may run beside a server.\n\n\
        With --candidate the decisions are judged by that configuration and the live models of its detectors instead. The recorded\n\
        features are used if they are all that it needs; otherwise rows and histories are folded anew from the log.")]
    Replay(Replay),
    /// Verify the log, print where it ends, or tell who did what.
    #[command(subcommand, after_help = "Examples:\n  synod audit head --config synod.yaml\n  synod audit verify --anchors heads.txt")]
    Audit(Audit),
    /// Copy the data directory into one file, also while a server runs; check such a file.
    #[command(after_help = "Examples:\n  synod backup --config synod.yaml --output synod.tar.zst\n  \
        synod backup --data-directory /var/lib/synod/data --output /var/backups/synod --keep 14\n  \
        synod backup --output - | age -r age1… > synod.tar.zst.age\n  synod backup verify synod.tar.zst\n\n\
        It holds the log up to one record and all that goes with it: models, labels, keys and secrets. It is as secret as the data directory; only\n\
        its owner can read it. The configuration, certificates and secrets that lie elsewhere are not in it. The index and compiled plugins are made\n\
        again; access and application events that wait to be shipped are left out.")]
    Backup(Backup),
    /// Make a data directory from a backup.
    #[command(after_help = "Examples:\n  synod restore --input synod.tar.zst --data-directory /var/lib/synod/data\n  \
        age -d -i key.txt synod.tar.zst.age | synod restore --input - --data-directory /var/lib/synod/data\n\n\
        The place must be empty or not there. All is checked before anything is there. The first start makes the index, compiles plugins, and has the\n\
        audit log say that this was restored. Never let the old data directory serve again.")]
    Restore(Restore),
    /// Work on the index of the decisions.
    #[command(subcommand, after_help = "Example:\n  synod index rebuild --config synod.yaml")]
    Index(Index),
    /// Make, list, rotate and revoke API keys.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod keys create --role scorer --label \"card switch\" --expires 90d > scorer.key\n  \
        synod keys list --format json\n  synod keys rotate 3f9a0c51d2e87b46 --overlap 24h\n  synod keys revoke 3f9a0c51d2e87b46"
    )]
    Keys(Keys),
    /// List, compare, promote and take back the versions of models, also beside a running server.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod models list\n  synod models promote forest=4\n  synod models rollback\n\n\
        What judges is changed under traffic: a running server loads the new versions beside those that judge, scores their golden rows, and\n\
        switches at once. If that fails, those of before go on, and `synod health --verbose` says why."
    )]
    Models(Models),
    /// Write a detector of your own: begin a plugin, build it, and try it in the production host.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod plugin new spend-velocity\n  synod plugin test spend-velocity\n  synod plugin check spend-velocity/spend-velocity.wasm\n\n\
        Nothing but Rust is needed beside this program; a plugin in another language is tried as a file that ends in .wasm."
    )]
    Plugin(Plugin),
    /// Try models or a policy on live rows before they judge all of them, and take them back by themselves.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod rollout start\n  synod rollout show\n  synod rollout promote\n  synod rollout stop\n\n\
        What is tried is asked about all rows beside the requests, judges those of a growing share of the entities, and is compared with what judges the\n\
        others on the same rows. `rollout` in the configuration says how far it may differ."
    )]
    Rollout(Rollout),
    /// Compile a component, for a server.
    #[command(hide = true)]
    Compile(Compile),
    /// List breakers that are open, and reset them.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod breaker list --config synod.yaml\n  synod breaker reset 5f9a0c51d2e87b46\n\n\
        An open breaker turns `block` into `review`, because the policy blocked more than `outcomes.breaker` allows. Look why, then reset it."
    )]
    Breaker(Breaker),
    /// Set Elasticsearch and Kibana up for what Synod ships, check them, and send again what was refused.
    #[command(
        subcommand,
        after_help = "Examples:\n  synod elk install --url https://es.example:9200 --user elastic --password-file elastic.password --root ca.pem \\\n    \
        --key-file shipper.key --kibana-url https://kibana.example:5601\n  \
        synod elk verify --url https://es.example:9200 --api-key-file admin.key\n  \
        synod elk redeliver --url https://es.example:9200 --api-key-file admin.key --dry-run"
    )]
    Elk(Elk),
    /// Say what an installation of this configuration will take: memory, disk, time to recover.
    #[command(after_help = "Examples:\n  synod size --entities 100000 --events-per-day 500000\n  \
        synod size --entities 100000 --events-per-day 500000 --keys TERMINAL_ID=2000 --days 90 --format json")]
    Size(Size),
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

/// `synod serve`
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Serve although settings are insecure (`synod doctor` names them): for trying things out, where nobody else can call.
    #[arg(long)]
    pub dev: bool,
}

/// `synod health`
#[derive(Debug, Clone, Args)]
pub struct Health {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Where the server is; its listener for operators is asked.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How long to wait for the answer.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span, default_value = "3s")]
    pub timeout: Duration,
    /// Write how each part is, a line for each.
    #[arg(long)]
    pub verbose: bool,
}

/// `synod notify`
#[derive(Debug, Clone, Args)]
pub struct Notify {
    /// The configuration: config/notify.yaml has every key.
    #[arg(long, short, value_name = "FILE", env = "SYNOD_NOTIFY_CONFIG", default_value = "notify.yaml")]
    pub config: PathBuf,
    /// Send nothing: write to standard output what would be sent.
    #[arg(long)]
    pub dry_run: bool,
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

/// Which rows, in the light of which past.
#[derive(Debug, Clone, Args)]
pub struct Span {
    /// A file with earlier rows, which are remembered and nothing else. Can be repeated.
    #[arg(long, value_name = "FILE")]
    pub past: Vec<PathBuf>,
    /// Rows before this moment are only remembered, as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Rows from this moment on are left out.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// In which order the rows happened.
    #[arg(long, value_enum, default_value = "time")]
    pub order: Order,
}

impl Span {
    /// Whether every row of the file counts, and nothing before it.
    pub fn is_everything(&self) -> bool {
        self.past.is_empty() && self.from.is_none() && self.until.is_none()
    }
}

/// Which rows are left out.
#[derive(Debug, Clone, Args)]
pub struct LeaveOut {
    /// Leave out rows whose column has this value, for instance known anomalies. Can be repeated.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = exclusion)]
    pub exclude: Vec<(String, String)>,
    /// Leave out rows that the schema refuses, instead of stopping.
    #[arg(long)]
    pub skip_invalid: bool,
}

/// Which rows are learnt from.
#[derive(Debug, Clone, Args)]
pub struct Learn {
    /// Which rows are left out.
    #[command(flatten)]
    pub leave_out: LeaveOut,
    /// Leave out rows that the live models flag; where there are none, that a first fit on the same rows flags.
    #[arg(long)]
    pub exclude_flagged: bool,
    /// A column that says how much each row counts: a positive number. Detectors whose plugin takes no weights count all rows the same.
    #[arg(long, value_name = "COLUMN")]
    pub weight: Option<String>,
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
    /// Which rows, in the light of which past.
    #[command(flatten)]
    pub span: Span,
    /// Fit this detector only. Can be repeated. Detectors that are fitted together share their held-out rows.
    #[arg(long, value_name = "NAME")]
    pub detector: Vec<String>,
    /// Which rows are learnt from.
    #[command(flatten)]
    pub learn: Learn,
    /// Go on from the live models: those whose plugin can learn on from these rows do, the others stay as they are, and what all scores mean is
    /// learnt again from the rows that are held out.
    #[arg(long, conflicts_with = "exclude_flagged")]
    pub r#continue: bool,
    /// Make the new versions candidates, which judge nothing until they are promoted.
    #[arg(long)]
    pub candidate: bool,
    /// What signs the new versions.
    #[command(flatten)]
    pub keys: SigningKeys,
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
    /// Which rows, in the light of which past.
    #[command(flatten)]
    pub span: Span,
    /// CSV, JSON lines or Parquet, by its name.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Write the values of all features as well, as the detectors see them before scaling.
    #[arg(long)]
    pub features: bool,
    /// Judge as the server does: decisions are stored, rows are remembered, and what was decided before is told again. No server may run.
    #[arg(long, conflicts_with_all = ["features", "past"])]
    pub record: bool,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// `synod bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet; the first 8,192 rows. Without it rows are made of quantiles of the training rows.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Which rows, in the light of which past.
    #[command(flatten)]
    pub span: Span,
    /// Rows in a call.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,32,256")]
    pub rows: Vec<usize>,
    /// How long each number of rows is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub seconds: f64,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod recalibrate`
#[derive(Debug, Args)]
pub struct Recalibrate {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet: rows that the models have not learnt from.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Which rows, in the light of which past.
    #[command(flatten)]
    pub span: Span,
    /// Which rows of the file are left out.
    #[command(flatten)]
    pub leave_out: LeaveOut,
    /// Make the new versions candidates, which judge nothing until they are promoted.
    #[arg(long)]
    pub candidate: bool,
    /// What signs the new versions.
    #[command(flatten)]
    pub keys: SigningKeys,
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
    /// Which rows, in the light of which past.
    #[command(flatten)]
    pub span: Span,
    /// The column with the truth: 1 or 0, true or false; empty is 0.
    #[arg(long, value_name = "COLUMN")]
    pub label: String,
    /// Show how the rows with each value of this column did.
    #[arg(long, value_name = "COLUMN")]
    pub by: Option<String>,
    /// The share of the highest scores that `--by` looks at beside the policy's own choice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub top: f64,
    /// Fit on this share of the rows (drawn by the seed, anomalies and others alike) and judge by the rest.
    #[arg(long, value_name = "SHARE")]
    pub split: Option<f64>,
    /// For the draw and the fit, in place of the configuration's `fit.seed`.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Show how every other consensus rule would have done on the same votes.
    #[arg(long)]
    pub policies: bool,
    /// Write every judged row with its label, verdict and votes: CSV, JSON lines (both may be gzipped) or Parquet.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which rows are learnt from.
    #[command(flatten)]
    pub learn: Learn,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Which rows each fit of a backtest learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Window {
    /// The latest, as long as `--train` says.
    Sliding,
    /// All since the first period's.
    Growing,
}

/// `synod backtest`
#[derive(Debug, Args)]
pub struct Backtest {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// CSV, JSON lines (both may be gzipped) or Parquet.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Which rows, in the light of which past. The first fit learns from `--from` on.
    #[command(flatten)]
    pub span: Span,
    /// The column with the truth: 1 or 0, true or false; empty is 0.
    #[arg(long, value_name = "COLUMN")]
    pub label: String,
    /// How much time a fit learns from, as 12h, 7d or 30d.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span)]
    pub train: Duration,
    /// How much time passes between what a fit learns from and what it judges: labels and models take their time.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span_or_none, default_value = "0d")]
    pub delay: Duration,
    /// Fit afresh for each such period. Without it there is one fit, which judges all that comes after it.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span)]
    pub every: Option<Duration>,
    /// Which rows each fit learns from.
    #[arg(long, value_enum, default_value = "sliding")]
    pub window: Window,
    /// What a missed anomaly costs.
    #[arg(long, value_name = "COST", value_parser = price, default_value = "100")]
    pub cost_missed: f64,
    /// What a false alarm costs.
    #[arg(long, value_name = "COST", value_parser = price, default_value = "5")]
    pub cost_alarm: f64,
    /// A missed anomaly costs what this column says.
    #[arg(long, value_name = "COLUMN", conflicts_with = "cost_missed")]
    pub amount: Option<String>,
    /// Which rows are learnt from.
    #[command(flatten)]
    pub learn: Learn,
    /// Show how many of the rows with each value of this column are flagged.
    #[arg(long, value_name = "COLUMN")]
    pub by: Option<String>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// Write the report, the rows, the thresholds and a picture into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

fn time_span(text: &str) -> Result<Duration, String> {
    time_span_or_none(text).ok().filter(|span| !span.is_zero()).ok_or_else(|| "write a time span above 0, as 12h or 7d".to_owned())
}

fn time_span_or_none(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::Span>().ok().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    span.and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| "write a time span, as 12h or 7d".to_owned())
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "write a number that is not below 0".to_owned())
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
#[derive(Debug, Subcommand)]
pub enum Export {
    /// Write the decisions of the log as tables, one row for each: Parquet, CSV or JSON lines.
    #[command(after_help = "Examples:\n  synod export decisions --config synod.yaml --output decisions\n  \
        synod export decisions --from 2026-01-01 --until 2026-02-01 --output january.parquet\n  \
        synod export decisions --outcome block --output - --format jsonl | jq .id\n\n\
        In Python:\n  import pandas, duckdb\n  \
        pandas.read_parquet(\"decisions\", columns=[\"decided\", \"verdict.outcome\", \"verdict.score\", \"label\"])\n  \
        duckdb.sql(\"\"\"SELECT \"verdict.outcome\", count(*), avg(\"row.amount\")\n             \
        FROM read_parquet('decisions/*.parquet', union_by_name = true) GROUP BY ALL\"\"\")\n\n\
        Columns: what every decision has; row.FIELD as it is stored, typed by the schema; feature.NAME; vote.DETECTOR.score and so on;\n\
        abstention.DETECTOR.reason; reasons as a JSON list; label, label.by, label.at, label.note of the latest label. What a decision does\n\
        not have is null. Decisions of older configurations are there too: a field that was an integer and is a number is a number, and what\n\
        else has changed its type is text.\n\n\
        It only reads the log, and may run beside a server. Days and hours are those of `decided`, in UTC. The same log and the same options\n\
        make the same bytes; files of an earlier export are replaced, and others in the folder are left alone. Where the log is damaged, what\n\
        stands before is written, and the exit code is 3.")]
    Decisions(ExportDecisions),
    /// Write a detector's live model as an ONNX file.
    #[command(after_help = "Example:\n  synod export onnx --config synod.yaml --detector reconstruction --output model.onnx")]
    Onnx(ExportOnnx),
    /// Write what shadows and the other side of rollouts said of decided rows, as JSON lines.
    #[command(after_help = "Examples:\n  synod export shadows --from 2026-01-01 > shadows.jsonl\n  \
        synod export shadows --rollout 01a21b4b-4fc2-71d9-a166-cf8e2981d474 | jq 'select(.verdicts[].outcome == \"block\") | .decision'\n\n\
        Each line names its decision. It only reads the log, and may run beside a server.")]
    Shadows(ExportShadows),
}

/// `synod export decisions`
#[derive(Debug, Args)]
pub struct ExportDecisions {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Only what was decided from this moment on, as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what was decided before this moment.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this tenant's decisions; with an empty text those of no tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only decisions with this outcome: approve, review or block.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Option<Outcome>,
    /// Only decisions about this entity.
    #[arg(long, value_name = "TEXT")]
    pub entity: Option<String>,
    /// A folder, which is made if it is not there; a file, as .parquet, .csv.gz or .jsonl; or `-`, the standard output.
    #[arg(long, short, value_name = "FOLDER or FILE")]
    pub output: PathBuf,
    /// A file of the folder holds so much: 1d, 1h or all [default: 1d].
    #[arg(long, value_name = "TIME SPAN", value_parser = every)]
    pub every: Option<Every>,
    /// Of the files in a folder, and of the standard output [default: parquet].
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
}

/// How much a file of an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// Everything.
    All,
}

fn every(text: &str) -> Result<Every, String> {
    let known = [("1d", Every::Day), ("1h", Every::Hour), ("all", Every::All)];
    known.into_iter().find(|(name, _)| *name == text).map(|(_, every)| every).ok_or_else(|| "write 1d, 1h or all".to_owned())
}

/// How the files of an export are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// Comma-separated values, compressed.
    #[value(name = "csv.gz")]
    CsvGz,
    /// A JSON object on each line.
    Jsonl,
    /// A JSON object on each line, compressed.
    #[value(name = "jsonl.gz")]
    JsonlGz,
}

impl ExportFormat {
    /// What the names of such files end in.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Jsonl => "jsonl",
            Self::JsonlGz => "jsonl.gz",
        }
    }
}

/// `synod export shadows`
#[derive(Debug, Args)]
pub struct ExportShadows {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Of this rollout alone.
    #[arg(long, value_name = "ID")]
    pub rollout: Option<String>,
    /// Asked at this time or later, as 2026-01-01 or 2026-01-01T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Asked before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `synod export onnx`
#[derive(Debug, Args)]
pub struct ExportOnnx {
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

/// `synod replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Only this decision. Can be repeated.
    #[arg(long, value_name = "ID")]
    pub decision: Vec<Uuid>,
    /// Only what was decided from this moment on, as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what was decided before this moment.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only decisions about this entity.
    #[arg(long, value_name = "TEXT")]
    pub entity: Option<String>,
    /// Only decisions with this outcome: approve, review or block.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Option<Outcome>,
    /// Only the first ones, so many.
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
    /// Say what each feature contributed to the scores, by the plugins and models of that day.
    #[arg(long, requires = "decision", conflicts_with = "candidate")]
    pub explain: bool,
    /// Judge by this configuration instead, with the live models of its detectors.
    #[arg(long, value_name = "FILE")]
    pub candidate: Option<PathBuf>,
    /// How many decisions are shown whose outcome the candidate would change; JSON has the first 10,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub flips: usize,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let known = [Outcome::Approve, Outcome::Review, Outcome::Block];
    known.into_iter().find(|outcome| outcome.name() == text).ok_or_else(|| "write approve, review or block".to_owned())
}

/// `synod audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check every byte of the log, every link of its chain, and all that its decisions rest on.
    #[command(after_help = "Examples:\n  synod audit verify --config synod.yaml\n  \
        synod audit verify --data-directory /var/lib/synod --expect 1234:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n\n\
        Note the head that it prints in another place, and give it to --expect the next time: only so a log whose end was removed,\n\
        or that was written anew as a whole, can be told from the true one. The exit code is 3 if anything is wrong.")]
    Verify(Verify),
    /// Print the newest record's sequence and hash, to be noted in another place.
    #[command(after_help = "Example:\n  synod audit head --config synod.yaml >> heads.txt")]
    Head(Head),
    /// Tell who did what: administrative acts, refused credentials, denied permissions.
    #[command(after_help = "Examples:\n  synod audit list --config synod.yaml --from 2026-01-01\n  \
        synod audit list --action credential.refused --format json\n\n\
        It reads the whole log, oldest first, also beside a running server. With --format json each event is a line of its own.")]
    List(AuditList),
}

/// `synod audit list`
#[derive(Debug, Args)]
pub struct AuditList {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Only what happened from this moment on, as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what happened before this moment.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this action, such as credential.refused or key.created.
    #[arg(long, value_name = "WORD")]
    pub action: Option<String>,
    /// Only what this caller did, by the name that the events have.
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// How the events are written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod audit verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// A head that was noted earlier. Can be repeated.
    #[arg(long, value_name = "SEQUENCE:HASH", value_parser = anchor)]
    pub expect: Vec<Anchor>,
    /// A file with such heads, one on a line; what follows a # is no part of it.
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// A head as `synod audit head` prints it.
///
/// # Errors
/// When the text is none.
pub fn anchor(text: &str) -> Result<Anchor, String> {
    let parsed =
        text.trim().split_once(':').and_then(|(sequence, hash)| Some(Anchor { sequence: sequence.parse().ok()?, chain: digest_of(hash)? }));
    parsed.ok_or_else(|| format!("`{text}` is no head; it is written as a number, a colon and 64 hexadecimal digits"))
}

/// `synod audit head`
#[derive(Debug, Args)]
pub struct Head {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod index`
#[derive(Debug, Subcommand)]
pub enum Index {
    /// Build the index anew from the log. No server may be running.
    #[command(after_help = "Example:\n  synod index rebuild --config synod.yaml")]
    Rebuild(Rebuild),
}

/// `synod index rebuild`
#[derive(Debug, Args)]
pub struct Rebuild {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key, and print it: this is the only time that it is shown.
    #[command(after_help = "Examples:\n  synod keys create --role scorer --scope score:detector/forest --tenant north\n  \
        synod keys create --role admin --expires 30d --label ana > ana.key\n  \
        curl -H \"Authorization: Bearer $(cat ana.key)\" http://127.0.0.1:8080/v1/detectors\n\n\
        Nothing but the key goes to standard output. What is kept of it is a digest. A running server knows it within a second.")]
    Create(CreateKey),
    /// List the keys, without their secrets.
    #[command(after_help = "Example:\n  synod keys list --config synod.yaml --format json")]
    List(ListKeys),
    /// Make a key in place of another one, which holds for a while longer.
    #[command(after_help = "Example:\n  synod keys rotate 3f9a0c51d2e87b46 --overlap 24h > scorer.key\n\n\
        The new key has the same roles, scopes and tenant, another id, and lives as long as the old one was to live.")]
    Rotate(RotateKey),
    /// End a key at once, with the access tokens that it was used for.
    #[command(after_help = "Example:\n  synod keys revoke 3f9a0c51d2e87b46")]
    Revoke(RevokeKey),
    /// Make a new key that access tokens are signed with. This happens by itself every 30 days.
    #[command(after_help = "Examples:\n  synod keys rotate-signing --config synod.yaml\n  synod keys rotate-signing --at-once")]
    RotateSigning(RotateSigning),
}

/// `synod keys create`
#[derive(Debug, Args)]
pub struct CreateKey {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// What it may act as: viewer, scorer, analyst, operator, admin, or a role of the configuration. Can be repeated.
    #[arg(long, value_name = "ROLE", required = true)]
    pub role: Vec<String>,
    /// Limit it to this permission, as score:detector/NAME. Can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    pub scope: Vec<String>,
    /// Whose decisions it may see; those of all tenants, if it is not said.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// How long it lives, as 90d; `identity.keys.lifetime` if it is not said.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span)]
    pub expires: Option<Duration>,
    /// What people call it.
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}

/// `synod keys list`
#[derive(Debug, Args)]
pub struct ListKeys {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod keys rotate`
#[derive(Debug, Args)]
pub struct RotateKey {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The id of the key: the part behind `synod_`.
    #[arg(value_name = "ID")]
    pub id: String,
    /// How long the old key still holds; 0d ends it at once.
    #[arg(long, value_name = "TIME SPAN", value_parser = time_span_or_none, default_value = "24h")]
    pub overlap: Duration,
}

/// `synod keys revoke`
#[derive(Debug, Args)]
pub struct RevokeKey {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The id of the key: the part behind `synod_`.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `synod keys rotate-signing`
#[derive(Debug, Args)]
pub struct RotateSigning {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// After a leak: the new key signs at once, and the tokens of all others are refused.
    #[arg(long)]
    pub at_once: bool,
}

/// `synod compile`
#[derive(Debug, Args)]
pub struct Compile {
    /// As of the server's host.
    #[arg(long)]
    pub instances: u32,
    /// As of the server's host.
    #[arg(long)]
    pub memory: usize,
    /// As of the server's host, in microseconds.
    #[arg(long)]
    pub tick: u64,
    /// As of the server's host.
    #[arg(long)]
    pub stack: usize,
    /// Seconds that each processor may work.
    #[arg(long)]
    pub processor_seconds: u64,
    /// Bytes of memory.
    #[arg(long)]
    pub limit: u64,
}

/// `synod breaker`
#[derive(Debug, Subcommand)]
pub enum Breaker {
    /// List the open ones.
    #[command(after_help = "Example:\n  synod breaker list --config synod.yaml --format json")]
    List(ListBreakers),
    /// Close one: what the policy blocks is blocked again. It counts from nothing.
    #[command(after_help = "Example:\n  synod breaker reset 5f9a0c51d2e87b46\n\n\
        A running server notices within a second, and audits it; where none runs, this does.")]
    Reset(ResetBreaker),
}

/// `synod breaker list`
#[derive(Debug, Args)]
pub struct ListBreakers {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod breaker reset`
#[derive(Debug, Args)]
pub struct ResetBreaker {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// The breaker's id, as the list has it.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `synod size`
#[derive(Debug, Args)]
pub struct Size {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How many entities there are: accounts, say.
    #[arg(long, value_name = "NUMBER")]
    pub entities: u64,
    /// How many rows are judged in a day, of all entities together.
    #[arg(long, value_name = "NUMBER")]
    pub events_per_day: f64,
    /// How many keys of another kind there are, as TERMINAL_ID=2000; as many as entities, if it is not said. Can be repeated.
    #[arg(long, value_name = "FIELDS=NUMBER", value_parser = keys)]
    pub keys: Vec<(String, u64)>,
    /// After how many days of service.
    #[arg(long, value_name = "NUMBER", default_value_t = 365.0)]
    pub days: f64,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

fn keys(text: &str) -> Result<(String, u64), String> {
    let parsed = text.rsplit_once('=').and_then(|(fields, number)| Some((fields.to_owned(), number.parse().ok()?)));
    parsed.ok_or_else(|| "write the fields of the key, parted by commas, and a number, as TERMINAL_ID=2000".to_owned())
}
