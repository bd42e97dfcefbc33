//! What an alert is: labels that say what it is about, and are the same for a repetition; annotations, which are what the latest anomaly was.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use synod_detection::{Outcome, Rule};
use uuid::Uuid;

/// What an alert of an anomaly is called.
const ANOMALY: &str = "SynodAnomaly";
/// What the one alert is called that stands for all that were too many.
const FLOOD: &str = "SynodAnomalyFlood";
/// Labels that every alert has or may have; a rule cannot have its own of these names.
pub(crate) const OWN_LABELS: [&str; 7] = ["alertname", "severity", "outcome", "entity", "tenant", "policy", "service"];

/// Which decisions become alerts, and how grave these are.
#[derive(Debug, Clone)]
pub struct AlertRule {
    /// Of this outcome by the policy, whatever an open breaker made of it; without one, of every outcome but `approve`.
    pub outcome: Option<Outcome>,
    /// With at least this score.
    pub minimum_score: f64,
    /// That one of these detectors voted for; without any, whoever did.
    pub detectors: Vec<String>,
    /// The label `severity`.
    pub severity: String,
    /// More labels.
    pub labels: BTreeMap<String, String>,
}

/// What an alert wants to know of a decision.
#[derive(Debug, Deserialize)]
pub(super) struct Anomaly<'a> {
    pub(super) id: Uuid,
    #[serde(borrow, default)]
    pub(super) tenant: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) entity: Option<Cow<'a, str>>,
    pub(super) decided: Timestamp,
    pub(super) verdict: AnomalyVerdict,
    #[serde(borrow)]
    votes: Vec<AnomalyVote<'a>>,
    #[serde(borrow, default)]
    features: BTreeMap<Cow<'a, str>, serde::de::IgnoredAny>,
    #[serde(borrow, default)]
    reasons: Vec<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AnomalyVerdict {
    outcome: Outcome,
    score: f64,
    policy: Rule,
    #[serde(default)]
    degraded: Option<MadeMilder>,
}

#[derive(Debug, Deserialize)]
struct MadeMilder {
    from: Outcome,
}

impl AnomalyVerdict {
    /// What the policy said. An open breaker lets more pass, and somebody has to look at it all the more.
    fn outcome(&self) -> Outcome {
        self.degraded.as_ref().map_or(self.outcome, |degraded| degraded.from)
    }
}

#[derive(Debug, Deserialize)]
struct AnomalyVote<'a> {
    #[serde(borrow)]
    detector: Cow<'a, str>,
    anomalous: bool,
}

impl Anomaly<'_> {
    /// The detectors that voted for it.
    fn accusers(&self) -> Vec<&str> {
        self.votes.iter().filter(|vote| vote.anomalous).map(|vote| &*vote.detector).collect()
    }

    /// The features that are unusual. Their values stay where they are guarded: with the decision.
    fn unusual(&self) -> Vec<&str> {
        let begins = |reason: &str, name: &str| reason.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', ':']));
        let name_of = |reason: &Cow<'_, str>| {
            let names = self.features.keys().filter(|name| begins(reason, name)).max_by_key(|name| name.len());
            names.map(|name| &**name)
        };
        self.reasons.iter().filter_map(name_of).collect()
    }
}

impl AlertRule {
    /// Whether a decision is of this rule.
    pub(super) fn fits(&self, anomaly: &Anomaly<'_>) -> bool {
        let verdict = &anomaly.verdict;
        let outcome = self.outcome.map_or(verdict.outcome() != Outcome::Approve, |outcome| verdict.outcome() == outcome);
        let accused = || anomaly.accusers().iter().any(|name| self.detectors.iter().any(|wanted| wanted == name));
        outcome && verdict.score >= self.minimum_score && (self.detectors.is_empty() || accused())
    }
}

/// An alert as Alertmanager takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<&'static str, String>,
    #[serde(serialize_with = "as_time")]
    pub(super) starts_at: i64,
    #[serde(serialize_with = "as_time")]
    pub(super) ends_at: i64,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
    /// How many records of the log it stands for.
    #[serde(skip)]
    pub(super) records: u64,
}

fn as_time<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp::from_microsecond(*micros).unwrap_or(Timestamp::MAX))
}

impl Alert {
    /// The alert of an anomaly. `entity` is how it may be named.
    pub(super) fn of(anomaly: &Anomaly<'_>, rule: &AlertRule, entity: Option<String>, link: Option<String>, expires: i64) -> Self {
        let verdict = &anomaly.verdict;
        let outcome = verdict.outcome().name();
        let mut labels = rule.labels.clone();
        let own = [("alertname", ANOMALY), ("severity", &rule.severity), ("outcome", outcome), ("service", "synod")];
        labels.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        labels.insert("policy".into(), policy(verdict.policy));
        labels.extend(anomaly.tenant.as_ref().map(|tenant| ("tenant".to_owned(), tenant.to_string())));
        let whom = entity.as_ref().map_or_else(String::new, |entity| format!(" of {entity}"));
        labels.extend(entity.map(|entity| ("entity".to_owned(), entity)));
        let score = format!("{:.3}", verdict.score);
        let (accusers, unusual) = (anomaly.accusers().join(", "), anomaly.unusual().join(", "));
        let mut annotations = BTreeMap::from([
            ("summary", format!("An event{whom} was judged \"{outcome}\" with score {score}")),
            ("description", description(anomaly, &accusers, &unusual, link.as_deref())),
            ("score", score),
            ("decision", anomaly.id.to_string()),
            ("decided", anomaly.decided.to_string()),
        ]);
        annotations.extend([("detectors", accusers), ("reasons", unusual)].into_iter().filter(|(_, text)| !text.is_empty()));
        let starts_at = anomaly.decided.as_microsecond();
        Self { labels, annotations, starts_at, ends_at: starts_at.saturating_add(expires), link, records: 1 }
    }

    /// With a link to where its decision is looked at.
    pub(super) fn seen_at(mut self, link: Option<String>) -> Self {
        self.annotations.extend(link.map(|link| ("kibana", link)));
        self
    }

    /// The alert that stands for so many anomalies that were too many for alerts of their own.
    pub(super) fn flood(severity: &str, starts_at: i64, ends_at: i64, count: u64) -> Self {
        let labels = [("alertname", FLOOD), ("severity", severity), ("service", "synod")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let annotations = BTreeMap::from([
            ("summary", format!("{count} more anomalies than alerts are sent for")),
            (
                "description",
                format!(
                    "There were more anomalies than alerts.maximum allows alerts for; {count} had none of their own. All of them are among the decisions: GET /v1/decisions."
                ),
            ),
            ("count", count.to_string()),
        ]);
        Self { labels, annotations, starts_at, ends_at, link: None, records: 1 }
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.ends_at <= now
    }

    /// How many records it stands for.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Makes it the repetition of an earlier one: it began with that, and ends when the later of the two does.
    pub(super) fn after(self, earlier: &Self) -> Self {
        let (starts_at, ends_at) = (self.starts_at.min(earlier.starts_at), self.ends_at.max(earlier.ends_at));
        Self { starts_at, ends_at, records: self.records + earlier.records, ..self }
    }
}

fn description(anomaly: &Anomaly<'_>, accusers: &str, unusual: &str, link: Option<&str>) -> String {
    let mut text = format!("Decision {}, decided {}.", anomaly.id, anomaly.decided);
    if anomaly.verdict.degraded.is_some() {
        text += &format!(" What was done is only \"{}\": the breaker is open.", anomaly.verdict.outcome.name());
    }
    if !accusers.is_empty() {
        text += &format!(" Voted for by {accusers}.");
    }
    if !unusual.is_empty() {
        text += &format!(" Unusual: {unusual}.");
    }
    link.map_or(text.clone(), |link| format!("{text} See {link}"))
}

/// The rule as the configuration writes it.
fn policy(rule: Rule) -> String {
    match rule {
        Rule::All => "all".into(),
        Rule::Any => "any".into(),
        Rule::Majority => "majority".into(),
        Rule::AtLeast(votes) => format!("at_least_{votes}"),
        Rule::WeightedMean => "weighted_mean".into(),
        Rule::Mean => "mean".into(),
        Rule::Maximum => "maximum".into(),
        Rule::Median => "median".into(),
    }
}
