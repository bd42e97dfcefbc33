//! What is counted of spans: shown here, and counted where they are sent.

use super::registering::Registries;
use crate::telemetry::names;
use crate::telemetry::tracing::facts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::atomic::Ordering;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// What is counted of spans; all zero where traces are off.
#[derive(Debug)]
pub(super) struct OfTraces {
    exported: Counter,
    dropped: Counter,
    failed: Counter,
    waiting: Gauge,
    attempts_failed: Counter,
}

impl OfTraces {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let spans: Family<ResultLabels, Counter> = registries.counters(&names::TRACE_SPANS);
        let of = |result| spans.get_or_create_owned(&ResultLabels { result });
        Self {
            exported: of("exported"),
            dropped: of("dropped"),
            failed: of("failed"),
            waiting: registries.gauge(&names::TRACE_SPANS_WAITING),
            attempts_failed: registries.counter(&names::TRACE_ATTEMPTS_FAILED),
        }
    }

    pub(super) fn show(&self) {
        let Some(facts) = facts() else { return };
        let set = |counter: &Counter, count: u64| counter.inner().store(count, Ordering::Relaxed);
        set(&self.exported, facts.exported);
        set(&self.dropped, facts.dropped);
        set(&self.failed, facts.failed);
        set(&self.attempts_failed, facts.attempts_failed);
        self.waiting.set(i64::try_from(facts.waiting).unwrap_or(i64::MAX));
    }
}
