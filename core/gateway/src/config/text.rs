//! The configuration as it is written: plain tables in which everything has a default. [`super::check`] turns it into values that the
//! program uses. `config/synod.yaml` documents every key.

use crate::otlp::Protocol;
use indexmap::IndexMap;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt;
use synod_detection::history::Aggregate;
use synod_detection::{CalendarPart, Cyclic, Encoding, Kind, Outcome, Scale, TimeFormat};
use synod_identity::SigningAlgorithm;

/// Tables with defaults, in which an unknown key is a mistake.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    )*};
}

pub(super) use tables;

tables! {
    /// The whole file.
    Text {
        version: Option<u64> = None,
        data_directory: String = "synod-data".into(),
        listen: Listen = Listen::default(),
        identity: Identity = Identity::default(),
        roles: IndexMap<String, Vec<String>> = IndexMap::new(),
        plugins: Plugins = Plugins::default(),
        schema: Schema = Schema::default(),
        features: IndexMap<String, Feature> = IndexMap::new(),
        detectors: IndexMap<String, Detector> = IndexMap::new(),
        consensus: Consensus = Consensus::default(),
        outcomes: Outcomes = Outcomes::default(),
        rollout: Rollout = Rollout::default(),
        fit: Fit = Fit::default(),
        models: Models = Models::default(),
        history: History = History::default(),
        decisions: Decisions = Decisions::default(),
        alerts: Alerts = Alerts::default(),
        sinks: Sinks = Sinks::default(),
        links: Links = Links::default(),
        drift: Drift = Drift::default(),
        metrics: Metrics = Metrics::default(),
        limits: Limits = Limits::default(),
        routes: Vec<Route> = Vec::new(),
        logging: Logging = Logging::default(),
        tracing: Option<Tracing> = None,
    }
    Listen {
        data: String = "127.0.0.1:8080".into(),
        administration: String = "127.0.0.1:8081".into(),
        redirect: Option<String> = None,
        tls: Option<Tls> = None,
        drain: String = "10s".into(),
        limits: ListenLimits = ListenLimits::default(),
        proxies: Vec<String> = Vec::new(),
        proxy_field: ProxyField = ProxyField::XForwardedFor,
    }
    Tls {
        certificate: String = String::new(),
        key: String = String::new(),
        acme: Option<Acme> = None,
        clients: Option<Clients> = None,
        strict_transport: Option<String> = Some("365d".into()),
    }
    Acme {
        directory: String = String::new(),
        domains: Vec<String> = Vec::new(),
        contact: Vec<String> = Vec::new(),
        root: Option<String> = None,
        cache: Option<String> = None,
    }
    Clients {
        authorities: String = String::new(),
        required: bool = false,
        revoked: Option<String> = None,
    }
    ListenLimits {
        connections: usize = 10_000,
        connections_per_address: usize = 256,
        handshake: String = "5s".into(),
        first_byte: String = "10s".into(),
        header: String = "10s".into(),
        idle: String = "75s".into(),
        stall: String = "30s".into(),
        body: String = "60s".into(),
        body_grace: String = "10s".into(),
        body_rate: String = "256B".into(),
        streams: u32 = 128,
        header_size: String = "32KiB".into(),
        header_count: usize = 100,
    }
    Identity {
        anonymous: Vec<String> = Vec::new(),
        keys: IdentityKeys = IdentityKeys::default(),
        server: IdentityServer = IdentityServer::default(),
        certificates: Vec<IdentityCertificate> = Vec::new(),
        issuers: IndexMap<String, Issuer> = IndexMap::new(),
        login: Option<Login> = None,
    }
    IdentityKeys {
        lifetime: String = "365d".into(),
        maximum_lifetime: String = "400d".into(),
    }
    IdentityServer {
        enabled: bool = true,
        issuer: Option<String> = None,
        token_lifetime: String = "10m".into(),
        algorithm: SigningAlgorithm = SigningAlgorithm::Es256,
    }
    IdentityCertificate {
        name: String = String::new(),
        roles: Vec<String> = Vec::new(),
        tenant: Option<String> = None,
        scopes: Vec<String> = Vec::new(),
    }
    Issuer {
        issuer: String = String::new(),
        audiences: Vec<String> = Vec::new(),
        algorithms: Vec<String> = ["RS256", "PS256", "ES256", "ES384", "EdDSA"].map(String::from).to_vec(),
        discovery: Option<String> = None,
        jwks: Option<String> = None,
        root: Option<String> = None,
        claims: Claims = Claims::default(),
        roles: IndexMap<String, String> = IndexMap::new(),
        leeway: String = "30s".into(),
        maximum_lifetime: String = "24h".into(),
        refresh: String = "10m".into(),
        refetch: String = "1m".into(),
        private: bool = false,
    }
    Claims {
        roles: Option<String> = Some("roles".into()),
        scopes: Option<String> = Some("scope".into()),
        tenant: Option<String> = None,
    }
    Login {
        issuer: String = String::new(),
        client_id: String = String::new(),
        client_secret_file: Option<String> = None,
        redirect: String = String::new(),
        scopes: Vec<String> = vec!["openid".into(), "profile".into()],
    }
    Plugins {
        directory: String = "plugins".into(),
        compile: Compile = Compile::default(),
    }
    Compile {
        timeout: String = "2m".into(),
        memory: String = "2GiB".into(),
    }
    Schema {
        id: Option<String> = None,
        entity: Option<String> = None,
        time: Option<String> = None,
        fields: IndexMap<String, Field> = IndexMap::new(),
    }
    Field {
        r#type: Option<Kind> = None,
        required: bool = true,
        minimum: Option<f64> = None,
        maximum: Option<f64> = None,
        values: Vec<String> = Vec::new(),
        length: Option<usize> = None,
        format: Option<TimeFormat> = None,
        store: Storing = Storing::Keep,
    }
    Feature {
        expression: Option<String> = None,
        calendar: Option<CalendarPart> = None,
        cyclic: Option<Cyclic> = None,
        encode: Option<Encoding> = None,
        history: Option<Aggregate> = None,
        per: Option<Value> = None,
        over: Option<String> = None,
        last: Option<u32> = None,
        of: Option<String> = None,
        scale: Option<Scale> = None,
        missing: Option<Value> = None,
        record: bool = false,
    }
    Detector {
        plugin: Option<String> = None,
        features: Option<Vec<String>> = None,
        scale: Scale = Scale::None,
        parameters: Map<String, Value> = Map::new(),
        artifact: Option<String> = None,
        contamination: Option<f64> = None,
        threshold: Option<ThresholdText> = None,
        false_discovery_rate: Option<f64> = None,
        weight: f64 = 1.0,
        owner: Option<String> = None,
        purpose: Option<String> = None,
        shadow: bool = false,
        on_failure: OnFailure = OnFailure::Abstain,
        limits: DetectorLimits = DetectorLimits::default(),
    }
    DetectorLimits {
        timeout: String = "100ms".into(),
        memory: String = "256MiB".into(),
        instances: Option<usize> = None,
        failures: u32 = 5,
        load_timeout: String = "10s".into(),
        fit_timeout: String = "1h".into(),
        fit_memory: String = "1GiB".into(),
    }
    Models {
        four_eyes: bool = false,
        keep: usize = 10,
    }
    Consensus {
        rule: RuleName = RuleName::WeightedMean,
        votes: Option<usize> = None,
        contamination: Option<f64> = None,
        threshold: Option<ThresholdText> = None,
        false_discovery_rate: Option<f64> = None,
        minimum_votes: Option<usize> = None,
        on_missing: Outcome = Outcome::Review,
        shadows: IndexMap<String, ShadowPolicy> = IndexMap::new(),
    }
    ShadowPolicy {
        detectors: Option<Vec<String>> = None,
        rule: RuleName = RuleName::WeightedMean,
        votes: Option<usize> = None,
        contamination: Option<f64> = None,
        threshold: Option<ThresholdText> = None,
        false_discovery_rate: Option<f64> = None,
        minimum_votes: Option<usize> = None,
        on_missing: Outcome = Outcome::Review,
        review: Option<f64> = None,
        block: Option<f64> = None,
    }
    Rollout {
        steps: Vec<RolloutStep> = vec![
            RolloutStep { share: 0.0, hold: "10m".into() },
            RolloutStep { share: 0.05, hold: "10m".into() },
            RolloutStep { share: 0.5, hold: "10m".into() },
        ],
        promote: bool = false,
        guards: Guards = Guards::default(),
    }
    RolloutStep {
        share: f64 = 0.0,
        hold: String = "10m".into(),
    }
    Guards {
        rows: usize = 500,
        looks: u32 = 3,
        score_shift: f64 = 0.25,
        flag_rate: f64 = 2.0,
        disagreement: f64 = 0.05,
        slower: f64 = 3.0,
        failures: f64 = 0.01,
    }
    Outcomes {
        review: Option<f64> = None,
        block: Option<f64> = None,
        breaker: Breaker = Breaker::default(),
    }
    Breaker {
        maximum_share: f64 = 0.05,
        window: String = "10m".into(),
        minimum: u64 = 200,
    }
    Fit {
        seed: u64 = 1,
        holdout: f64 = 0.25,
        split: Option<Split> = None,
        folds: usize = 5,
        maximum_rows: usize = 1_000_000,
        clean: bool = false,
    }
    History {
        lateness: String = "1h".into(),
        ahead: String = "1h".into(),
        events: usize = 512,
        entities: usize = 1_000_000,
    }
    Decisions {
        durability: Durability = Durability::Synced,
        segment: String = "64MiB".into(),
        keep_for: Option<String> = None,
        keep_bytes: Option<String> = None,
        snapshot_after: u64 = 250_000,
    }
    Alerts {
        alertmanagers: Vec<String> = Vec::new(),
        basic: Option<AlertsBasic> = None,
        bearer_file: Option<String> = None,
        root: Option<String> = None,
        timeout: String = "5s".into(),
        rules: Vec<AlertRule> = Vec::new(),
        expires: String = "1h".into(),
        entity: EntityLabel = EntityLabel::Digest,
        console: Option<String> = None,
        maximum: String = "60/m".into(),
    }
    Sinks {
        namespace: String = "default".into(),
        service: String = "synod".into(),
        node: Option<String> = None,
        spool: Spool = Spool::default(),
        elasticsearch: Option<Elasticsearch> = None,
        file: Option<FileSink> = None,
        standard_output: Option<OutputSink> = None,
        otlp: Option<OtlpSink> = None,
    }
    OtlpSink {
        endpoint: String = String::new(),
        protocol: Protocol = Protocol::Grpc,
        root: Option<String> = None,
        headers_file: Option<String> = None,
        timeout: String = "10s".into(),
        streams: Vec<String> = all_streams(),
        sample: Sample = Sample::default(),
        begin: BeginAt = BeginAt::Latest,
    }
    FileSink {
        folder: String = String::new(),
        streams: Vec<String> = all_streams(),
        rotate: Rotate = Rotate::default(),
        sample: Sample = Sample::default(),
        begin: BeginAt = BeginAt::Earliest,
    }
    Rotate {
        size: String = "100MiB".into(),
        age: String = "1d".into(),
        keep: usize = 30,
        compress: bool = true,
    }
    OutputSink {
        streams: Vec<String> = all_streams(),
        sample: Sample = Sample::default(),
    }
    Spool {
        decisions: SpoolOfDecisions = SpoolOfDecisions::default(),
        events: SpoolOfEvents = SpoolOfEvents::default(),
    }
    SpoolOfDecisions {
        maximum: String = "50GiB".into(),
        when_full: WhenFull = WhenFull::Refuse,
    }
    SpoolOfEvents {
        maximum: String = "1GiB".into(),
    }
    Elasticsearch {
        nodes: Vec<String> = Vec::new(),
        streams: Vec<String> = all_streams(),
        api_key_file: Option<String> = None,
        basic: Option<AlertsBasic> = None,
        root: Option<String> = None,
        timeout: String = "30s".into(),
        compression: Compression = Compression::Gzip,
        batch: Batch = Batch::default(),
        sample: Sample = Sample::default(),
        begin: BeginAt = BeginAt::Earliest,
    }
    Batch {
        documents: usize = 1000,
        bytes: String = "1MiB".into(),
        requests: usize = 4,
    }
    Sample {
        decisions: f64 = 1.0,
        access: f64 = 1.0,
    }
    AlertsBasic {
        user: String = String::new(),
        password_file: String = String::new(),
    }
    AlertRule {
        outcome: Option<Outcome> = None,
        minimum_score: f64 = 0.0,
        detectors: Vec<String> = Vec::new(),
        severity: String = String::new(),
        labels: IndexMap<String, String> = IndexMap::new(),
    }
    Links {
        kibana: Option<String> = None,
    }
    Metrics {
        count: bool = true,
    }
    Drift {
        window: u32 = 10_000,
        minimum: u32 = 500,
    }
    Limits {
        body: String = "4MiB".into(),
        rows: usize = 10_000,
        timeout: String = "10s".into(),
        memory: String = "256MiB".into(),
        queue: Queue = Queue::default(),
        quotas: Quotas = Quotas::default(),
    }
    Queue {
        places: Option<usize> = None,
        length: usize = 1000,
        age: String = "250ms".into(),
    }
    Quotas {
        address: Quota = Quota { requests: Some("5000/s".into()), burst: Some(10_000), ..Quota::default() },
        exempt: Vec<String> = vec!["127.0.0.0/8".into(), "::1".into()],
        principal: Quota = Quota { concurrent: Some(1024), ..Quota::default() },
        tenant: Quota = Quota::default(),
        routes: IndexMap<String, Quota> = IndexMap::new(),
        principals: IndexMap<String, Quota> = IndexMap::new(),
        tenants: IndexMap<String, Quota> = IndexMap::new(),
        keys: usize = 100_000,
    }
    Quota {
        requests: Option<String> = None,
        burst: Option<u32> = None,
        rows: Option<String> = None,
        rows_burst: Option<u32> = None,
        concurrent: Option<u32> = None,
    }
    Route {
        path: String = String::new(),
        serves: Option<Serves> = None,
        detector: Option<String> = None,
        answer: IndexMap<String, Answer> = IndexMap::new(),
    }
    Logging {
        level: Level = Level::Info,
        access: bool = true,
    }
    Tracing {
        endpoint: String = String::new(),
        protocol: Protocol = Protocol::Grpc,
        root: Option<String> = None,
        headers_file: Option<String> = None,
        service_name: String = "synod".into(),
        resource: IndexMap<String, String> = IndexMap::new(),
        sampling: Sampling = Sampling::default(),
        queue: usize = 4096,
        timeout: String = "10s".into(),
    }
    Sampling {
        share: f64 = 0.01,
        parent: bool = true,
        errors: bool = true,
        rate: String = "20/s".into(),
    }
}

fn all_streams() -> Vec<String> {
    crate::documents::Stream::ASKED.map(|stream| stream.name().to_owned()).into()
}

/// What becomes of a row on which a detector fails to vote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The others judge it, if they are enough.
    #[default]
    Abstain,
    /// It is not judged: its request is refused, and can be sent again.
    Fail,
    /// It is judged as one with too few votes, however many there are.
    Veto,
}

/// What happens to rows when no more decisions may wait to be shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// They are refused.
    Refuse,
    /// They wait for as long as a request may take, and are refused then.
    Block,
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// By gzip.
    Gzip,
    /// Not at all.
    None,
}

/// Where a new sink begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeginAt {
    /// With what is there.
    Earliest,
    /// With what comes.
    Latest,
}

/// The field in which proxies say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyField {
    /// `X-Forwarded-For`, as most proxies write it.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// How votes become a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RuleName {
    All,
    Any,
    Majority,
    AtLeast,
    #[serde(alias = "weighted")]
    WeightedMean,
    Mean,
    Maximum,
    Median,
}

/// Which rows are held out for calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The latest ones. The default where the schema has a time.
    Time,
    /// Any, drawn by the seed.
    Random,
    /// All of them, each once: the rows are divided into folds, and a fold is scored by a model that learnt from the others.
    Cross,
}

/// A threshold as it is written: a score, or the name of how one is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ThresholdText {
    Score(f64),
    FlagRate,
    Pot,
    Fdr,
}

impl<'de> Deserialize<'de> for ThresholdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = ThresholdText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a score from 0 to 1, or flag_rate, pot or fdr")
            }

            fn visit_f64<E>(self, score: f64) -> Result<ThresholdText, E> {
                Ok(ThresholdText::Score(score))
            }

            fn visit_u64<E>(self, score: u64) -> Result<ThresholdText, E> {
                Ok(ThresholdText::Score(score as f64))
            }

            fn visit_i64<E>(self, score: i64) -> Result<ThresholdText, E> {
                Ok(ThresholdText::Score(score as f64))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ThresholdText, E> {
                match name {
                    "flag_rate" => Ok(ThresholdText::FlagRate),
                    "pot" => Ok(ThresholdText::Pot),
                    "fdr" => Ok(ThresholdText::Fdr),
                    _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
                }
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// When a decision is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it would survive a power failure.
    Synced,
    /// Once it is written; a power failure may take the last fifth of a second, a crash of the process nothing.
    Written,
    /// Decisions are not stored, and histories end with the process. (`off` would be false in YAML.)
    None,
}

/// What is stored of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storing {
    /// Its value.
    Keep,
    /// Its last four characters, behind stars.
    Mask,
    /// A keyed digest (HMAC-SHA256): equal values can be recognised, and not read.
    Hmac,
    /// Nothing.
    Drop,
}

/// How an alert names whom it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityLabel {
    /// By a short keyed digest: the same for the same entity, and to be read by nobody.
    Digest,
    /// As it is stored.
    Plain,
    /// Not at all: all anomalies of a kind are one alert.
    None,
}

/// What a declared route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// Scores rows by all detectors and answers with the verdict.
    Verdict,
    /// Scores rows by one detector and answers with its vote.
    Detector,
    /// Lists the detectors' names.
    Detectors,
    /// Lists decisions, newest first.
    Decisions,
}

impl Serves {
    /// Whether an answer of such a route can hold this.
    pub(super) fn gives(self, answer: Answer) -> bool {
        match answer {
            Answer::Anomalous | Answer::Score | Answer::Threshold | Answer::Id | Answer::Entity => self != Self::Detectors,
            Answer::RawScore | Answer::Detector => self == Self::Detector,
            Answer::Outcome | Answer::Decision | Answer::Decided | Answer::At | Answer::Reasons | Answer::Row => {
                matches!(self, Self::Verdict | Self::Decisions)
            }
        }
    }
}

/// What a key of a declared route's answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Whether the row is anomalous.
    Anomalous,
    /// The calibrated score.
    Score,
    /// The detector's raw score.
    RawScore,
    /// Where the score turns into "anomalous".
    Threshold,
    /// approve, review or block.
    Outcome,
    /// The row's id, by the schema.
    Id,
    /// The row's entity, by the schema.
    Entity,
    /// The detector's name.
    Detector,
    /// The decision's id.
    Decision,
    /// When it was decided.
    Decided,
    /// When the event happened, by the schema.
    At,
    /// What is unusual about the row, in words.
    Reasons,
    /// The row as it is stored.
    Row,
}

impl Answer {
    pub(super) const ALL: [Self; 13] = [
        Self::Anomalous,
        Self::Score,
        Self::RawScore,
        Self::Threshold,
        Self::Outcome,
        Self::Id,
        Self::Entity,
        Self::Detector,
        Self::Decision,
        Self::Decided,
        Self::At,
        Self::Reasons,
        Self::Row,
    ];

    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Anomalous => "anomalous",
            Self::Score => "score",
            Self::RawScore => "raw_score",
            Self::Threshold => "threshold",
            Self::Outcome => "outcome",
            Self::Id => "id",
            Self::Entity => "entity",
            Self::Detector => "detector",
            Self::Decision => "decision",
            Self::Decided => "decided",
            Self::At => "at",
            Self::Reasons => "reasons",
            Self::Row => "row",
        }
    }
}

/// The least important log lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What happens.
    Info,
    /// What may need mending.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// As the log library writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
