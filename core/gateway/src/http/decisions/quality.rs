//! `GET /v1/quality`: how well the policy and the detectors did, as far as people said what the truth was.

use super::query::{OF_QUALITY, Query};
use super::refused;
use crate::http::score::json;
use crate::http::shown::Shown;
use crate::http::{Problem, Service};
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use synod_store::{Confusion, Quality};
use utoipa::ToSchema;

/// What the numbers are of. Nobody labels at random: what was approved is looked at least.
const MEANING: &str = "precision, recall and F1 are those of the labelled decisions alone, by the last label of each: recall is the share of \
                       the decisions labelled `fraud` that was found, and fraud that nobody labelled is in none of the numbers";

#[derive(Serialize, ToSchema)]
#[schema(as = Quality)]
pub(in crate::http) struct Answer<'a> {
    of: &'static str,
    meaning: &'static str,
    #[schema(required)]
    from: Option<Timestamp>,
    #[schema(required)]
    until: Option<Timestamp>,
    labels: Labels,
    policy: Measured,
    detectors: Vec<OfDetector<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LabelsCounted)]
struct Labels {
    fraud: u64,
    legitimate: u64,
    unsure: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MeasuredDetector)]
struct OfDetector<'a> {
    detector: &'a str,
    #[serde(flatten)]
    votes: Measured,
    abstentions: u64,
}

/// Counts and what follows from them; none where that would divide by nothing.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Measured {
    #[schema(required)]
    precision: Option<f64>,
    #[schema(required)]
    recall: Option<f64>,
    #[schema(required)]
    f1: Option<f64>,
    true_positive: u64,
    false_positive: u64,
    true_negative: u64,
    false_negative: u64,
}

impl Measured {
    fn new(counts: &Confusion) -> Self {
        let Confusion { true_positive, false_positive, true_negative, false_negative } = *counts;
        Self {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            true_positive,
            false_positive,
            true_negative,
            false_negative,
        }
    }
}

pub(in crate::http) async fn quality(State(service): State<Arc<Service>>, shown: Shown, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), &OF_QUALITY)?;
    let (times, whose) = (query.times()?, query.whose(&shown)?);
    let reading = move |service: &Service| {
        let quality = service.ledger.quality(&whose, times.0, times.1).map_err(|error| refused(&error))?;
        json(&answer(&quality, times))
    };
    service.reading(reading).await
}

fn answer(quality: &Quality, times: (Option<i64>, Option<i64>)) -> Answer<'_> {
    let moment = |at: Option<i64>| at.and_then(|at| Timestamp::from_microsecond(at).ok());
    let labels = quality.labelled;
    let detectors = quality.detectors.iter().map(|(detector, votes, abstentions)| OfDetector {
        detector,
        votes: Measured::new(votes),
        abstentions: *abstentions,
    });
    Answer {
        of: "labelled decisions",
        meaning: MEANING,
        from: moment(times.0),
        until: moment(times.1),
        labels: Labels { fraud: labels.fraud, legitimate: labels.legitimate, unsure: labels.unsure },
        policy: Measured::new(&quality.policy),
        detectors: detectors.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(true_positive: u64, false_positive: u64, true_negative: u64, false_negative: u64) -> [Option<f64>; 3] {
        let measured = Measured::new(&Confusion { true_positive, false_positive, true_negative, false_negative });
        [measured.precision, measured.recall, measured.f1]
    }

    #[test]
    fn what_divides_by_nothing_is_not_defined() {
        assert_eq!(measured(3, 1, 10, 3), [Some(0.75), Some(0.5), Some(0.6)]);
        assert_eq!(measured(0, 0, 0, 0), [None, None, None]);
        assert_eq!(measured(0, 0, 5, 0), [None, None, None]);
        assert_eq!(measured(0, 2, 0, 0), [Some(0.0), None, Some(0.0)]);
        assert_eq!(measured(0, 0, 0, 2), [None, Some(0.0), Some(0.0)]);
    }
}
