//! Rollouts: what is tried, how it does, and what is to become of it.

use super::models::{asked, refused, registry};
use super::score::json;
use super::{Problem, Service};
use crate::access::{Caller, Permission};
use crate::config::{RolloutStep, duration};
use crate::loading::Order;
use crate::rollout::{Told, Wish, newest_first, plan, promotes_no_policy, refuse_own, step};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use synod_store::{KeptListError, RolloutEntry, RolloutError};
use utoipa::ToSchema;

/// Most characters of a reason.
const LONGEST_WHY: usize = 200;

/// What is to be tried.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolloutRequest)]
pub(super) struct Begin {
    /// By detector: a number, `candidate`, or the beginning of a digest. The candidates of all detectors, if there is neither a version nor a policy.
    #[serde(default)]
    versions: BTreeMap<String, String>,
    /// A policy of `consensus.shadows`.
    #[schema(nullable = false)]
    policy: Option<String>,
    /// As `rollout.steps` if left out.
    #[schema(nullable = false)]
    steps: Option<Vec<StepAsked>>,
    /// Whether it is promoted by itself. As `rollout.promote` if left out.
    #[schema(nullable = false)]
    promote: Option<bool>,
}

/// A step that is asked for.
#[derive(Debug, Deserialize, serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolloutStepRequest)]
pub(super) struct StepAsked {
    /// The share of the entities whose rows are judged by what is tried, 0 to 1.
    share: f64,
    /// How long it takes at least, as `10m`.
    hold: String,
}

/// Why a rollout is to end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RolloutStopRequest)]
pub(super) struct Stop {
    /// For the audit log; at most 200 characters.
    why: String,
}

pub(super) async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let listing = move |service: &Service| {
        let found = newest_first(service.models.rollouts()).map_err(|error| kept(&error))?;
        json(&found.iter().map(|entry| told(service, entry, &caller)).collect::<Vec<_>>())
    };
    service.reading(listing).await
}

pub(super) async fn begin(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let Begin { versions, policy, steps, promote } = asked(&service, body).await?;
    let step = |step: StepAsked| {
        let hold = duration(&step.hold).map_err(|why| Problem::invalid_request(format!("steps.hold: {why}")))?;
        Ok(RolloutStep { share: step.share, hold })
    };
    let steps = steps.map(|steps| steps.into_iter().map(step).collect::<Result<Vec<_>, Problem>>()).transpose()?;
    let wish = Wish { versions: versions.into_iter().collect(), policy, steps, promote };
    let beginning = move |service: &Service| {
        let entry = plan(&service.config, service.models.registry(), &wish, caller.name()).map_err(Problem::invalid_request)?;
        service.models.rollouts().begin(entry.clone()).map_err(|error| changed(&error))?;
        Ok((StatusCode::CREATED, json(&told(service, &entry, &caller))?).into_response())
    };
    service.reading(beginning).await
}

pub(super) async fn next(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let stepping = move |service: &Service| {
        let entry = step(service.models.rollouts(), None, caller.name()).map_err(|error| changed(&error))?;
        json(&told(service, &entry, &caller))
    };
    service.reading(stepping).await
}

/// Has what is tried judge all rows.
pub(super) async fn promote(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let rollouts = service.models.rollouts();
    let entry = rollouts.under_way().map_err(|error| kept(&error))?.ok_or_else(none)?;
    if let Some(policy) = &entry.policy {
        return Err(Problem::invalid_request(promotes_no_policy(policy)));
    }
    let by = caller.name().to_owned();
    if service.config.models.four_eyes
        && let Some(why) = refuse_own(service.models.registry(), &entry.versions, &by).map_err(|error| registry(&error))?
    {
        return Err(Problem::needs_another(why));
    }
    let order = Order::GoLive { versions: entry.versions.clone(), by: by.clone(), act: "rollout" };
    service.models.order(order).await.map_err(|error| refused(&error))?;
    match rollouts.end(Some(&entry.id), "promoted", &by, "asked for") {
        // The loader was first.
        Ok(()) | Err(RolloutError::None) => {}
        Err(error) => return Err(changed(&error)),
    }
    last(&service, &entry.id, &caller)
}

/// Has what judged before judge all rows again.
pub(super) async fn stop(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let Stop { why } = asked(&service, body).await?;
    let why: String = if why.is_empty() { "asked for".into() } else { why.chars().take(LONGEST_WHY).collect() };
    let stopping = move |service: &Service| {
        let rollouts = service.models.rollouts();
        let entry = rollouts.under_way().map_err(|error| kept(&error))?.ok_or_else(none)?;
        rollouts.end(Some(&entry.id), "stopped", caller.name(), &why).map_err(|error| changed(&error))?;
        last(service, &entry.id, &caller)
    };
    let answer = service.reading(stopping).await?;
    // Whoever is told that it has ended is judged by what was before.
    service.models.order(Order::Look).await.map_err(|error| refused(&error))?;
    Ok(answer)
}

/// The rollout with this id.
fn last(service: &Service, id: &str, caller: &Caller) -> Result<Response, Problem> {
    let all = newest_first(service.models.rollouts()).map_err(|error| kept(&error))?;
    all.iter().find(|entry| entry.id == id).map_or_else(|| Err(none()), |entry| json(&told(service, entry, caller)))
}

/// What a caller is told: of rows that both sides judged otherwise only if it may read all decisions with their scores.
fn told(service: &Service, entry: &RolloutEntry, caller: &Caller) -> Told {
    let trial = service.trial.as_ref().filter(|trial| trial.id == entry.id && entry.ended.is_none());
    let mut told = Told::new(entry, trial.map(|trial| trial.comparison.report()));
    let reads_all =
        caller.tenant().is_none() && [Permission::ReadDecisions, Permission::ReadScores].iter().all(|needed| caller.may(needed));
    if let Some(report) = told.report.as_mut().filter(|_| !reads_all) {
        report.disagreements.clear();
    }
    told
}

fn none() -> Problem {
    Problem::no_rollout()
}

fn changed(error: &RolloutError) -> Problem {
    match error {
        RolloutError::UnderWay(_) => Problem::rollout_under_way(error.to_string()),
        RolloutError::None => none(),
        RolloutError::List(error) => kept(error),
    }
}

fn kept(error: &KeptListError) -> Problem {
    tracing::error!(%error, "rollouts cannot be read or changed");
    Problem::not_stored("the rollouts cannot be read or stored at the moment")
}
