//! Whether it lives, whether it is ready, what it counted.

use super::score::json;
use super::{Problem, Service};
use crate::telemetry::metrics::Exposition;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

#[derive(Serialize, ToSchema)]
pub(super) struct Readiness<'a> {
    ready: bool,
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

/// Ready is when every detector can vote. A provider that is down makes no other instance better than this one.
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let of = |detector| {
        let detector: &crate::engine::Detector = detector;
        PartReadiness { name: detector.name(), ready: detector.is_ready() }
    };
    let detectors: Vec<_> = service.engine.detectors().iter().map(of).collect();
    let ready = detectors.iter().all(|detector| detector.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let issuers = service.identity.providers().readiness();
    let issuers = issuers.into_iter().map(|(name, ready)| PartReadiness { name, ready }).collect();
    let mut response = json(&Readiness { ready, detectors, issuers })?;
    *response.status_mut() = status;
    Ok(response)
}

pub(super) async fn metrics(State(service): State<Arc<Service>>, headers: HeaderMap) -> impl IntoResponse {
    service.metrics.limits.show(&service.limiting.keys(), service.limiting.memory().held());
    service.metrics.limits.queue("scoring", service.gate.facts());
    service.metrics.limits.queue("reads", service.reads.facts());
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted(accept);
    let metrics = service.metrics.encoded(exposition, service.engine.detectors(), &service.ledger.facts());
    ([(header::CONTENT_TYPE, exposition.content_type())], metrics)
}
