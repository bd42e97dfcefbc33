//! Routes that the configuration declares: other systems' paths and answers, so that their clients work unchanged.

use super::score::{self, json};
use super::{Problem, Service};
use crate::config::{Answer, Route, Serves};
use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::sync::Arc;
use synod_detection::{Ballot, Batch, Verdict};

pub(super) fn handler(route: &Route) -> MethodRouter<Arc<Service>> {
    let route = Arc::new(route.clone());
    match route.serves {
        Serves::Detectors => get(list),
        Serves::Verdict => post(|State(service), body| verdicts(service, route, body)),
        Serves::Detector => post(|State(service), parameters, body| votes(service, route, parameters, body)),
    }
}

async fn list(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    json(&service.engine.detectors().iter().map(crate::engine::Detector::name).collect::<Vec<_>>())
}

/// What there is to tell about a row, by a verdict or by one vote.
struct Told<'a> {
    anomalous: bool,
    score: f64,
    raw_score: Option<f64>,
    threshold: Option<f64>,
    outcome: Option<&'static str>,
    detector: Option<&'a str>,
}

async fn verdicts(service: Arc<Service>, route: Arc<Route>, body: Body) -> Result<Response, Problem> {
    let (batch, rows, single) = whole_rows(&service, body).await?;
    let expected = service.engine.expected(rows);
    let (judged, batch) = service.scoring(expected, move |engine| (engine.judge(&batch), batch)).await?;
    service.metrics.judged(&judged);
    let tells_outcome = route.answer.values().any(|answer| *answer == Answer::Outcome);
    let told = judged.rows.iter().map(|row| of_verdict(&row.verdict, tells_outcome)).collect::<Result<Vec<_>, _>>()?;
    answer(&service, &route, &batch, &told, single)
}

fn of_verdict(verdict: &Verdict, tells_outcome: bool) -> Result<Told<'static>, Problem> {
    if verdict.too_few_votes && !tells_outcome && !verdict.anomalous {
        // "Not anomalous" would approve what was not looked at.
        return Err(Problem::no_verdict("too few detectors voted, and this route's answer has no `outcome` that could say so"));
    }
    let outcome = Some(verdict.outcome.name());
    Ok(Told { anomalous: verdict.anomalous, score: verdict.score, raw_score: None, threshold: verdict.threshold, outcome, detector: None })
}

async fn votes(service: Arc<Service>, route: Arc<Route>, parameters: RawPathParams, body: Body) -> Result<Response, Problem> {
    let by_path = parameters.iter().find(|(name, _)| *name == "detector").map(|(_, value)| value);
    let name = by_path.or(route.detector.as_deref()).unwrap_or_default();
    let detector = score::find(&service, name)?;
    let (batch, rows, single) = whole_rows(&service, body).await?;
    let expected = service.engine.detectors()[detector].expected(rows);
    let ((ballots, call), batch) = service.scoring(expected, move |engine| (engine.vote(detector, &batch), batch)).await?;
    service.metrics.voted(detector, &ballots, &call);
    let name = service.engine.detectors()[detector].name();
    let told = ballots.iter().map(|ballot| of_vote(ballot, name)).collect::<Result<Vec<_>, _>>()?;
    answer(&service, &route, &batch, &told, single)
}

fn of_vote<'a>(ballot: &Ballot, detector: &'a str) -> Result<Told<'a>, Problem> {
    match ballot {
        Ballot::Vote(vote) => Ok(Told {
            anomalous: vote.anomalous,
            score: vote.score,
            raw_score: Some(vote.raw_score),
            threshold: Some(vote.threshold),
            outcome: None,
            detector: Some(detector),
        }),
        Ballot::Abstention(abstention) => {
            Err(Problem::no_verdict(format!("the detector {detector} abstained: {}: {}", abstention.reason, abstention.detail)))
        }
    }
}

/// These answers have no place for what is wrong with one row of several, so that any wrong row refuses the request.
async fn whole_rows(service: &Service, body: Body) -> Result<(Batch, usize, bool), Problem> {
    let (batch, places, single) = score::rows(service, body).await?;
    let wrong = score::wrong_values(&places, single);
    if wrong.is_empty() { Ok((batch, places.len(), single)) } else { Err(Problem::refused(wrong)) }
}

fn answer(service: &Service, route: &Route, batch: &Batch, told: &[Told<'_>], single: bool) -> Result<Response, Problem> {
    let row = |(place, told)| row(service, &route.answer, batch, place, told);
    let mut rows: Vec<Value> = told.iter().enumerate().map(row).collect();
    if single { json(&rows.pop()) } else { json(&rows) }
}

fn row(service: &Service, keys: &IndexMap<String, Answer>, batch: &Batch, place: usize, told: &Told<'_>) -> Value {
    let schema = service.engine.schema();
    let label = |field: Option<usize>| field.and_then(|field| batch.label(field, place)).into();
    let value = |answer: &Answer| -> Value {
        match answer {
            Answer::Anomalous => told.anomalous.into(),
            Answer::Score => told.score.into(),
            Answer::RawScore => told.raw_score.into(),
            Answer::Threshold => told.threshold.into(),
            Answer::Outcome => told.outcome.into(),
            Answer::Id => label(schema.id()),
            Answer::Entity => label(schema.entity()),
            Answer::Detector => told.detector.into(),
        }
    };
    Value::Object(keys.iter().map(|(key, answer)| (key.clone(), value(answer))).collect::<Map<_, _>>())
}
