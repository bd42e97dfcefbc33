//! What breakers count: shown here, and never counted here. Whose they are is no label: tenants are not bounded.

use super::registering::Registries;
use crate::breaking::BreakerFacts;
use crate::telemetry::names;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct OfBreakers {
    open: Gauge,
    openings: Counter,
    degraded: Counter,
    block_share: Gauge<f64, AtomicU64>,
}

impl OfBreakers {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let block_share = Gauge::default();
        registries.add(&names::BREAKER_BLOCK_SHARE, &block_share);
        Self {
            open: registries.gauge(&names::BREAKERS_OPEN),
            openings: registries.counter(&names::BREAKER_OPENINGS),
            degraded: registries.counter(&names::VERDICTS_DEGRADED),
            block_share,
        }
    }

    pub(super) fn show(&self, facts: &BreakerFacts) {
        self.open.set(facts.open as i64);
        self.openings.inner().store(facts.openings, Ordering::Relaxed);
        self.degraded.inner().store(facts.degraded, Ordering::Relaxed);
        self.block_share.set(facts.block_share);
    }
}
