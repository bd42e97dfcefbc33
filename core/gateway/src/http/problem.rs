//! Errors as `application/problem+json` (RFC 9457). This is the one table of what a client can be told; a `code` is stable.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use synod_detection::RowProblem;

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
    retry_after: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind: "about:blank", title, status: status.as_u16(), code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is nothing at this path")
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

    /// Rows that the schema refuses.
    pub fn refused(errors: Vec<Wrong>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.pointer, one.detail).trim_start().to_owned(),
            several => format!("{} values are wrong", several.len()),
        };
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
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        response(self)
    }
}
