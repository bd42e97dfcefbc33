//! What is configured of traces.

use crate::otlp::Collector;
use std::time::Duration;

/// Where spans go, and of which requests there are some.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who takes them.
    pub collector: Collector,
    /// What the service is called in traces.
    pub service_name: String,
    /// What else is said of it.
    pub resource: Vec<(String, String)>,
    /// Which requests are recorded.
    pub sampling: Sampling,
    /// Spans that may wait to be sent.
    pub queue: usize,
}

/// Which requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of those that nobody decided about.
    pub share: f64,
    /// Whether the caller's decision is followed, within `rate`.
    pub parent: bool,
    /// Whether a request that failed is recorded all the same, by one span, within `rate`.
    pub errors: bool,
    /// Traces that callers and failures may ask for: so many in such a time.
    pub rate: (u32, Duration),
}
