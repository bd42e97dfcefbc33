//! What `/metrics` says, as Prometheus reads it: the names and labels of the list and no others, in both formats, and never more series because
//! more people call.

use std::collections::{BTreeMap, BTreeSet};
use synod_gateway::telemetry::names::{ALL, Kind, Name};
use synod_tests::{Connection, Installation, Server, send};

/// The metrics of the process, whose names are Prometheus' own.
const SERIES_OF_NOBODY: [&str; 1] = ["# EOF"];

#[test]
fn what_is_shown_is_what_the_list_says() {
    let installation = Installation::fitted_example("three-fields", 300);
    let server = Server::start(&installation);
    assert_eq!(server.post("/v1/score", ROW).status, 200);
    let text = server.administer("/metrics");
    assert_eq!(text.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let mut seen = BTreeSet::new();
    for (series, labels) in series(&text.body) {
        let name = listed(&series).unwrap_or_else(|| panic!("{series} is in no list"));
        let mut labels: Vec<&str> =
            labels.iter().map(String::as_str).filter(|label| *label != "le" || name.kind != Kind::Histogram).collect();
        labels.sort_unstable();
        let mut expected = name.labels.to_vec();
        expected.sort_unstable();
        assert_eq!(labels, expected, "{series}");
        assert!(text.body.contains(&format!("# HELP {} {}.\n", name.family, name.help)), "{name:?}");
        seen.insert(name.family);
    }
    // What a configuration brings with it, and what nobody has caused yet, need not be there.
    let absent = ALL.iter().map(|name| name.family).filter(|family| !seen.contains(family));
    let caused_by_nobody = BTreeSet::from(CAUSED_BY_NOBODY);
    assert_eq!(absent.filter(|family| !caused_by_nobody.contains(family)).collect::<Vec<_>>(), [""; 0]);
    server.stop();
}

/// Metrics that a plain installation does not show.
const CAUSED_BY_NOBODY: [&str; 36] = [
    // Nothing is asked beside the policy, and nothing is tried.
    "synod_rollout_guard",
    "synod_shadow_duration_seconds",
    "synod_shadow_score",
    "synod_shadow_verdicts",
    "synod_shadow_votes",
    // Nobody is told of decisions.
    "synod_anomaly_alerts",
    "synod_certificate_expiry_seconds",
    "synod_console_logins",
    "synod_credentials_refused",
    // Nobody ships events.
    "synod_events",
    "synod_events_dropped",
    // One row is no drift, and what nobody labelled has no precision.
    "synod_detector_precision",
    "synod_detector_recall",
    "synod_detector_score_ks_distance",
    "synod_detector_score_psi",
    "synod_feature_ks_distance",
    "synod_feature_psi",
    "synod_history_entities",
    "synod_history_events",
    "synod_history_evicted",
    "synod_history_size_bytes",
    "synod_identity_key_fetches",
    "synod_identity_keys_fetched_seconds",
    // It is counted a moment after the start.
    "synod_labelled_decisions",
    "synod_policy_precision",
    "synod_policy_recall",
    "synod_sink_age_seconds",
    "synod_sink_behind_records",
    "synod_sink_failures",
    "synod_sink_repeated",
    "synod_sink_requests",
    "synod_sink_retried",
    "synod_sink_sent_bytes",
    "synod_spool_maximum_bytes",
    "synod_spool_size_bytes",
    "synod_sink_records",
];

const ROW: &str = r#"{"Transaction_Amount": 150.75, "Average_Transaction_Amount": 120.0, "Frequency_of_Transactions": 3}"#;

#[test]
fn who_asks_for_protobuf_gets_native_histograms() {
    let installation = Installation::fitted_example("three-fields", 300);
    let server = Server::start(&installation);
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,*/*;q=0.1";
    let mut connection = Connection::open(server.administration);
    connection.write(request("GET", "/metrics", &[("accept", accept)], ""));
    let answer = connection.head();
    let expected = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)));
    server.stop();
}

/// A row of an account, a device, a merchant of its own.
const BANK: &str = r#"{"TransactionID": "TNUMBER", "AccountID": "CNUMBER", "TransactionAmount": 12.5, "TransactionDate": "2023-06-01T12:00:00Z",
    "TransactionType": "Debit", "Location": "Town NUMBER", "DeviceID": "DNUMBER", "IP Address": "10.0.0.1", "MerchantID": "MNUMBER",
    "Channel": "Online", "CustomerAge": 40, "CustomerOccupation": "Doctor", "TransactionDuration": 60, "LoginAttempts": 1,
    "AccountBalance": 1000}"#;

#[test]
fn ten_thousand_accounts_and_paths_are_no_new_series() {
    let installation = Installation::fitted_example("bank", 1000);
    // A few rows are enough for all that is shown of drift.
    let server = Server::start_with(&installation, &[("SYNOD_DRIFT__MINIMUM", "10")]);
    let mut connection = Connection::open(server.data);
    let mut ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        connection.write(request(method, path, headers, body));
        connection.answer().status
    };
    let mut call = |number: u32| {
        let row = BANK.replace("NUMBER", &number.to_string());
        let (json, own_id) = (("content-type", "application/json"), format!("r{number}"));
        assert_eq!(ask("POST", "/v1/score", &[json, ("x-request-id", &own_id)], &row), 200);
        assert_eq!(ask("GET", &format!("/v1/entities/C{number}"), &[], ""), 200);
        assert_eq!(ask("GET", &format!("/nothing/{number}?q={number}"), &[], ""), 404);
        let key = format!("Bearer no-key-{number}");
        assert_eq!(ask("GET", &format!("/v1/decisions/{number}"), &[("authorization", &key)], ""), 401);
    };
    (0..20).for_each(&mut call);
    // To be asked is counted too, and labels are counted a moment after the start.
    while !server.administer("/metrics").body.contains("synod_labelled_decisions{") {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let before = names(&server);
    (20..10_020).for_each(&mut call);
    let new: Vec<_> = names(&server).difference(&before).cloned().collect();
    assert_eq!(new, [""; 0]);
    server.stop();
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// Every series with its labels, as text.
fn names(server: &Server) -> BTreeSet<String> {
    let text = send(server.administration, "GET", "/metrics", &[], b"").body;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(['}', ' ']).map_or(line, |(series, _)| series).to_owned()).collect()
}

/// The series of a scrape, each with the names of its labels.
fn series(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !SERIES_OF_NOBODY.contains(line)) {
        // An exemplar has labels of its own.
        let line = line.split(" # ").next().unwrap_or(line);
        let (series, labels) = line.split_once('{').map_or((line.split(' ').next().unwrap_or(line), ""), |(series, rest)| (series, rest));
        let labels = labels.split('}').next().unwrap_or_default();
        let keys = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(key, _)| key.to_owned());
        all.insert(series.to_owned(), keys.collect());
    }
    all
}

/// The entry of a series.
fn listed(series: &str) -> Option<&'static Name> {
    let of = |name: &&&Name| match name.kind {
        Kind::Histogram => ["_bucket", "_count", "_sum"].iter().any(|end| series.strip_suffix(end) == Some(name.family)),
        _ => name.series() == series,
    };
    ALL.iter().find(of).copied()
}
