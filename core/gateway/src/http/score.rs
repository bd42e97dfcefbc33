//! `POST /v1/score` and `POST /v1/detectors/{name}/score`: rows in, verdicts or votes out.

use super::answer::{self, Row};
use super::{Problem, Service, body, problem};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use synod_detection::{Batch, Decoded, RowProblem, decode_rows};

/// Room for the answer to a row, so that the buffer does not have to grow.
const USUAL_BYTES: usize = 1536;

pub(super) async fn score(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Problem> {
    let (batch, rows, single) = rows(&service, body).await?;
    let expected = service.engine.expected(batch.rows());
    let (judged, batch) = service.scoring(expected, move |engine| (engine.judge(&batch), batch)).await?;
    service.metrics.judged(&judged);
    let calls = judged.calls;
    let mut judged = judged.rows.into_iter();
    answer(rows, single, |place| judged.next().map(|row| answer::judged(&service.engine, &batch, place, row, &calls)))
}

pub(super) async fn score_by_one(
    State(service): State<Arc<Service>>,
    Path(detector): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let detector = find(&service, &detector)?;
    let (batch, rows, single) = rows(&service, body).await?;
    let expected = service.engine.detectors()[detector].expected(batch.rows());
    let ((ballots, call), batch) = service.scoring(expected, move |engine| (engine.vote(detector, &batch), batch)).await?;
    service.metrics.voted(detector, &ballots, &call);
    let mut ballots = ballots.into_iter();
    answer(rows, single, |place| ballots.next().map(|ballot| answer::voted(&service.engine, detector, &batch, place, ballot, &call)))
}

pub(super) fn find(service: &Service, name: &str) -> Result<usize, Problem> {
    let known = || service.engine.detectors().iter().map(crate::engine::Detector::name).collect::<Vec<_>>();
    service.engine.detector(name).ok_or_else(|| Problem::no_detector(name, &known()))
}

/// What the schema said to each row of a request, and whether it was one row and no list.
pub(super) type Places = Vec<Result<usize, Vec<RowProblem>>>;

/// Reads the rows of a request.
pub(super) async fn rows(service: &Service, body: Body) -> Result<(Batch, Places, bool), Problem> {
    let bytes = body::read(service, body).await?;
    let decoded = decode_rows(service.engine.schema(), &bytes, service.config.limits.rows).map_err(|error| Problem::not_json(&error))?;
    let Decoded { batch, rows, single } = decoded;
    let refused = rows.iter().filter(|row| row.is_err()).count();
    service.metrics.refused(refused);
    if refused > 0 && refused == rows.len() {
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

fn answer<'a>(rows: Places, single: bool, mut scored: impl FnMut(usize) -> Option<Row<'a>>) -> Result<Response, Problem> {
    let one = |(row, place): (usize, Result<usize, Vec<RowProblem>>)| match place {
        Ok(place) => scored(place).ok_or_else(Problem::internal),
        Err(problems) => Ok(Row::Refused { error: Problem::refused(problem::wrong(&problems, Some(row))) }),
    };
    let answers = rows.into_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
    match answers.as_slice() {
        [only] if single => json(only),
        several => json(&several),
    }
}

pub(super) fn json(answer: &impl Serialize) -> Result<Response, Problem> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, answer).map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}
