//! `GET /v1/detectors`: which detectors there are, and what they rest on.

use super::acts::Origin;
use super::shown::Shown;
use super::{Problem, Service, score};
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::engine::Detector;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Detector)]
pub(super) struct Listed<'a> {
    name: &'a str,
    ready: bool,
    weight: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    model: Model<'a>,
    plugin: Plugin<'a>,
    features: &'a [String],
}

#[derive(Serialize, ToSchema)]
struct Model<'a> {
    version: u64,
    sha256: &'a str,
    created: &'a str,
    training_rows: usize,
}

#[derive(Serialize, ToSchema)]
struct Plugin<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
    summary: &'a str,
    parameters: &'a Value,
}

pub(super) async fn list(State(service): State<Arc<Service>>, shown: Shown) -> Result<Response, Problem> {
    let weights = &service.engine.policy().weights;
    let listed: Vec<Listed<'_>> =
        service.engine.detectors().iter().zip(weights).map(|(detector, weight)| listed(&shown, detector, *weight)).collect();
    score::json(&listed)
}

/// Has a detector asked again that failed too often, whatever was counted.
pub(super) async fn release(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
    detector: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let place = score::find(&service, detector.as_deref().map_or("", String::as_str))?;
    let detector = &service.engine.detectors()[place];
    detector.release();
    service.audited(&origin.record(Action::DETECTOR_RELEASED, AuditOutcome::Allowed).by(&caller).to(detector.name())).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn listed<'a>(shown: &Shown, detector: &'a Detector, weight: f64) -> Listed<'a> {
    let (identity, description) = (detector.identity(), detector.description());
    Listed {
        name: detector.name(),
        ready: detector.is_ready(),
        weight,
        threshold: shown.score(detector.threshold()),
        model: Model {
            version: identity.version,
            sha256: &identity.model,
            created: &identity.created,
            training_rows: identity.training_rows,
        },
        plugin: Plugin {
            name: &identity.plugin.name,
            version: &identity.plugin.version,
            sha256: &identity.plugin.sha256,
            summary: &description.summary,
            parameters: &description.parameters,
        },
        features: &identity.columns,
    }
}
