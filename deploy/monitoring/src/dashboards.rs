//! The dashboards for Grafana: what an operator looks at, from "is all well" to "which part is it". Files in `deploy/grafana` are made of them.

mod dashboard;
mod detectors;
mod drift_and_labels;
mod edge;
#[cfg(test)]
mod linting;
mod overview;
mod own;
mod panel;
mod scope;

use crate::Artifact;
use dashboard::Dashboard;

/// The files of all dashboards.
#[must_use]
pub fn artifacts() -> Vec<Artifact> {
    all().iter().map(Dashboard::artifact).collect()
}

fn all() -> [Dashboard; 5] {
    [overview::dashboard(), detectors::dashboard(), drift_and_labels::dashboard(), edge::dashboard(), own::dashboard()]
}
