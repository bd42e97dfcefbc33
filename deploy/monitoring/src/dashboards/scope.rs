//! What all dashboards ask: series of the jobs, instances and detectors that a person has chosen, over Grafana's own interval.

use crate::query::{Query, Series};
use crate::rules::Burning;
use synod_gateway::telemetry::names::{self, Kind, Name};

/// How far a rate looks back: what Grafana finds fit for the resolution and for how often metrics are read.
pub(super) const INTERVAL: &str = "$__rate_interval";
/// Routes that orchestrators and Prometheus ask: they are no clients.
const PROBES: &str = "/healthz|/readyz|/metrics|/v1/status";
/// The alert that always fires, so that its silence is noticed.
const WATCHDOG: &str = "SynodWatchdog";
/// What Prometheus itself says of alerts.
static ALERTS: Name = Name {
    family: "ALERTS",
    kind: Kind::Gauge,
    labels: &["alertname", "alertstate", "severity", "detector"],
    help: "Alerts that are pending or firing",
};

fn chosen(series: Series) -> Series {
    series.like("job", "$job").like("instance", "$instance")
}

/// A metric's series.
#[track_caller]
pub(super) fn of(name: &'static Name) -> Series {
    chosen(Series::of(name))
}

/// A metric's series of the detectors that were chosen.
#[track_caller]
pub(super) fn of_detectors(name: &'static Name) -> Series {
    of(name).like("detector", "$detector")
}

/// A gauge's values.
#[track_caller]
pub(super) fn now(name: &'static Name) -> Query {
    of(name).now()
}

/// How a counter grows a second, by these labels.
#[track_caller]
pub(super) fn rate(name: &'static Name, labels: &[&'static str]) -> Query {
    of(name).rate(INTERVAL).sum_by(labels)
}

/// A histogram's buckets.
#[track_caller]
pub(super) fn buckets(name: &'static Name) -> Series {
    chosen(Series::buckets(name))
}

/// A histogram's number of observations.
#[track_caller]
pub(super) fn count(name: &'static Name) -> Series {
    chosen(Series::count(name))
}

/// A histogram's sum of observations.
#[track_caller]
pub(super) fn sum(name: &'static Name) -> Series {
    chosen(Series::sum(name))
}

/// The value below which this share of a histogram's observations lies, by these labels.
#[track_caller]
pub(super) fn quantile(share: f64, buckets: Series, labels: &[&'static str]) -> Query {
    let labels: Vec<&str> = labels.iter().copied().chain(["le"]).collect();
    buckets.rate(INTERVAL).sum_by(&labels).quantile(share)
}

/// A histogram's observations by its buckets, for a heat map.
#[track_caller]
pub(super) fn distribution(buckets: Series) -> Query {
    buckets.increase(INTERVAL).sum_by(&["le"])
}

/// Requests of clients.
pub(super) fn requests() -> Series {
    of(&names::REQUESTS).unlike("route", PROBES)
}

/// The buckets of the time that requests of clients took.
pub(super) fn request_times() -> Series {
    buckets(&names::REQUEST_DURATION).unlike("route", PROBES)
}

/// Verdicts in all.
pub(super) fn verdicts() -> Query {
    rate(&names::VERDICTS, &[])
}

/// By how much faster errors use up what the service levels allow of them within a window than they may, with the level's name.
pub(super) fn burns(window: &str) -> Vec<(String, Query)> {
    let burn = |burning: Burning| {
        let ratio = Series::recorded(burning.error_ratio, &["job"]).like("job", "$job").now().by("max", &[]);
        (burning.level, ratio.over(Query::number(1.0).minus(Query::number(burning.objective))))
    };
    crate::rules::burning(window).into_iter().map(burn).collect()
}

/// Alerts of ours that fire.
pub(super) fn firing() -> Query {
    Series::of(&ALERTS).like("alertname", "Synod.*").without("alertname", WATCHDOG).with("alertstate", "firing").now()
}

/// When the processes started, in milliseconds since 1970.
pub(super) fn starts() -> Query {
    now(&names::PROCESS_START).times(Query::number(1000.0))
}

/// The values of the variable `job`.
pub(super) fn jobs() -> String {
    values(Series::of(&names::BUILD), "job")
}

/// The values of the variable `instance`.
pub(super) fn instances() -> String {
    values(Series::of(&names::BUILD).like("job", "$job"), "instance")
}

/// The values of the variable `detector`.
pub(super) fn detectors() -> String {
    values(of(&names::DETECTOR_READY), "detector")
}

fn values(series: Series, label: &str) -> String {
    format!("label_values({}, {label})", series.text())
}
