//! `GET /v1/entities/{key}`: what is known of whom rows are about.

use super::decisions::query::{LONGEST_VALUE, OF_ENTITIES, Query};
use super::decisions::refused;
use super::score::json;
use super::shown::Shown;
use super::{Problem, Service};
use crate::decision::Decision;
use crate::engine::Engine;
use crate::explaining;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use synod_detection::history::{Aggregate, Past};
use synod_detection::{Outcome, Typical};
use synod_store::Whose;
use uuid::Uuid;

/// Decisions that are told in short.
const TOLD: usize = 20;

#[derive(Serialize)]
struct Entity<'a> {
    /// As it is stored.
    entity: &'a str,
    /// Whose it is: what two tenants call by one name are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    histories: Vec<History<'a>>,
    /// The history features that a row of now would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    features_now: Option<IndexMap<&'a str, Option<f64>>>,
    latest: Latest<'a>,
    decisions: Vec<Short<'a>>,
}

/// Events that are remembered under one kind of key.
#[derive(Serialize)]
struct History<'a> {
    per: &'a [String],
    events: usize,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The latest decisions, taken together.
#[derive(Serialize)]
struct Latest<'a> {
    decisions: usize,
    outcomes: IndexMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<&'a IndexMap<String, Typical>>,
}

#[derive(Serialize)]
struct Short<'a> {
    id: Uuid,
    event: Option<&'a str>,
    decided: Timestamp,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<&'a [String]>,
}

pub(super) async fn one(
    State(service): State<Arc<Service>>,
    shown: Shown,
    key: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    // For the whole installation's callers, an entity is of no tenant unless they say otherwise.
    let tenant = match Query::read(uri.query(), &OF_ENTITIES)?.whose(&shown)? {
        Whose::All | Whose::WithoutTenant => None,
        Whose::Tenant(tenant) => Some(tenant),
    };
    let key = key.ok().map(|Path(key)| key).filter(|key| key.len() <= LONGEST_VALUE).ok_or_else(Problem::no_entity)?;
    service.reading(move |service| told(service, &shown, tenant.as_deref(), &key)).await
}

fn told(service: &Service, shown: &Shown, tenant: Option<&str>, key: &str) -> Result<Response, Problem> {
    let (engine, ledger) = (&*service.engine, &*service.ledger);
    let probe = ledger.probe(key, Timestamp::now().as_microsecond()).map_err(|error| refused(&error))?;
    let decisions = match ledger.is_stored() {
        true => ledger.latest(tenant, &probe.name, explaining::LATEST).map_err(|error| refused(&error))?,
        false => Vec::new(),
    };
    let remembered = ledger.remembered(tenant, &probe.stored, 0);
    let histories: Vec<History<'_>> = of_entity_alone(engine).filter_map(|(place, per)| history(per, remembered[place]?)).collect();
    if histories.is_empty() && decisions.is_empty() {
        return Err(Problem::no_entity());
    }
    let past = ledger.peek(tenant, &probe.row);
    let usual = explaining::usual(&decisions);
    json(&Entity {
        entity: &probe.name,
        tenant,
        histories,
        features_now: shown.explanation(features_now(engine, past.row(0))),
        latest: Latest { decisions: decisions.len(), outcomes: outcomes(&decisions), usual: shown.explanation(&usual) },
        decisions: decisions.iter().take(TOLD).map(|decision| short(shown, decision)).collect(),
    })
}

/// The kinds of keys that an entity is all of, with their places.
fn of_entity_alone(engine: &Engine) -> impl Iterator<Item = (usize, &[String])> {
    engine.history().keys().enumerate().filter(|(_, per)| is_entity(engine, per))
}

fn is_entity(engine: &Engine, per: &[String]) -> bool {
    let entity = engine.schema().entity().map(|field| &engine.schema().fields()[field].name);
    matches!(per, [one] if Some(one) == entity)
}

fn history(per: &[String], (events, first, last): (usize, i64, i64)) -> Option<History<'_>> {
    let moment = |at| Timestamp::from_microsecond(at).ok();
    (events > 0).then(|| History { per, events, first: moment(first), last: moment(last) })
}

/// `past` is that of a row in which only the entity and the time are set, so that what needs more of a row has no value.
fn features_now<'a>(engine: &'a Engine, past: &[f64]) -> IndexMap<&'a str, Option<f64>> {
    let of_key = engine.questions().filter(|(_, asked)| is_entity(engine, &asked.per) && !needs_own_value(asked));
    let value = |asked: &Past| engine.history().place(asked).map(|place| past[place]).filter(|value| value.is_finite());
    of_key.map(|(name, asked)| (name, value(asked))).collect()
}

fn needs_own_value(asked: &Past) -> bool {
    matches!(asked.aggregate, Aggregate::ZScore | Aggregate::RatioToMean | Aggregate::NotMostFrequent | Aggregate::FirstSeen)
}

fn outcomes(decisions: &[Decision]) -> IndexMap<&'static str, usize> {
    let count = |outcome: Outcome| decisions.iter().filter(|decision| decision.verdict.outcome == outcome).count();
    [Outcome::Approve, Outcome::Review, Outcome::Block].into_iter().map(|outcome| (outcome.name(), count(outcome))).collect()
}

fn short<'a>(shown: &Shown, decision: &'a Decision) -> Short<'a> {
    Short {
        id: decision.id,
        event: decision.event.as_deref(),
        decided: decision.decided,
        outcome: decision.verdict.outcome,
        score: shown.score(decision.verdict.score),
        reasons: shown.explanation(&decision.reasons),
    }
}
