//! The decision record: a verdict with everything that it rests on, as it is stored, told and replayed. It is written once and never
//! changed; what is said about it later (a label) is a record of its own.

use crate::engine::{Call, Detector, Engine, JudgedRow};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use synod_detection::{Ballot, Outcome, Rule, Vote};
use utoipa::ToSchema;
use uuid::Uuid;

/// The kinds of records in the log. Whoever folds decisions passes over all others. A version of Synod that does not know a kind serves a log
/// with it all the same: its index and its histories pass over it; only its `synod audit verify` names each such record as one that it cannot
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A [`Decision`].
    Decision = 1,
    /// A [`LabelRecord`].
    Label = 2,
    /// An [`AuditRecord`](crate::auditing::AuditRecord).
    Audit = 3,
    /// A [`ShadowRecord`].
    Shadow = 4,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Its own id, a UUIDv7.
    pub id: Uuid,
    /// The row's id, as it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub event: Option<String>,
    /// Whom the row is about, as it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entity: Option<String>,
    /// Whose it is: nobody of another tenant is told of it, and no row of another tenant saw this one. None is the installation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// Who asked; none without a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal: Option<String>,
    /// The request that it answers, if that carried an `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request: Option<RequestKey>,
    /// A keyed digest of the row: whether a later row of the same id is the same row.
    pub content: String,
    /// When the event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at: Option<Timestamp>,
    /// When it was judged.
    pub decided: Timestamp,
    /// The row, as it may be stored.
    #[schema(value_type = crate::described::StoredRow)]
    pub row: Map<String, Value>,
    /// How the row stood to the histories.
    pub past: Standing,
    /// What the detectors saw of it, before scaling; null where a value was missing.
    #[schema(value_type = crate::described::Numbers)]
    pub features: IndexMap<String, Option<f64>>,
    /// SHA-256 of the configuration.
    pub configuration: String,
    /// Only while something is tried: which side of it judged the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rollout: Option<RolloutOf>,
    /// What it came to.
    pub verdict: Verdict,
    /// Each vote.
    pub votes: Vec<VoteOf>,
    /// Each abstention.
    pub abstentions: Vec<AbstentionOf>,
    /// What is unusual about the row, in words; only of a row that was not approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// Which side of a rollout judged a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DecisionRollout)]
pub struct RolloutOf {
    /// The rollout's id.
    pub id: String,
    /// Which side.
    pub side: RolloutSide,
    /// The policy of `consensus.shadows` that made the verdict, if it is not the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<String>,
}

/// A side of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RolloutSide {
    /// What is in force.
    Control,
    /// What is tried.
    Canary,
}

impl RolloutSide {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Canary => "canary",
        }
    }
}

/// What others say of a row that was decided. It counts for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShadowRecord {
    /// The decision.
    pub decision: Uuid,
    /// When they were asked.
    pub at: Timestamp,
    /// The rollout whose other side was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rollout: Option<String>,
    /// What policies say. `rollout` is what is tried, `control` what is in force where what is tried has decided.
    pub verdicts: Vec<ShadowVerdict>,
    /// The votes of detectors that had no part in the decision.
    pub votes: Vec<VoteOf>,
    /// Their abstentions.
    pub abstentions: Vec<AbstentionOf>,
}

impl ShadowRecord {
    /// Of nobody yet.
    pub fn new(decision: Uuid, at: Timestamp) -> Self {
        Self { decision, at, rollout: None, verdicts: Vec::new(), votes: Vec::new(), abstentions: Vec::new() }
    }
}

/// What a policy says that was asked beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShadowVerdict {
    /// Its name.
    pub policy: String,
    /// Anomalous or not.
    pub anomalous: bool,
    /// What to do.
    #[schema(value_type = crate::described::Outcome)]
    pub outcome: Outcome,
    /// Calibrated, 0 to 1.
    pub score: f64,
}

impl ShadowVerdict {
    /// Of a policy of this name.
    pub fn new(policy: &str, verdict: &synod_detection::Verdict) -> Self {
        Self { policy: policy.to_owned(), anomalous: verdict.anomalous, outcome: verdict.outcome, score: verdict.score }
    }
}

/// An `Idempotency-Key` with what it was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestKey {
    /// A keyed digest of the key and of who used it.
    pub key: String,
    /// A keyed digest of the request's body.
    pub content: String,
}

/// How a row stood to the histories of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Whether later rows see it.
    pub remembered: bool,
    /// It came later than `history.lateness`.
    pub late: bool,
    /// A key of it had as many events as are kept.
    pub full: bool,
}

/// The consensus, and how it was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Anomalous or not.
    pub anomalous: bool,
    /// What to do.
    #[schema(value_type = crate::described::Outcome)]
    pub outcome: Outcome,
    /// Calibrated, 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub score: f64,
    /// Where the score turns into "anomalous"; absent for a rule that counts votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub threshold: Option<f64>,
    /// The rule.
    #[schema(value_type = crate::described::Rule)]
    pub policy: Rule,
    /// What the rule made of the votes' scores, before it was calibrated as a whole.
    pub combined: f64,
    /// How many detectors voted.
    pub votes: usize,
    /// Whether fewer voted than the policy asks for.
    pub too_few_votes: bool,
    /// Only where the outcome is milder than the policy's: what the policy said, and what made it milder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub degraded: Option<Degraded>,
}

/// Why an outcome is milder than the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Degraded {
    /// What the policy said.
    #[schema(value_type = crate::described::Outcome)]
    pub from: Outcome,
    /// What made it milder.
    pub by: DegradedBy,
}

/// What makes outcomes milder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DegradedBy {
    /// The breaker of the decision's tenant was open, because the policy blocked too much.
    Breaker,
}

/// A detector's vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Vote)]
pub struct VoteOf {
    /// Whose.
    pub detector: String,
    /// The vote.
    #[serde(flatten)]
    #[schema(value_type = crate::described::VoteAlone)]
    pub vote: Vote,
    /// The model's version.
    pub model_version: u64,
    /// The model's SHA-256.
    pub model_digest: String,
    /// The plugin's SHA-256.
    pub plugin_digest: String,
    /// What the detector took for all rows of the request, in microseconds.
    pub duration_us: f64,
}

/// Why a detector did not vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Abstention)]
pub struct AbstentionOf {
    /// Whose.
    pub detector: String,
    /// One of a few stable words.
    pub reason: String,
    /// For people.
    pub detail: String,
    /// The model's version.
    pub model_version: u64,
}

/// What the truth about a decision is, by somebody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Label {
    /// It was fraud.
    Fraud = 0,
    /// It was not.
    Legitimate = 1,
    /// Nobody knows.
    Unsure = 2,
}

impl Label {
    /// Its name, as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Legitimate => "legitimate",
            Self::Unsure => "unsure",
        }
    }
}

/// A label as it is stored. What people write into it is no field of the schema, so that no `store` governs it: it passes the net of
/// [`redaction`](crate::redaction) whenever it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelRecord {
    /// The decision.
    pub decision: Uuid,
    /// The label.
    pub label: Label,
    /// Who says so.
    #[serde(serialize_with = "crate::redaction::serialize")]
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::redaction::serialize_some")]
    #[schema(nullable = false)]
    pub note: Option<String>,
}

/// A label as the log has it: with what those want to know of its decision who are told of the label alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLabel {
    /// What was said.
    #[serde(flatten)]
    pub said: LabelRecord,
    /// What the decision came to; none if the log did not have it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whose the decision is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Verdict {
    /// A judged row's verdict with the rule that made it.
    pub fn new(verdict: &synod_detection::Verdict, policy: Rule) -> Self {
        Self {
            anomalous: verdict.anomalous,
            outcome: verdict.outcome,
            score: verdict.score,
            threshold: verdict.threshold,
            policy,
            combined: verdict.combined,
            votes: verdict.votes,
            too_few_votes: verdict.too_few_votes,
            degraded: None,
        }
    }

    /// What the policy said, whatever became of it.
    pub fn outcome_of_policy(&self) -> Outcome {
        self.degraded.map_or(self.outcome, |degraded| degraded.from)
    }
}

impl VoteOf {
    /// A vote with whose it is and what it rests on.
    pub fn new(detector: &Detector, vote: Vote, call: &Call) -> Self {
        let identity = detector.identity();
        let took = call.waiting + call.instantiating + call.scoring;
        Self {
            detector: detector.name().to_owned(),
            vote,
            model_version: identity.version,
            model_digest: identity.model.clone(),
            plugin_digest: identity.plugin.sha256.clone(),
            duration_us: took.as_nanos() as f64 / 1e3,
        }
    }
}

impl AbstentionOf {
    /// An abstention with whose it is.
    pub fn new(detector: &Detector, abstention: &synod_detection::Abstention) -> Self {
        Self {
            detector: detector.name().to_owned(),
            reason: abstention.reason.to_owned(),
            detail: abstention.detail.clone(),
            model_version: detector.identity().version,
        }
    }
}

/// The votes and the abstentions of a judged row.
pub fn ballots(engine: &Engine, row: &JudgedRow, calls: &[Call]) -> (Vec<VoteOf>, Vec<AbstentionOf>) {
    let (mut votes, mut abstentions) = (Vec::with_capacity(calls.len()), Vec::new());
    for ((detector, ballot), call) in engine.detectors().iter().zip(&row.ballots).zip(calls) {
        match ballot {
            Ballot::Vote(vote) => votes.push(VoteOf::new(detector, *vote, call)),
            Ballot::Abstention(abstention) => abstentions.push(AbstentionOf::new(detector, abstention)),
        }
    }
    (votes, abstentions)
}
