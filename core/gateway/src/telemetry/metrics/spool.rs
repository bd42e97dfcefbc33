//! Of what waits to be shipped.

use super::registering::Registries;
use crate::events::{DropReason, EventKind, EventQueue};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::atomic::Ordering;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    stream: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    stream: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpoolLabels {
    spool: &'static str,
}

/// What a spool takes and may take, in bytes, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolFacts {
    /// Its name.
    pub name: &'static str,
    /// What waits.
    pub size: u64,
    /// What may wait.
    pub maximum: u64,
}

/// What is counted elsewhere of it.
#[derive(Debug)]
pub(super) struct OfSpool {
    written: Family<StreamLabels, Counter>,
    dropped: Family<DropLabels, Counter>,
    size: Family<SpoolLabels, Gauge>,
    maximum: Family<SpoolLabels, Gauge>,
}

impl OfSpool {
    pub(super) fn new(registries: &mut Registries) -> Self {
        Self {
            written: registries.counters(&names::EVENTS),
            dropped: registries.counters(&names::EVENTS_DROPPED),
            size: registries.gauges(&names::SPOOL_SIZE),
            maximum: registries.gauges(&names::SPOOL_MAXIMUM),
        }
    }

    pub(super) fn show(&self, spools: &[SpoolFacts], events: Option<&EventQueue>) {
        for spool in spools {
            let labels = SpoolLabels { spool: spool.name };
            self.size.get_or_create(&labels).set(spool.size as i64);
            self.maximum.get_or_create(&labels).set(spool.maximum as i64);
        }
        let Some(events) = events else { return };
        for kind in EventKind::ALL {
            let stream = kind.name();
            self.written.get_or_create(&StreamLabels { stream }).inner().store(events.written_of(kind), Ordering::Relaxed);
            for reason in DropReason::ALL {
                let labels = DropLabels { stream, reason: reason.name() };
                self.dropped.get_or_create(&labels).inner().store(events.dropped_of(kind, reason), Ordering::Relaxed);
            }
        }
    }
}
