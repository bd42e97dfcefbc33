//! Nothing that was acknowledged is lost, nothing counts twice, and the past is the same whether it was lived through or read back.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use synod_store::{DataDirectory, LogReader};
use synod_tests::table::{self, Plain};
use synod_tests::{Installation, Server, configurations, send};

/// Events of accounts, one history feature of each kind. Small trees: the detector is not what is tested.
const EVENTS: &str = "\
version: 1
schema:
  id: event
  entity: account
  time: at
  fields:
    event: {type: text}
    account: {type: text}
    at: {type: time}
    amount: {type: number}
    device: {type: text, required: false}
features:
  amount: {expression: amount}
  count: {history: count, over: 30d}
  sum: {history: sum, of: amount, over: 2h}
  mean: {history: mean, of: amount, last: 5, missing: 0}
  deviation: {history: standard_deviation, of: amount, over: 1d, missing: 0}
  least: {history: minimum, of: amount, over: 1d, missing: 0}
  greatest: {history: maximum, of: amount, last: 3, missing: 0}
  distinct: {history: distinct, of: device, over: 12h}
  since: {history: since_last, missing: 0}
  other: {history: not_most_frequent, of: device, last: 10, missing: 0}
  first: {history: first_seen, of: device, over: 30d, missing: 0}
  z: {history: z_score, of: amount, over: 6h, missing: 0}
  ratio: {history: ratio_to_mean, of: amount, per: device, over: 6h, missing: 1}
  pair: {history: count, per: [account, device], over: 1d}
  derived: {expression: amount / (mean + 1), missing: 0}
detectors:
  forest:
    plugin: isolation-forest
    parameters: {trees: 10}
history:
  lateness: 2h
";

/// A draw that looks random (SplitMix64).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Events in the order of their arrival: 5 % of them out of order (some by more than the lateness), 1 % sent twice.
fn stream(count: usize, accounts: u64) -> Vec<Value> {
    let mut state = 7;
    let start = 1_700_000_000_u64;
    let mut arrivals: Vec<(u64, Value)> = Vec::new();
    for number in 0..count as u64 {
        let at = start + number * 30 + draw(&mut state) % 20;
        let device = draw(&mut state) % 4;
        let mut row = json!({
            "event": format!("e{number}"),
            "account": format!("account {}", draw(&mut state) % accounts),
            "at": jiff(at),
            "amount": (draw(&mut state) % 100_000) as f64 / 100.0,
        });
        if device > 0 {
            row["device"] = json!(format!("device {}", draw(&mut state) % (accounts / 2) * device));
        }
        let delay = match draw(&mut state) % 100 {
            0..4 => draw(&mut state) % 7_000,
            4 => draw(&mut state) % 90_000,
            _ => 0,
        };
        if draw(&mut state).is_multiple_of(100) {
            arrivals.push((at + delay + draw(&mut state) % 3_000, row.clone()));
        }
        arrivals.push((at + delay, row));
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, row)| row).collect()
}

/// Seconds since 1970 as RFC 3339.
fn jiff(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil from days (Hinnant, "chrono-compatible low-level date algorithms").
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year_of_era + era * 400 + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn fitted() -> Installation {
    let at = Installation::new(&configurations::patient(EVENTS));
    let rows: Vec<String> = stream(2_000, 50).iter().map(Value::to_string).collect();
    at.write("fit.jsonl", rows.join("\n"));
    at.run("fit --data fit.jsonl").ok();
    at
}

/// All decisions of the log, in its order.
fn recorded(at: &Installation) -> Vec<Value> {
    let reader = LogReader::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap();
    let Some(first) = reader.first() else { return Vec::new() };
    let decisions = reader.from(first).unwrap().map(Result::unwrap).filter(|record| record.kind == 1);
    decisions.map(|record| serde_json::from_slice(&record.payload).unwrap()).collect()
}

fn bits(value: &Value) -> Option<u64> {
    value.as_f64().map(f64::to_bits)
}

#[test]
fn a_hundred_thousand_events_have_the_same_past_from_a_file_and_live_with_a_restart_in_the_middle() {
    let at = fitted();
    let rows = stream(100_000, 2_000);
    let mut server = Server::start(&at);
    let (mut sent, mut state, mut restarts) = (0, 3, 0);
    while sent < rows.len() {
        if sent > rows.len() / 3 * (restarts + 1) {
            // Once in good order, with a snapshot; then without a word, so that the tail of the log has to be folded.
            if restarts == 0 {
                server.stop();
            } else {
                server.kill();
            }
            server = Server::start(&at);
            restarts += 1;
        }
        let count = [1, 7, 300, 2_000][(draw(&mut state) % 4) as usize].min(rows.len() - sent);
        let answers = server.post("/v1/score", &Value::Array(rows[sent..sent + count].to_vec()).to_string()).ok();
        assert!(answers.as_array().unwrap().iter().all(|answer| answer["decision"].is_string()), "{answers}");
        sent += count;
    }
    server.stop();
    assert_eq!(restarts, 2);

    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    at.write("all.jsonl", lines.join("\n"));
    let ran = at.run("score --data all.jsonl --output out.parquet --order arrival --features").ok();
    assert!(ran.errors.contains("rows repeat another") && ran.errors.contains("history.lateness"), "{}", ran.errors);
    let live: HashMap<String, Value> =
        recorded(&at).into_iter().map(|decision| (decision["event"].as_str().unwrap().to_owned(), decision)).collect();
    let offline = table::read(&at.path("out.parquet"));
    assert_eq!(offline.len(), rows.len());
    assert_eq!(live.len(), 100_000, "every event once");
    let mut compared = 0;
    for (row, line) in rows.iter().zip(&offline) {
        let decision = &live[row["event"].as_str().unwrap()];
        for (name, value) in decision["features"].as_object().unwrap() {
            let expected = match &line[&format!("feature.{name}")] {
                Plain::Number(bits) => Some(*bits),
                _ => None,
            };
            assert_eq!(bits(value), expected, "{name} of {row}: {value}");
            compared += 1;
        }
        assert_eq!(Plain::Number(bits(&decision["votes"][0]["raw_score"]).unwrap()), line["forest.raw_score"], "{row}");
    }
    assert!(compared > 1_400_000, "{compared} values");
}

/// How often the process is ended at any moment; more by hand: SYNOD_KILLS=100.
fn kills() -> u64 {
    std::env::var("SYNOD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// What was acknowledged: event and decision.
type Acknowledged = Mutex<Vec<(Value, String)>>;

fn post_until(server: std::net::SocketAddr, stop: &AtomicBool, next: &AtomicU64, acknowledged: &Acknowledged, seed: u64) {
    let mut state = seed;
    while !stop.load(Ordering::Relaxed) {
        let count = if draw(&mut state).is_multiple_of(4) { 20 } else { 1 };
        let row = |number: u64, state: &mut u64| json!({"event": format!("e{number}"), "account": format!("account {}", draw(state) % 20), "at": jiff(1_700_000_000 + number), "amount": number as f64});
        let rows: Vec<Value> = (0..count).map(|_| row(next.fetch_add(1, Ordering::Relaxed), &mut state)).collect();
        // A server that was killed does not answer: then nothing was acknowledged.
        let body = Value::Array(rows.clone()).to_string();
        let answer = std::panic::catch_unwind(|| send(server, "POST", "/v1/score", &[], body.as_bytes()));
        let Ok(answer) = answer else { return };
        if answer.status != 200 {
            return;
        }
        let Value::Array(answers) = answer.json() else { return };
        let pairs = rows.into_iter().zip(answers.iter().map(|answer| answer["decision"].as_str().unwrap().to_owned()));
        acknowledged.lock().unwrap().extend(pairs);
    }
}

#[test]
fn what_was_acknowledged_survives_any_end_of_the_process_once() {
    let at = fitted();
    let (next, acknowledged) = (AtomicU64::new(0), Acknowledged::default());
    let mut state = std::process::id().into();
    for _ in 0..kills() {
        let server = Server::start(&at);
        let (stop, address) = (AtomicBool::new(false), server.data);
        std::panic::set_hook(Box::new(|_| ()));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (stop, next, acknowledged) = (&stop, &next, &acknowledged);
                let seed = draw(&mut state) ^ thread;
                scope.spawn(move || post_until(address, stop, next, acknowledged, seed));
            }
            std::thread::sleep(Duration::from_millis(20 + draw(&mut state) % 300));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        let _ = std::panic::take_hook();
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() as u64 > 10 * kills(), "there was load: {}", acknowledged.len());

    let server = Server::start(&at);
    let decisions = recorded(&at);
    let mut of_event: HashMap<&str, Vec<&str>> = HashMap::new();
    for decision in &decisions {
        of_event.entry(decision["event"].as_str().unwrap()).or_default().push(decision["id"].as_str().unwrap());
    }
    for (row, id) in &acknowledged {
        assert_eq!(of_event[row["event"].as_str().unwrap()], [id.as_str()], "{row}");
    }
    assert!(of_event.values().all(|ids| ids.len() == 1), "no event twice");
    // Sent again, an acknowledged event gets its decision again.
    for (row, id) in acknowledged.iter().step_by(acknowledged.len() / 50) {
        let answer = server.post("/v1/score", &row.to_string());
        assert_eq!((answer.ok()["decision"].as_str(), answer.header("synod-repeated")), (Some(id.as_str()), Some("true")));
    }
    // What is remembered is what the log says, no more and no less.
    let far = 1_700_000_000 + next.load(Ordering::Relaxed) + 10;
    for account in 0..20 {
        let account = format!("account {account}");
        let expected = decisions.iter().filter(|decision| decision["entity"] == account.as_str()).count();
        server
            .post(
                "/v1/score",
                &json!({"event": format!("probe {account}"), "account": account, "at": jiff(far), "amount": 1.0}).to_string(),
            )
            .ok();
        let probe = recorded(&at).pop().unwrap();
        assert_eq!(
            probe["features"]["count"].as_f64(),
            Some(expected.min(512) as f64),
            "{account}: 512 events are kept, the window is 30 days"
        );
    }
    server.stop();
}

#[test]
fn the_same_event_gets_the_same_decision_and_another_one_a_conflict() {
    let at = fitted();
    let server = Server::start(&at);
    let row = json!({"event": "a", "account": "account 1", "at": "2026-01-01T00:00:00Z", "amount": 5.0});
    let first = server.post("/v1/score", &row.to_string());
    let decision = first.ok()["decision"].clone();
    assert_eq!(first.header("synod-repeated"), None);
    // The same values, written otherwise.
    let again = server.post("/v1/score", r#"{"amount": 5, "at": "2026-01-01 00:00:00", "account": "account 1", "event": "a"}"#);
    assert_eq!((&again.ok()["decision"], again.header("synod-repeated")), (&decision, Some("true")));
    let other = json!({"event": "a", "account": "account 1", "at": "2026-01-01T00:00:00Z", "amount": 6.0});
    server.post("/v1/score", &other.to_string()).problem(409, "conflict");
    let list = server.post("/v1/score", &json!([row, other, {"event": "b", "account": "account 1", "at": "2026-01-01T00:00:01Z", "amount": 1.0}, {"event": "b", "account": "account 1", "at": "2026-01-01T00:00:01Z", "amount": 1.0}]).to_string()).ok();
    assert_eq!((&list[0]["decision"], &list[1]["error"]["code"]), (&decision, &json!("conflict")));
    assert!(list[2]["decision"].is_string() && list[2]["decision"] == list[3]["decision"], "{list}");
    server.post("/v1/score", &json!({"event": "c", "account": "account 1", "at": "2026-01-01T00:01:00Z", "amount": 1.0}).to_string()).ok();
    let last = recorded(&at).pop().unwrap();
    assert_eq!(last["features"]["count"], 2.0, "what was sent again changed no history: {last}");
    server.stop();

    let server = Server::start(&at);
    assert_eq!(server.post("/v1/score", &row.to_string()).ok()["decision"], decision, "also after a restart");
    server.post("/v1/score", &other.to_string()).problem(409, "conflict");
    server.stop();
}

#[test]
fn an_idempotency_key_answers_a_request_once() {
    let at = Installation::fitted_example("three-fields", 2_000);
    let server = Server::start(&at);
    let row = r#"{"Transaction_Amount":150.75,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}"#;
    let post =
        |server: &Server, key: &str, body: &str| send(server.data, "POST", "/v1/score", &[("idempotency-key", key)], body.as_bytes());
    let body = format!("[{row},{row}]");
    let first = post(&server, "\"k1\"", &body).ok();
    assert_ne!(first[0]["decision"], first[1]["decision"], "rows without ids are two events");
    assert_eq!(post(&server, "k1", &body).ok(), first, "with quotes or without");
    post(&server, "k1", row).problem(409, "conflict");
    assert_ne!(post(&server, "k2", &body).ok()[0]["decision"], first[0]["decision"]);
    post(&server, "", row).problem(400, "bad_idempotency_key");
    server.stop();
    let server = Server::start(&at);
    assert_eq!(post(&server, "k1", &body).ok(), first, "also after a restart");
    server.stop();
}

#[test]
fn a_torn_end_of_the_log_is_cut_with_a_message_and_damage_elsewhere_is_refused() {
    let at = fitted();
    let server = Server::start(&at);
    let row = |number: u64| {
        json!({"event": format!("e{number}"), "account": "account 1", "at": jiff(1_700_000_000 + number), "amount": 1.0}).to_string()
    };
    (0..20).for_each(|number| {
        server.post("/v1/score", &row(number)).ok();
    });
    server.kill();
    let log = at.path("data/log/00000000000000000001.log");
    let length = std::fs::metadata(&log).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length - 10).unwrap();
    let server = Server::start(&at);
    let event = server.await_event(|event| event["message"] == "the end of the log was damaged and was cut off");
    assert!(event["saved_as"].as_str().is_some_and(|path| std::path::Path::new(path).is_file()), "{event}");
    assert_eq!(recorded(&at).len(), 19);
    server.post("/v1/score", &row(100)).ok();
    server.stop();

    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&log).unwrap();
    let (mut byte, place) = ([0], length / 2);
    file.seek(SeekFrom::Start(place)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(place)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    at.run("serve").failed(1, &["00000000000000000001.log", "damaged"]);
}

#[test]
fn a_row_from_the_future_pushes_nothing_out() {
    let at = fitted();
    let server = Server::start(&at);
    let row = |event: &str, at: &str| json!({"event": event, "account": "account 1", "at": at, "amount": 1.0}).to_string();
    server.post("/v1/score", &row("a", "2026-01-01T00:00:00Z")).ok();
    server.post("/v1/score", &row("b", "2999-01-01T00:00:00Z")).ok();
    server.post("/v1/score", &row("c", "2026-01-01T00:00:01Z")).ok();
    let decisions = recorded(&at);
    assert_eq!(decisions[1]["past"]["remembered"], false);
    assert_eq!((&decisions[2]["features"]["count"], &decisions[2]["past"]["late"]), (&json!(1.0), &json!(false)));
    server.stop();
}

#[test]
fn a_disk_that_takes_no_more_refuses_decisions_and_recovers_by_itself() {
    let at = fitted();
    let server = Server::start_command(&at, at.limited_server(1_024), &[]);
    let row = |number: u64| {
        json!({"event": format!("e{number}"), "account": "account 1", "at": jiff(1_700_000_000 + number), "amount": 1.0}).to_string()
    };
    let mut number = 0;
    let mut acknowledged = Vec::new();
    let refused = loop {
        number += 1;
        let answer = server.post("/v1/score", &row(number));
        match answer.status {
            200 => acknowledged.push(number),
            _ => break answer,
        }
        assert!(number < 5_000, "the limit was never reached");
    };
    refused.problem(503, "not_stored");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    server.post("/v1/score", &row(number)).problem(503, "not_stored");
    let metrics = server.administer("/metrics");
    assert!(metrics.body.contains("synod_log_failing 1"), "{}", metrics.body);

    server.lift_limit();
    let answer = server.post("/v1/score", &row(number));
    assert_eq!((answer.ok()["decision"].is_string(), answer.header("synod-repeated")), (true, None), "it was not decided before");
    acknowledged.push(number);
    let probe = server.post("/v1/score", &row(number + 1));
    probe.ok();
    server.stop();
    let decisions = recorded(&at);
    let events: Vec<String> = decisions.iter().map(|decision| decision["event"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = acknowledged.iter().chain([&(number + 1)]).map(|number| format!("e{number}")).collect();
    assert_eq!(events, expected, "what was refused is not there, what was acknowledged is");
    let count = decisions.last().unwrap()["features"]["count"].as_f64();
    assert_eq!(count, Some((acknowledged.len() as f64).min(512.0)), "what was refused was not remembered either");
}

#[test]
fn a_file_can_be_decided_before_the_server_goes_on() {
    let at = fitted();
    let rows = stream(3_000, 100);
    let (past, live) = rows.split_at(2_000);
    at.write("past.jsonl", past.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
    at.write("all.jsonl", rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
    let ran = at.run("score --data past.jsonl --output decided.csv --record --order arrival").ok();
    assert!(ran.errors.contains("decisions stored") && at.read("decided.csv").lines().count() == 2_001, "{}", ran.errors);
    at.run("score --data all.jsonl --output expected.parquet --order arrival").ok();
    let expected = table::read(&at.path("expected.parquet"));
    let server = Server::start(&at);
    for (row, expected) in live.iter().zip(&expected[2_000..]) {
        let answer = server.post("/v1/score", &row.to_string()).ok();
        assert_eq!(Plain::Number(bits(&answer["votes"][0]["raw_score"]).unwrap()), expected["forest.raw_score"], "{row}");
    }
    server.stop();
    let ran = at.run("score --data past.jsonl --output again.csv --record --order arrival").ok();
    assert!(
        ran.errors.starts_with("past.jsonl") && ran.errors.contains("\n0 decisions stored, 2000 rows were decided before"),
        "{}",
        ran.errors
    );
}

#[test]
fn older_decisions_are_dropped_as_configured_and_the_server_goes_on() {
    let at = fitted();
    at.edit("history:\n", "decisions:\n  segment: 64KiB\n  keep_bytes: 200KiB\n  snapshot_after: 1000\nhistory:\n");
    let server = Server::start(&at);
    for batch in stream(4_000, 100).chunks(200) {
        server.post("/v1/score", &Value::Array(batch.to_vec()).to_string()).ok();
    }
    let dropped =
        server.await_event(|event| event["message"].as_str().is_some_and(|text| text.starts_with("older decisions were dropped")));
    assert!(dropped["segments"].as_u64().unwrap() > 0, "{dropped}");
    let row = json!({"event": "new", "account": "account 1", "at": "2026-01-01T00:00:00Z", "amount": 1.0});
    server.post("/v1/score", &row.to_string()).ok();
    server.stop();
    let left = recorded(&at);
    assert!(left.len() < 3_990 && left.last().unwrap()["event"] == "new", "{} left", left.len());
    let server = Server::start(&at);
    assert!(server.post("/v1/score", &row.to_string()).header("synod-repeated").is_some());
    server.stop();
    at.run("audit verify").ok();
}
