//! What the ledger counts: shown here, and never counted here.

use super::registering::Registries;
use crate::ledger::LedgerFacts;
use crate::telemetry::names::{self, Name};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HistoryLabels {
    /// The fields of the key.
    per: String,
}

/// What the ledger counts; shown here and never counted here.
#[derive(Debug)]
pub(super) struct OfLedger {
    repeated: Counter,
    conflicts: Counter,
    late: Counter,
    full: Counter,
    ahead: Counter,
    refused: Counter,
    records: Counter,
    syncs: Counter,
    sync_seconds: Counter<f64, AtomicU64>,
    failures: Counter,
    failing: Gauge,
    bytes: Gauge,
    segments: Gauge,
    queue: Gauge,
    behind: Gauge,
    free: Gauge,
    size: Gauge,
    entities: Vec<Gauge>,
    events: Vec<Gauge>,
    history_bytes: Vec<Gauge>,
    evicted: Vec<Counter>,
}

impl OfLedger {
    pub(super) fn new(registries: &mut Registries, histories: &[String]) -> Self {
        let mut gauges = |name: &'static Name| {
            let family: Family<HistoryLabels, Gauge> = registries.gauges(name);
            histories.iter().map(|per| family.get_or_create_owned(&HistoryLabels { per: per.clone() })).collect()
        };
        let entities = gauges(&names::HISTORY_ENTITIES);
        let events = gauges(&names::HISTORY_EVENTS);
        let history_bytes = gauges(&names::HISTORY_SIZE);
        let evicted: Family<HistoryLabels, Counter> = registries.counters(&names::HISTORY_EVICTED);
        Self {
            repeated: registries.counter(&names::ROWS_REPEATED),
            conflicts: registries.counter(&names::ROWS_CONFLICTING),
            late: registries.counter(&names::ROWS_LATE),
            full: registries.counter(&names::ROWS_WITH_FULL_HISTORY),
            ahead: registries.counter(&names::ROWS_AHEAD),
            refused: registries.counter(&names::DECISIONS_REFUSED),
            records: registries.counter(&names::LOG_RECORDS),
            syncs: registries.counter(&names::LOG_SYNCS),
            sync_seconds: registries.float_counter(&names::LOG_SYNC_TIME),
            failures: registries.counter(&names::LOG_FAILURES),
            failing: registries.gauge(&names::LOG_FAILING),
            bytes: registries.gauge(&names::LOG_SIZE),
            segments: registries.gauge(&names::LOG_SEGMENTS),
            queue: registries.gauge(&names::LOG_QUEUE),
            behind: registries.gauge(&names::INDEX_BEHIND),
            free: registries.gauge(&names::DATA_FREE),
            size: registries.gauge(&names::DATA_SIZE),
            entities,
            events,
            history_bytes,
            evicted: histories.iter().map(|per| evicted.get_or_create_owned(&HistoryLabels { per: per.clone() })).collect(),
        }
    }

    pub(super) fn show(&self, facts: &LedgerFacts) {
        let set = |counter: &Counter, count: u64| counter.inner().store(count, Ordering::Relaxed);
        set(&self.repeated, facts.repeated);
        set(&self.conflicts, facts.conflicts);
        set(&self.late, facts.late);
        set(&self.full, facts.full);
        set(&self.ahead, facts.ahead);
        set(&self.refused, facts.refused);
        self.behind.set(facts.index_behind as i64);
        for (place, history) in facts.histories.iter().enumerate().take(self.entities.len()) {
            self.entities[place].set(history.entities as i64);
            self.events[place].set(history.events as i64);
            self.history_bytes[place].set(history.bytes as i64);
            set(&self.evicted[place], history.evicted);
        }
        if let Some(disk) = facts.disk {
            self.free.set(disk.free as i64);
            self.size.set(disk.size as i64);
        }
        if let Some(log) = &facts.log {
            set(&self.records, log.records);
            set(&self.syncs, log.syncs);
            set(&self.failures, log.failures);
            self.sync_seconds.inner().store(log.sync_time.as_secs_f64().to_bits(), Ordering::Relaxed);
            self.failing.set(i64::from(log.failing_since.is_some()));
            self.bytes.set(log.bytes_on_disk as i64);
            self.segments.set(log.segments as i64);
            self.queue.set(log.queue_bytes as i64);
        }
    }
}
