//! Of those who are told what is in the log, and of the alerts that anomalies become.

use super::registering::Registries;
use crate::ledger::FollowerFacts;
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    sink: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    sink: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabels {
    severity: String,
}

/// What those count who follow the log; shown here and never counted here.
#[derive(Debug)]
pub(super) struct OfSinks {
    records: Family<ResultLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    repeated: Family<SinkLabels, Counter>,
    retried: Family<SinkLabels, Counter>,
    requests: Family<SinkLabels, Counter>,
    bytes: Family<SinkLabels, Counter>,
    behind: Family<SinkLabels, Gauge>,
    age: Family<SinkLabels, Gauge<f64, AtomicU64>>,
}

impl OfSinks {
    pub(super) fn new(registries: &mut Registries) -> Self {
        registries.add(&names::ANOMALY_ALERTS, &AnomalyAlerts::all().fired);
        Self {
            records: registries.counters(&names::SINK_RECORDS),
            failures: registries.counters(&names::SINK_FAILURES),
            repeated: registries.counters(&names::SINK_REPEATED),
            retried: registries.counters(&names::SINK_RETRIED),
            requests: registries.counters(&names::SINK_REQUESTS),
            bytes: registries.counters(&names::SINK_BYTES),
            behind: registries.gauges(&names::SINK_BEHIND),
            age: registries.float_gauges(&names::SINK_AGE),
        }
    }

    pub(super) fn show(&self, facts: &[FollowerFacts]) {
        for of in facts {
            for (result, count) in [("delivered", of.told.delivered), ("skipped", of.told.skipped), ("dead", of.told.dead)] {
                let labels = ResultLabels { sink: of.name.clone(), result };
                self.records.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            for (reason, count) in &of.failures {
                let labels = FailureLabels { sink: of.name.clone(), reason };
                self.failures.get_or_create(&labels).inner().store(*count, Ordering::Relaxed);
            }
            let labels = SinkLabels { sink: of.name.clone() };
            let counts = [
                (&self.repeated, of.told.repeated),
                (&self.retried, of.told.retried),
                (&self.requests, of.told.requests),
                (&self.bytes, of.told.bytes),
            ];
            for (family, count) in counts {
                family.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            self.behind.get_or_create(&labels).set(of.behind as i64);
            self.age.get_or_create(&labels).set(of.age.as_secs_f64());
        }
    }
}

/// What is counted of anomalies that become alerts, by the severities that the configuration names, for the whole process.
#[derive(Debug, Default)]
pub struct AnomalyAlerts {
    fired: Family<SeverityLabels, Counter>,
}

impl AnomalyAlerts {
    /// The only one.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<AnomalyAlerts> = OnceLock::new();
        ALL.get_or_init(Self::default)
    }

    /// Has a severity shown, at zero until there is an alert of it.
    pub fn may_fire(&self, severity: &str) {
        drop(self.fired.get_or_create(&SeverityLabels { severity: severity.to_owned() }));
    }

    /// Notes an alert that is no repetition.
    pub fn fired(&self, severity: &str) {
        self.fired.get_or_create(&SeverityLabels { severity: severity.to_owned() }).inc();
    }
}
