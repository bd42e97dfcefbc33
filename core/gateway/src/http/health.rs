//! Whether it lives, whether it is ready, what it counted. Anybody is told whether; why not, and what else is not well, is for operators: those
//! who reach their listener, and on the clients' those who may operate the service.

use super::guard;
use super::score::json;
use super::{Problem, Service};
use crate::access::{Caller, Permission};
use crate::engine::Detector;
use crate::telemetry::metrics::Exposition;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

#[derive(Serialize, ToSchema)]
pub(super) struct Readiness<'a> {
    ready: bool,
    /// Whether decisions can be stored: without that nothing is decided.
    storing: bool,
    detectors: Vec<PartReadiness<'a>>,
    /// Identity providers, and whether their tokens can be verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issuers: Vec<PartReadiness<'a>>,
}

#[derive(Serialize, ToSchema)]
struct PartReadiness<'a> {
    name: &'a str,
    ready: bool,
}

/// Ready is when every detector can vote and decisions can be stored. A provider that is down makes no other instance better than this one.
fn readiness(service: &Service) -> Readiness<'_> {
    fn of(detector: &Detector) -> PartReadiness<'_> {
        PartReadiness { name: detector.name(), ready: detector.is_ready() }
    }
    let detectors: Vec<_> = service.engine.detectors().iter().map(|detector| of(detector)).collect();
    let storing = service.ledger.log_facts().is_none_or(|facts| facts.failing_since.is_none());
    let issuers = service.identity.providers().readiness();
    let issuers = issuers.into_iter().map(|(name, ready)| PartReadiness { name, ready }).collect();
    Readiness { ready: storing && detectors.iter().all(|detector| detector.ready), storing, detectors, issuers }
}

/// To whoever calls on the clients' listener.
pub(super) async fn ready(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if is_verbose(&uri) {
        guard::permitted(Some(&caller), &Permission::OperateService)?;
    }
    answer(&service, &uri, &headers)
}

/// To whoever calls on the operators' listener, and so is one.
pub(super) async fn ready_for_operators(State(service): State<Arc<Service>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&service, &uri, &headers)
}

fn answer(service: &Service, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    if !is_verbose(uri) {
        let readiness = readiness(service);
        return Ok((status(readiness.ready), json(&readiness)?).into_response());
    }
    let report = service.health();
    let told = match wants_text(headers) {
        true => ([(header::CONTENT_TYPE, TEXT)], report.text()).into_response(),
        false => json(&*report)?,
    };
    Ok((status(report.ready), told).into_response())
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// `?verbose`, with or without a value that says so. What else stands there is left to whoever probes.
fn is_verbose(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| matches!(parameter, "verbose" | "verbose=" | "verbose=1" | "verbose=true"))
}

/// Whether a client names text, and does not name JSON before it. Who names neither gets JSON.
fn wants_text(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut kinds = values.map(|range| range.split(';').next().unwrap_or_default().trim());
    kinds.find(|kind| ["text/plain", "text/*", "application/json", "*/*"].contains(kind)).is_some_and(|kind| kind.starts_with("text/"))
}

pub(super) async fn metrics(State(service): State<Arc<Service>>, headers: HeaderMap) -> impl IntoResponse {
    service.metrics.limits.show(&service.limiting.keys(), service.limiting.memory().held());
    service.metrics.limits.queue("scoring", service.gate.facts());
    service.metrics.limits.queue("reads", service.reads.facts());
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted(accept);
    let metrics = service.metrics.encoded(exposition, &service.counted_elsewhere());
    ([(header::CONTENT_TYPE, exposition.content_type())], metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_is_asked_for_in_the_query() {
        let verbose = |text: &str| is_verbose(&text.parse().unwrap());
        assert!(["/readyz?verbose", "/readyz?a=b&verbose=1", "/readyz?verbose=true", "/readyz?verbose="].into_iter().all(verbose));
        assert!(!["/readyz", "/readyz?verbose=0", "/readyz?verbosely", "/readyz?"].into_iter().any(verbose));
    }

    #[test]
    fn text_is_for_who_asks_for_it() {
        let text = |accept: &str| wants_text(&[(header::ACCEPT, accept.parse().unwrap())].into_iter().collect());
        assert!(text("text/plain") && text("text/*") && text("image/png, text/plain;q=0.5, */*"));
        assert!(!text("*/*") && !text("application/json, text/plain") && !text("") && !wants_text(&HeaderMap::new()));
    }
}
