//! `/v1/breakers`: which policies blocked too much, and that an operator has looked. A caller who belongs to a tenant sees and resets that
//! tenant's.

use super::acts::Origin;
use super::score::json;
use super::{Problem, Service};
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::breaking::{BreakerView, ResetError};
use crate::listening::chain;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Breakers of an answer.
const MOST: usize = 1000;

#[derive(Serialize, ToSchema)]
#[schema(as = ListOfBreakers)]
pub(super) struct Listed {
    /// The open ones first, then those with the highest share of `block`.
    breakers: Vec<BreakerView>,
    /// Others that there are beyond those.
    left_out: usize,
    rule: Rule,
}

/// When breakers open.
#[derive(Serialize, ToSchema)]
#[schema(as = BreakerRule)]
struct Rule {
    /// More than this share of `block` among the outcomes of a window opens one.
    maximum_share: f64,
    /// The window, in seconds.
    window: f64,
    /// With fewer outcomes in the window none opens.
    minimum: u64,
}

pub(super) async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let mut breakers = service.breakers.list(caller.tenant());
    let left_out = breakers.len().saturating_sub(MOST);
    breakers.truncate(MOST);
    let rule = service.breakers.rule();
    let rule = Rule { maximum_share: rule.maximum_share, window: rule.window as f64 / 1e6, minimum: rule.minimum };
    json(&Listed { breakers, left_out, rule })
}

pub(super) async fn reset(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::no_breaker())?;
    let by = caller.clone();
    let resetting = move |service: &Service| service.breakers.reset(&id, by.tenant()).map_err(|error| refused(&error));
    let (was_open, view) = service.reading(resetting).await?;
    // What changed nothing is no act.
    if was_open {
        // The record of the opening comes before it, if the log did not have it yet.
        service.breakers.take_acts().iter().for_each(|act| service.audit(act));
        let record = origin.record(Action::BREAKER_RESET, AuditOutcome::Allowed).by(&caller).of_tenant(view.tenant.as_deref());
        service.audited(&record.to(&view.id).because(&view.policy)).await?;
    }
    json(&view)
}

fn refused(error: &ResetError) -> Problem {
    match error {
        ResetError::NoBreaker => Problem::no_breaker(),
        ResetError::Keep(error) => {
            tracing::error!(error = chain(error), "a breaker cannot be reset");
            Problem::not_stored("the breaker cannot be reset at the moment, and stays open")
        }
    }
}
