//! `GET /v1/status`: what runs here, since when, and how it is. It names no tenant, account or caller.

use super::score::json;
use super::{Problem, Service};
use crate::breaking::BreakerFacts;
use crate::engine::Detector;
use crate::health::Report;
use crate::ledger::LedgerFacts;
use crate::telemetry::metrics::Connections;
use axum::extract::State;
use axum::response::Response;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use synod_detection::history::HistoryFacts;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(super) struct Status<'a> {
    version: &'static str,
    started: Timestamp,
    /// For how many seconds it has been running.
    uptime: f64,
    /// SHA-256 of the configuration.
    configuration: &'a str,
    detectors: Vec<DetectorStatus<'a>>,
    counts: Counts,
    /// Absent where decisions are not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    log: Option<Log>,
    histories: Vec<History>,
    breakers: BreakerCounts,
    /// When the certificate ends that clients are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    certificate_ends: Option<Timestamp>,
    readiness: &'a Report,
}

#[derive(Serialize, ToSchema)]
struct DetectorStatus<'a> {
    name: &'a str,
    ready: bool,
    model_version: u64,
    model_digest: &'a str,
    plugin: &'a str,
    plugin_version: &'a str,
    plugin_digest: &'a str,
}

/// Since it started.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusCounts)]
struct Counts {
    /// Rows that were judged, by the outcome that they have.
    outcomes: IndexMap<&'static str, u64>,
    /// Outcomes that a breaker made milder.
    degraded: u64,
    /// Rows whose recorded decision was told again.
    repeated: u64,
    /// Rows whose id was used for another row.
    conflicts: u64,
    /// Decisions that could not be stored, and were not acknowledged.
    refused: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = StatusOfLog)]
struct Log {
    /// Bytes on disk.
    bytes: u64,
    segments: usize,
    /// Records that were written since it started.
    records: u64,
    /// Bytes that wait to be written.
    queue_bytes: usize,
    /// Writes and syncs that failed since it started.
    failures: u64,
    /// Records that searches do not find yet.
    index_behind: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = StatusOfHistory)]
struct History {
    /// The fields of the key.
    per: Vec<String>,
    entities: usize,
    events: usize,
    /// Bytes of memory.
    bytes: usize,
    /// Keys that were forgotten to make room.
    evicted: u64,
}

#[derive(Serialize, ToSchema)]
struct BreakerCounts {
    /// How many are open.
    open: usize,
    /// How often one opened since it started.
    openings: u64,
    /// The highest share of `block` in a window with enough outcomes.
    block_share: f64,
}

pub(super) async fn status(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let (facts, breakers, readiness) = (service.ledger.facts(), service.breakers.facts(), service.health());
    json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        started: service.started.0,
        uptime: service.started.1.elapsed().as_secs_f64(),
        configuration: &service.configuration,
        detectors: service.engine.detectors().iter().map(|each| detector(each)).collect(),
        counts: counts(&service, &facts, &breakers),
        log: facts.log.as_ref().map(|log| Log {
            bytes: log.bytes_on_disk,
            segments: log.segments,
            records: log.records,
            queue_bytes: log.queue_bytes,
            failures: log.failures,
            index_behind: facts.index_behind,
        }),
        histories: facts.histories.into_iter().map(history).collect(),
        breakers: BreakerCounts { open: breakers.open, openings: breakers.openings, block_share: breakers.block_share },
        certificate_ends: service.config.listen.tls.as_ref().and_then(|_| Connections::all().certificate_end()),
        readiness: &readiness,
    })
}

fn detector(detector: &Detector) -> DetectorStatus<'_> {
    let identity = detector.identity();
    DetectorStatus {
        name: detector.name(),
        ready: detector.is_ready(),
        model_version: identity.version,
        model_digest: &identity.model,
        plugin: &identity.plugin.name,
        plugin_version: &identity.plugin.version,
        plugin_digest: &identity.plugin.sha256,
    }
}

fn counts(service: &Service, facts: &LedgerFacts, breakers: &BreakerFacts) -> Counts {
    Counts {
        outcomes: service.metrics.outcomes().into_iter().map(|(outcome, count)| (outcome.name(), count)).collect(),
        degraded: breakers.degraded,
        repeated: facts.repeated,
        conflicts: facts.conflicts,
        refused: facts.refused,
    }
}

fn history(facts: HistoryFacts) -> History {
    let HistoryFacts { per, entities, events, bytes, evicted } = facts;
    History { per, entities, events, bytes, evicted }
}
