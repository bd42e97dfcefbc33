//! The breaker: a policy that blocks too much is reviewed instead, for the tenant whose rows it is about, until an operator has looked; it
//! survives restarts and crashes, and what it did is on record.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Server, guests, send};

const LONGEST: Duration = Duration::from_secs(30);
const CALM: &str = r#"{"a":0.25,"b":0.25,"c":0.25}"#;
const ODD: &str = r#"{"a":9,"b":9,"c":9}"#;

/// More than a fifth of twenty outcomes opens a breaker.
fn fitted() -> Installation {
    let template = guests().join("template.wasm");
    let configuration = patient(&three_numbers(&format!("  robust:\n    plugin: {}\n", template.display())));
    let at =
        Installation::new(&format!("{configuration}outcomes: {{block: 0.3, breaker: {{maximum_share: 0.2, window: 1h, minimum: 20}}}}\n"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// A server that lets nobody in without a credential.
fn serve(at: &Installation) -> Server {
    Server::start_with(at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")])
}

fn key(at: &Installation, options: &str) -> String {
    at.run(&format!("keys create {options}")).ok().output.trim_end().to_owned()
}

fn call(server: &Server, method: &str, path: &str, key: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    send(server.data, method, path, &[("authorization", &bearer), ("content-type", "application/json")], body.as_bytes())
}

/// The outcomes of rows that are scored in one request.
fn outcomes(server: &Server, key: &str, rows: &[&str]) -> Vec<String> {
    let answers = call(server, "POST", "/v1/score", key, &format!("[{}]", rows.join(","))).ok();
    answers.as_array().unwrap().iter().map(|answer| answer["verdict"]["outcome"].as_str().unwrap().to_owned()).collect()
}

fn breakers(server: &Server, key: &str) -> Vec<Value> {
    call(server, "GET", "/v1/breakers", key, "").ok()["breakers"].as_array().unwrap().clone()
}

#[track_caller]
fn metrics(server: &Server, lines: [&str; 4]) {
    let text = server.administer("/metrics").body;
    let missing: Vec<_> = lines.into_iter().filter(|line| !text.contains(&format!("\n{line}\n"))).collect();
    assert!(missing.is_empty() && !text.contains("north"), "no {missing:?} in {text}");
}

#[test]
fn beyond_the_share_blocks_are_reviewed_until_an_operator_resets_it() {
    let at = fitted();
    let [north, south, none] =
        ["--role scorer --tenant north", "--role scorer --tenant south", "--role scorer"].map(|key| self::key(&at, key));
    let [operator, of_north, of_south, admin] =
        ["--role operator", "--role operator --tenant north", "--role operator --tenant south", "--role admin"]
            .map(|key| self::key(&at, key));
    let server = serve(&at);

    // Nineteen are too few; the twentieth shows that far more than a fifth are blocks, and is the first that is reviewed.
    assert_eq!(outcomes(&server, &north, &[ODD; 19]), ["block"; 19]);
    assert_eq!(breakers(&server, &operator)[0]["open"], false);
    assert_eq!(outcomes(&server, &north, &[ODD, CALM, ODD]), ["review", "approve", "review"]);
    // Others are not concerned; and a share that is just allowed opens nothing.
    for key in [&south, &none] {
        let rows: Vec<&str> = (0..40).map(|row| if row % 5 == 4 { ODD } else { CALM }).collect();
        assert_eq!(outcomes(&server, key, &rows).iter().filter(|outcome| *outcome == "block").count(), 8);
    }
    metrics(
        &server,
        [
            "synod_breakers_open 1",
            "synod_breaker_openings_total 1",
            "synod_verdicts_degraded_total 2",
            "synod_breaker_block_share 0.9545454545454546",
        ],
    );

    // What is recorded says both; so does an answer to who is not shown scores.
    let page = call(&server, "GET", "/v1/decisions?limit=1&outcome=review", &admin, "").ok();
    let decision = page["decisions"][0].clone();
    assert_eq!(decision["verdict"]["degraded"], json!({"from": "block", "by": "breaker"}), "{decision}");
    assert_eq!((&decision["tenant"], decision["reasons"].is_array()), (&json!("north"), true), "{decision}");
    let bare = key_without_scores(&at);
    let started = Instant::now();
    let told = loop {
        let answer = call(&server, "POST", "/v1/score", &bare, ODD);
        if answer.status == 200 {
            break answer.json();
        }
        assert!(started.elapsed() < LONGEST);
    };
    assert_eq!((&told["verdict"]["degraded"]["from"], &told["verdict"]["score"]), (&json!("block"), &Value::Null), "{told}");

    // A warning, and an audit record.
    let line = server.await_event(|line| line["message"].as_str().is_some_and(|text| text.starts_with("breaker opened")));
    assert_eq!(
        (&line["level"], &line["tenant"], &line["outcomes"], &line["blocks"]),
        (&json!("WARN"), &json!("north"), &json!(20), &json!(20))
    );
    let openings = at.audited("breaker.opened", 1);
    let opened = &openings[0];
    assert_eq!(openings.len(), 1);
    let id = opened["target"].as_str().unwrap().to_owned();
    assert_eq!((&opened["tenant"], &opened["actor"]), (&json!("north"), &Value::Null));

    // Who may see and reset it.
    assert_eq!(breakers(&server, &operator).len(), 3);
    assert_eq!((breakers(&server, &of_north).len(), &breakers(&server, &of_north)[0]["id"]), (1, &json!(id)));
    assert_eq!(breakers(&server, &of_south)[0]["tenant"], "south");
    let path = format!("/v1/breakers/{id}/reset");
    call(&server, "POST", &path, &of_south, "").problem(404, "no_such_breaker");
    call(&server, "POST", &path, &north, "").problem(403, "forbidden");
    let reset = call(&server, "POST", &path, &of_north, "").ok();
    assert_eq!((&reset["open"], &reset["outcomes"], &reset["opened"]), (&json!(false), &json!(0), &Value::Null), "{reset}");
    assert_eq!(call(&server, "POST", &path, &operator, "").ok()["open"], false, "once more changes nothing");
    let acts = at.audited("breaker.reset", 1);
    assert_eq!(acts.len(), 1, "what changed nothing is no act");
    assert_eq!((&acts[0]["tenant"], &acts[0]["target"]), (&json!("north"), &json!(id)));
    assert!(acts[0]["actor"].as_str().is_some() && acts[0]["address"] == "127.0.0.1", "{}", acts[0]);
    assert_eq!(outcomes(&server, &north, &[ODD; 19]), ["block"; 19], "it counts from nothing");
    assert_eq!(outcomes(&server, &north, &[CALM, ODD]), ["approve", "review"], "and opens again");
    at.audited("breaker.opened", 2);
    server.stop();

    let replayed = at.run("replay --format json").ok();
    let report: Value = serde_json::from_str(&replayed.output).unwrap();
    assert_eq!((&report["different"], &report["not_replayable"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(report["equal"], report["decisions"]);
    // Files know no breaker, open or not.
    at.write("odd.jsonl", format!("{ODD}\n{ODD}\n"));
    at.run("score --data odd.jsonl --output out.jsonl").ok();
    at.run("score --data odd.jsonl --output recorded.jsonl --record").ok();
    for file in ["out.jsonl", "recorded.jsonl"] {
        assert_eq!(at.read(file).matches("\"block\"").count(), 2, "{file}");
    }
}

/// A key of the tenant whose breaker is open, which is shown outcomes and nothing else.
fn key_without_scores(at: &Installation) -> String {
    key(at, "--role scorer --scope score:policy --tenant north")
}

#[test]
fn it_stays_open_over_restarts_and_crashes_and_a_command_resets_it() {
    let at = fitted();
    let (north, operator) = (key(&at, "--role scorer --tenant north"), key(&at, "--role operator"));
    let server = serve(&at);
    assert_eq!(outcomes(&server, &north, &[ODD; 25])[18..], ["block", "review", "review", "review", "review", "review", "review"]);
    // At once: its audit record may not be there yet.
    server.kill();

    let server = serve(&at);
    assert_eq!(outcomes(&server, &north, &[ODD, CALM]), ["review", "approve"]);
    let id = at.audited("breaker.opened", 1)[0]["target"].as_str().unwrap().to_owned();
    let listed: Value = serde_json::from_str(&at.run("breaker list --format json").ok().output).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["tenant"], &listed[0]["opened"]["blocks"]), (&json!(id), &json!("north"), &json!(20)));
    assert!(at.run("breaker list").ok().output.contains(&id));
    server.stop();
    at.run("breaker reset 0000").failed(2, &["no breaker with the id 0000 is open"]);

    // Beside a running server, which follows and audits it.
    let server = serve(&at);
    at.run(&format!("breaker reset {id}")).ok();
    let acts = at.audited("breaker.reset", 1);
    assert_eq!((&acts[0]["tenant"], &acts[0]["reason"], &acts[0]["actor"]), (&json!("north"), &json!("command line"), &Value::Null));
    assert!(breakers(&server, &operator).iter().all(|breaker| breaker["open"] == false));
    assert_eq!(outcomes(&server, &north, &[ODD; 20])[18..], ["block", "review"]);
    at.audited("breaker.opened", 2);
    server.kill();

    // And where none runs.
    at.run(&format!("breaker reset {id}")).ok();
    at.audited("breaker.reset", 2);
    let server = serve(&at);
    assert_eq!(outcomes(&server, &north, &[ODD]), ["block"]);
    server.stop();
    let report: Value = serde_json::from_str(&at.run("replay --format json").ok().output).unwrap();
    assert_eq!((&report["different"], &report["not_replayable"]), (&json!(0), &json!(0)), "{report}");
    at.run("audit verify").ok();
}
