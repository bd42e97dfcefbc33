//! `POST /v1/score` and `POST /v1/detectors/{name}/score`: rows in, verdicts or votes out.

use super::answer::{self, Row};
use super::shown::Shown;
use super::{Problem, Service, body, problem};
use crate::access::Caller;
use crate::deciding::{self, DecideError, Decided, Deciding, Judges};
use crate::decision::Decision;
use crate::engine::{Call, Engine};
use crate::ledger::{AdmitError, Asked, ReadError};
use crate::limiting::Need;
use crate::telemetry::tracing::{Hop, key as attribute};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use synod_detection::{Ballot, Batch, Decoded, RowProblem, decode_rows};
use synod_store::{AppendError, IndexError};

/// draft-ietf-httpapi-idempotency-key-header-07.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;
/// Says that the decision was made before.
const REPEATED: HeaderName = HeaderName::from_static("synod-repeated");
/// About what a row costs beside the detectors.
const FOR_A_ROW: Duration = Duration::from_micros(15);
/// Room for the answer to a row, so that the buffer does not have to grow.
const USUAL_BYTES: usize = 1536;

pub(super) async fn score(State(service): State<Arc<Service>>, shown: Shown, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    body::expect_json(&headers)?;
    let bytes = body::read(&service, body).await?;
    let asked = asked(&service, shown.caller(), &headers, &bytes)?;
    let (batch, rows, single) = rows(&service, &bytes)?;
    let decided = decide(&service, batch, asked).await?;
    Hop::Answer.during(|| answer(&shown, rows, single, &decided))
}

fn answer(shown: &Shown, rows: Places, single: bool, decided: &[Result<Told, Problem>]) -> Result<Response, Problem> {
    let mut each = decided.iter();
    let answers = answers(rows, |_| match each.next() {
        Some(Ok(told)) => Ok(Row::Decided(answer::decided(shown, &told.decision))),
        Some(Err(problem)) => Err(problem.clone()),
        None => Err(Problem::internal()),
    });
    let mut response = reply(answers, single)?;
    if single && matches!(decided, [Ok(Told { before: true, .. })]) {
        // As the decision was made before, the client may want to know that nothing happened now.
        response.headers_mut().insert(REPEATED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What a request asks for beside its rows, and who asks.
pub(super) fn asked(service: &Service, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().ok().and_then(key).ok_or_else(Problem::bad_key)?),
        (Some(_), Some(_)) => return Err(Problem::bad_key()),
    };
    let asked = Asked {
        tenant: caller.tenant().map(str::to_owned),
        principal: caller.is_known().then(|| caller.name().to_owned()),
        key: None,
        now: Timestamp::now().as_microsecond(),
    };
    Ok(Asked { key: key.map(|key| service.ledger.request_key(&asked, key, body)), ..asked })
}

/// The key is a string of structured fields (RFC 8941, section 3.3.3); many clients leave its quotes out.
fn key(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    let is_text = inner.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (!inner.is_empty() && inner.len() <= LONGEST_KEY && is_text && !inner.contains('"')).then_some(inner)
}

/// A decision, and whether it was made before this request.
pub(super) struct Told {
    pub(super) decision: Arc<Decision>,
    pub(super) before: bool,
}

/// Judges rows, stores their decisions, and answers them once they are durable.
pub(super) async fn decide(service: &Arc<Service>, batch: Batch, asked: Asked) -> Result<Vec<Result<Told, Problem>>, Problem> {
    service.until_room().await?;
    let rows = batch.rows();
    let tried = service.trial.as_ref().filter(|trial| trial.share() > 0.0).map_or(Duration::ZERO, |trial| trial.engine.expected(rows));
    let expected = service.engine.expected(rows).max(tried) + FOR_A_ROW * rows as u32;
    let judging = Arc::clone(service);
    let work = move |engine: &Engine| {
        let trial = judging.trial.as_deref();
        let by = Judges { engine, trial, breakers: Some(&judging.breakers), configuration: &judging.configuration };
        let mut deciding = deciding::decide(by, &judging.ledger, &batch, &asked)?;
        // Here, for a decision that nobody waits for any more is one all the same, and many rows take their time.
        for part in &deciding.parts {
            let watching = trial.filter(|_| part.tried).map_or(&*judging.watching, |trial| &trial.watching);
            judging.metrics.judged(watching, &part.judged, &part.calls, &part.features);
        }
        judging.ask_beside(batch, &mut deciding);
        Ok(deciding)
    };
    let deciding = service.scoring(Need::All, rows, expected, work).await?.map_err(|error: DecideError| refused(&error))?;
    let Deciding { rows, decisions, storing, receipt, .. } = deciding;
    let stored = storing.of(tokio::time::timeout(service.config.limits.timeout, receipt)).await;
    if !matches!(stored, Ok(Ok(Ok(())))) {
        storing.failed("not_stored");
    }
    drop(storing);
    match stored {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => return Err(not_stored(&error)),
        Ok(Err(_)) => return Err(Problem::internal()),
        Err(_) => return Err(Problem::not_stored("the disk does not answer in time; send the rows again with the same ids")),
    }
    let decisions: Vec<Arc<Decision>> = decisions.into_iter().map(Arc::new).collect();
    let told = |row: Decided| match row {
        Decided::New(place) => Ok(Told { decision: Arc::clone(&decisions[place]), before: false }),
        Decided::Before(decision) => Ok(Told { decision, before: true }),
        Decided::Unreadable(error) => Err(unreadable(&error)),
        Decided::Conflict => Err(Problem::conflict()),
        Decided::InProgress => Err(Problem::in_progress()),
    };
    Ok(rows.into_iter().map(told).collect())
}

fn refused(error: &DecideError) -> Problem {
    let error = match error {
        DecideError::Failed { .. } => return Problem::detector_failed(error.to_string()),
        DecideError::Admit(error) => error,
    };
    tracing::error!(%error, "rows cannot be taken in");
    match error {
        AdmitError::Read(_) => Problem::not_stored("what was decided before cannot be read"),
        AdmitError::Behind | AdmitError::Paused => Problem::not_stored("too much waits to be written"),
    }
}

pub(super) fn not_stored(error: &AppendError) -> Problem {
    tracing::error!(%error, "decisions cannot be stored, and are not acknowledged");
    Problem::not_stored("the decision could not be stored, and does not count")
}

pub(super) fn unreadable(error: &ReadError) -> Problem {
    match error {
        ReadError::NotStored => Problem::nothing_is_stored(),
        ReadError::Index(error @ IndexError::OtherFilter) => Problem::bad_cursor(&error.to_string()),
        error => {
            tracing::error!(%error, "decisions cannot be read");
            Problem::internal()
        }
    }
}

pub(super) async fn score_by_one(
    State(service): State<Arc<Service>>,
    shown: Shown,
    detector: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // What is no text is the name of no detector.
    let detector = find(&service, detector.as_deref().map_or("", String::as_str))?;
    body::expect_json(&headers)?;
    let bytes = body::read(&service, body).await?;
    let (batch, rows, single) = self::rows(&service, &bytes)?;
    let (ballots, call, batch) = vote(&service, shown.caller(), detector, batch).await?;
    let mut ballots = ballots.into_iter();
    Hop::Answer.during(|| {
        let answers = answers(rows, |place| {
            let ballot = ballots.next().ok_or_else(Problem::internal)?;
            Ok(Row::Voted(answer::voted(&shown, &service.engine, detector, &batch, place, ballot, &call)))
        });
        reply(answers, single)
    })
}

/// Has one detector vote. That is no decision: nothing is stored, and nothing is remembered.
pub(super) async fn vote(
    service: &Arc<Service>,
    caller: &Caller,
    detector: usize,
    batch: Batch,
) -> Result<(Vec<Ballot>, Call, Batch), Problem> {
    let rows = batch.rows();
    let expected = service.engine.detectors()[detector].expected(rows);
    let (ledger, caller) = (service.ledger.clone(), caller.clone());
    let work = move |engine: &Engine| {
        let past = Hop::Past.during(|| ledger.peek(caller.tenant(), &batch));
        (engine.vote(detector, &batch, &past), batch)
    };
    let ((ballots, call), batch) = service.scoring(Need::One(detector), rows, expected, work).await?;
    service.metrics.voted(&service.watching, detector, &ballots, &call);
    Ok((ballots, call, batch))
}

pub(super) fn find(service: &Service, name: &str) -> Result<usize, Problem> {
    let known = || service.engine.detectors().iter().map(|detector| detector.name()).collect::<Vec<_>>();
    service.engine.detector(name).ok_or_else(|| Problem::no_detector(name, &known()))
}

/// What the schema said to each row of a request, and whether it was one row and no list.
pub(super) type Places = Vec<Result<usize, Vec<RowProblem>>>;

/// Reads the rows of a request.
pub(super) fn rows(service: &Service, body: &[u8]) -> Result<(Batch, Places, bool), Problem> {
    let hop = Hop::Schema.begin();
    let decoded = hop.during(|| decode_rows(service.engine.schema(), body, service.config.limits.rows)).map_err(|error| {
        hop.failed("no_json");
        Problem::not_json(&error)
    })?;
    let Decoded { batch, rows, single } = decoded;
    hop.count(attribute::ROWS, rows.len());
    let refused = rows.iter().filter(|row| row.is_err()).count();
    service.metrics.refused(refused);
    if refused > 0 && refused == rows.len() {
        hop.failed("refused");
        // Nothing is left to score: the request as a whole is wrong.
        return Err(Problem::refused(wrong_values(&rows, single)));
    }
    Ok((batch, rows, single))
}

/// All that is wrong with the rows of a request.
pub(super) fn wrong_values(rows: &Places, single: bool) -> Vec<problem::Wrong> {
    let refused = rows.iter().enumerate().filter_map(|(row, place)| Some((row, place.as_ref().err()?)));
    refused.flat_map(|(row, problems)| problem::wrong(problems, (!single).then_some(row))).collect()
}

/// An answer for each row of the request. `scored` is asked for those that the schema accepted, in order.
fn answers<'a>(rows: Places, mut scored: impl FnMut(usize) -> Result<Row<'a>, Problem>) -> Vec<Result<Row<'a>, Problem>> {
    let one = |(row, place): (usize, Result<usize, Vec<RowProblem>>)| match place {
        Ok(place) => scored(place),
        Err(problems) => Err(Problem::refused(problem::wrong(&problems, Some(row)))),
    };
    rows.into_iter().enumerate().map(one).collect()
}

/// One row's problem is the request's; in a list it stands in its row's place.
fn reply(mut answers: Vec<Result<Row<'_>, Problem>>, single: bool) -> Result<Response, Problem> {
    if single {
        return json(&answers.pop().unwrap_or_else(|| Err(Problem::internal()))?);
    }
    let rows: Vec<Row<'_>> = answers.into_iter().map(|answer| answer.unwrap_or_else(|error| Row::Refused { error })).collect();
    json(&rows)
}

pub(super) fn json(answer: &impl Serialize) -> Result<Response, Problem> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, answer).map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}
