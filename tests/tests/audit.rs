//! The audit trail: what stands in it, what keeps a flood out of it, how it is told, and that nobody can change it or write into it unnoticed.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Connection, Installation, Server, guests, send};

const LONGEST: Duration = Duration::from_secs(30);
const ROW: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;

fn fitted() -> Installation {
    let template = guests().join("template.wasm");
    let at = Installation::new(&patient(&three_numbers(&format!("  robust:\n    plugin: {}\n", template.display()))));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// The events that the command tells, oldest first.
fn events(at: &Installation, filters: &str) -> Vec<Value> {
    let told = at.run(&format!("audit list --format json {filters}")).ok().output;
    told.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn of_action<'a>(events: &'a [Value], action: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["action"] == action).collect()
}

/// Events that are not made by starting and stopping.
fn of_callers(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["address"].is_string()).collect()
}

/// Waits for so many events: a refusal is answered before its record is on disk.
fn await_events(server: &Server, query: &str, wanted: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let answer = server.get(&format!("/v1/audit?{query}")).ok();
        let events = answer["events"].as_array().unwrap();
        if events.len() == wanted {
            return events.clone();
        }
        assert!(events.len() < wanted && started.elapsed() < LONGEST, "{answer}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn count(events: &[&Value]) -> u64 {
    events.iter().map(|event| event["count"].as_u64().unwrap_or(1)).sum()
}

#[test]
fn a_refused_credential_is_an_event_with_reason_and_address_and_without_the_credential() {
    let at = fitted();
    let server = Server::start(&at);
    let secret = "dGhpcyBpcyBteSBzZWNyZXQ";
    let headers = [("authorization", &*format!("Basic {secret}")), ("x-request-id", "request-7")];
    let refused = send(server.data, "GET", "/v1/decisions/0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07", &headers, b"");
    refused.problem(401, "invalid_credential");
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/v1/detectors").status, 200);

    let event = &await_events(&server, "action=credential.refused", 1)[0];
    let told = ["outcome", "reason", "address", "route", "request_id"].map(|key| event[key].as_str().unwrap());
    assert_eq!(told, ["denied", "other_scheme", "127.0.0.1", "/v1/decisions/{id}", "request-7"]);
    assert!(event["actor"].is_null() && event["count"].is_null() && event["tenant"].is_null(), "{event}");
    assert_eq!(of_callers(events(&at, "")).first(), Some(event), "the command tells the same, beside the server");

    let line = server.await_event(|line| line["target"] == "audit" && line["action"] == "credential.refused");
    assert_eq!((&line["reason"], &line["address"], &line["level"]), (&json!("other_scheme"), &json!("127.0.0.1"), &json!("WARN")));
    let metrics = server.administer("/metrics").body;
    assert!(metrics.contains("synod_credentials_refused_total{reason=\"other_scheme\"} 1"), "{metrics}");
    let access = server.await_event(|line| line["target"] == "access" && line["route"] == "/v1/detectors");
    assert_eq!((&access["caller"], &access["status"]), (&json!("anonymous"), &json!(200)), "{access}");
    let probes = server.events().into_iter().filter(|line| line["target"] == "access" && line["route"] == "/readyz");
    assert_eq!(probes.count(), 0, "a probe that finds all well is counted, and is no line");
    assert!(metrics.contains("route=\"/readyz\""), "{metrics}");
    let everything = format!("{}{}{}", server.lines().join("\n"), refused.body, at.read("serve.stderr"));
    assert!(!everything.contains(secret));
    server.stop();
    let log = fs::read(at.path("data/log/00000000000000000001.log")).unwrap();
    assert!(log.windows(12).any(|part| part == b"other_scheme") && !log.windows(secret.len()).any(|part| part == secret.as_bytes()));
}

#[test]
fn starts_stops_and_labels_are_events_and_the_index_can_be_built_anew() {
    let at = fitted();
    let server = Server::start(&at);
    let decision = server.post("/v1/score", ROW).ok()["decision"].as_str().unwrap().to_owned();
    let label = r#"{"label": "fraud", "by": "ana"}"#;
    assert_eq!(server.post(&format!("/v1/decisions/{decision}/label"), label).status, 201);
    assert_eq!(server.post("/v1/decisions/0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07/label", label).status, 404, "nothing was done");
    let before = server.get("/v1/audit").ok();
    server.stop();

    let all = events(&at, "");
    let actions: Vec<&str> = all.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["model.moved", "configuration.loaded", "service.started", "label.set", "service.stopping"]);
    assert!(all[1]["target"].as_str().is_some_and(|digest| digest.len() == 64), "{}", all[1]);
    assert_eq!((&all[3]["actor"], &all[3]["target"], &all[3]["outcome"]), (&json!("anonymous"), &json!(decision), &json!("allowed")));
    let newest_first: Vec<Value> = all[..4].iter().rev().cloned().collect();
    assert_eq!(before["events"], Value::Array(newest_first.clone()));

    at.run("index rebuild").ok();
    let server = Server::start(&at);
    let after = await_events(&server, "", 7);
    assert_eq!(after[3..], newest_first, "as it was: two of the start and one of the stop are newer");
    let again = server.get(&format!("/v1/decisions/{decision}")).ok();
    assert_eq!(
        (&again["decision"], &again["labels"].as_array().map(Vec::len)),
        (&Value::Null, &Some(1)),
        "decisions are found beside them"
    );
    server.stop();
    assert_eq!(at.run("replay").ok().code, 0, "a replay passes over them");
}

#[test]
fn a_flood_of_bad_credentials_leaves_few_records_and_an_exact_count() {
    const THREADS: usize = 4;
    const EACH: usize = 5_000;
    let at = fitted();
    let server = Server::start_with(&at, &[("SYNOD_LOGGING__ACCESS", "false")]);
    let address = server.data;
    let flood = move || {
        let mut connection = Connection::open(address);
        for _ in 0..EACH / 50 {
            connection.write("GET /v1/detectors HTTP/1.1\r\nhost: synod\r\nauthorization: Bearer x\r\n\r\n".repeat(50));
            assert!((0..50).all(|_| connection.answer().status == 401));
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(flood)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let metrics = server.administer("/metrics").body;
    let expected = format!("synod_credentials_refused_total{{reason=\"not_a_token\"}} {}", THREADS * EACH);
    assert!(metrics.contains(&expected), "{metrics}");
    let lines = server.stop();

    let all = events(&at, "--action credential.refused");
    let all: Vec<&Value> = all.iter().collect();
    assert_eq!(count(&all), (THREADS * EACH) as u64);
    // Ten in each time, of which there is one a second at most, and then one of two seconds, of four …
    assert!((11..100).contains(&all.len()), "{} records", all.len());
    let summed = all.iter().find(|event| event["count"].is_u64()).unwrap();
    assert_eq!((&summed["address"], &summed["reason"]), (&json!("127.0.0.0/24"), &json!("not_a_token")), "{summed}");
    assert_eq!(
        lines.iter().filter(|line| line["action"] == "credential.refused").count(),
        all.len(),
        "a line for each record, and no more"
    );
    let verified: Value = serde_json::from_str(&at.run("audit verify --format json").ok().output).unwrap();
    assert_eq!((&verified["contents"]["audits"], &verified["contents"]["unreadable"]), (&json!(all.len() + 4), &json!([])), "{verified}");
}

#[test]
fn an_event_that_was_changed_is_found_out() {
    let at = fitted();
    let server = Server::start(&at);
    send(server.data, "GET", "/v1/detectors", &[("authorization", "Bearer x")], b"").problem(401, "invalid_credential");
    server.stop();
    let said = at.run("audit verify").ok().output;
    assert!(said.contains("0 decisions, 0 labels, 5 audit events"), "{said}");
    let log = at.path("data/log/00000000000000000001.log");
    let whole = fs::read(&log).unwrap();
    let place = whole.windows(9).position(|part| part == b"127.0.0.1").unwrap();
    let mut changed = whole.clone();
    changed[place + 8] = b'2';
    fs::write(&log, &changed).unwrap();
    at.run("audit verify").failed(3, &["the log is not what was written"]);
    fs::write(&log, &whole).unwrap();
    at.run("audit verify").ok();
}

#[test]
fn events_are_found_by_what_they_are_and_page_by_page() {
    let at = fitted();
    let server = Server::start(&at);
    for credential in ["Basic YTpi", "x", "Bearer x", "Bearer y"] {
        send(server.data, "GET", "/v1/score", &[("authorization", credential)], b"").problem(401, "invalid_credential");
    }
    await_events(&server, "", 7);
    let all = events(&at, "");
    assert_eq!(all.len(), 7);
    let newest_first: Vec<Value> = all.iter().rev().cloned().collect();
    for limit in [1, 4, 7, 8] {
        let (mut found, mut path) = (Vec::new(), format!("/v1/audit?limit={limit}"));
        loop {
            let answer = server.get(&path);
            found.extend(answer.ok()["events"].as_array().unwrap().clone());
            let link = answer.header("link").map(|link| link[1..link.find('>').unwrap()].to_owned());
            assert_eq!(answer.json()["next"].is_string(), link.is_some());
            match link {
                None => break,
                Some(link) => path = link,
            }
        }
        assert_eq!(found, newest_first, "{limit} at a time");
    }
    let fourth = all[3]["at"].as_str().unwrap();
    for (filter, query, expected) in [
        ("--action credential.refused", "action=credential.refused", 4),
        ("--action service.started", "action=service.started", 1),
        ("--action key.created", "action=key.created", 0),
        ("--actor anonymous", "actor=anonymous", 0),
        (&*format!("--from {fourth}"), &*format!("from={fourth}"), 4),
        (&*format!("--until {fourth}"), &*format!("until={fourth}"), 3),
        (&*format!("--from {fourth} --action service.started"), &*format!("from={fourth}&action=service.started"), 0),
    ] {
        assert_eq!(events(&at, filter).len(), expected, "{filter}");
        assert_eq!(server.get(&format!("/v1/audit?{query}")).ok()["events"].as_array().unwrap().len(), expected, "{query}");
    }
    at.run("audit list --action key.lost").failed(2, &["`key.lost` is no action; there are credential.refused, "]);
    at.run("audit list --from yesterday").failed(2, &["--from"]);
    server.get("/v1/audit?action=x").problem(400, "bad_query");
    server.get("/v1/audit?outcome=denied").problem(400, "bad_query");
    let next = server.get("/v1/audit?limit=1").ok()["next"].as_str().unwrap().to_owned();
    server.get(&format!("/v1/audit?limit=1&cursor={next}&actor=ana")).problem(400, "bad_cursor");
    let table = at.run("audit list").ok().output;
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(
        table
            .lines()
            .nth(3)
            .unwrap()
            .contains("  credential.refused    denied   from=127.0.0.1  because=other_scheme  on=/v1/score  request=")
    );
    server.stop();
}

/// What a client can bring into an event is its request's id alone: it makes no line, no field and no colour.
#[test]
fn nobody_forges_an_event() {
    let at = fitted();
    let server = Server::start(&at);
    let hostile = [
        r#"x","action":"key.created","outcome":"allowed"#,
        r#"x\n{"action":"key.created"}"#,
        "x  by=admin",
        "\u{1b}[31mred",
        "\\",
        "'; DROP TABLE audits; --",
        "4111111111111111",
        &"long".repeat(200),
    ];
    for id in hostile {
        let headers = [("authorization", "Bearer x"), ("x-request-id", id), ("user-agent", id)];
        assert!([400, 401].contains(&send(server.data, "GET", "/v1/detectors", &headers, b"").status));
    }
    let lines = server.stop();
    let all = events(&at, "");
    let refused = of_action(&all, "credential.refused");
    assert!(refused.len() >= 6 && refused.len() + 4 == all.len(), "{all:?}");
    assert!(refused.iter().all(|event| event.as_object().unwrap().len() == 8 && event["outcome"] == "denied"), "{refused:?}");
    assert!(refused.iter().any(|event| event["request_id"] == hostile[0]), "the text is there, as a text");
    assert_eq!(lines.iter().filter(|line| line["action"] == "key.created").count(), 0);
    let table = at.run("audit list").ok().output;
    assert_eq!(table.lines().count(), all.len());
    assert!(!table.contains('\u{1b}') && !table.contains("  by=admin") && !table.contains("key.created  "), "{table}");
}

#[test]
fn without_a_log_the_lines_tell_what_was_done() {
    let at = fitted();
    at.edit("consensus:", "decisions:\n  durability: none\nconsensus:");
    let server = Server::start(&at);
    send(server.data, "GET", "/v1/detectors", &[("authorization", "Bearer x")], b"").problem(401, "invalid_credential");
    let line = server.await_event(|line| line["action"] == "credential.refused");
    assert_eq!((&line["reason"], &line["address"]), (&json!("not_a_token"), &json!("127.0.0.1")));
    server.get("/v1/audit").problem(404, "nothing_is_stored");
    server.stop();
}

#[test]
fn a_certificate_that_is_read_again_is_an_event() {
    let at = fitted();
    at.write("synod.yaml", at.read("synod.yaml") + "listen: {tls: {certificate: certificate.pem, key: key.pem}}\n");
    let certify = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        at.write("key.pem", made.signing_key.serialize_pem());
        at.write("certificate.pem", made.cert.pem());
    };
    certify();
    let server = Server::start(&at);
    let reloaded = |outcome: &str| server.await_event(|line| line["action"] == "certificate.reloaded" && line["outcome"] == outcome);
    certify();
    assert_eq!(reloaded("allowed")["object"], "certificate");
    at.write("key.pem", "no key");
    assert_eq!(reloaded("failed")["level"], "WARN");
    server.stop();
    let outcomes: Vec<Value> = events(&at, "--action certificate.reloaded").iter().map(|event| event["outcome"].clone()).collect();
    assert!(outcomes.contains(&json!("allowed")) && outcomes.contains(&json!("failed")), "{outcomes:?}");
}
