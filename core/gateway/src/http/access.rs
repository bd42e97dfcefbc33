//! What surrounds every request: its id, its metrics, its log line.

use super::Service;
use crate::access::Caller;
use crate::redaction::redacted;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id, as log lines, audit records and the answer have it.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

pub(super) async fn note(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id: Arc<str> = request_id(&request).into();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = method(request.method());
    // The pattern, never the path: what a client writes must not become a label.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".into(), |path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    service.metrics.requests.answered(&route, method, status, took, None);
    if service.config.access_log {
        let caller = response.extensions().get::<Caller>().map(Caller::name);
        let duration_us = took.as_micros() as u64;
        tracing::info!(target: "access", request_id = %id, method, route, status, caller, duration_us, "request answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The client's own id if it is a bearable one, else a new one. One that holds a card number or a credential would carry it into every log on
/// its way.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let readable = |id: &str| matches!(redacted(id), Cow::Borrowed(_));
    let bearable = |id: &&str| !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic()) && readable(id);
    given.filter(bearable).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
