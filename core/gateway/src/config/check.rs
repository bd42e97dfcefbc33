//! From the text of a configuration to values that the program uses: one function for each section. A mistake is noted with its key and
//! replaced by something harmless, so that the rest is checked as well.

mod alerts;
mod consensus;
mod drift;
mod features;
mod identity;
mod issuers;
mod ledger;
mod limits;
mod links;
mod listen;
pub(super) mod notify;
pub(super) mod plugin;
mod rollout;
mod signatures;
mod sinks;
mod tracing;

pub use self::consensus::ShadowPolicy;
pub use self::drift::Drift;
use self::features::{Declared, features};
pub use self::identity::{CertificateName, Identity, KeyLifetimes, MappedCertificate, TokenServer};
pub(crate) use self::identity::{LONGEST_TOKEN, is_name};
pub use self::ledger::{Decisions, Remembering};
use self::ledger::{decisions, history};
pub use self::limits::RequestLimits;
pub use self::listen::Listen;
pub(crate) use self::rollout::MOST_STEPS;
pub use self::rollout::{Guards, RolloutConfig, RolloutStep};
pub use self::signatures::{SignaturesConfig, TrustedKeyConfig};
use super::located::{Located, Mistake};
use super::text::{self, Answer, Level, OnFailure, Serves, Split, Storing, Text, ThresholdText};
use super::units;
use crate::compiling::CompileLimits;
use crate::inference::POLICY;
use crate::kibana::Kibana;
use crate::limiting::Quotas;
use crate::sinks::SinksConfig;
use crate::sinks::alertmanager::AlertsConfig;
use crate::telemetry::tracing::Settings as Tracing;
use indexmap::IndexMap;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use synod_detection::history::HistoryPlan;
use synod_detection::{BreakerRule, CircuitRule, Definition, Field, Kind, Policy, Rule, Schema, Threshold};
use synod_host::{Limits, PoolLimits};

/// A configuration that has no mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file as it was read: a decision names its digest.
    pub source: String,
    /// Where models and everything else that must last are kept.
    pub data_directory: PathBuf,
    /// Where the service listens.
    pub listen: Listen,
    /// Who may call, and what they may do.
    pub identity: Identity,
    /// What a row looks like.
    pub schema: Schema,
    /// The detectors that vote, in the order of the file.
    pub detectors: Vec<DetectorConfig>,
    /// Those that are scored beside them and have no vote.
    pub shadows: Vec<DetectorConfig>,
    /// How votes become a verdict; its reference is still empty.
    pub policy: Policy,
    /// Policies that are asked beside it, and count for nothing.
    pub shadow_policies: Vec<ShadowPolicy>,
    /// How other models are tried on rows before they judge all of them.
    pub rollout: RolloutConfig,
    /// When too much is blocked.
    pub breaker: BreakerRule,
    /// Features that decisions record although no detector may see them.
    pub recorded: Vec<Definition>,
    /// All that the detectors and the recorded features ask of the past.
    pub history: Arc<HistoryPlan>,
    /// How far histories may grow.
    pub remembering: Remembering,
    /// How decisions are kept.
    pub decisions: Decisions,
    /// Which decisions are told to whom as alerts, if any are.
    pub alerts: Option<AlertsConfig>,
    /// Who is shipped what.
    pub sinks: SinksConfig,
    /// Where Kibana is, if anything links there.
    pub kibana: Option<Kibana>,
    /// What compiling a plugin may take, in a server.
    pub compile: CompileLimits,
    /// What becomes of versions of models.
    pub models: ModelsConfig,
    /// How drift is measured.
    pub drift: Drift,
    /// Whether requests, rows and votes are counted.
    pub count: bool,
    /// What is stored of each field, in the order of the schema.
    pub storing: Vec<Storing>,
    /// How models are fitted.
    pub fit: FitConfig,
    /// What a request may take.
    pub limits: RequestLimits,
    /// What a caller may take.
    pub quotas: Quotas,
    /// Routes beside Synod's own.
    pub routes: Vec<Route>,
    /// The least important log lines that are written.
    pub level: Level,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Where traces go, if they are on.
    pub tracing: Option<Tracing>,
}

/// A detector as configured.
#[derive(Debug, Clone)]
pub struct DetectorConfig {
    /// Its name.
    pub name: String,
    /// The plugin's component.
    pub plugin: PathBuf,
    /// What it sees of a row.
    pub definitions: Vec<Definition>,
    /// For the plugin: a JSON object.
    pub parameters: Value,
    /// A foreign model's file.
    pub artifact: Option<PathBuf>,
    /// Where its score turns into a vote.
    pub threshold: Threshold,
    /// What becomes of a row on which it fails to vote.
    pub on_failure: OnFailure,
    /// When it is not asked any more.
    pub circuit: CircuitRule,
    /// Who answers for it, for its model card.
    pub owner: Option<String>,
    /// What it is for, for its model card.
    pub purpose: Option<String>,
    /// What it may take while scoring.
    pub pool: PoolLimits,
    /// What it may take while fitting.
    pub fit: Limits,
}

/// What becomes of versions of models.
#[derive(Debug, Clone)]
pub struct ModelsConfig {
    /// Whether who made or proposed a version must not promote it.
    pub four_eyes: bool,
    /// So many of the latest versions of each detector are never removed.
    pub keep: usize,
    /// Whose signatures count.
    pub signatures: SignaturesConfig,
}

impl Config {
    /// All detectors, those with a vote first.
    pub fn all_detectors(&self) -> impl Iterator<Item = &DetectorConfig> + Clone {
        self.detectors.iter().chain(&self.shadows)
    }

    /// The same with every detector among those that vote, by a policy that means nothing: for whoever wants all detectors and no verdict.
    #[must_use]
    pub fn everything(&self) -> Self {
        let detectors: Vec<DetectorConfig> = self.all_detectors().cloned().collect();
        let policy = Policy::new(Rule::Maximum, detectors.len(), 0.01);
        Self { detectors, shadows: Vec::new(), shadow_policies: Vec::new(), policy, ..self.clone() }
    }

    /// Gives a call of a detector the time of its fit. What is judged to learn or to compare must not depend on what else the machine does.
    pub fn be_patient(&mut self) {
        for detector in self.detectors.iter_mut().chain(&mut self.shadows) {
            detector.pool.call.timeout = detector.pool.call.timeout.max(detector.fit.timeout);
            detector.pool.waiting = detector.pool.waiting.max(detector.fit.timeout);
        }
    }
}

/// How models are fitted.
#[derive(Debug, Clone, Copy)]
pub struct FitConfig {
    /// The only randomness.
    pub seed: u64,
    /// Share of the rows that is held out for calibration.
    pub holdout: f64,
    /// Which rows these are; if it is not said, the latest where there is a time, else all of few rows and any of many.
    pub split: Option<Split>,
    /// How many folds [`Split::Cross`] makes.
    pub folds: usize,
    /// Most rows that a model learns from; of more they are drawn by the seed.
    pub maximum_rows: usize,
    /// Whether the rows that models are fitted on are declared free of anomalies.
    pub clean: bool,
}

/// A route that is declared and not built in.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its path; `{detector}` in it stands for any detector's name, `{entity}` for any entity's.
    pub path: String,
    /// What it does.
    pub serves: Serves,
    /// Which detector it serves, if the path does not say.
    pub detector: Option<String>,
    /// What the answer to a row holds.
    pub answer: IndexMap<String, Answer>,
}

impl Route {
    /// The key of an answer under which the fields of the row are keys of the answer itself.
    pub const WHOLE: &'static str = "*";
}

struct Checker<'a> {
    located: &'a Located,
    mistakes: &'a mut Vec<Mistake>,
}

impl Checker<'_> {
    fn mistake(&mut self, key: &str, message: impl Into<String>) {
        // What could not be read was reported already; what it lacks because of that is no second mistake.
        if !self.mistakes.iter().any(|known| known.key == key || known.key.starts_with(&format!("{key}."))) {
            self.mistakes.push(Mistake { key: key.into(), place: self.located.place(key), message: message.into() });
        }
    }

    fn taken<T>(&mut self, key: &str, result: Result<T, impl ToString>, instead: T) -> T {
        result.unwrap_or_else(|error| {
            self.mistake(key, error.to_string());
            instead
        })
    }

    /// The version of a file's format, which must be said.
    fn version(&mut self, version: Option<u64>) {
        match version {
            Some(1) => {}
            Some(other) => self.mistake("version", format!("version {other} is not known; this Synod reads version 1")),
            None => self.mistake("version", "is missing: write `version: 1`"),
        }
    }

    fn within(&mut self, key: &str, value: f64, low: f64, high: f64, what: &str) {
        if !(value >= low && value <= high) {
            self.mistake(key, format!("{value} is not {what}"));
        }
    }
}

pub(super) fn check(text: &Text, folder: &Path, located: &Located, mistakes: &mut Vec<Mistake>) -> Config {
    let mut checker = Checker { located, mistakes };
    let at = &mut checker;
    at.version(text.version);
    let schema = schema(at, &text.schema);
    if text.fit.split == Some(Split::Time) && schema.time().is_none() {
        at.mistake("fit.split", "`time` needs `schema.time`");
    }
    at.within("fit.holdout", text.fit.holdout, 0.05, 0.9, "a share from 0.05 to 0.9");
    at.within("fit.folds", text.fit.folds as f64, 2.0, 50.0, "a number from 2 to 50");
    at.within("fit.maximum_rows", text.fit.maximum_rows as f64, 100.0, 1e9, "a number of rows from 100");
    let features = features(at, &text.features, &schema);
    let detectors = detectors(at, text, folder, &features);
    let (shadows, detectors): (Vec<_>, Vec<_>) = detectors.into_iter().partition(|detector| text.detectors[&detector.name].shadow);
    if detectors.is_empty() && !shadows.is_empty() {
        at.mistake("detectors", "all are shadows, and nobody votes");
    }
    let storing = ledger::storing(at, &text.schema, &schema);
    let recorded = features::recorded(at, &text.features, &features);
    let history = history(at, detectors.iter().chain(&shadows), &recorded, &schema, &storing);
    let kibana = links::kibana(at, &text.links);
    Config {
        source: String::new(),
        recorded,
        history: Arc::new(history),
        remembering: ledger::remembering(at, &text.history),
        decisions: decisions(at, &text.decisions),
        sinks: sinks::sinks(at, text, folder),
        alerts: alerts::alerts(at, text, folder, kibana.as_ref()),
        kibana,
        drift: drift::drift(at, &text.drift),
        count: text.metrics.count,
        storing,
        data_directory: folder.join(&text.data_directory),
        listen: listen::listen(at, &text.listen, folder),
        identity: identity::identity(at, text, folder),
        policy: consensus::policy(at, text),
        shadow_policies: consensus::shadows(at, text),
        rollout: rollout::rollout(at, &text.rollout),
        shadows,
        compile: CompileLimits {
            timeout: at.taken("plugins.compile.timeout", units::duration(&text.plugins.compile.timeout), Duration::from_secs(1)),
            memory: at.taken("plugins.compile.memory", units::bytes(&text.plugins.compile.memory), 1) as u64,
        },
        models: ModelsConfig {
            four_eyes: text.models.four_eyes,
            keep: text.models.keep,
            signatures: signatures::signatures(at, &text.models.signatures, folder),
        },
        breaker: breaker(at, &text.outcomes.breaker),
        fit: fit(&text.fit),
        limits: limits::limits(at, &text.limits),
        quotas: limits::quotas(at, text),
        routes: routes(at, text),
        level: text.logging.level,
        access_log: text.logging.access,
        tracing: tracing::tracing(at, text.tracing.as_ref(), folder),
        schema,
        detectors,
    }
}

fn fit(text: &text::Fit) -> FitConfig {
    let text::Fit { seed, holdout, split, folds, maximum_rows, clean } = *text;
    FitConfig { seed, holdout, split, folds, maximum_rows, clean }
}

fn schema(at: &mut Checker<'_>, text: &text::Schema) -> Schema {
    if text.fields.is_empty() {
        at.mistake("schema.fields", "there are none: declare the fields of a row, as in `amount: {type: number}`");
    }
    let fields = text.fields.iter().map(|(name, declared)| field(at, name, declared)).collect();
    let mut schema = at.taken("schema.fields", Schema::new(fields), Schema::new(Vec::new()).expect("no fields share no name"));
    if let Some(name) = &text.id {
        schema = at.taken("schema.id", schema.clone().with_id(name), schema);
    }
    if let Some(name) = &text.entity {
        schema = at.taken("schema.entity", schema.clone().with_entity(name), schema);
    }
    if let Some(name) = &text.time {
        schema = at.taken("schema.time", schema.clone().with_time(name), schema);
    }
    for (role, index) in [("id", schema.id()), ("entity", schema.entity()), ("time", schema.time())] {
        if let Some(field) = index.map(|index| &schema.fields()[index])
            && !field.required
        {
            at.mistake(&format!("schema.{role}"), format!("field `{}` may be missing: make it required", field.name));
        }
    }
    schema
}

fn field(at: &mut Checker<'_>, name: &str, text: &text::Field) -> Field {
    let key = format!("schema.fields.{name}");
    let kind = text.r#type.unwrap_or_else(|| {
        at.mistake(&key, "has no type: write `type: number`, integer, boolean, text or time");
        Kind::Text
    });
    let numeric = matches!(kind, Kind::Number | Kind::Integer);
    for (bound, value) in [("minimum", text.minimum), ("maximum", text.maximum)] {
        if value.is_some() && !numeric {
            at.mistake(&format!("{key}.{bound}"), "only a number or an integer has it");
        }
    }
    if let (Some(minimum), Some(maximum)) = (text.minimum, text.maximum)
        && minimum > maximum
    {
        at.mistake(&format!("{key}.minimum"), format!("{minimum} is above the maximum {maximum}"));
    }
    if kind != Kind::Text && (!text.values.is_empty() || text.length.is_some()) {
        at.mistake(&key, "only text has `values` and `length`");
    }
    if kind != Kind::Time && text.format.is_some() {
        at.mistake(&format!("{key}.format"), "only a time has it");
    }
    Field {
        required: text.required,
        minimum: text.minimum,
        maximum: text.maximum,
        values: text.values.clone(),
        length: text.length,
        format: text.format.unwrap_or_default(),
        ..Field::new(name, kind)
    }
}

fn detectors(at: &mut Checker<'_>, text: &Text, folder: &Path, features: &IndexMap<String, Declared>) -> Vec<DetectorConfig> {
    if text.detectors.is_empty() {
        at.mistake("detectors", "there are none");
    }
    text.detectors.iter().map(|(name, detector)| self::detector(at, name, detector, text, folder, features)).collect()
}

fn detector(
    at: &mut Checker<'_>,
    name: &str,
    text: &text::Detector,
    whole: &Text,
    folder: &Path,
    features: &IndexMap<String, Declared>,
) -> DetectorConfig {
    let key = format!("detectors.{name}");
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(letters) {
        at.mistake(&key, "a detector's name has 1 to 64 lower-case letters, digits, `_` and `-`, and does not begin with `-`");
    }
    if name == POLICY {
        at.mistake(
            &key,
            "clients of the Open Inference Protocol know the policy over all detectors by this name; give the detector another",
        );
    }
    if text.plugin.is_none() {
        at.mistake(&key, "`plugin` is missing: the name of a file in `plugins.directory` without its .wasm, or a path");
    }
    let plugin = plugin_path(text.plugin.as_deref().unwrap_or_default(), folder, &whole.plugins.directory);
    DetectorConfig {
        name: name.into(),
        plugin,
        definitions: view(at, &key, text, whole, features),
        parameters: Value::Object(text.parameters.clone()),
        artifact: text.artifact.as_ref().map(|path| folder.join(path)),
        threshold: threshold(at, &key, &threshold_of_detector(text), whole.fit.clean),
        on_failure: text.on_failure,
        circuit: CircuitRule { failures: text.limits.failures, ..CircuitRule::default() },
        owner: text.owner.clone(),
        purpose: text.purpose.clone(),
        pool: pool(at, &format!("{key}.limits"), &text.limits),
        fit: fit_limits(at, &format!("{key}.limits"), &text.limits),
    }
}

fn plugin_path(plugin: &str, folder: &Path, directory: &str) -> PathBuf {
    match plugin.ends_with(".wasm") {
        true => folder.join(plugin),
        false => folder.join(directory).join(format!("{plugin}.wasm")),
    }
}

fn view(at: &mut Checker<'_>, key: &str, text: &text::Detector, whole: &Text, features: &IndexMap<String, Declared>) -> Vec<Definition> {
    let all: Vec<String> = features.keys().cloned().collect();
    let names = text.features.as_ref().unwrap_or(&all);
    if text.features.as_ref().is_some_and(Vec::is_empty) {
        at.mistake(&format!("{key}.features"), "an empty list: name features, or leave the key out for all of them");
    }
    let mut definitions: Vec<Definition> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let place = format!("{key}.features[{index}]");
        match features.get(name) {
            _ if definitions.iter().any(|known| known.name == *name) => at.mistake(&place, format!("`{name}` is named twice")),
            Some((definition, own)) => definitions.push(Definition { scale: own.unwrap_or(text.scale), ..definition.clone() }),
            // A feature with a mistake of its own was reported at its own place.
            None if whole.features.contains_key(name) => {}
            None => at.mistake(&place, format!("there is no feature `{name}`; there are {}", all.join(", "))),
        }
    }
    definitions
}

fn threshold_of_detector(text: &text::Detector) -> ThresholdKeys {
    let text::Detector { threshold, contamination, false_discovery_rate, .. } = *text;
    ThresholdKeys { threshold, contamination, false_discovery_rate }
}

/// What a threshold is written as.
struct ThresholdKeys {
    threshold: Option<ThresholdText>,
    contamination: Option<f64>,
    false_discovery_rate: Option<f64>,
}

fn threshold(at: &mut Checker<'_>, key: &str, text: &ThresholdKeys, clean: bool) -> Threshold {
    match text.threshold {
        Some(ThresholdText::Score(score)) => {
            at.within(&format!("{key}.threshold"), score, 0.0, 1.0, "a score from 0 to 1");
            if text.contamination.is_some() {
                at.mistake(
                    &format!("{key}.threshold"),
                    "give either `contamination` or `threshold`, or a `threshold` by name: flag_rate or pot",
                );
            }
            return Threshold::Fixed(score);
        }
        Some(ThresholdText::Fdr) => return false_discoveries(at, key, text, clean),
        Some(ThresholdText::FlagRate | ThresholdText::Pot) | None => {}
    }
    if text.false_discovery_rate.is_some() {
        at.mistake(&format!("{key}.false_discovery_rate"), "belongs to `threshold: fdr`");
    }
    let contamination = contamination(at, &format!("{key}.contamination"), text.contamination.unwrap_or(0.01));
    if text.threshold == Some(ThresholdText::Pot) { Threshold::Pot(contamination) } else { Threshold::FlagRate(contamination) }
}

fn contamination(at: &mut Checker<'_>, key: &str, contamination: f64) -> f64 {
    at.within(key, contamination, f64::MIN_POSITIVE, 0.499_999, "a share above 0 and below 0.5");
    if contamination > 0.0 && contamination < 1e-4 {
        at.mistake(key, format!("{contamination} is below 1 in 10000, the highest score: use 0.0001 or more"));
    }
    contamination.clamp(1e-4, 0.5)
}

fn false_discoveries(at: &mut Checker<'_>, key: &str, text: &ThresholdKeys, clean: bool) -> Threshold {
    if text.contamination.is_some() {
        at.mistake(&format!("{key}.contamination"), "`threshold: fdr` is set by `false_discovery_rate`");
    }
    if !clean {
        let why = "`fdr` needs held-out rows that are known to be normal, or it flags nothing: leave known anomalies out of the fit \
                   (`synod fit --exclude`), and say so by `fit.clean: true`; else use flag_rate or pot";
        at.mistake(&format!("{key}.threshold"), why);
    }
    let level = text.false_discovery_rate.unwrap_or(0.1);
    at.within(&format!("{key}.false_discovery_rate"), level, 1e-4, 0.9, "a share from 0.0001 to 0.9");
    Threshold::Fdr(level)
}

fn fit_limits(at: &mut Checker<'_>, key: &str, text: &text::DetectorLimits) -> Limits {
    Limits {
        timeout: at.taken(&format!("{key}.fit_timeout"), units::duration(&text.fit_timeout), Duration::from_secs(1)),
        memory: at.taken(&format!("{key}.fit_memory"), units::bytes(&text.fit_memory), 1),
    }
}

fn pool(at: &mut Checker<'_>, key: &str, text: &text::DetectorLimits) -> PoolLimits {
    let memory = at.taken(&format!("{key}.memory"), units::bytes(&text.memory), 1);
    let timeout = at.taken(&format!("{key}.timeout"), units::duration(&text.timeout), Duration::from_secs(1));
    let load = at.taken(&format!("{key}.load_timeout"), units::duration(&text.load_timeout), Duration::from_secs(1));
    let default = PoolLimits::default();
    let instances = text.instances.unwrap_or(default.instances);
    at.within(&format!("{key}.instances"), instances as f64, 1.0, 256.0, "a number from 1 to 256");
    PoolLimits {
        instances,
        load: Limits { timeout: load, memory },
        call: Limits { timeout, memory },
        waiting: timeout.max(default.waiting),
        ..default
    }
}

fn breaker(at: &mut Checker<'_>, text: &text::Breaker) -> BreakerRule {
    at.within("outcomes.breaker.maximum_share", text.maximum_share, 0.0, 1.0, "a share from 0 to 1");
    at.within("outcomes.breaker.minimum", text.minimum as f64, 1.0, 1e9, "a number of outcomes from 1 to 1000000000");
    let window = at.taken("outcomes.breaker.window", units::duration(&text.window), Duration::from_secs(1));
    at.within("outcomes.breaker.window", window.as_secs_f64(), 1.0, 604_800.0, "a time span from 1s to 7d, in seconds");
    BreakerRule { maximum_share: text.maximum_share, window: window.as_micros() as i64, minimum: text.minimum }
}

/// Paths that are Synod's own.
const OWN: [&str; 12] = [
    "/v1",
    "/v2",
    "/inference.GRPCInferenceService",
    "/oauth2",
    "/.well-known",
    "/console",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/redoc",
];

/// What a path can hold in place of a segment.
const PLACEHOLDERS: [&str; 2] = ["{detector}", "{entity}"];

fn routes(at: &mut Checker<'_>, text: &Text) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (index, declared) in text.routes.iter().enumerate() {
        let key = format!("routes[{index}]");
        path(at, &key, &declared.path, &routes);
        let serves = declared.serves.unwrap_or_else(|| {
            at.mistake(&key, "`serves` is missing: verdict, detector, detectors or decisions");
            Serves::Verdict
        });
        placeholders(at, &key, declared, serves, text);
        answers(at, &key, declared, serves);
        routes.push(Route { path: declared.path.clone(), serves, detector: declared.detector.clone(), answer: declared.answer.clone() });
    }
    routes
}

/// A path without the names of its placeholders: two of one shape are one path.
fn shape(path: &str) -> String {
    path.split('/').map(|segment| if PLACEHOLDERS.contains(&segment) { "x" } else { segment }).collect::<Vec<_>>().join("/")
}

fn path(at: &mut Checker<'_>, key: &str, path: &str, known: &[Route]) {
    let (key, shape) = (format!("{key}.path"), shape(path));
    if !path.starts_with('/') || shape.contains(['{', '}', '*', '?', '#', ' ']) {
        at.mistake(&key, "must begin with `/`, and hold no placeholder but `{detector}` or `{entity}` between two `/`");
    }
    if OWN.iter().any(|own| shape == *own || shape.starts_with(&format!("{own}/"))) {
        at.mistake(&key, format!("`{path}` is one of Synod's own paths"));
    }
    if known.iter().any(|known| self::shape(&known.path) == shape) {
        at.mistake(&key, format!("`{path}` is declared twice"));
    }
}

/// What stands in the path or beside it, of which kind of route.
fn placeholders(at: &mut Checker<'_>, key: &str, declared: &text::Route, serves: Serves, text: &Text) {
    let count = |placeholder: &str| declared.path.split('/').filter(|segment| *segment == placeholder).count();
    let [by_detector, by_entity] = PLACEHOLDERS.map(count);
    if by_detector > 1 || by_entity > 1 {
        at.mistake(&format!("{key}.path"), "holds a placeholder twice");
    }
    match (serves, &declared.detector) {
        (Serves::Detector, None) if by_detector == 0 => at.mistake(key, "`detector` is missing, and the path has no `{detector}`"),
        (Serves::Detector, Some(_)) if by_detector > 0 => at.mistake(key, "either `detector` or `{detector}` in the path"),
        (Serves::Detector, Some(name)) if !text.detectors.contains_key(name) => {
            at.mistake(&format!("{key}.detector"), format!("there is no detector `{name}`"));
        }
        (Serves::Detector, _) => {}
        (_, Some(_)) => at.mistake(&format!("{key}.detector"), "only `serves: detector` takes it"),
        (_, None) if by_detector > 0 => at.mistake(&format!("{key}.path"), "only `serves: detector` takes `{detector}`"),
        (_, None) => {}
    }
    if by_entity > 0 && serves != Serves::Decisions {
        at.mistake(&format!("{key}.path"), "only `serves: decisions` takes `{entity}`");
    } else if by_entity > 0 && text.schema.entity.is_none() {
        at.mistake(&format!("{key}.path"), "`{entity}` needs `schema.entity`");
    }
}

fn answers(at: &mut Checker<'_>, key: &str, declared: &text::Route, serves: Serves) {
    if serves == Serves::Detectors && !declared.answer.is_empty() {
        return at.mistake(key, "a list of detectors has no `answer`");
    }
    if serves != Serves::Detectors && declared.answer.is_empty() {
        return at.mistake(key, "`answer` is missing, as in `{is_anomaly: anomalous}`");
    }
    let given: Vec<&str> = Answer::ALL.into_iter().filter(|answer| serves.gives(*answer)).map(Answer::name).collect();
    for (name, answer) in &declared.answer {
        let key = format!("{key}.answer.{name}");
        if !serves.gives(*answer) {
            at.mistake(&key, format!("this kind of route has no `{}`; it has {}", answer.name(), given.join(", ")));
        } else if name == Route::WHOLE && *answer != Answer::Row {
            at.mistake(&key, "only `row` can stand here, whose fields then become keys of the answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    const GOOD: &str = "
version: 1
schema:
  time: at
  fields:
    amount: {type: number, minimum: 0}
    channel: {type: text, values: [ATM, Online]}
    at: {type: time}
features:
  amount: {expression: amount}
  hour: {calendar: hour, of: at, cyclic: sine}
  channel: {encode: one_hot, of: channel}
detectors:
  first: {plugin: one}
  second: {plugin: two, features: [amount], scale: robust, contamination: 0.05}
routes:
  - {path: '/predict/{detector}', serves: detector, answer: {is_anomaly: anomalous}}
";

    fn mistakes(text: &str) -> Vec<String> {
        let found = read(text, Path::new("/etc"), Vec::new()).map(|_| ()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = read(GOOD, Path::new("/etc"), Vec::new()).unwrap();
        assert_eq!(config.detectors[0].plugin, Path::new("/etc/plugins/one.wasm"));
        assert_eq!(config.detectors[0].definitions.len(), 3);
        assert_eq!(config.detectors[1].definitions[0].scale, synod_detection::Scale::Robust);
        assert_eq!((config.policy.rule, config.policy.minimum_votes), (Rule::WeightedMean, 2));
        assert_eq!(config.detectors[0].threshold, Threshold::FlagRate(0.01));
        assert_eq!((config.fit.split, config.fit.folds), (None, 5));
    }

    #[test]
    fn thresholds_are_named_or_numbers() {
        let with = |text: &str| {
            let text = GOOD.replace("contamination: 0.05", text).replace("schema:", "fit: {clean: true}\nschema:");
            read(&text, Path::new("/etc"), Vec::new()).unwrap().detectors[1].threshold
        };
        assert_eq!(with("threshold: 1"), Threshold::Fixed(1.0));
        assert_eq!(with("threshold: 0.25"), Threshold::Fixed(0.25));
        assert_eq!(with("threshold: flag_rate, contamination: 0.2"), Threshold::FlagRate(0.2));
        assert_eq!(with("threshold: pot"), Threshold::Pot(0.01));
        assert_eq!(with("threshold: fdr"), Threshold::Fdr(0.1));
        assert_eq!(with("threshold: fdr, false_discovery_rate: 0.3"), Threshold::Fdr(0.3));
    }

    #[test]
    fn each_mistake_has_its_line_and_key() {
        let table = [
            ("version: 1", "version: 2", "2:10: version: version 2 is not known"),
            ("minimum: 0}", "minimum: 0, maximum: -1}", "6:37: schema.fields.amount.minimum: 0 is above the maximum -1"),
            ("time: at", "time: amount", "4:9: schema.time: time: field `amount` holds a number"),
            ("expression: amount", "expression: amout + 1", "10:24: features.amount.expression: there is no field `amout`"),
            ("of: at,", "of: channel,", "11:9: features.hour: field `channel` holds no time"),
            ("features: [amount]", "features: [amount, houre]", "15:44: detectors.second.features[1]: there is no feature `houre`"),
            ("contamination: 0.05", "contamination: 0.5", "detectors.second.contamination: 0.5 is not a share above 0 and below 0.5"),
            (
                "contamination: 0.05",
                "threshold: high",
                "15:71: detectors.second.threshold: invalid value: string \"high\", expected a score from 0",
            ),
            ("contamination: 0.05", "threshold: 1.5", "detectors.second.threshold: 1.5 is not a score from 0 to 1"),
            ("contamination: 0.05", "threshold: 0.5, contamination: 0.1", "threshold: give either `contamination` or `threshold`"),
            ("contamination: 0.05", "threshold: fdr", "detectors.second.threshold: `fdr` needs held-out rows that are known to be normal"),
            ("contamination: 0.05", "false_discovery_rate: 0.1", "second.false_discovery_rate: belongs to `threshold: fdr`"),
            ("schema:", "fit: {folds: 1}\nschema:", "fit.folds: 1 is not a number from 2 to 50"),
            ("plugin: one", "plugn: one", "detectors.first.plugn: unknown field `plugn`"),
            ("/predict/{detector}", "/v1/x/{detector}", "routes[0].path: `/v1/x/{detector}` is one of Synod's own paths"),
            ("/predict/{detector}", "/predict/{entity}", "routes[0].path: only `serves: decisions` takes `{entity}`"),
            ("/predict/{detector}", "/predict-{detector}", "routes[0].path: must begin with `/`, and hold no placeholder but"),
            ("/predict/{detector}", "/{detector}/{detector}", "routes[0].path: holds a placeholder twice"),
            ("is_anomaly: anomalous", "row: row", "routes[0].answer.row: this kind of route has no `row`; it has anomalous, score, raw"),
            ("schema:", "listen: {limits: {header: 1}, tls: {key: k}}\nschema:", "listen.limits.header: invalid type"),
            ("schema:", "listen: {tls: {key: k}}\nschema:", "listen.tls.certificate: is missing: the file of the certificate"),
            ("schema:", "listen: {limits: {header_size: 1KiB}}\nschema:", "listen.limits.header_size: 1024 is not a size from 8KiB"),
            ("schema:", "listen: {drain: soon}\nschema:", "listen.drain: `soon` is no time span"),
            ("serves: detector", "serves: verdict", "routes[0].path: only `serves: detector` takes `{detector}`"),
            ("schema:", "outcomes: {breaker: {maximum_share: 5}}\nschema:", "outcomes.breaker.maximum_share: 5 is not a share from 0 to 1"),
            (
                "schema:",
                "outcomes: {breaker: {window: 1h, minimum: 0}}\nschema:",
                "outcomes.breaker.minimum: 0 is not a number of outcomes",
            ),
            ("schema:", "outcomes: {breaker: {window: 30d}}\nschema:", "outcomes.breaker.window: 2592000 is not a time span from 1s to 7d"),
            ("schema:", "outcomes: {breaker: {window: soon}}\nschema:", "outcomes.breaker.window: `soon` is no time span"),
            ("schema:", "listen: {proxies: [10.0.0.0/8, here]}\nschema:", "listen.proxies[1]: `here` is no network; write for instance"),
            ("schema:", "listen: {proxy_field: via}\nschema:", "listen.proxy_field: unknown variant `via`, expected `x_forwarded_for`"),
        ];
        for (from, to, expected) in table {
            let found = mistakes(&GOOD.replace(from, to));
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
        let all = table[..7].iter().fold(GOOD.to_owned(), |text, (from, to, _)| text.replace(from, to));
        assert!(mistakes(&all).len() >= 7, "all at once: {:#?}", mistakes(&all));
    }

    #[test]
    fn limits_are_checked() {
        let with = |limits: &str| mistakes(&format!("{GOOD}limits: {limits}\n"));
        let fine = "{memory: 4MiB, queue: {places: 1, length: 0, age: 10s}, quotas: {address: {}, exempt: ['2001:db8::/32'], principal: \
                    {rows: 7/h, rows_burst: 9}, routes: {'/v1/score': {requests: 1/m}, '/predict/{detector}': {concurrent: 1}}}}";
        assert_eq!(with(fine), Vec::<String>::new());
        let table = [
            ("{memory: 1MiB}", "limits.memory: 1048576 bytes are less than one body may have by `limits.body`, 4194304"),
            ("{queue: {age: at once}}", "limits.queue.age: `at once` is no time span"),
            ("{queue: {places: 0}}", "limits.queue.places: 0 is not a number from 1 to 10000"),
            ("{queue: {length: 100001}}", "limits.queue.length: 100001 is not a number of requests"),
            ("{quotas: {keys: 10}}", "limits.quotas.keys: 10 is not a number from 1000"),
            ("{quotas: {exempt: [10.0.0.0/33]}}", "limits.quotas.exempt[0]: `10.0.0.0/33` is no network"),
            (
                "{quotas: {address: {requests: often}}}",
                "limits.quotas.address.requests: `often` is no rate above 0; write for instance 200/s",
            ),
            ("{quotas: {address: {requests: 1/s, rows: 1/s}}}", "limits.quotas.address.rows: an address has a quota of requests alone"),
            ("{quotas: {address: {burst: 1}}}", "limits.quotas.address.burst: needs `requests`, as in 200/s"),
            ("{quotas: {tenant: {requests: 1/s, burst: 0}}}", "limits.quotas.tenant.burst: 0 is not a number from 1"),
            ("{quotas: {tenant: {rows: 1/h, rows_burst: 9000}}}", "tenant.rows_burst: 9000 take longer than a year to come again at `1/h`"),
            ("{quotas: {tenants: {north: {rows_burst: 1}}}}", "limits.quotas.tenants.north.rows_burst: needs `rows`"),
            ("{quotas: {principals: {a: {concurrent: 0}}}}", "limits.quotas.principals.a.concurrent: 0 is not a number of requests from 1"),
            ("{quotas: {principal: {request: 1/s}}}", "limits.quotas.principal.request: unknown field `request`"),
            ("{quotas: {routes: {/v1/scores: {}}}}", "limits.quotas.routes./v1/scores: there is no such route; there are /v1/score, "),
            ("{quotas: {routes: {/healthz: {}}}}", "limits.quotas.routes./healthz: there is no such route"),
        ];
        for (limits, expected) in table {
            let found = with(limits);
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
    }

    #[test]
    fn traces_are_checked() {
        let with = |tracing: &str| mistakes(&format!("{GOOD}tracing: {tracing}\n"));
        for fine in [
            "{endpoint: 'https://collector.example:4317', resource: {deployment.environment.name: production}, sampling: {share: 0, rate: 5/m}}",
            "{endpoint: 'http://127.0.0.1:4318/otlp/v1/traces', protocol: http, headers_file: headers, root: ca.pem, queue: 100, timeout: 1s}",
        ] {
            assert_eq!(with(fine), Vec::<String>::new());
        }
        let table = [
            ("{}", "tracing.endpoint: is missing: where the collector takes OTLP, as https://collector.example:4317"),
            ("{endpoint: 'collector:4317'}", "tracing.endpoint: `collector:4317` must begin with https:// or http://"),
            ("{endpoint: 'https://a:b@collector'}", "tracing.endpoint: must not hold a user or a password: those go into `headers_file`"),
            ("{endpoint: 'https://collector/v1/traces'}", "tracing.endpoint: gRPC has no path; leave it out, or set `protocol: http`"),
            ("{endpoint: 'https://collector?key=a', protocol: http}", "tracing.endpoint: must not hold a ? or a #"),
            ("{endpoint: 'https://c', protocol: udp}", "tracing.protocol: unknown variant `udp`, expected `grpc` or `http`"),
            ("{endpoint: 'https://c', sampling: {share: 2}}", "tracing.sampling.share: 2 is not a share from 0 to 1"),
            ("{endpoint: 'https://c', sampling: {rate: often}}", "tracing.sampling.rate: `often` is no rate"),
            ("{endpoint: 'https://c', queue: 0}", "tracing.queue: 0 is not a number of spans from 1 to 1000000"),
            ("{endpoint: 'https://c', timeout: 2h}", "tracing.timeout: `2h` is not from 10ms to 60s"),
            ("{endpoint: 'https://c', service_name: ''}", "tracing.service_name: must have 1 to 255 bytes"),
            ("{endpoint: 'https://c', resource: {service.name: a}}", "tracing.resource.service.name: is set by `tracing.service_name`"),
            ("{endpoint: 'https://c', resource: {a: ''}}", "tracing.resource.a: name and value must have 1 to 255 bytes"),
        ];
        for (tracing, expected) in table {
            let found = with(tracing);
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
        let many: Vec<String> = (0..33).map(|number| format!("a{number}: b")).collect();
        let found = with(&format!("{{endpoint: 'https://c', resource: {{{}}}}}", many.join(", ")));
        assert!(found[0].contains("tracing.resource: 33 is not a number of attributes from 0 to 32"), "{found:?}");
    }

    #[test]
    fn routes_of_decisions_are_checked() {
        let with = |route: &str| GOOD.replace("  time: at", "  time: at\n  entity: channel") + route;
        let entity = "  - {path: '/of/{entity}', serves: decisions, answer: {'*': row, verdict: outcome, because: reasons}}\n";
        assert_eq!(mistakes(&with(entity)), Vec::<String>::new());
        let table = [
            (GOOD.to_owned() + entity, "routes[1].path: `{entity}` needs `schema.entity`"),
            (with(entity) + &entity.replace("{entity}", "{detector}"), "routes[2].path: `/of/{detector}` is declared twice"),
            (with(&entity.replace("reasons", "raw_score")), "routes[1].answer.because: this kind of route has no `raw_score`"),
            (with(&entity.replace(": row", ": score")), "routes[1].answer.*: only `row` can stand here"),
            (with("  - {path: /of, serves: decisions}"), "routes[1]: `answer` is missing"),
            (with("  - {path: /of, serves: decisions, detector: first, answer: {a: id}}"), "routes[1].detector: only `serves: detector`"),
        ];
        for (text, expected) in table {
            let found = mistakes(&text);
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
    }

    #[test]
    fn answers_are_named_as_they_are_written() {
        for answer in Answer::ALL {
            assert_eq!(serde_json::from_value::<Answer>(answer.name().into()).unwrap(), answer);
        }
    }
}
