//! Dashboards as Grafana shows them: every query of every panel is asked of a real Prometheus that reads a real gateway under load.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use synod_tests::prometheus::{Prometheus, scraping};
use synod_tests::{Installation, Server};

#[test]
fn prometheus_reads_native_histograms_where_it_takes_them() {
    let installation = Installation::fitted_example("three-fields", 300);
    let server = Server::start(&installation);
    let flags = ["--enable-feature=native-histograms,exemplar-storage"];
    let Some(prometheus) = Prometheus::start(&scraping(&[("synod", server.administration)]), &[], &flags) else { return };
    prometheus.await_up("synod");
    let median = "histogram_quantile(0.5, sum(rate(synod_http_request_duration_seconds[10s])))";
    let median = prometheus.until(median, |series| !series.is_empty());
    let median = synod_tests::prometheus::value(&median[0]);
    assert!(median > 0.0 && median < 1.0, "{median}");
    prometheus.stop();
    server.stop();
}
