//! Health: what is not well is named with a reason, to whom it concerns; a probe gets an exit code and a line; the status says what runs.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Server, guests, send, tamper};

const LONGEST: Duration = Duration::from_secs(30);
const CALM: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;
/// Brings out the hostile guest's behaviour.
const TRIGGER: &str = r#"{"a":0.9,"b":0.2,"c":0.3}"#;
const CLOSED: [(&str, &str); 1] = [("SYNOD_IDENTITY__ANONYMOUS", "[]")];

/// An honest detector and one that behaves as it is told.
fn fitted(behaviour: &str) -> Installation {
    let [template, hostile] = ["template", "hostile"].map(|guest| guests().join(format!("{guest}.wasm")).display().to_string());
    let at = Installation::new(&patient(&three_numbers(&format!(
        "  robust:\n    plugin: {template}\n  hostile:\n    plugin: {hostile}\n    parameters: {{behaviour: {behaviour}}}\n"
    ))));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn key(at: &Installation, role: &str) -> String {
    at.run(&format!("keys create --role {role}")).ok().output.trim_end().to_owned()
}

fn get(address: SocketAddr, path: &str, key: &str, accept: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("accept", accept)];
    send(address, "GET", path, if key.is_empty() { &headers[1..] } else { &headers }, b"")
}

fn part(report: &Value, name: &str) -> Value {
    report["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}")).clone()
}

/// What operators are told, once it is as wanted.
fn soon(server: &Server, wanted: impl Fn(&Value) -> bool) -> Answer {
    let started = Instant::now();
    loop {
        let answer = server.administer("/readyz?verbose");
        if wanted(&answer.json()) {
            return answer;
        }
        assert!(started.elapsed() < LONGEST, "{}", answer.body);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_detector_that_does_not_start_is_named_with_its_reason_to_operators_alone() {
    let at = fitted("honest");
    tamper(&at, "panic_in_load");
    let (operator, viewer) = (key(&at, "operator"), key(&at, "viewer"));
    let server = Server::start_with(&at, &CLOSED);
    let anybody = server.get("/readyz");
    let told =
        json!({"ready": false, "storing": true, "detectors": [{"name": "robust", "ready": true}, {"name": "hostile", "ready": false}]});
    assert_eq!((anybody.status, anybody.json()), (503, told));
    server.get("/readyz?verbose").problem(401, "no_credential");
    get(server.data, "/readyz?verbose", &viewer, "*/*").problem(403, "forbidden");

    let report = get(server.data, "/readyz?verbose", &operator, "*/*");
    let hostile = part(&report.json(), "detector/hostile");
    assert_eq!((report.status, &hostile["state"], &hostile["needed"]), (503, &json!("failed"), &json!(true)), "{hostile}");
    let reason = hostile["reason"].as_str().unwrap();
    assert!(reason.starts_with("it does not start, and is tried again: trap: ") && hostile["since"].is_string(), "{hostile}");
    for well in ["detector/robust", "log", "index", "breakers"] {
        assert_eq!(part(&report.json(), well)["state"], "ok", "{}", report.body);
    }
    let text = get(server.administration, "/readyz?verbose", "", "text/plain");
    assert_eq!((text.status, text.header("content-type")), (503, Some("text/plain; charset=utf-8")));
    let lines: Vec<&str> = text.body.lines().collect();
    assert!(lines[0].starts_with("not ready at 2") && lines[1] == "ok        detector/robust", "{}", text.body);
    assert!(lines[2].starts_with("failed    detector/hostile since 2") && lines[2].contains("trap"), "{}", text.body);

    let asked = |address: SocketAddr, more: &str| at.run(&format!("health --url http://{address} {more}"));
    let ran = asked(server.administration, "").failed(1, &["not ready; detector/hostile failed: it does not start", "trap"]);
    assert_eq!((ran.errors.lines().count(), ran.output.as_str()), (1, ""), "{}", ran.errors);
    asked(server.administration, "--verbose").failed(1, &["\nok        log\n"]);
    asked(server.data, "").failed(1, &["not ready; detector/hostile cannot vote"]);
    let _ = server.await_event(|event| event["message"] == "a part of the service is not well" && event["part"] == "detector/hostile");
    server.stop();
}

#[test]
fn a_detector_that_fails_at_rows_is_degraded_and_ready() {
    let at = fitted("panic");
    let server = Server::start(&at);
    assert_eq!(part(&soon(&server, |_| true).json(), "detector/hostile")["state"], "ok");
    let ran = at.run(&format!("health --url http://{}/ --timeout 10s", server.administration)).ok();
    assert!(ran.output.starts_with("ready") && ran.output.lines().count() == 1, "{}", ran.output);
    server.post("/v1/score", TRIGGER).ok();
    let answer = soon(&server, |report| part(report, "detector/hostile")["state"] == "degraded");
    let reason = part(&answer.json(), "detector/hostile")["reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("its last failure, at 2") && reason.as_str().unwrap().contains(": trap: "), "{reason}");
    assert_eq!((answer.status, server.get("/readyz").status), (200, 200));
    let ran = at.run(&format!("health --url http://{}", server.administration)).ok();
    assert!(ran.output.contains("detector/hostile degraded: its last failure"), "{}", ran.output);
    server.stop();
}

#[test]
fn a_log_that_cannot_be_written_is_not_ready_and_recovers_without_rows() {
    let at = fitted("honest");
    let server = Server::start_command(&at, at.limited_server(1_024), &[]);
    let rows = format!("[{}]", [CALM; 20].join(","));
    let mut sent = 0;
    while server.post("/v1/score", &rows).status == 200 {
        sent += 1;
        assert!(sent < 1000, "the limit was never reached");
    }
    let anybody = server.get("/readyz");
    assert_eq!((anybody.status, &anybody.json()["storing"], &anybody.json()["ready"]), (503, &json!(false), &json!(false)));
    let answer = soon(&server, |report| part(report, "log")["state"] == "failed");
    let log = part(&answer.json(), "log");
    assert!(answer.status == 503 && log["reason"].as_str().unwrap().starts_with("it cannot be written: "), "{log}");
    let since = log["since"].clone();
    at.run(&format!("health --url http://{}", server.administration)).failed(1, &["log failed: it cannot be written: "]);
    // It is tried again and again, and it is failing all that time.
    thread::sleep(Duration::from_secs(5));
    assert_eq!(part(&server.administer("/readyz?verbose").json(), "log")["since"], since);

    server.lift_limit();
    let answer = soon(&server, |report| part(report, "log")["state"] == "ok");
    assert_eq!((answer.status, server.get("/readyz").status), (200, 200), "no row was needed for that");
    server.post("/v1/score", CALM).ok();
    server.stop();
    let told = at.run("audit list --format json --action log.recovered").ok().output;
    let record: Value = serde_json::from_str(told.trim()).unwrap();
    assert!(record["reason"].as_str().unwrap().starts_with("it could not be written since "), "{record}");
    at.run("audit verify").ok();
}

#[test]
fn a_probe_has_an_exit_code_and_a_line_whatever_happens() {
    let at = fitted("honest");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let begun = Instant::now();
    at.run(&format!("health --url http://127.0.0.1:{port} --timeout 300ms")).failed(1, &["does not answer within 300ms"]);
    assert!(begun.elapsed() < LONGEST);
    drop(silent);
    at.run(&format!("health --url http://127.0.0.1:{port}")).failed(1, &["cannot be reached"]);
    for url in ["https://127.0.0.1:1", "127.0.0.1:8081", "ftp://x"] {
        at.run(&format!("health --url {url}")).failed(1, &["--url: "]);
    }

    // By the configuration, as a container does.
    let configured = at.read("synod.yaml");
    at.write("synod.yaml", format!("{configured}listen: {{administration: '0.0.0.0:{port}'}}\n"));
    at.run("health").failed(1, &[&format!("http://127.0.0.1:{port}"), "cannot be reached"]);
    let mut command = at.command("health --timeout 1s");
    let output = command.env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("names no port"), "{output:?}");
    let server = Server::start(&at);
    let administration = server.administration.to_string();
    let output = at.command("health").env("SYNOD_LISTEN__ADMINISTRATION", &administration).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"ready"), "{output:?}");
    server.stop();
    at.write("synod.yaml", "version: 2");
    at.run("health").failed(1, &["version 2 is not known"]);
}

#[test]
fn the_status_says_what_runs_to_operators() {
    let at = fitted("honest");
    let (operator, analyst) = (key(&at, "operator"), key(&at, "analyst"));
    let scorer = key(&at, "scorer");
    let server = Server::start_with(&at, &CLOSED);
    for address in [server.data, server.administration] {
        get(address, "/v1/status", "", "*/*").problem(401, "no_credential");
        get(address, "/v1/status", &analyst, "*/*").problem(403, "forbidden");
    }
    let bearer = format!("Bearer {scorer}");
    let rows = format!("[{CALM},{CALM},{CALM}]");
    let scored =
        send(server.data, "POST", "/v1/score", &[("authorization", &bearer), ("content-type", "application/json")], rows.as_bytes());
    assert_eq!(scored.ok().as_array().map(Vec::len), Some(3));
    for address in [server.data, server.administration] {
        let status = get(address, "/v1/status", &operator, "*/*").ok();
        assert_eq!((&status["version"], status["configuration"].as_str().map(str::len)), (&json!(env!("CARGO_PKG_VERSION")), Some(64)));
        assert!(status["started"].is_string() && status["uptime"].as_f64().is_some_and(|uptime| uptime > 0.0), "{status}");
        let detectors: Vec<_> =
            status["detectors"].as_array().unwrap().iter().map(|detector| (&detector["name"], &detector["model_version"])).collect();
        assert_eq!(detectors, [(&json!("robust"), &json!(1)), (&json!("hostile"), &json!(1))]);
        let counted: u64 = status["counts"]["outcomes"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!((counted, &status["counts"]["degraded"], &status["breakers"]["open"]), (3, &json!(0), &json!(0)), "{status}");
        assert!(status["log"]["records"].as_u64() >= Some(5) && status["log"]["segments"] == 1, "{status}");
        assert_eq!((&status["readiness"]["ready"], status.get("certificate_ends")), (&json!(true), None), "{status}");
    }
    server.stop();
}
