//! Of those who are told what is in the log, and of the alerts that anomalies become.

use crate::ledger::FollowerFacts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;
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
#[derive(Debug, Default)]
pub(super) struct OfSinks {
    records: Family<ResultLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    behind: Family<SinkLabels, Gauge>,
    age: Family<SinkLabels, Gauge<f64, AtomicU64>>,
}

impl OfSinks {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let of = Self::default();
        registry.register("sink_records", "Records that became something for a sink's receiver, by what came of them", of.records.clone());
        registry.register("sink_failures", "Attempts to deliver that failed, by reason", of.failures.clone());
        registry.register("sink_behind_records", "Records of the log that a sink has not acknowledged", of.behind.clone());
        let help = "Age of the oldest record that a sink tries to deliver; 0 if there is none";
        registry.register("sink_age_seconds", help, of.age.clone());
        registry.register("anomaly_alerts", "Alerts of anomalies that were no repetitions", AnomalyAlerts::all().fired.clone());
        of
    }

    pub(super) fn show(&self, facts: &[FollowerFacts]) {
        for of in facts {
            for (result, count) in [("delivered", of.delivered), ("skipped", of.skipped), ("dead", of.dead)] {
                let labels = ResultLabels { sink: of.name.clone(), result };
                self.records.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            for (reason, count) in &of.failures {
                let labels = FailureLabels { sink: of.name.clone(), reason };
                self.failures.get_or_create(&labels).inner().store(*count, Ordering::Relaxed);
            }
            let labels = SinkLabels { sink: of.name.clone() };
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

    /// Notes an alert that is no repetition.
    pub fn fired(&self, severity: &str) {
        self.fired.get_or_create(&SeverityLabels { severity: severity.to_owned() }).inc();
    }
}
