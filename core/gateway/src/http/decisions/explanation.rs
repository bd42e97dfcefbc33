//! `GET /v1/decisions/{id}/explanation`: what each detector's score was made of, beside what is usual.

use super::{find, refused};
use crate::decision::{Decision, VoteOf};
use crate::engine::Engine;
use crate::explaining;
use crate::http::score::json;
use crate::http::shown::Shown;
use crate::http::{Problem, Service};
use crate::ledger::Ledger;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use indexmap::IndexMap;
use serde::Serialize;
use std::sync::Arc;
use synod_detection::{Abstention, Matrix, Typical, Vote};
use synod_host::Explanation as Contributed;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Explanation<'a> {
    decision: Uuid,
    detectors: Vec<OfDetector<'a>>,
}

/// A detector that voted.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedVote)]
struct OfDetector<'a> {
    detector: &'a str,
    model_version: u64,
    #[serde(flatten)]
    #[schema(value_type = Option<crate::described::VoteAlone>)]
    vote: Option<Vote>,
    /// What the contributions are added to, to be the raw score.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    base: Option<f64>,
    /// The highest contribution first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    features: Option<Vec<OfFeature<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<crate::described::Why>)]
    not_explained: Option<Abstention>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedFeature)]
struct OfFeature<'a> {
    name: &'a str,
    /// Before scaling; none if it was missing.
    #[schema(required)]
    value: Option<f64>,
    /// To the raw score: `base` and all contributions add up to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    contribution: Option<f64>,
    /// In the rows that the model has learnt from.
    #[schema(required, value_type = Option<crate::described::Typical>)]
    usual: Option<Typical>,
    /// In the entity's latest decisions without this one.
    #[schema(required, value_type = Option<crate::described::Typical>)]
    usual_here: Option<Typical>,
    words: String,
}

pub(in crate::http) async fn explanation(
    State(service): State<Arc<Service>>,
    shown: Shown,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = super::id(id)?;
    let reading = move |service: &Service| {
        let found = find(service, &shown, id)?;
        let usual_here = usual_here(&service.ledger, &found.decision)?;
        json(&explained(&shown, &service.engine, &found.decision, &usual_here))
    };
    service.reading_and_asking(reading).await
}

fn usual_here(ledger: &Ledger, decision: &Decision) -> Result<IndexMap<String, Typical>, Problem> {
    let Some(entity) = &decision.entity else { return Ok(IndexMap::new()) };
    let mut others = ledger.latest(decision.tenant.as_deref(), entity, explaining::LATEST + 1).map_err(|error| refused(&error))?;
    others.retain(|other| other.id != decision.id);
    others.truncate(explaining::LATEST);
    Ok(explaining::usual(&others))
}

fn explained<'a>(shown: &Shown, engine: &'a Engine, decision: &'a Decision, usual_here: &IndexMap<String, Typical>) -> Explanation<'a> {
    let inputs = engine.inputs(&decision.features);
    let of_vote = |vote: &'a VoteOf| {
        let (base, features, not_explained) = match of_detector(engine, &inputs, vote) {
            Ok((detector, explanation)) => {
                let features = features(shown, engine, detector, decision, &explanation.contributions, usual_here);
                (shown.score(explanation.base), Some(features), None)
            }
            Err(why) => (None, None, Some(why)),
        };
        let told = shown.score(vote.vote);
        OfDetector { detector: &vote.detector, model_version: vote.model_version, vote: told, base, features, not_explained }
    };
    Explanation { decision: decision.id, detectors: decision.votes.iter().map(of_vote).collect() }
}

/// Which detector it is, and what each number that it saw contributed.
fn of_detector(engine: &Engine, inputs: &[Matrix], vote: &VoteOf) -> Result<(usize, Contributed), Abstention> {
    let served = engine.detector(&vote.detector).filter(|detector| {
        let identity = engine.detectors()[*detector].identity();
        identity.version == vote.model_version && identity.model == vote.model_digest
    });
    let Some(detector) = served else {
        let detail = format!("its version {} is not served any more; `synod replay` explains it", vote.model_version);
        return Err(Abstention { reason: "model_not_served", detail });
    };
    let explanation = engine.detectors()[detector].explain(&inputs[detector], vote.vote.raw_score)?;
    Ok((detector, explanation))
}

fn features<'a>(
    shown: &Shown,
    engine: &'a Engine,
    detector: usize,
    decision: &Decision,
    contributions: &[f64],
    usual_here: &IndexMap<String, Typical>,
) -> Vec<OfFeature<'a>> {
    let feature = |((column, source), contribution): ((usize, &synod_detection::Source), &f64)| {
        let name = engine.value_name(detector, column);
        let value = decision.features.get(name).copied().flatten();
        let usual = engine.plan().typical(detector, column);
        let words = explaining::words(name, value, usual.as_ref(), source);
        let told =
            OfFeature { name, value, contribution: shown.score(*contribution), usual, usual_here: usual_here.get(name).copied(), words };
        (*contribution, told)
    };
    let mut features: Vec<(f64, OfFeature<'a>)> = engine.sources(detector).zip(contributions).map(feature).collect();
    features.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    features.into_iter().map(|(_, feature)| feature).collect()
}
