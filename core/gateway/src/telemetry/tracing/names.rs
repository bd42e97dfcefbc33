//! The hops that have a span, and the names of all attributes. An attribute's value is a number, or a word of the code or the configuration.

use super::hops::Passing;

/// A part of a request's way that has a span of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Who calls.
    Credentials,
    /// What the caller may take.
    Limits,
    /// Waiting before the detectors.
    Queue,
    /// The body, as it comes.
    Body,
    /// From the body to rows that the schema takes.
    Schema,
    /// Whether the rows are known, and the values of their past.
    Past,
    /// From rows and their past to what the detectors see.
    Features,
    /// One detector.
    Detector,
    /// From votes to verdicts.
    Consensus,
    /// Until the decisions are as durable as configured.
    Store,
    /// The answer.
    Answer,
}

impl Hop {
    /// All of them, in the order of a request's way.
    pub const ALL: [Self; 11] = [
        Self::Credentials,
        Self::Limits,
        Self::Body,
        Self::Schema,
        Self::Queue,
        Self::Past,
        Self::Features,
        Self::Detector,
        Self::Consensus,
        Self::Store,
        Self::Answer,
    ];

    /// The span's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Limits => "limits",
            Self::Queue => "queue",
            Self::Body => "body",
            Self::Schema => "schema",
            Self::Past => "past",
            Self::Features => "features",
            Self::Detector => "detector",
            Self::Consensus => "consensus",
            Self::Store => "store",
            Self::Answer => "answer",
        }
    }

    /// Begins this hop, for the request that this thread works on.
    pub fn begin(self) -> Passing {
        Passing::begin(self)
    }

    /// Does this hop.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> T {
        self.begin().during(work)
    }

    /// Waits for this hop.
    pub async fn of<T>(self, work: impl Future<Output = T>) -> T {
        self.begin().of(work).await
    }
}

/// The names of attributes: those of the OpenTelemetry semantic conventions where there are some.
pub mod key {
    /// The request's method; `_OTHER` for one that is not known.
    pub const METHOD: &str = "http.request.method";
    /// The pattern of the path. The path itself is in no span: it may name an entity.
    pub const ROUTE: &str = "http.route";
    /// The answer's status.
    pub const STATUS: &str = "http.response.status_code";
    /// `http` or `https`.
    pub const SCHEME: &str = "url.scheme";
    /// `1.1` or `2`.
    pub const PROTOCOL_VERSION: &str = "network.protocol.version";
    /// Why something failed: a stable word, or a status.
    pub const ERROR: &str = "error.type";
    /// Rows that the hop worked on.
    pub const ROWS: &str = "synod.rows";
    /// A detector's name.
    pub const DETECTOR: &str = "synod.detector.name";
    /// The version of its model.
    pub const MODEL_VERSION: &str = "synod.detector.model_version";
    /// The version of its plugin.
    pub const PLUGIN_VERSION: &str = "synod.detector.plugin_version";
    /// `yes`, `no` or `abstained`, if all rows have the same; `mixed` if not.
    pub const VOTE: &str = "synod.detector.vote";
    /// Votes for anomalous.
    pub const YES: &str = "synod.detector.yes";
    /// Votes against.
    pub const NO: &str = "synod.detector.no";
    /// Rows without a vote.
    pub const ABSTENTIONS: &str = "synod.detector.abstentions";
    /// Why the first of them has none.
    pub const ABSTENTION_REASON: &str = "synod.detector.abstention_reason";
    /// Rows that were given to the plugin, counting again those that were tried again.
    pub const SCORED: &str = "synod.detector.rows_scored";
    /// Seconds of waiting for a sandbox.
    pub const WAITING: &str = "synod.detector.waiting_seconds";
    /// Seconds of starting one.
    pub const INSTANTIATING: &str = "synod.detector.instantiating_seconds";
    /// Seconds in the plugin.
    pub const SCORING: &str = "synod.detector.scoring_seconds";
    /// Bytes that the sandbox had after the call.
    pub const MEMORY: &str = "synod.detector.memory_bytes";
    /// The rule of the consensus.
    pub const RULE: &str = "synod.consensus.rule";
    /// The gravest outcome.
    pub const OUTCOME: &str = "synod.consensus.outcome";
    /// Verdicts that say anomalous.
    pub const ANOMALOUS: &str = "synod.consensus.anomalous";
    /// Decisions that are stored.
    pub const DECISIONS: &str = "synod.store.decisions";
}
