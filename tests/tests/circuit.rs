//! A detector that fails again and again is not asked any more, until it works on rows of its own; and what becomes of a row without its vote is
//! as configured.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Installation, Server, guests};

const LONGEST: Duration = Duration::from_secs(60);
const CALM: &str = r#"{"a":0.25,"b":0.25,"c":0.25}"#;
/// Brings out the guest's behaviour.
const TRIGGER: &str = r#"{"a":0.9,"b":0.25,"c":0.25}"#;

/// An honest detector, and one that misbehaves on rows that trigger it.
fn fitted(behaviour: &str, more: &str) -> Installation {
    let honest = patient(&three_numbers(&format!("  robust:\n    plugin: {}\n  hostile:\n", guests().join("template.wasm").display())));
    let limits = "timeout: 300ms, memory: 64MiB, load_timeout: 20s";
    let hostile = format!(
        "  hostile:\n    plugin: {}\n    limits: {{{limits}}}\n    parameters: {{behaviour: {behaviour}}}\n{more}",
        guests().join("hostile.wasm").display()
    );
    let at = Installation::new(&honest.replacen("  hostile:\n", &hostile, 1).replace("consensus:\n", "consensus:\n  minimum_votes: 1\n"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// Why the hostile detector did not vote on a row, if it did not.
fn abstained(answer: &Value) -> Option<&str> {
    answer["abstentions"].as_array().unwrap().iter().find(|one| one["detector"] == "hostile").map(|one| one["reason"].as_str().unwrap())
}

#[test]
fn after_five_failures_it_is_not_asked_until_it_works_on_its_golden_rows() {
    let at = fitted("spin", "");
    let server = Server::start(&at);
    let honest =
        |answer: &Value| answer["votes"].as_array().unwrap().iter().find(|vote| vote["detector"] == "robust").unwrap()["raw_score"].clone();
    let expected = honest(&server.post("/v1/score", TRIGGER).ok());
    for _ in 1..5 {
        assert_eq!(abstained(&server.post("/v1/score", TRIGGER).ok()), Some("timeout"));
    }
    let started = Instant::now();
    let paused = server.post("/v1/score", TRIGGER).ok();
    assert_eq!(abstained(&paused), Some("paused"), "after {:?}", started.elapsed());
    assert_eq!(honest(&paused), expected, "the others vote as ever");
    let metrics = server.administer("/metrics").body;
    assert!(metrics.contains("synod_detector_paused{detector=\"hostile\"} 1"), "{metrics}");
    assert_eq!(server.administer("/readyz").status, 200, "another instance would be no better");
    // The golden rows are calm, so that it works on them.
    while abstained(&server.post("/v1/score", CALM).ok()).is_some() {
        assert!(started.elapsed() < LONGEST, "{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
    // It fails again at once, and pauses for longer; somebody may end that.
    for _ in 0..5 {
        server.post("/v1/score", TRIGGER).ok();
    }
    // A success in between has made it forget; whatever it stands at, after a release it is asked.
    assert_eq!(server.post("/v1/detectors/hostile/release", "").status, 204);
    assert_eq!(abstained(&server.post("/v1/score", CALM).ok()), None);
    server.post("/v1/detectors/nobody/release", "").problem(404, "no_such_detector");
    server.stop();
    let released = at.run("audit list --format json --action detector.released").ok().output;
    assert!(released.contains("\"hostile\""), "{released}");
}

#[test]
fn a_row_without_the_vote_is_judged_refused_or_reviewed_as_configured() {
    let outcome = |answer: Value| (answer["verdict"]["outcome"].clone(), answer["verdict"]["too_few_votes"].clone());
    let calm_but_for_the_trigger = r#"{"a":0.51,"b":0.25,"c":0.25}"#;
    {
        let at = fitted("panic", "");
        let server = Server::start(&at);
        assert_eq!(outcome(server.post("/v1/score", calm_but_for_the_trigger).ok()), (json!("approve"), json!(false)));
        server.stop();
    }
    {
        let at = fitted("panic", "    on_failure: veto\n");
        let server = Server::start(&at);
        assert_eq!(outcome(server.post("/v1/score", calm_but_for_the_trigger).ok()), (json!("review"), json!(true)));
        assert_eq!(outcome(server.post("/v1/score", CALM).ok()), (json!("approve"), json!(false)));
        server.stop();
    }
    let at = fitted("panic", "    on_failure: fail\n");
    let server = Server::start(&at);
    let problem = server.post("/v1/score", &format!("[{CALM},{calm_but_for_the_trigger}]")).problem(503, "detector_failed");
    assert!(problem["detail"].as_str().unwrap().contains("detector hostile does not vote (trap)"), "{problem}");
    assert_eq!(server.get("/v1/decisions").ok()["decisions"], json!([]), "nothing is decided");
    server.post("/v1/score", CALM).ok();
    assert_eq!(server.get("/v1/decisions").ok()["decisions"].as_array().unwrap().len(), 1);
    server.stop();
}
