//! What surrounds every request: its id, its trace, its metrics, its log line.

use super::{Live, Service, limits};
use crate::access::Caller;
use crate::documents::Stream;
use crate::events::{AccessEvent, EventKind};
use crate::redaction::redacted;
use crate::telemetry::tracing::{Requested, Trace, line_ids, sampled_trace_id};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What stands for the route of a path that there is none for.
const UNMATCHED: &str = "unmatched";

/// Whoever fetches it only looks, as do those who ask for health.
const METRICS: &str = "/metrics";

/// A request's id, as log lines, audit records and the answer have it.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

pub(super) async fn note(State((live, scheme)): State<(Live, &'static str)>, request: Request, next: Next) -> Response {
    let (started, version, service) = (Instant::now(), request.version(), live.service());
    // The pattern, never the path: what a client writes must not become a label.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let (method, route) = (method(request.method()), path.as_ref().map(MatchedPath::as_str));
    let is_watching = route.is_some_and(|route| !limits::is_limited_path(route) || route == METRICS);
    let requested = Requested { method, route, scheme, version, is_watching };
    let trace = Trace::begin(request.headers(), &requested);
    Trace::within(trace.clone(), answered(&service, &requested, trace.as_deref(), started, request, next)).await
}

async fn answered(
    service: &Service,
    requested: &Requested<'_>,
    trace: Option<&Trace>,
    started: Instant,
    mut request: Request,
    next: Next,
) -> Response {
    let id: Arc<str> = request_id(&request).into();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    let route = requested.route.unwrap_or(UNMATCHED);
    service.metrics.requests.answered(route, requested.method, status, took, sampled_trace_id());
    if let Some(trace) = trace {
        trace.answered(requested, status, took);
    }
    // Whoever watches asks each second. What goes well of that is counted, and told nowhere else.
    if !requested.is_watching || status >= 400 {
        tell(service, requested, &id, &response, took);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Writes the line of a request, and its event, where that is wanted.
fn tell(service: &Service, requested: &Requested<'_>, id: &str, response: &Response, took: Duration) {
    let (method, route, status) = (requested.method, requested.route.unwrap_or(UNMATCHED), response.status().as_u16());
    if service.config.access_log {
        let caller = response.extensions().get::<Caller>().map(Caller::name);
        let duration_us = took.as_micros() as u64;
        tracing::info!(target: "access", request_id = %id, method, route, status, caller, duration_us, "request answered");
    }
    if let Some(events) = &service.events
        && service.config.sinks.ships(Stream::Access)
    {
        let caller = response.extensions().get::<Caller>();
        let ids = line_ids();
        events.queue().put(
            EventKind::Access,
            &AccessEvent {
                request_id: id.into(),
                method: method.into(),
                route: route.into(),
                status,
                duration_ns: took.as_nanos() as u64,
                caller: caller.map(|caller| caller.name().into()),
                tenant: caller.and_then(Caller::tenant).map(Into::into),
                trace_id: ids.map(|ids| ids.trace.to_string().into()),
                span_id: ids.and_then(|ids| ids.span).map(|span| span.to_string().into()),
            },
        );
    }
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
