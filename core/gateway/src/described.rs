//! Schemas, for the OpenAPI document, of what other crates put into answers: they do not know that they are described. A test holds each
//! against the real thing.
#![allow(dead_code, reason = "these are looked at by the document alone")]

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// What is done about a row, from the mildest to the hardest.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Approve,
    Review,
    Block,
}

/// How votes became the verdict: a rule, or with `at_least` how many votes it asks for.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Rule {
    All,
    Any,
    Majority,
    AtLeast(usize),
    WeightedMean,
    Mean,
    Maximum,
    Median,
}

/// One detector's yes or no.
#[derive(ToSchema)]
pub(crate) struct VoteAlone {
    /// On the detector's own scale; higher is more anomalous.
    raw_score: f64,
    /// Calibrated.
    #[schema(minimum = 0.0, maximum = 1.0)]
    score: f64,
    /// Whether the raw score lies beyond all that the calibration has seen.
    extrapolated: bool,
    /// Where the score turns into a yes.
    threshold: f64,
    /// The vote.
    anomalous: bool,
}

/// Why there is no vote, or no explanation.
#[derive(ToSchema)]
pub(crate) struct Why {
    /// One of a few stable words, such as `timeout`, `trap`, `bad_output`, `missing_feature`.
    reason: String,
    /// For people.
    detail: String,
}

/// What is usual.
#[derive(ToSchema)]
pub(crate) struct Typical {
    /// 5 % have less.
    low: f64,
    /// Half have less.
    median: f64,
    /// 5 % have more.
    high: f64,
}

/// Numbers by their names; null where there is none.
pub(crate) struct Numbers;

impl PartialSchema for Numbers {
    fn schema() -> RefOr<Schema> {
        let number =
            ObjectBuilder::new().schema_type([Type::Number, Type::Null].into_iter().collect::<utoipa::openapi::schema::SchemaType>());
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::from(number))).into()
    }
}

impl ToSchema for Numbers {}

/// A row as it is stored. The installation's schema says what that is; the document puts it here.
pub(crate) struct StoredRow;

impl PartialSchema for StoredRow {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

impl ToSchema for StoredRow {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use synod_detection as real;

    /// The names of a schema's properties, all of which an answer must have.
    fn names<T: ToSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let mut names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let mut required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap();
        names.sort();
        required.sort();
        assert_eq!(names, required);
        names
    }

    fn keys(value: &impl serde::Serialize) -> Vec<String> {
        let Value::Object(object) = serde_json::to_value(value).unwrap() else { panic!("no object") };
        let mut keys: Vec<String> = object.keys().cloned().collect();
        keys.sort();
        keys
    }

    #[test]
    fn objects_are_described_as_they_are() {
        let vote = real::Vote { raw_score: 1.0, score: 0.5, extrapolated: false, threshold: 0.5, anomalous: true };
        assert_eq!(names::<VoteAlone>(), keys(&vote));
        assert_eq!(names::<Typical>(), keys(&real::Typical { low: 1.0, median: 2.0, high: 3.0 }));
        assert_eq!(names::<Why>(), keys(&real::Abstention { reason: "timeout", detail: String::new() }));
    }

    #[test]
    fn words_are_described_as_they_are() {
        let outcomes = [real::Outcome::Approve, real::Outcome::Review, real::Outcome::Block];
        assert_eq!(serde_json::to_value(Outcome::schema()).unwrap()["enum"], serde_json::to_value(outcomes).unwrap());
        let rules = serde_json::to_value(Rule::schema()).unwrap()["oneOf"].as_array().unwrap().clone();
        let real = [
            real::Rule::All,
            real::Rule::Any,
            real::Rule::Majority,
            real::Rule::AtLeast(2),
            real::Rule::WeightedMean,
            real::Rule::Mean,
            real::Rule::Maximum,
            real::Rule::Median,
        ];
        assert_eq!(rules.len(), real.len());
        for (rule, described) in real.iter().zip(rules) {
            match serde_json::to_value(rule).unwrap() {
                Value::Object(rule) => {
                    assert_eq!(rule.keys().collect::<Vec<_>>(), described["properties"].as_object().unwrap().keys().collect::<Vec<_>>())
                }
                word => assert_eq!(described["enum"], Value::Array(vec![word])),
            }
        }
    }
}
