//! How metrics get into the registries: by an entry of the list of names, into each format.

use crate::telemetry::names::{Kind, Name};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::{prometheus_protobuf, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

/// The bounds of the buckets of all times: from 10 µs to 10 s, three steps a decade.
pub const SECONDS: [f64; 19] =
    [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0, 2.0, 5.0, 10.0];
/// Tenths of the calibrated scale, with the common thresholds among them.
const SCORES: [f64; 10] = [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0];
/// Most buckets of a native histogram; beyond them it starts anew. Ten a decade and a dozen decades fit.
const NATIVE_BUCKETS: usize = 160;

/// A format that metrics can be had in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0 text: classic histograms, with exemplars.
    Text,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages: native histograms beside the classic ones.
    Protobuf,
}

impl Exposition {
    /// The one that an `Accept` field likes best. Prometheus asks for protobuf where it takes native histograms.
    pub fn accepted(accept: &str) -> Self {
        let quality = |range: &str| {
            let quality = range.split(';').filter_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).next();
            quality.filter(|quality: &f64| (0.0..=1.0).contains(quality)).unwrap_or(1.0)
        };
        let best = |wanted: &dyn Fn(&str) -> bool| accept.split(',').filter(|range| wanted(range)).map(quality).fold(0.0, f64::max);
        let protobuf = best(&|range| {
            let range = range.trim();
            range.starts_with("application/vnd.google.protobuf")
                && range.contains("proto=io.prometheus.client.MetricFamily")
                && !range.contains("encoding=text")
        });
        let text = best(&|range| !range.trim().starts_with("application/vnd.google.protobuf"));
        if protobuf > 0.0 && protobuf >= text { Self::Protobuf } else { Self::Text }
    }

    /// The media type of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        }
    }
}

/// The registries, one for each format: a histogram with exemplars is another type than one with native buckets.
#[derive(Debug, Default)]
pub(super) struct Registries {
    text: Registry,
    protobuf: Registry,
    /// Their families, for the test that compares them with the list.
    #[cfg(test)]
    names: Vec<&'static str>,
}

impl Registries {
    /// Has a metric shown under a name of the list.
    pub(super) fn add<M: Metric + Clone>(&mut self, name: &'static Name, metric: &M) {
        self.put(name, metric.clone(), metric.clone());
    }

    fn put(&mut self, name: &'static Name, text: impl Metric, protobuf: impl Metric) {
        add(&mut self.text, name, text);
        add(&mut self.protobuf, name, protobuf);
        #[cfg(test)]
        self.names.push(name.family);
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Labels that never change.
    pub(super) fn info(&mut self, name: &'static Name, labels: &[(&'static str, &'static str)]) {
        self.put(name, Info::new(labels.to_vec()), Info::new(labels.to_vec()));
    }

    pub(super) fn counter(&mut self, name: &'static Name) -> Counter {
        let counter = Counter::default();
        self.add(name, &counter);
        counter
    }

    pub(super) fn float_counter(&mut self, name: &'static Name) -> Counter<f64, AtomicU64> {
        let counter = Counter::default();
        self.add(name, &counter);
        counter
    }

    pub(super) fn gauge(&mut self, name: &'static Name) -> Gauge {
        let gauge = Gauge::default();
        self.add(name, &gauge);
        gauge
    }

    pub(super) fn float_gauge(&mut self, name: &'static Name) -> Gauge<f64, AtomicU64> {
        let gauge = Gauge::default();
        self.add(name, &gauge);
        gauge
    }

    pub(super) fn counters<L: Labels>(&mut self, name: &'static Name) -> Family<L, Counter> {
        self.family(name)
    }

    pub(super) fn gauges<L: Labels>(&mut self, name: &'static Name) -> Family<L, Gauge> {
        self.family(name)
    }

    pub(super) fn float_gauges<L: Labels>(&mut self, name: &'static Name) -> Gauges<L> {
        self.family(name)
    }

    pub(super) fn histograms<L: Labels>(&mut self, name: &'static Name, of: fn() -> Histogram) -> Family<L, Histogram, fn() -> Histogram> {
        let family = Family::new_with_constructor(of);
        self.add(name, &family);
        family
    }

    /// Histograms of times that show a trace for each bucket.
    pub(super) fn timings<L: Labels>(&mut self, name: &'static Name) -> Timings<L> {
        let timings = Timings { told: Family::new_with_constructor(told), native: Family::new_with_constructor(seconds) };
        self.put(name, timings.told.clone(), timings.native.clone());
        timings
    }

    fn family<L: Labels, M: Default>(&mut self, name: &'static Name) -> Family<L, M>
    where
        Family<L, M>: Metric + Clone,
    {
        let family = Family::default();
        self.add(name, &family);
        family
    }

    /// All metrics in a format.
    pub(super) fn encoded(&self, exposition: Exposition) -> Vec<u8> {
        match exposition {
            Exposition::Text => {
                let mut written = String::new();
                // Writing to a string does not fail.
                let _ = text::encode(&mut written, &self.text);
                written.into_bytes()
            }
            Exposition::Protobuf => prometheus_protobuf::encode_to_vec(&self.protobuf).unwrap_or_default(),
        }
    }
}

/// Gauges of numbers by their labels.
pub(super) type Gauges<L> = Family<L, Gauge<f64, AtomicU64>>;

/// The labels of a gauge that can be absent and has no labels.
pub(super) type Nothing = [(&'static str, &'static str); 0];

/// Shows a value, or nothing if there is none.
pub(super) fn show<L: Labels>(gauges: &Gauges<L>, labels: &L, value: Option<f64>) {
    match value {
        Some(value) => drop(gauges.get_or_create(labels).set(value)),
        None => drop(gauges.remove(labels)),
    }
}

/// What can be the labels of a metric.
pub(super) trait Labels: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static {}

impl<T: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static> Labels for T {}

/// The library appends the unit to a name, and what its kind asks for.
fn add(registry: &mut Registry, name: &Name, metric: impl Metric) {
    debug_assert!(is_of(name.kind, metric.metric_type()), "{name:?}");
    for (unit, ending) in [(Unit::Seconds, "_seconds"), (Unit::Bytes, "_bytes")] {
        if let Some(stem) = name.family.strip_suffix(ending) {
            return registry.register_with_unit(stem, name.help, unit, metric);
        }
    }
    registry.register(name.family, name.help, metric);
}

fn is_of(kind: Kind, of: MetricType) -> bool {
    matches!(
        (kind, of),
        (Kind::Counter, MetricType::Counter)
            | (Kind::Gauge, MetricType::Gauge)
            | (Kind::Histogram, MetricType::Histogram)
            | (Kind::Info, MetricType::Info)
    )
}

/// The id of a trace, beside an observation that was made in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabels {
    trace_id: String,
}

/// Histograms of times by their labels, with a trace that shows what each bucket is made of.
#[derive(Debug, Clone)]
pub(super) struct Timings<L: Labels> {
    told: Family<L, HistogramWithExemplars<TraceLabels>, fn() -> HistogramWithExemplars<TraceLabels>>,
    native: Family<L, Histogram, fn() -> Histogram>,
}

impl<L: Labels> Timings<L> {
    /// The histogram with these labels.
    pub(super) fn of(&self, labels: &L) -> Timing {
        Timing { told: self.told.get_or_create_owned(labels), native: self.native.get_or_create_owned(labels) }
    }

    pub(super) fn observe(&self, labels: &L, seconds: f64, trace: Option<String>) {
        observe(&self.told.get_or_create(labels), seconds, trace);
        self.native.get_or_create(labels).observe(seconds);
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Timing {
    told: HistogramWithExemplars<TraceLabels>,
    native: Histogram,
}

impl Timing {
    pub(super) fn observe(&self, seconds: f64, trace: Option<String>) {
        observe(&self.told, seconds, trace);
        self.native.observe(seconds);
    }
}

fn observe(told: &HistogramWithExemplars<TraceLabels>, seconds: f64, trace: Option<String>) {
    let at = trace.is_some().then(SystemTime::now);
    told.observe(seconds, trace.map(|trace_id| TraceLabels { trace_id }), at);
}

fn told() -> HistogramWithExemplars<TraceLabels> {
    HistogramWithExemplars::new(SECONDS.into_iter())
}

/// A histogram of times.
pub(super) fn seconds() -> Histogram {
    Histogram::new_classic_and_native(SECONDS, native())
}

/// A histogram of calibrated scores.
pub(super) fn scores() -> Histogram {
    Histogram::new_classic_and_native(SCORES, native())
}

fn native() -> NativeHistogramConfig {
    NativeHistogramConfig::default().max_buckets(NATIVE_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_liked_best() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let open = "application/openmetrics-text;version=1.0.0";
        let table = [
            (String::new(), Exposition::Text),
            ("*/*".into(), Exposition::Text),
            (format!("{protobuf};q=0.6,{open};q=0.5,*/*;q=0.1"), Exposition::Protobuf),
            (format!("{protobuf},{open};q=0.8"), Exposition::Protobuf),
            (format!("{open};q=0.6,{protobuf};q=0.5"), Exposition::Text),
            (format!("{protobuf};q=0"), Exposition::Text),
            (protobuf.replace("delimited", "text"), Exposition::Text),
            ("application/vnd.google.protobuf".into(), Exposition::Text),
        ];
        for (accept, expected) in table {
            assert_eq!(Exposition::accepted(&accept), expected, "{accept}");
        }
    }
}
