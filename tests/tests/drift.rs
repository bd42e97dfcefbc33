//! What the metrics say of the models as time goes by: drift, missing features, agreement, labels and precision; and of what Synod itself rests
//! on: files that are read again, the disk, the process.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use synod_tests::configurations::patient;
use synod_tests::tls::Authority;
use synod_tests::{Installation, Server, plugins};

/// What does not happen until then does not happen, however busy the machine is.
const LATEST: Duration = Duration::from_secs(30);
/// Rows after which each number has been there once.
const ROUND: usize = 997;

/// A row. Its numbers are spread evenly over 0 to 0.5.
fn row(number: usize) -> Value {
    let share = |step: usize| ((number * step % ROUND) as f64 + 0.5) / ROUND as f64 / 2.0;
    json!({"event": format!("e{number}"), "a": share(7), "b": share(113), "c": share(31), "kind": (["x", "y", "z"][number % 3])})
}

/// Two detectors that see different features.
fn installed() -> Installation {
    let plugin = plugins().join("isolation-forest.wasm").display().to_string();
    let fields = "    event: {type: text}\n    a: {type: number}\n    b: {type: number}\n    c: {type: number, required: false}\n    kind: {type: text}\n";
    let features =
        "  a: {expression: a}\n  b: {expression: b}\n  c: {expression: c, missing: median}\n  kind: {encode: one_hot, of: kind}\n";
    let detector = |name: &str, sees: &str| format!("  {name}:\n    plugin: {plugin}\n    features: {sees}\n");
    let detectors = detector("moved", "[a, kind]") + &detector("steady", "[b, c]");
    let at = Installation::new(&patient(&format!(
        "version: 1\nschema:\n  id: event\n  fields:\n{fields}features:\n{features}detectors:\n{detectors}drift: {{window: 1000, minimum: 200}}\n"
    )));
    let mut rows = "event,a,b,c,kind\n".to_owned();
    for number in 0..4 * ROUND {
        let row = row(number);
        rows += &format!("{},{},{},{},{}\n", row["event"], row["a"], row["b"], row["c"], row["kind"]);
    }
    at.write("rows.csv", rows);
    at.run("fit --data rows.csv").ok();
    at
}

/// The value of a series.
fn shown(server: &Server, series: &str) -> Option<f64> {
    let text = server.administer("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn is(server: &Server, series: &str) -> f64 {
    shown(server, series).unwrap_or_else(|| panic!("no {series} in\n{}", server.administer("/metrics").body))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LATEST, "it never happens: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn score(server: &Server, rows: &[Value]) -> Vec<Value> {
    let answer = server.post("/v1/score", &Value::from(rows).to_string()).ok();
    answer.as_array().unwrap().clone()
}

#[test]
fn drift_is_seen_where_it_is_and_nowhere_else() {
    let at = installed();
    let server = Server::start(&at);
    score(&server, &(0..100).map(row).collect::<Vec<_>>());
    assert_eq!(is(&server, "synod_drift_rows"), 100.0);
    let first = server.administer("/metrics").body;
    let says = |text: &str, what: &str| text.lines().any(|line| line.starts_with(what));
    for gauge in ["synod_feature_psi{", "synod_feature_ks_distance{", "synod_detector_score_psi{", "synod_detector_score_ks_distance{"] {
        assert!(!says(&first, gauge), "100 rows are too few for {gauge}");
    }

    score(&server, &(100..ROUND).map(row).collect::<Vec<_>>());
    let psi = |feature: &str| is(&server, &format!("synod_feature_psi{{feature=\"{feature}\"}}"));
    let distance = |feature: &str| is(&server, &format!("synod_feature_ks_distance{{feature=\"{feature}\"}}"));
    let score_psi = |detector: &str| is(&server, &format!("synod_detector_score_psi{{detector=\"{detector}\"}}"));
    let score_distance = |detector: &str| is(&server, &format!("synod_detector_score_ks_distance{{detector=\"{detector}\"}}"));
    for feature in ["a", "b", "c", "kind"] {
        assert!(psi(feature) < 0.1, "{feature}: {}", psi(feature));
    }
    for detector in ["moved", "steady"] {
        assert!(score_psi(detector) < 0.1 && score_distance(detector) < 0.1, "{detector}: {}", score_psi(detector));
    }
    assert!(distance("a") < 0.05 && distance("b") < 0.05);
    assert_eq!(shown(&server, "synod_feature_ks_distance{feature=\"kind\"}"), None, "categories have no order");

    // Whoever asks again, or one detector alone, decides nothing.
    let before = is(&server, "synod_drift_rows");
    score(&server, &(0..500).map(row).collect::<Vec<_>>());
    server.post("/v1/detectors/steady/score", &Value::from((0..500).map(row).collect::<Vec<_>>()).to_string()).ok();
    assert_eq!(is(&server, "synod_drift_rows"), before);

    let moved = |number: usize| {
        let mut row = row(number);
        (row["a"], row["kind"]) = (json!(row["a"].as_f64().unwrap() + 0.3), json!("new"));
        row
    };
    score(&server, &(ROUND..2 * ROUND).map(moved).collect::<Vec<_>>());
    assert!(is(&server, "synod_drift_rows") <= 1000.0);
    for drift in [psi("a"), distance("a"), psi("kind"), score_psi("moved"), score_distance("moved")] {
        assert!(drift > 0.25, "{drift}\n{}", server.administer("/metrics").body);
    }
    for none in [psi("b"), distance("b"), psi("c"), score_psi("steady"), score_distance("steady")] {
        assert!(none < 0.1, "{none}\n{}", server.administer("/metrics").body);
    }
    server.stop();
}

#[test]
fn missing_features_are_counted_and_are_drift() {
    let at = installed();
    let server = Server::start(&at);
    let missing = |feature: &str| is(&server, &format!("synod_features_missing_total{{feature=\"{feature}\"}}"));
    assert_eq!(missing("c"), 0.0);
    let rows: Vec<Value> = (0..ROUND)
        .map(|number| {
            let mut row = row(number);
            if number % 2 == 0 {
                row.as_object_mut().unwrap().remove("c");
            }
            row
        })
        .collect();
    score(&server, &rows);
    score(&server, &rows);
    assert_eq!([missing("a"), missing("c"), missing("kind")], [0.0, 499.0, 0.0]);
    assert!(is(&server, "synod_feature_psi{feature=\"c\"}") > 0.25);
    assert!(is(&server, "synod_feature_ks_distance{feature=\"c\"}") < 0.1, "those that are there are as they were");
    server.stop();
}

#[test]
fn detectors_agree_or_they_do_not() {
    let at = installed();
    let server = Server::start(&at);
    let mut odd = row(400);
    (odd["b"], odd["c"]) = (json!(90.0), json!(90.0));
    let answers = score(&server, &[vec![odd], (1..100).map(row).collect()].concat());
    let votes = |answer: &Value| -> Vec<bool> {
        let votes = answer["votes"].as_array().unwrap();
        ["moved", "steady"].iter().map(|name| votes.iter().find(|vote| vote["detector"] == *name).unwrap()["anomalous"] == true).collect()
    };
    let disagreed = answers.iter().filter(|answer| votes(answer)[0] != votes(answer)[1]).count();
    let against = answers.iter().filter(|answer| votes(answer)[0] != answer["verdict"]["anomalous"].as_bool().unwrap()).count();
    assert!(disagreed > 0, "only one of them sees the odd numbers");
    let pair = |votes: &str| is(&server, &format!("synod_detector_pairs_total{{detector=\"moved\",other=\"steady\",votes=\"{votes}\"}}"));
    assert_eq!([pair("agree"), pair("disagree")], [(100 - disagreed) as f64, disagreed as f64]);
    let verdict = |votes: &str| is(&server, &format!("synod_detector_verdict_agreement_total{{detector=\"moved\",votes=\"{votes}\"}}"));
    assert_eq!([verdict("agree"), verdict("disagree")], [(100 - against) as f64, against as f64]);
    server.stop();
}

#[test]
fn labels_are_counted_and_make_precision() {
    let at = installed();
    let server = Server::start(&at);
    for label in ["fraud", "legitimate", "unsure"] {
        assert_eq!(is(&server, &format!("synod_labels_total{{label=\"{label}\"}}")), 0.0);
    }
    assert_eq!(shown(&server, "synod_policy_precision{}"), None, "nothing is known yet");
    let odd = |number: usize| json!({"event": format!("odd{number}"), "a": 90.0, "b": 90.0, "c": 90.0, "kind": "new"});
    let answers = score(&server, &[vec![odd(0), odd(1), odd(2), odd(3)], (400..402).map(row).collect()].concat());
    let anomalous: Vec<bool> = answers.iter().map(|answer| answer["verdict"]["anomalous"] == true).collect();
    assert_eq!(anomalous, [true, true, true, true, false, false]);
    let label = |place: usize, label: &str| {
        let path = format!("/v1/decisions/{}/label", answers[place]["decision"].as_str().unwrap());
        let answer = server.post(&path, &json!({"label": label, "by": "ana"}).to_string());
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    label(0, "fraud");
    label(1, "fraud");
    label(2, "fraud");
    label(3, "legitimate");
    label(4, "fraud");
    label(5, "unsure");
    until("the labels are measured", || shown(&server, "synod_policy_recall{}").is_some_and(|recall| recall == 0.75));
    assert_eq!(is(&server, "synod_policy_precision{}"), 0.75);
    let counted = |verdict: &str, label: &str| is(&server, &format!("synod_labelled_decisions{{verdict=\"{verdict}\",label=\"{label}\"}}"));
    assert_eq!([counted("anomalous", "fraud"), counted("anomalous", "legitimate")], [3.0, 1.0]);
    assert_eq!([counted("normal", "fraud"), counted("normal", "legitimate")], [1.0, 0.0]);
    assert_eq!(is(&server, "synod_detector_precision{detector=\"steady\"}"), 0.75);
    assert_eq!(is(&server, "synod_detector_recall{detector=\"steady\"}"), 0.75);
    let set = ["fraud", "legitimate", "unsure"].map(|label| is(&server, &format!("synod_labels_total{{label=\"{label}\"}}")));
    assert_eq!(set, [4.0, 1.0, 1.0]);
    server.stop();
}

#[test]
fn a_model_of_before_has_no_drift_of_features_and_it_is_said() {
    let at = installed();
    for detector in ["moved", "steady"] {
        let path = format!("data/models/{detector}/1.json");
        let mut manifest: Value = serde_json::from_str(&at.read(&path)).unwrap();
        for feature in manifest["manifest"]["view"]["features"].as_array_mut().unwrap() {
            assert!(feature.as_object_mut().unwrap().remove("reference").is_some());
        }
        at.write(&path, serde_json::to_string_pretty(&manifest).unwrap());
    }
    let note = "`synod fit` lets drift be measured of a, kind, b, c";
    assert!(at.run("check").ok().output.contains(note));
    let server = Server::start(&at);
    let _ = server.await_event(|event| event["message"].as_str().is_some_and(|message| message.ends_with(note)));
    score(&server, &(0..300).map(row).collect::<Vec<_>>());
    assert!(is(&server, "synod_detector_score_psi{detector=\"steady\"}") < 0.25);
    assert_eq!(shown(&server, "synod_feature_psi{feature=\"a\"}"), None);
    server.stop();
}

#[test]
fn files_that_are_read_again_are_counted() {
    let at = installed();
    let authority = Authority::new("servers");
    let (certificate, key) = authority.certificate(2090);
    at.write("server.pem", &certificate);
    at.write("server.key", &key);
    at.write("synod.yaml", at.read("synod.yaml") + "listen: {tls: {certificate: server.pem, key: server.key}}\n");
    let server = Server::start(&at);
    let failing = |part: &str| is(&server, &format!("synod_reload_failing{{part=\"{part}\"}}"));
    let read = |part: &str, result: &str| is(&server, &format!("synod_reloads_total{{part=\"{part}\",result=\"{result}\"}}"));
    for part in ["certificate", "client_authorities", "keys", "signing_keys"] {
        assert_eq!([failing(part), read(part, "done"), read(part, "failed")], [0.0; 3], "{part}");
    }
    let place = |name: &str, text: &str| {
        at.write("draft", text);
        fs::rename(at.path("draft"), at.path(name)).unwrap();
    };
    place("server.pem", "no certificate");
    until("the broken certificate is noticed", || failing("certificate") == 1.0);
    assert_eq!([read("certificate", "done"), read("certificate", "failed")], [0.0, 1.0]);
    place("server.pem", &certificate);
    until("the mended certificate is noticed", || failing("certificate") == 0.0);
    assert_eq!([read("certificate", "done"), read("certificate", "failed")], [1.0, 1.0]);

    place("data/keys.json", "no keys");
    until("the broken keys are noticed", || failing("keys") == 1.0);
    fs::remove_file(at.path("data/keys.json")).unwrap();
    until("that there are no keys is noticed", || failing("keys") == 0.0);
    assert_eq!([failing("signing_keys"), read("signing_keys", "failed")], [0.0; 2]);
    server.stop();
}

#[test]
fn the_process_and_the_disk_are_measured() {
    let at = installed();
    let server = Server::start(&at);
    score(&server, &(0..300).map(row).collect::<Vec<_>>());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let start = is(&server, "process_start_time_seconds");
    assert!(start > now - 120.0 && start < now + 2.0, "{start} at {now}");
    let folder = format!("/proc/{}", server.process());
    let files = fs::read_dir(format!("{folder}/fd")).unwrap().count() as f64;
    assert!((is(&server, "process_open_fds") - files).abs() < 20.0);
    assert!(is(&server, "process_max_fds") >= files);
    let status = fs::read_to_string(format!("{folder}/status")).unwrap();
    let said = |key: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let resident = is(&server, "process_resident_memory_bytes");
    assert!((resident / (1024.0 * said("VmRSS:")) - 1.0).abs() < 0.3, "{resident}");
    assert!(is(&server, "process_virtual_memory_bytes") > resident);
    assert!(is(&server, "process_threads") >= is(&server, "synod_worker_threads") && is(&server, "synod_worker_threads") >= 1.0);
    assert!(is(&server, "process_cpu_seconds_total") > 0.0);
    let (free, size) = (is(&server, "synod_data_directory_free_bytes"), is(&server, "synod_data_directory_size_bytes"));
    assert!(free > 0.0 && free < size);
    server.stop();
}
