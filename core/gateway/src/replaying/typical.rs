//! A decision as it is usual under a configuration, to see what it takes on disk.

use crate::config::{Config, Storing};
use crate::decision::{Decision, Standing, Verdict, VoteOf};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value};
use synod_detection::history::Aggregate;
use synod_detection::{Calibration, Definition, Encoding, Field, Kind, Outcome, Schema, Source, Vote};
use uuid::Uuid;

/// Characters of a text whose values are not declared.
const USUAL_TEXT: usize = 12;
/// Columns of a one-hot encoding whose categories are not declared.
const USUAL_CATEGORIES: usize = 8;
/// A number with the digits that computed numbers have.
const COMPUTED: f64 = 4.612_345_678_901_234;

/// A decision of this configuration with all votes, of a row that is approved.
pub fn typical_decision(config: &Config) -> Decision {
    let schema = &config.schema;
    let stored = |index: usize| value(&schema.fields()[index], config.storing.get(index).copied().unwrap_or(Storing::Keep));
    let text = |role: Option<usize>| role.and_then(stored).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let row: Map<String, Value> =
        schema.fields().iter().enumerate().filter_map(|(index, field)| Some((field.name.clone(), stored(index)?))).collect();
    let verdict = Verdict {
        anomalous: false,
        outcome: Outcome::Approve,
        score: 0.123_456_789_012_345_6,
        threshold: Some(config.policy.threshold_alone()),
        policy: config.policy.rule,
        combined: 0.234_567_890_123_456_7,
        votes: config.detectors.len(),
        too_few_votes: false,
        degraded: None,
    };
    Decision {
        id: Uuid::nil(),
        event: text(schema.id()),
        entity: text(schema.entity()),
        tenant: None,
        principal: None,
        request: None,
        content: digest(),
        at: schema.time().map(|_| moment()),
        decided: Timestamp::from_microsecond(moment().as_microsecond() + 123_456).unwrap_or_default(),
        row,
        past: Standing { remembered: true, late: false, full: false },
        features: features(config),
        configuration: digest(),
        rollout: None,
        verdict,
        votes: config
            .detectors
            .iter()
            .map(|detector| vote(&detector.name, detector.threshold.score(&Calibration::default(), &[])))
            .collect(),
        abstentions: Vec::new(),
        reasons: Vec::new(),
    }
}

fn digest() -> String {
    "0".repeat(64)
}

fn moment() -> Timestamp {
    Timestamp::from_second(1_767_225_599).unwrap_or_default()
}

fn value(field: &Field, storing: Storing) -> Option<Value> {
    Some(match (field.kind, storing) {
        (_, Storing::Drop) => return None,
        (Kind::Number, _) => 1234.56.into(),
        (Kind::Integer, _) => 1234.into(),
        (Kind::Boolean, _) => true.into(),
        (Kind::Time, _) => moment().to_string().into(),
        (Kind::Text, Storing::Hmac) => "0".repeat(32).into(),
        (Kind::Text, _) => "x".repeat(length(field)).into(),
    })
}

fn length(field: &Field) -> usize {
    match field.values.len() {
        0 => field.length.unwrap_or(USUAL_TEXT).min(USUAL_TEXT),
        count => field.values.iter().map(String::len).sum::<usize>() / count,
    }
}

fn vote(detector: &str, threshold: f64) -> VoteOf {
    let vote = Vote { raw_score: COMPUTED, score: 0.123_456_789_012_345_6, extrapolated: false, threshold, anomalous: false };
    VoteOf { detector: detector.to_owned(), vote, model_version: 1, model_digest: digest(), plugin_digest: digest(), duration_us: 123.456 }
}

/// The features of all detectors, each source once.
fn features(config: &Config) -> IndexMap<String, Option<f64>> {
    let mut known: Vec<&Source> = Vec::new();
    let mut features = IndexMap::new();
    for definition in config.detectors.iter().flat_map(|detector| &detector.definitions) {
        if !known.contains(&&definition.source) {
            known.push(&definition.source);
            features.extend(columns(definition, &config.schema));
        }
    }
    features
}

fn columns(definition: &Definition, schema: &Schema) -> Vec<(String, Option<f64>)> {
    let one = |value: f64| vec![(definition.name.clone(), Some(value))];
    match &definition.source {
        Source::Encoding { of, encoding: Encoding::OneHot } => {
            let declared = schema.index(of).map_or(&[][..], |index| &schema.fields()[index].values);
            let usual: Vec<String> = if declared.is_empty() { vec!["category".into(); USUAL_CATEGORIES] } else { declared.to_vec() };
            // Names must differ to be counted.
            let name = |(index, category): (usize, &String)| match declared.is_empty() {
                true => format!("{}={category}{index}", definition.name),
                false => format!("{}={category}", definition.name),
            };
            usual.iter().enumerate().map(name).map(|name| (name, Some(0.0))).collect()
        }
        Source::Encoding { encoding: Encoding::Ordinal, .. } | Source::Calendar { cyclic: None, .. } => one(12.0),
        Source::History(past) if is_whole(past.aggregate) => one(12.0),
        _ => one(COMPUTED),
    }
}

fn is_whole(aggregate: Aggregate) -> bool {
    use Aggregate::{Count, Distinct, FirstSeen, NotMostFrequent};
    matches!(aggregate, Count | Distinct | FirstSeen | NotMostFrequent)
}
