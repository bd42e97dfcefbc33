//! What is counted of limits and queues.

use super::registering::Registries;
use crate::limiting::GateFacts;
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

/// What a request was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The quota of its address.
    Address,
    /// Of its principal.
    Principal,
    /// Of its tenant.
    Tenant,
    /// Of its caller on this route.
    Route,
    /// A quota of rows.
    Rows,
    /// Too many requests of one caller at a time.
    Concurrent,
    /// Too many waited to be scored.
    QueueFull,
    /// It waited too long to be scored.
    QueueAge,
    /// Too many waited, or it waited too long, to read decisions.
    Reads,
    /// There was no memory for its body.
    Memory,
    /// Too many decisions wait to be shipped.
    Spool,
}

impl Limit {
    const ALL: [Self; 11] = [
        Self::Address,
        Self::Principal,
        Self::Tenant,
        Self::Route,
        Self::Rows,
        Self::Concurrent,
        Self::QueueFull,
        Self::QueueAge,
        Self::Reads,
        Self::Memory,
        Self::Spool,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Route => "route",
            Self::Rows => "rows",
            Self::Concurrent => "concurrent",
            Self::QueueFull => "queue_full",
            Self::QueueAge => "queue_age",
            Self::Reads => "reads",
            Self::Memory => "memory",
            Self::Spool => "spool",
        }
    }

    /// The limit that a policy of this name sets.
    pub fn of_policy(policy: &str) -> Self {
        match policy {
            "address" => Self::Address,
            "principal" => Self::Principal,
            "tenant" => Self::Tenant,
            "route" => Self::Route,
            policy if policy.ends_with("-rows") => Self::Rows,
            _ => Self::Concurrent,
        }
    }
}

/// What is counted of limits.
#[derive(Debug)]
pub struct OfLimits {
    /// In the order of [`Limit`].
    refused: [Counter; Limit::ALL.len()],
    keys: Family<LimitLabels, Gauge>,
    waiting: Family<QueueLabels, Gauge>,
    oldest: Family<QueueLabels, Gauge<f64, AtomicU64>>,
    memory: Gauge,
}

impl OfLimits {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let refused = registries.counters(&names::REQUESTS_LIMITED);
        Self {
            refused: Limit::ALL.map(|limit| refused.get_or_create_owned(&LimitLabels { limit: limit.name() })),
            keys: registries.gauges(&names::LIMIT_KEYS),
            waiting: registries.gauges(&names::QUEUE_LENGTH),
            oldest: registries.float_gauges(&names::QUEUE_AGE),
            memory: registries.gauge(&names::BODIES_SIZE),
        }
    }

    /// Notes a request that was refused.
    pub fn refused(&self, limit: Limit) {
        self.refused[limit as usize].inc();
    }

    /// Shows how many callers are remembered, and the bytes of bodies.
    pub fn show(&self, keys: &[(&'static str, usize)], bodies: usize) {
        for (limit, count) in keys {
            self.keys.get_or_create(&LimitLabels { limit }).set(*count as i64);
        }
        self.memory.set(bodies as i64);
    }

    /// Shows who waits in a queue.
    pub fn queue(&self, queue: &'static str, facts: GateFacts) {
        let labels = QueueLabels { queue };
        self.waiting.get_or_create(&labels).set(facts.waiting as i64);
        self.oldest.get_or_create(&labels).set(facts.oldest.as_secs_f64());
    }
}
