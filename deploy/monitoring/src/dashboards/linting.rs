//! What Grafana's dashboard-linter asks of dashboards, and some more. Each rule has an example that breaks it.

mod rules;
mod selectors;

use super::all;
use rules::{RULES, complaints};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The first panel of a dashboard that is no row.
const PANEL: &str = "/panels/1";
/// Its first query.
const QUERY: &str = "/panels/1/targets/0/expr";

fn dashboards() -> Vec<Value> {
    all().iter().map(super::dashboard::Dashboard::json).collect()
}

#[test]
fn dashboards_keep_the_rules() {
    for dashboard in dashboards() {
        assert_eq!(complaints(&dashboard), [""; 0], "{}", dashboard["title"]);
    }
}

#[test]
fn no_two_dashboards_have_one_uid() {
    let dashboards = dashboards();
    let uids: BTreeSet<String> = dashboards.iter().map(|dashboard| dashboard["uid"].to_string()).collect();
    assert_eq!(uids.len(), dashboards.len(), "{uids:?}");
}

/// A mistake, by the rule that it breaks: what stands where.
fn mistakes() -> Vec<(&'static str, &'static str, Value)> {
    let selector = |end: &str| format!("synod_http_requests_total{{job=~\"$job\",instance=~\"$instance\"}}{end}");
    let buckets = "sum(rate(synod_verdict_score_bucket{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval]))";
    vec![
        ("template-datasource", "/templating/list/0/query", json!("loki")),
        ("template-datasource", "/templating/list/0/name", json!("source")),
        ("template-job", "/templating/list/1/multi", json!(false)),
        ("template-job", "/templating/list/1/allValue", json!(".*")),
        ("template-instance", "/templating/list/2/label", json!("Server")),
        ("template-instance", "/templating/list/2/datasource/uid", json!("synod-prometheus")),
        ("template-label-promql", "/templating/list/1/query/query", json!("label_values(up{job=)")),
        ("template-label-promql", "/templating/list/1/query/query", json!("synod_build_info")),
        ("template-on-time-change-reload", "/templating/list/1/refresh", json!(1)),
        ("uneditable", "/editable", json!(true)),
        ("uid", "/uid", json!("Overview")),
        ("uid", "/uid", json!("synod-".to_owned() + &"x".repeat(40))),
        ("panel-datasource", "/panels/1/datasource/uid", json!("synod-prometheus")),
        ("panel-datasource", "/panels/1/targets/0/datasource", json!(null)),
        ("panel-title-description", "/panels/1/title", json!("")),
        ("panel-title-description", "/panels/1/description", json!("Requests")),
        ("panel-units", "/panels/1/fieldConfig/defaults/unit", json!("requests")),
        ("panel-units", "/panels/1/fieldConfig/defaults/unit", json!(null)),
        ("panel-no-targets", "/panels/1/targets", json!([])),
        ("panel-place", "/panels/1/gridPos/x", json!(22)),
        ("panel-place", "/panels/2/gridPos/x", json!(1)),
        ("panel-place", "/panels/2/id", json!(2)),
        ("target-legend", "/panels/1/targets/0/legendFormat", json!("")),
        ("target-promql", QUERY, json!(format!("sum(rate({})", selector("[$__rate_interval]")))),
        ("target-metric", QUERY, json!("sum(up{job=~\"$job\",instance=~\"$instance\"})")),
        ("target-metric", QUERY, json!("rate(synod_http_requests{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])")),
        ("target-metric", QUERY, json!("synod_detector_ready{job=~\"$job\",instance=~\"$instance\",route=\"x\"}")),
        ("target-metric", QUERY, json!("max(synod:nothing:error_ratio_rate1h{job=~\"$job\"})")),
        ("target-metric", QUERY, json!("max(synod:votes:error_ratio_rate7h{job=~\"$job\"})")),
        ("target-job", QUERY, json!("max(synod:votes:error_ratio_rate1h)")),
        ("target-rate-interval", QUERY, json!(format!("sum(rate({}))", selector("[5m]")))),
        ("target-job", QUERY, json!("sum(synod_detector_ready{instance=~\"$instance\"})")),
        ("target-instance", QUERY, json!("sum(synod_detector_ready{job=~\"$job\",instance=\"$instance\"})")),
        ("target-counter-agg", QUERY, json!(format!("sum({})", selector("")))),
        ("target-counter-agg", QUERY, json!(format!("avg_over_time({})", selector("[$__rate_interval]")))),
        ("target-histogram", QUERY, json!(buckets)),
    ]
}

#[test]
fn every_rule_notices_what_breaks_it() {
    let good = &dashboards()[0];
    assert_eq!(good.pointer(PANEL).map(|panel| &panel["type"]), Some(&json!("stat")), "the examples are about a panel");
    let mut noticed = BTreeSet::new();
    for (rule, place, wrong) in mistakes() {
        let mut dashboard = good.clone();
        *dashboard.pointer_mut(place).unwrap_or_else(|| panic!("there is no {place}")) = wrong.clone();
        let found = complaints(&dashboard);
        assert!(found.iter().any(|complaint| complaint.starts_with(&format!("{rule}:"))), "{rule} lets pass {wrong}: {found:?}");
        noticed.insert(rule);
    }
    let rules: BTreeSet<&str> = RULES.into_iter().collect();
    assert_eq!(noticed, rules, "each rule has a mistake that it notices");
}
