//! What is counted of requests.

use super::registering::{Registries, Timings};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// What is counted of requests.
#[derive(Debug)]
pub struct OfRequests {
    answered: Family<RequestLabels, Counter>,
    durations: Timings<RouteLabels>,
    count: bool,
}

impl OfRequests {
    pub(super) fn new(registries: &mut Registries, count: bool) -> Self {
        Self { answered: registries.counters(&names::REQUESTS), durations: registries.timings(&names::REQUEST_DURATION), count }
    }

    /// Notes an answered request. `route` is the route's pattern and not the path; `trace` is the id of the trace that shows it, if one does.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, took: Duration, trace: Option<String>) {
        if !self.count {
            return;
        }
        self.answered.get_or_create(&RequestLabels { route: route.to_owned(), method, status }).inc();
        self.durations.observe(&RouteLabels { route: route.to_owned() }, took.as_secs_f64(), trace);
    }
}
