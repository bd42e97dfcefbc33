//! Whether it lives, whether it is ready, what it counted.

use super::score::json;
use super::{Problem, Service};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    detectors: Vec<DetectorReadiness<'a>>,
}

#[derive(Serialize)]
struct DetectorReadiness<'a> {
    name: &'a str,
    ready: bool,
}

/// Ready is when every detector can vote.
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let of = |detector| {
        let detector: &crate::engine::Detector = detector;
        DetectorReadiness { name: detector.name(), ready: detector.is_ready() }
    };
    let detectors: Vec<_> = service.engine.detectors().iter().map(of).collect();
    let ready = detectors.iter().all(|detector| detector.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = json(&Readiness { ready, detectors })?;
    *response.status_mut() = status;
    Ok(response)
}

pub(super) async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    service.metrics.limits.show(&service.limiting.keys(), service.limiting.memory().held());
    service.metrics.limits.queue("scoring", service.gate.facts());
    service.metrics.limits.queue("reads", service.reads.facts());
    let text = service.metrics.text(service.engine.detectors(), &service.ledger.facts());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
