//! `GET /v1/decisions` and `GET /v1/decisions/{id}`: what was decided, and what was said about it. The folder has what else is asked about
//! decisions.

pub(super) mod explanation;
pub(super) mod label;
pub(super) mod quality;
pub(super) mod query;

use super::score::{json, unreadable};
use super::shown::{Shown, ShownDecision};
use super::{Problem, Service};
use crate::ledger::{Labelled, ReadError};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use query::{Query, Search};
use serde::Serialize;
use std::sync::Arc;
use synod_store::Cursor;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Serialize, ToSchema)]
#[schema(as = PageOfDecisions)]
pub(super) struct Page<'a> {
    decisions: Vec<ShownDecision<'a>>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// Decisions that a query admits, newest first.
pub(super) async fn list(State(service): State<Arc<Service>>, shown: Shown, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), &query::OF_DECISIONS)?;
    let Search { filter, cursor, limit } = query.search(&service.ledger, &shown)?;
    let reading = move |service: &Service| {
        let page = service.ledger.decisions(&filter, cursor.as_ref(), limit).map_err(|error| refused(&error))?;
        let link = page.next.as_ref().and_then(|next| link(uri.path(), &query, next));
        let decisions = page.decisions.iter().map(|decision| shown.decision(decision)).collect();
        let answer = json(&Page { decisions, next: page.next.map(|next| next.to_string()) })?;
        Ok(linked(answer, link))
    };
    service.reading(reading).await
}

/// One decision with its labels, oldest first.
pub(super) async fn one(
    State(service): State<Arc<Service>>,
    shown: Shown,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = self::id(id)?;
    let reading = move |service: &Service| {
        let found = find(service, &shown, id)?;
        json(&shown.labelled(&found.decision, &found.labels, service.config.kibana.as_ref()))
    };
    service.reading(reading).await
}

/// A decision, if it is there for the caller. Whether it is there for somebody else is not told.
fn find(service: &Service, shown: &Shown, id: Uuid) -> Result<Labelled, Problem> {
    service.ledger.decision(&shown.whose(), id).map_err(|error| refused(&error))?.ok_or_else(Problem::no_decision)
}

/// A decision's id. What is no id is the id of no decision.
fn id(id: Result<Path<String>, PathRejection>) -> Result<Uuid, Problem> {
    id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok()).ok_or_else(Problem::no_decision)
}

/// What a client is told when nothing can be read.
pub(super) fn refused(error: &ReadError) -> Problem {
    match error {
        ReadError::Entity(why) => Problem::no_entities(why),
        error => unreadable(error),
    }
}

/// Where the next page is (RFC 8288).
pub(super) fn link(path: &str, query: &Query, next: &Cursor) -> Option<HeaderValue> {
    let link = format!("<{path}?{}>; rel=\"next\"", query.with("cursor", &next.to_string()));
    HeaderValue::from_bytes(link.as_bytes()).ok()
}

pub(super) fn linked(mut answer: Response, link: Option<HeaderValue>) -> Response {
    if let Some(link) = link {
        answer.headers_mut().insert(header::LINK, link);
    }
    answer
}
