//! Canaries: card numbers and credentials are sent wherever a client, an operator or a mistake can put them, and then everything that Synod
//! has written is searched for them: log lines, standard error, metrics, every file of the data directory, and the answers.
//!
//! Each canary is another number, so that one that is found tells where it came in.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::fs;
use std::path::Path;
use synod_tests::configurations::patient;
use synod_tests::{Installation, Server, guests, send};

/// A card number like no other, with its check digit.
fn card(number: u64) -> String {
    let digits = format!("4539{number:011}");
    let sum: u64 = digits.bytes().rev().enumerate().map(|(place, digit)| value(place + 1, u64::from(digit - b'0'))).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn value(place: usize, digit: u64) -> u64 {
    match (place % 2, digit) {
        (0, digit) => digit,
        (_, 0..5) => 2 * digit,
        (_, digit) => 2 * digit - 9,
    }
}

/// The ways to write a card number that are looked for.
fn written(card: &str) -> [String; 4] {
    let groups: Vec<&str> = [0, 4, 8, 12].map(|at| &card[at..at + 4]).to_vec();
    [card.to_owned(), groups.join(" "), groups.join("-"), groups.join("%20")]
}

/// Everything that was sent, by where it came in.
#[derive(Default)]
struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// A card number that comes in here.
    fn card(&mut self, place: &str) -> String {
        let card = card(1_000_003 * (self.0.len() as u64 + 7));
        self.0.extend(written(&card).map(|text| (place.to_owned(), text)));
        card
    }

    /// A credential that comes in here.
    fn secret(&mut self, place: &str, text: &str) -> String {
        self.0.push((place.to_owned(), text.to_owned()));
        text.to_owned()
    }

    /// Insists that none is in what was written.
    #[track_caller]
    fn absent(&self, from: &str, written: &str) {
        for (place, text) in &self.0 {
            if let Some(at) = written.find(text) {
                let around: String = written[at..].chars().take(200).collect();
                panic!("what came in by {place} is in {from}: {around}");
            }
        }
    }
}

/// All files below a folder, with what of their contents is text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned())),
        }
    }
    found
}

const CONFIGURATION: &str = "\
version: 1
schema:
  id: event
  entity: account
  time: at
  fields:
    event: {type: text, store: hmac}
    account: {type: text, store: hmac}
    at: {type: time}
    amount: {type: number}
    hashed: {type: text, required: false, store: hmac}
    masked: {type: text, required: false, store: mask}
    dropped: {type: text, required: false, store: drop}
    pan: {type: text, required: false}
features:
  amount: {expression: amount}
  count: {history: count, over: 30d}
  other: {history: distinct, of: hashed, over: 30d, missing: 0}
detectors:
";

fn fitted() -> Installation {
    let detectors = format!("  robust:\n    plugin: {}\n", guests().join("template.wasm").display());
    let at = Installation::new(&patient(&format!("{CONFIGURATION}{detectors}consensus: {{contamination: 0.05}}\n")));
    let row = |row: u32| format!("e{row},a{},2026-01-{:02}T{:02}:00:00Z,{}\n", row % 7, row / 24 + 1, row % 24, row * 37 % 101);
    at.write("rows.csv", format!("event,account,at,amount\n{}", (0..300).map(row).collect::<String>()));
    at.run("fit --data rows.csv").ok();
    at
}

#[test]
fn no_card_number_and_no_credential_is_in_anything_that_synod_writes() {
    let at = fitted();
    let server = Server::start(&at);
    let mut canaries = Canaries::default();
    let mut answers: Vec<String> = Vec::new();
    let mut ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = send(server.data, method, path, headers, body.as_bytes());
        let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        answers.push(format!("{method} {path}: {}\n{headers}{}", answer.status, answer.body));
        answer
    };

    // Rows that are taken. The one field with `keep` is the exception: it is what an operator has asked for.
    let kept = card(4_711);
    let row = json!({
        "event": canaries.card("the id"), "account": canaries.card("the entity"), "at": "2026-02-01T00:00:00Z", "amount": 17,
        "hashed": canaries.card("a hashed field"), "masked": canaries.card("a masked field"), "dropped": canaries.card("a dropped field"), "pan": kept
    });
    let key = canaries.card("Idempotency-Key");
    let decided = ask("POST", "/v1/score", &[("idempotency-key", &key)], &row.to_string());
    let decision = decided.ok()["decision"].as_str().unwrap().to_owned();
    ask("POST", "/v1/score", &[], &json!([row, row]).to_string());
    // A vote is told with the id as it came, to whom it came from.
    let mut voted = row.clone();
    (voted["event"], voted["account"]) = (json!("v1"), json!("a"));
    ask("POST", "/v1/detectors/robust/score", &[], &voted.to_string());

    // Rows that are refused, alone and in a list beside one that is taken.
    let wrong = [
        json!({"event": "w1", "account": "a", "at": "2026-02-01T00:00:00Z", "amount": canaries.card("text in a field of numbers")}),
        json!({"event": "w2", "account": "a", "at": canaries.card("a field of moments"), "amount": 1}),
        json!({"event": "w3", "account": "a", "at": "2026-02-01T00:00:00Z", "amount": 1, canaries.card("the name of a field"): 1}),
        json!({"event": "w4", "account": "a", "at": canaries.card("a number").parse::<u64>().unwrap(), "amount": 1}),
        json!({"event": "w5", "account": [written(&canaries.card("a list"))[1]], "at": "x", "amount": 1}),
        json!({"event": "w6", "account": "a", "at": "2026-02-01T00:00:00Z", "amount": written(&canaries.card("groups of digits"))[2]}),
    ];
    let mut masked = 0;
    for row in &wrong {
        masked += usize::from(ask("POST", "/v1/score", &[], &row.to_string()).body.contains("****"));
        let good = json!({"event": format!("g{masked}"), "account": "a", "at": "2026-02-01T00:00:00Z", "amount": 1});
        ask("POST", "/v1/score", &[], &json!([good, row]).to_string());
    }
    assert!(masked >= 2, "some of them are told what they sent, and masked: {masked}");
    ask("POST", "/v1/score", &[], &format!("{{\"pan\": \"{}", canaries.card("broken JSON")));
    ask("POST", "/v1/score", &[], &format!("\"{}\"", canaries.card("a body that is no row")));

    // Paths and queries.
    for template in [
        "/CARD",
        "/v1/decisions/CARD",
        "/v1/decisions/CARD/explanation",
        "/v1/detectors/CARD/score",
        "/v1/entities/CARD",
        "/v1/decisions?entity=CARD",
        "/v1/decisions?CARD=1",
        "/v1/decisions?from=CARD",
        "/v1/decisions?limit=CARD",
        "/v1/decisions?cursor=CARD",
        "/v1/decisions?outcome=CARD",
        "/v1/audit?action=CARD",
        "/v1/audit?actor=CARD",
    ] {
        let card = canaries.card(template);
        ask("GET", &template.replace("CARD", &card), &[], "");
        ask("POST", &template.replace("CARD", &written(&card)[3]), &[], "{}");
    }

    // Headers.
    for header in ["x-card", "user-agent", "cookie", "referer", "accept", "traceparent", "x-forwarded-for"] {
        let card = canaries.card(header);
        ask("GET", "/v1/detectors", &[(header, &card)], "");
    }
    let id = format!("order-{}", canaries.card("X-Request-Id"));
    let answer = ask("GET", "/v1/detectors", &[("x-request-id", &id)], "");
    assert!(answer.header("x-request-id").is_some_and(|given| given.len() == 36), "another id is given");
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhbmEiLCJpc3MiOiJiIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    let api_key = format!("synod_0123456789abcdef_{}_89abcdef", "5eed".repeat(16));
    for (place, scheme, credential) in [
        ("a token", "Bearer", token),
        ("an API key", "Bearer", &api_key),
        ("an opaque token", "Bearer", "b3BhcXVlLXNlY3JldA"),
        ("a password", "Basic", "YW5hOmNvcnJlY3QgaG9yc2U="),
        ("another scheme", "Digest", "cmVzcG9uc2Utb2YtZGlnZXN0"),
    ] {
        let secret = canaries.secret(place, credential);
        ask("GET", "/v1/detectors", &[("authorization", &format!("{scheme} {secret}"))], "").problem(401, "invalid_credential");
        // What has no form that it could be told by is safe in its own header only.
        if scheme == "Bearer" && secret.len() > 32 {
            ask("GET", "/v1/detectors", &[("x-request-id", &secret)], "");
            ask("GET", &format!("/v1/decisions?{secret}=1"), &[], "");
        }
    }
    let card = canaries.card("a card number as a credential");
    ask("GET", "/v1/detectors", &[("authorization", &format!("Bearer {card}"))], "").problem(401, "invalid_credential");

    // What people say about decisions.
    let label = json!({"label": "fraud", "by": canaries.card("who labels"), "note": format!("card {} of {api_key}", written(&canaries.card("a note"))[1])});
    assert_eq!(ask("POST", &format!("/v1/decisions/{decision}/label"), &[], &label.to_string()).status, 201);
    ask("POST", &format!("/v1/decisions/{decision}/label"), &[], &json!({"label": canaries.card("a label"), "by": "ana"}).to_string());

    // What others are told.
    for path in [&*format!("/v1/decisions/{decision}"), "/v1/decisions", "/v1/audit", "/v1/quality"] {
        ask("GET", path, &[], "").ok();
    }
    let metrics = server.administer("/metrics").body;
    let lines = server.lines().len();
    assert!(lines > 50, "there is something to search: {lines} lines");
    let stopped: String = server.stop().iter().map(|line| format!("{line}\n")).collect();

    // What commands say of a configuration and of arguments.
    let good = at.read("synod.yaml");
    let mut said = Vec::new();
    for (from, to) in [
        ("contamination: 0.05", "contamination: CARD"),
        ("amount: {expression: amount}", "amount: {expression: amount + \"CARD\"}"),
        ("version: 1", "version: 1\nCARD: 2"),
        ("id: event", "id: \"CARD\""),
    ] {
        let card = canaries.card(to);
        at.write("synod.yaml", good.replacen(from, &to.replace("CARD", &card), 1));
        let ran = at.run("check");
        assert_eq!(ran.code, 2, "{to}: {}{}", ran.output, ran.errors);
        said.push(ran);
    }
    at.write("synod.yaml", &good);
    for words in [
        "score --data CARD.csv --output x.csv",
        "score --CARD",
        "CARD",
        "audit list --action CARD",
        "replay --decision CARD",
        "check --config CARD.yaml",
    ] {
        let card = canaries.card(words);
        let ran = at.run(&words.replace("CARD", &card));
        assert!(ran.code != 0 && ran.errors.contains("****"), "{words}: {}", ran.errors);
        said.push(ran);
    }
    said.push(at.run("doctor"));
    assert!(said.last().unwrap().output.contains("warning: schema.fields: `pan` may hold card"), "{}", said.last().unwrap().output);
    said.push(at.run("audit list").ok());
    said.push(at.run("replay").ok());

    // The net of this test holds: what is kept is found where it has to be, and by the same search.
    let kept_in: Vec<String> =
        files(&at.path("data")).into_iter().filter(|(_, contents)| contents.contains(&kept)).map(|(name, _)| name).collect();
    assert!(kept_in.len() == 1 && kept_in[0].ends_with(".log"), "{kept_in:?}");
    assert!(answers.iter().any(|answer| answer.contains(&kept)));
    canaries.0.push(("the field that is kept".into(), kept));
    canaries.absent("a log line", &stopped);
    canaries.absent("the metrics", &metrics);
    canaries.absent("standard error", &at.read("serve.stderr"));
    said.iter().for_each(|ran| canaries.absent("what a command says", &format!("{}{}", ran.output, ran.errors)));
    canaries.0.pop();
    for (name, contents) in files(&at.path("data")) {
        canaries.absent(&name, &contents);
    }
    for answer in &answers {
        // A path is what the test itself writes in front.
        canaries.absent("an answer", answer.split_once('\n').unwrap().1);
    }
}
