//! The versions of models: which there are, which of them judge, and which may be next. What is asked for is done before it is answered: whoever is
//! told that a version is live is judged by it.

use super::acts::Origin;
use super::body;
use super::score::json;
use super::{Problem, Service};
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::bundle::Bundle;
use crate::card::{author_and_proposer, card};
use crate::engine::Versions;
use crate::loading::{LoadError, Order};
use crate::manifest::Manifest;
use crate::model_versions::{Version, version, versions};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use synod_store::RegistryError;
use utoipa::ToSchema;

/// Most bytes of a version that is uploaded; larger ones are imported at the command line.
const LARGEST_UPLOAD: usize = 64 << 20;
const SMALL: usize = 64 << 10;

/// A version that a path names.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    detector: String,
    #[serde(default)]
    version: String,
}

type VersionPath = Result<Path<Named>, PathRejection>;

/// Which versions are to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PromoteRequest)]
pub(super) struct Promote {
    /// By detector: a number, `candidate`, `previous`, or the beginning of a digest.
    versions: BTreeMap<String, String>,
}

/// Which detectors are to judge as before.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RollbackRequest)]
pub(super) struct Rollback {
    /// All that have judged by another version before, if there is none.
    detectors: Vec<String>,
}

/// Which versions judge now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersionsInForce)]
pub(super) struct InForce {
    /// By detector.
    versions: BTreeMap<String, u64>,
    /// SHA-256 of the configuration.
    configuration: String,
}

/// A version, and what it is made of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelVersionInFull)]
pub(super) struct InFull {
    #[serde(flatten)]
    version: Version,
    /// As they were configured.
    parameters: serde_json::Value,
    /// The only randomness of the fit.
    seed: u64,
    /// What it sees of a row.
    features: Vec<String>,
    /// SHA-256 of the file that it was fitted on.
    data_sha256: String,
    /// Earliest and latest event of the rows that it has learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    period: Option<(String, String)>,
}

pub(super) async fn list(State(service): State<Arc<Service>>, path: VersionPath) -> Result<Response, Problem> {
    let detector = named(path)?.detector;
    let listing = move |service: &Service| {
        let found = versions(service.models.registry(), &detector).map_err(|error| registry(&error))?;
        if found.is_empty() && !service.knows(&detector) {
            return Err(Problem::no_model_version(format!("detector `{}` has no version", shown(&detector))));
        }
        json(&found)
    };
    service.reading(listing).await
}

pub(super) async fn one(State(service): State<Arc<Service>>, path: VersionPath) -> Result<Response, Problem> {
    let named = named(path)?;
    let reading = move |service: &Service| {
        let (version, manifest) = found(service, &named)?;
        json(&InFull {
            version: one_of(service, &named.detector, version)?,
            parameters: manifest.parameters,
            seed: manifest.seed,
            features: manifest.view.columns().map(str::to_owned).collect(),
            data_sha256: manifest.data.sha256,
            period: manifest.data.period,
        })
    };
    service.reading(reading).await
}

pub(super) async fn model_card(State(service): State<Arc<Service>>, path: VersionPath) -> Result<Response, Problem> {
    let named = named(path)?;
    let reading = move |service: &Service| {
        let known = service.models.registry();
        let version = known.resolve(&named.detector, &named.version).map_err(|error| registry(&error))?;
        let (published, manifest) = known.manifest::<Manifest>(&named.detector, Some(version)).map_err(|error| registry(&error))?;
        let labels = known.labels_of(&named.detector).map_err(|error| registry(&error))?;
        let text = card(&published, &manifest, &labels);
        Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response())
    };
    service.reading(reading).await
}

/// Publishes a version that was exported elsewhere. It is the candidate then.
pub(super) async fn upload(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    path: VersionPath,
    body: Body,
) -> Result<Response, Problem> {
    let detector = named(path)?.detector;
    let bytes = body::read_at_most(&service, body, LARGEST_UPLOAD, Problem::too_large).await?;
    let by = caller.name().to_owned();
    let publishing = move |service: &Service| {
        if !service.knows(&detector) {
            return Err(Problem::no_model_version(format!("there is no detector `{}` in the configuration", shown(&detector))));
        }
        let Bundle { mut manifest, model, plugin } =
            Bundle::read(bytes.as_ref()).map_err(|error| Problem::invalid_request(error.to_string()))?;
        manifest.detector.clone_from(&detector);
        let known = service.models.registry();
        service.models.archive().put(&plugin).map_err(|error| {
            tracing::error!(%error, "an uploaded plugin cannot be kept");
            Problem::not_stored("the plugin cannot be stored at the moment")
        })?;
        let published = known.publish(&detector, &model, |_| &manifest).map_err(|error| registry(&error))?;
        known.propose(&detector, Some(published.version), &by).map_err(|error| registry(&error))?;
        Ok((StatusCode::CREATED, json(&one_of(service, &detector, published.version)?)?).into_response())
    };
    service.reading(publishing).await
}

/// Has one version judge.
pub(super) async fn promote_one(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    path: VersionPath,
) -> Result<Response, Problem> {
    let named = named(path)?;
    promoted(&service, &caller, BTreeMap::from([(named.detector, named.version)])).await
}

/// Has several versions judge, all from the same moment on.
pub(super) async fn promote(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let asked: Promote = asked(&service, body).await?;
    promoted(&service, &caller, asked.versions).await
}

pub(super) async fn propose(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    path: VersionPath,
) -> Result<Response, Problem> {
    let (named, by) = (named(path)?, caller.name().to_owned());
    let proposing = move |service: &Service| {
        let known = service.models.registry();
        let version = known.resolve(&named.detector, &named.version).map_err(|error| registry(&error))?;
        known.propose(&named.detector, Some(version), &by).map_err(|error| registry(&error))?;
        json(&one_of(service, &named.detector, version)?)
    };
    service.reading(proposing).await
}

/// Has the versions judge again that judged before.
pub(super) async fn rollback(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let asked: Rollback = asked(&service, body).await?;
    let known = service.models.registry();
    let mut versions = Versions::new();
    for detector in &asked.detectors {
        versions.insert(detector.clone(), known.resolve(detector, "previous").map_err(|error| registry(&error))?);
    }
    if asked.detectors.is_empty() {
        for detector in service.config.all_detectors() {
            let labels = known.labels_of(&detector.name).map_err(|error| registry(&error))?;
            versions.extend(labels.previous.map(|version| (detector.name.clone(), version)));
        }
    }
    in_force(&service, &caller, versions, "rollback").await
}

/// Reads the configuration again.
pub(super) async fn reload(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
) -> Result<Response, Problem> {
    let done = service.models.order(Order::Reload).await;
    let outcome = if done.is_ok() { AuditOutcome::Allowed } else { AuditOutcome::Failed };
    service.audited(&origin.record(Action::CONFIGURATION_RELOADED, outcome).by(&caller)).await?;
    done.map_err(|error| refused(&error))?;
    // What was put in force is told by the one that is in force.
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn promoted(service: &Service, caller: &Caller, asked: BTreeMap<String, String>) -> Result<Response, Problem> {
    let known = service.models.registry();
    let mut versions = Versions::new();
    for (detector, version) in asked {
        let version = known.resolve(&detector, &version).map_err(|error| registry(&error))?;
        if service.config.models.four_eyes {
            let concerned = author_and_proposer(known, &detector, version).map_err(|error| registry(&error))?;
            if concerned.iter().any(|name| name == caller.name()) {
                return Err(Problem::needs_another(format!(
                    "{detector}, version {version}: you made or proposed it, and somebody else has to promote it"
                )));
            }
        }
        versions.insert(detector, version);
    }
    in_force(service, caller, versions, "promote").await
}

async fn in_force(service: &Service, caller: &Caller, versions: Versions, act: &'static str) -> Result<Response, Problem> {
    if versions.is_empty() {
        return Err(Problem::invalid_request("no detector has such a version"));
    }
    if let Some(unknown) = versions.keys().find(|name| !service.knows(name)) {
        return Err(Problem::no_model_version(format!("there is no detector `{}` in the configuration", shown(unknown))));
    }
    let order = Order::GoLive { versions: versions.clone(), by: caller.name().to_owned(), act };
    service.models.order(order).await.map_err(|error| refused(&error))?;
    json(&InForce { versions, configuration: service.configuration.clone() })
}

pub(super) async fn asked<T: serde::de::DeserializeOwned>(service: &Service, body: Body) -> Result<T, Problem> {
    let bytes = body::read_at_most(service, body, SMALL, Problem::too_large).await?;
    let text = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes.trim_ascii() };
    serde_json::from_slice(text).map_err(|error| Problem::invalid_request(error.to_string()))
}

fn named(path: VersionPath) -> Result<Named, Problem> {
    path.map(|Path(named)| named).map_err(|_| Problem::not_found())
}

fn found(service: &Service, named: &Named) -> Result<(u64, Manifest), Problem> {
    let known = service.models.registry();
    let version = known.resolve(&named.detector, &named.version).map_err(|error| registry(&error))?;
    Ok((version, known.manifest(&named.detector, Some(version)).map_err(|error| registry(&error))?.1))
}

fn one_of(service: &Service, detector: &str, number: u64) -> Result<Version, Problem> {
    let known = service.models.registry();
    known.labels_of(detector).and_then(|labels| version(known, &labels, number)).map_err(|error| registry(&error))
}

pub(super) fn registry(error: &RegistryError) -> Problem {
    match error {
        RegistryError::Name { .. } | RegistryError::NoVersion { .. } | RegistryError::Reference { .. } | RegistryError::NoLive { .. } => {
            Problem::no_model_version(error.to_string())
        }
        error => {
            tracing::error!(%error, "the registry of models cannot be used");
            Problem::not_stored("the models cannot be read or stored at the moment")
        }
    }
}

pub(super) fn refused(error: &LoadError) -> Problem {
    match error {
        LoadError::Busy => Problem::not_stored(error.to_string()),
        LoadError::Registry(error) => registry(error),
        error => Problem::cannot_load(error.to_string()),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
