//! Routes that the configuration declares: other systems' paths and answers, so that their clients work unchanged.

use super::decisions::query::{LONGEST_VALUE, OF_PAGES, Query};
use super::decisions::{link, linked, refused};
use super::guard::Needs;
use super::score::{self, json};
use super::shown::Shown;
use super::{Live, Problem, Service, body};
use crate::access::Permission;
use crate::config::{Answer, Route, Serves};
use crate::decision::Decision;
use crate::telemetry::tracing::Hop;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use synod_detection::{Ballot, Batch};
use synod_store::Filter;

pub(super) fn handler(route: &Route) -> MethodRouter<Live> {
    let route = Arc::new(route.clone());
    match route.serves {
        Serves::Detectors => get(list),
        Serves::Verdict => post(|State(service), shown, headers, body| verdicts(service, route, shown, headers, body)),
        Serves::Detector => {
            post(|State(service), shown, parameters, headers, body| votes(service, route, shown, parameters, headers, body))
        }
        Serves::Decisions => get(|State(service), shown, parameters, uri| decisions(service, route, shown, parameters, uri)),
    }
}

/// What callers of a declared route need: what they would need of the route that it stands for.
pub(super) fn needs(route: &Route) -> Needs {
    match (route.serves, &route.detector) {
        (Serves::Detectors, _) => Needs::The(Permission::ReadDetectors),
        (Serves::Verdict, _) => Needs::The(Permission::ScorePolicy),
        (Serves::Detector, Some(name)) => Needs::The(Permission::ScoreDetector(name.clone())),
        (Serves::Detector, None) => Needs::ScoreOfNamedDetector,
        (Serves::Decisions, _) => Needs::The(Permission::ReadDecisions),
    }
}

async fn list(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    json(&service.engine.detectors().iter().map(|detector| detector.name()).collect::<Vec<_>>())
}

/// What there is to tell about a row, by a verdict or by one vote. What the caller is not shown is none.
struct Told<'a> {
    id: Option<String>,
    entity: Option<String>,
    /// None if too few detectors voted to say so.
    anomalous: Option<bool>,
    score: Option<f64>,
    raw_score: Option<f64>,
    threshold: Option<f64>,
    outcome: Option<&'static str>,
    detector: Option<&'a str>,
    reasons: Option<&'a [String]>,
    decision: Option<&'a Decision>,
}

async fn verdicts(service: Arc<Service>, route: Arc<Route>, shown: Shown, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    body::expect_json(&headers)?;
    let bytes = body::read(&service, body).await?;
    let asked = score::asked(&service, shown.caller(), &headers, &bytes)?;
    let (batch, single) = whole_rows(&service, &bytes)?;
    let told = score::decide(&service, batch, asked).await?;
    let decisions = told.into_iter().map(|told| told.map(|told| told.decision)).collect::<Result<Vec<_>, _>>()?;
    let row = |decision: &Arc<Decision>| match of_decision(&shown, decision, &route) {
        // "Not anomalous" would approve what was not looked at.
        Told { anomalous: None, .. } => {
            Err(Problem::no_verdict("too few detectors voted, and this route's answer has no `outcome` that could say so"))
        }
        told => Ok(row(&route.answer, &told)),
    };
    Hop::Answer.during(|| {
        let mut rows = decisions.iter().map(row).collect::<Result<Vec<Value>, Problem>>()?;
        if single { json(&rows.pop()) } else { json(&rows) }
    })
}

fn of_decision<'a>(shown: &Shown, decision: &'a Decision, route: &Route) -> Told<'a> {
    let verdict = &decision.verdict;
    let tells_outcome = route.answer.values().any(|answer| *answer == Answer::Outcome);
    let is_known = !verdict.too_few_votes || verdict.anomalous || tells_outcome;
    Told {
        id: decision.event.clone(),
        entity: decision.entity.clone(),
        anomalous: is_known.then_some(verdict.anomalous),
        score: shown.score(verdict.score),
        raw_score: None,
        threshold: shown.score(verdict.threshold).flatten(),
        outcome: Some(verdict.outcome.name()),
        detector: None,
        reasons: shown.explanation(decision.reasons.as_slice()),
        decision: Some(decision),
    }
}

/// Decisions that were made, newest first; those of one entity if the path names it.
async fn decisions(
    service: Arc<Service>,
    route: Arc<Route>,
    shown: Shown,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = parameters.map_err(|_| Problem::no_entity())?;
    let query = Query::read(uri.query(), &OF_PAGES)?;
    let (cursor, limit) = query.page()?;
    let entity = parameters.iter().find(|(name, _)| *name == "entity").map(|(_, entity)| entity);
    let entity = entity.map(|entity| stored(&service, entity)).transpose()?;
    let filter = Filter { entity, ..Filter::of(query.whose(&shown)?) };
    let reading = move |service: &Service| {
        let page = service.ledger.decisions(&filter, cursor.as_ref(), limit).map_err(|error| refused(&error))?;
        let rows = page.decisions.iter().map(|decision| row(&route.answer, &of_decision(&shown, decision, &route)));
        let link = page.next.as_ref().and_then(|next| link(uri.path(), &query, next));
        Ok(linked(json(&rows.collect::<Vec<_>>())?, link))
    };
    service.reading(reading).await
}

/// An entity's name as it is stored.
fn stored(service: &Service, entity: &str) -> Result<String, Problem> {
    if entity.len() > LONGEST_VALUE {
        return Err(Problem::no_entity());
    }
    let probe = service.ledger.probe(entity, Timestamp::now().as_microsecond());
    Ok(probe.map_err(|error| refused(&error))?.name)
}

async fn votes(
    service: Arc<Service>,
    route: Arc<Route>,
    shown: Shown,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // What is no text is the name of no detector.
    let by_path = parameters.iter().flatten().find(|(name, _)| *name == "detector").map(|(_, value)| value);
    let name = by_path.or(route.detector.as_deref()).unwrap_or_default();
    let detector = score::find(&service, name)?;
    body::expect_json(&headers)?;
    let bytes = body::read(&service, body).await?;
    let (batch, single) = whole_rows(&service, &bytes)?;
    let (ballots, _, batch) = score::vote(&service, shown.caller(), detector, batch).await?;
    let name = service.engine.detectors()[detector].name();
    let schema = service.engine.schema();
    let row = |(place, ballot): (usize, &Ballot)| {
        let label = |field: Option<usize>| field.and_then(|field| batch.label(field, place));
        let told = Told { id: label(schema.id()), entity: label(schema.entity()), ..of_vote(&shown, ballot, name)? };
        Ok(row(&route.answer, &told))
    };
    Hop::Answer.during(|| {
        let mut rows = ballots.iter().enumerate().map(row).collect::<Result<Vec<Value>, Problem>>()?;
        if single { json(&rows.pop()) } else { json(&rows) }
    })
}

fn of_vote<'a>(shown: &Shown, ballot: &Ballot, detector: &'a str) -> Result<Told<'a>, Problem> {
    match ballot {
        Ballot::Vote(vote) => Ok(Told {
            id: None,
            entity: None,
            anomalous: Some(vote.anomalous),
            score: shown.score(vote.score),
            raw_score: shown.score(vote.raw_score),
            threshold: shown.score(vote.threshold),
            outcome: None,
            detector: Some(detector),
            reasons: None,
            decision: None,
        }),
        Ballot::Abstention(abstention) => {
            let detail = shown.score(format!(": {}", abstention.detail)).unwrap_or_default();
            Err(Problem::no_verdict(format!("the detector {detector} abstained: {}{detail}", abstention.reason)))
        }
    }
}

/// These answers have no place for what is wrong with one row of several, so that any wrong row refuses the request.
fn whole_rows(service: &Service, body: &[u8]) -> Result<(Batch, bool), Problem> {
    let (batch, places, single) = score::rows(service, body)?;
    let wrong = score::wrong_values(&places, single);
    if wrong.is_empty() { Ok((batch, single)) } else { Err(Problem::refused(wrong)) }
}

fn row(keys: &IndexMap<String, Answer>, told: &Told<'_>) -> Value {
    let mut row = Map::new();
    for (key, answer) in keys {
        match value(*answer, told) {
            Value::Object(fields) if key == Route::WHOLE => row.extend(fields),
            value => drop(row.insert(key.clone(), value)),
        }
    }
    Value::Object(row)
}

fn value(answer: Answer, told: &Told<'_>) -> Value {
    let decision = told.decision;
    match answer {
        Answer::Anomalous => told.anomalous.into(),
        Answer::Score => told.score.into(),
        Answer::RawScore => told.raw_score.into(),
        Answer::Threshold => told.threshold.into(),
        Answer::Outcome => told.outcome.into(),
        Answer::Id => told.id.clone().into(),
        Answer::Entity => told.entity.clone().into(),
        Answer::Detector => told.detector.into(),
        Answer::Decision => decision.map(|decision| decision.id.to_string()).into(),
        Answer::Decided => decision.map(|decision| decision.decided.to_string()).into(),
        Answer::At => decision.and_then(|decision| decision.at).map(|at| at.to_string()).into(),
        Answer::Reasons => told.reasons.map(<[String]>::to_vec).into(),
        Answer::Row => decision.map(|decision| decision.row.clone()).into(),
    }
}
