//! Errors as `application/problem+json` (RFC 9457). This is the one table of what a client can be told; a `code` is stable.

use crate::access::Permission;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use synod_detection::RowProblem;

/// So many wrong values are told of a request or a row at most.
const MOST_ERRORS: usize = 100;

/// One wrong value.
#[derive(Debug, Clone, Serialize)]
pub struct Wrong {
    /// Where: a JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// What is wrong, and what is allowed.
    pub detail: String,
}

/// What went wrong, for the client.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    challenge: Option<Challenge>,
}

/// `WWW-Authenticate` (RFC 6750, section 3).
#[derive(Debug, Clone, Copy)]
enum Challenge {
    Missing,
    Invalid,
}

impl Challenge {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Missing => "Bearer realm=\"synod\"",
            Self::Invalid => "Bearer realm=\"synod\", error=\"invalid_token\"",
        })
    }
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let (status, detail) = (status.as_u16(), detail.into());
        Self { kind: "about:blank", title, status, code, detail, errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is nothing at this path")
    }

    /// A route that wants to know who calls.
    pub fn no_credential() -> Self {
        let detail = "send a credential: `Authorization: Bearer` with an API key or an access token";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "no_credential", "No credential", detail);
        Self { challenge: Some(Challenge::Missing), ..problem }
    }

    /// A credential that does not hold. Why not is nobody's business who has none that does.
    pub fn invalid_credential() -> Self {
        let detail = "the credential is not valid, or not any more";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "invalid_credential", "Invalid credential", detail);
        Self { challenge: Some(Challenge::Invalid), ..problem }
    }

    /// Somebody who may not.
    pub fn forbidden(permission: &Permission) -> Self {
        let detail = format!("this needs the permission {permission}, which the caller does not have");
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// A path that knows other methods.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "this path takes another method; see Allow")
    }

    /// No such detector.
    pub fn no_detector(name: &str, known: &[&str]) -> Self {
        let shown: String = name.chars().take(64).collect();
        let detail = format!("there is no detector `{shown}`; there are {}", known.join(", "));
        Self::new(StatusCode::NOT_FOUND, "no_such_detector", "No such detector", detail)
    }

    /// A body that is too large.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes; send fewer rows at a time");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// A body that does not arrive.
    pub fn body_incomplete() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_incomplete", "Body incomplete", "the body did not arrive whole in time")
    }

    /// A body that is no JSON, or no row.
    pub fn not_json(error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows", "Invalid rows", error.to_string())
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "invalid_json", "Invalid JSON", error.to_string()),
        }
    }

    /// Rows that the schema refuses. Not every mistake is told: an answer must not be many times as large as its request.
    pub fn refused(mut errors: Vec<Wrong>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.pointer, one.detail).trim_start().to_owned(),
            several if several.len() > MOST_ERRORS => format!("{} values are wrong; here are the first {MOST_ERRORS}", several.len()),
            several => format!("{} values are wrong", several.len()),
        };
        errors.truncate(MOST_ERRORS);
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_row", "Invalid row", detail) }
    }

    /// A route that can only answer yes or no, and must not guess.
    pub fn no_verdict(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_verdict", "No verdict", detail) }
    }

    /// Too much to do.
    pub fn overloaded(after: Duration) -> Self {
        let detail = format!("no answer within {after:?}; send fewer rows at a time, or later");
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail) }
    }

    /// A request whose Host is missing, doubled or none.
    pub fn bad_host(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_host", "Bad Host", detail)
    }

    /// A request for a host that this service is not.
    pub fn unknown_host() -> Self {
        let detail = "this service is not known by the request's Host: call it by a name that its certificate is for";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", "Unknown host", detail)
    }

    /// An id or a key that was used for something else.
    pub fn conflict() -> Self {
        let detail = "this id or Idempotency-Key was used before, with other content: give a new event a new id";
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
    }

    /// An id or a key that is being worked on.
    pub fn in_progress() -> Self {
        let detail = "another request with this id or Idempotency-Key is under way";
        Self { retry_after: Some(1), ..Self::new(StatusCode::CONFLICT, "in_progress", "In progress", detail) }
    }

    /// A key that is none.
    pub fn bad_key() -> Self {
        let detail = "Idempotency-Key must be a text of 1 to 255 visible characters";
        Self::new(StatusCode::BAD_REQUEST, "bad_idempotency_key", "Bad Idempotency-Key", detail)
    }

    /// Nothing can be stored, so that nothing is decided.
    pub fn not_stored(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", "Not stored", detail) }
    }

    /// Decisions are asked for, and none are stored.
    pub fn nothing_is_stored() -> Self {
        let detail = "decisions are not stored: `decisions.durability` is `none`";
        Self::new(StatusCode::NOT_FOUND, "nothing_is_stored", "Nothing is stored", detail)
    }

    /// A cursor that leads nowhere.
    pub fn bad_cursor(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_cursor", "Bad cursor", detail)
    }

    /// A query that cannot be understood.
    pub fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", "Bad query", detail)
    }

    /// No such decision.
    pub fn no_decision() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_decision", "No such decision", "there is no decision with this id")
    }

    /// Nobody is known by this name.
    pub fn no_entity() -> Self {
        let detail = "nothing is remembered and nothing was decided of this entity";
        Self::new(StatusCode::NOT_FOUND, "no_such_entity", "No such entity", detail)
    }

    /// Entities cannot be looked up here.
    pub fn no_entities(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_entities", "No entities", detail)
    }

    /// A label that cannot be understood.
    pub fn invalid_label(errors: Vec<Wrong>) -> Self {
        let detail = errors.iter().map(|error| format!("{} {}", error.pointer, error.detail).trim_start().to_owned());
        let detail = detail.collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_label", "Invalid label", detail) }
    }

    /// A label whose body is too large.
    pub fn label_too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes, which no label needs");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// A decision that was labelled often enough.
    pub fn too_many_labels(most: usize) -> Self {
        let detail = format!("this decision has {most} labels, which is as many as one can have");
        Self::new(StatusCode::CONFLICT, "too_many_labels", "Too many labels", detail)
    }

    /// Too many read decisions.
    pub fn too_many_reads() -> Self {
        let detail = "others are reading decisions, and scoring goes first; try again later, or ask for less";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail) }
    }

    /// For the client, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A fault of Synod's own. What it was stands in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", "this is a fault of the service; the log says more")
    }
}

/// The problems of a row, with pointers. `row` is its place in a list.
pub(super) fn wrong(problems: &[RowProblem], row: Option<usize>) -> Vec<Wrong> {
    let base = row.map_or_else(String::new, |row| format!("/{row}"));
    let pointer = |field: &str| match field {
        "" => base.clone(),
        field => format!("{base}/{}", field.replace('~', "~0").replace('/', "~1")),
    };
    problems.iter().map(|problem| Wrong { pointer: pointer(&problem.field), detail: problem.message.clone() }).collect()
}

pub(super) fn response(problem: Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = problem.challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.header());
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        response(self)
    }
}
