//! Shipping to a real Elasticsearch: each document arrives once, whatever happens on the way.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, LogReader};
use synod_tests::configurations::{patient, three_numbers_csv};
use synod_tests::elasticsearch::Elasticsearch;
use synod_tests::relay::Relay;
use synod_tests::{Installation, Server, send};

/// Rows of an account.
const CONFIGURATION: &str = "version: 1
schema:
  entity: account
  fields:
    account: {type: text, required: true}
    note: {type: text, required: false}
    a: {type: number}
    b: {type: number}
    c: {type: number}
features: {a: {expression: a}, b: {expression: b}, c: {expression: c}}
detectors:
  forest:
    plugin: isolation-forest
    contamination: 0.05
consensus: {contamination: 0.05}
";
/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(180);
const DECISIONS: &str = "logs-synod.decision-default";
const AUDIT: &str = "logs-synod.audit-default";
const ACCESS: &str = "logs-synod.access-default";
const APP: &str = "logs-synod.app-default";
const DEAD_LETTERS: &str = "logs-synod.dead_letter-default";
/// What a client may write into a text.
const HOSTILE: &str =
    "x\"}\n{\"create\":{\"_index\":\"other\"}}\n{\"@timestamp\":\"1999-01-01T00:00:00Z\",\"host\":{\"name\":\"forged\"}}\r\n";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// An installation that ships to this URL, with more keys for it.
fn installed(url: &str, more: &str) -> Installation {
    let at = Installation::new(&format!("{}sinks:\n  elasticsearch: {{nodes: ['{url}'], timeout: 5s{more}}}\n", patient(CONFIGURATION)));
    let rows = three_numbers_csv(300);
    let rows = rows.lines().enumerate().map(|(line, row)| if line == 0 { format!("account,{row}\n") } else { format!("someone,{row}\n") });
    at.write("rows.csv", rows.collect::<String>());
    at.run("fit --data rows.csv").ok();
    at
}

/// An Elasticsearch with the shipped templates.
fn prepared(settings: &[&str]) -> Option<Elasticsearch> {
    let elasticsearch = Elasticsearch::start(settings)?;
    let installer = Installation::new("version: 1\n");
    installer.run(&format!("elk install --url {}", elasticsearch.url()));
    Some(elasticsearch)
}

fn rows(from: u64, count: u64) -> String {
    let row = |number| json!({"account": format!("account-{}", number % 50), "note": format!("row {number}"), "a": 0.1, "b": 0.2, "c": 0.1 * (number % 7) as f64});
    Value::from((from..from + count).map(row).collect::<Vec<_>>()).to_string()
}

#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONGEST, "{what} does not come to be");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The ids of all documents of a stream, with repetitions.
fn ids(elasticsearch: &Elasticsearch, stream: &str) -> Vec<String> {
    elasticsearch.refresh(stream);
    let (mut ids, mut after) = (Vec::new(), None::<Value>);
    loop {
        let mut search =
            json!({"size": 5000, "_source": false, "fields": ["event.id"], "sort": [{"event.sequence": "asc"}, {"event.id": "asc"}]});
        if let Some(after) = after {
            search["search_after"] = after;
        }
        let hits = elasticsearch.search(stream, &search);
        let Some(last) = hits.last() else { return ids };
        after = Some(last["sort"].clone());
        ids.extend(hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()));
    }
}

/// The ids of the decisions in the log, in order.
fn decided(at: &Installation) -> Vec<String> {
    let reader = LogReader::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap();
    let records = reader.from(1).unwrap().map(Result::unwrap).filter(|record| record.kind == 1);
    let id = |payload: &[u8]| serde_json::from_slice::<Value>(payload).unwrap()["id"].as_str().unwrap().to_owned();
    records.map(|record| id(&record.payload)).collect()
}

/// Each decision of the log is there, once, and nothing else.
#[track_caller]
fn compare(elasticsearch: &Elasticsearch, at: &Installation) {
    let (shipped, decided) = (ids(elasticsearch, DECISIONS), decided(at));
    let distinct: BTreeSet<&String> = shipped.iter().collect();
    assert_eq!(shipped.len(), distinct.len(), "duplicates");
    let missing = decided.iter().filter(|id| !distinct.contains(id)).count();
    assert_eq!((missing, shipped.len()), (0, decided.len()), "missing, and those that are too many");
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.administer("/metrics").body;
    // What never happened is not there.
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0.0, |line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

#[test]
fn everything_arrives_once_in_its_stream_and_nothing_can_be_forged() {
    let Some(elasticsearch) = prepared(&[]) else { return };
    let at = installed(&elasticsearch.url(), "");
    let server = Server::start(&at);
    let row = json!({"account": HOSTILE, "note": HOSTILE, "a": 90.0, "b": 90.0, "c": 90.0});
    let verdict = server.post("/v1/score", &row.to_string()).ok();
    let id = verdict["id"].as_str().or_else(|| verdict["decision"].as_str()).unwrap_or_else(|| panic!("{verdict}")).to_owned();
    server.post("/v1/score", &rows(0, 500)).ok();
    let label = json!({"label": "fraud", "by": "ana", "note": HOSTILE}).to_string();
    let labelled = server.post(&format!("/v1/decisions/{id}/label"), &label);
    assert_eq!(labelled.status, 201, "{}", labelled.body);
    // A credential that does not hold.
    let refused = send(server.data, "GET", "/v1/detectors", &[("authorization", "Bearer no"), ("x-request-id", "req-1")], b"");
    assert_eq!(refused.status, 401);
    wait_for("all decisions and the label", || elasticsearch.count(DECISIONS) == 502);
    wait_for("the refusal", || elasticsearch.count(AUDIT) >= 4);
    wait_for("the requests", || elasticsearch.count(ACCESS) >= 4);
    wait_for("a line", || elasticsearch.count(APP) >= 1);
    assert_eq!(elasticsearch.count(DEAD_LETTERS), 0);
    compare_with_labels(&elasticsearch, &at);

    let found =
        elasticsearch.search(DECISIONS, &json!({"query": {"term": {"synod.decision.id": id}}, "sort": [{"event.sequence": "asc"}]}));
    let (decision, label) = (&found[0]["_source"], &found[1]["_source"]);
    assert_eq!((&decision["synod"]["row"]["note"], &decision["synod"]["decision"]["entity"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!((&decision["event"]["kind"], &label["synod"]["label"]["value"]), (&"alert".into(), &"fraud".into()));
    assert!(decision["@timestamp"].as_str().unwrap().starts_with("20"));
    let by_detector = json!({"size": 0, "query": {"range": {"synod.detectors.forest.score": {"gt": 0.4}}}});
    assert_eq!(elasticsearch.search(DECISIONS, &by_detector).len(), 0, "the votes' fields can be asked for");
    let refusal =
        json!({"query": {"bool": {"filter": [{"term": {"event.action": "credential.refused"}}, {"term": {"http.request.id": "req-1"}}]}}});
    assert_eq!(elasticsearch.search(AUDIT, &refusal).len(), 1);
    let request =
        json!({"query": {"bool": {"filter": [{"term": {"http.response.status_code": 401}}, {"term": {"synod.route": "/v1/detectors"}}]}}});
    let request = elasticsearch.search(ACCESS, &request);
    assert_eq!((request.len(), &request[0]["_source"]["http"]["request"]["id"]), (1, &"req-1".into()));
    assert_eq!(elasticsearch.search(APP, &json!({"query": {"match": {"message": "ready"}}})).len(), 1);
    // Only the fields of the list are mapped, whatever documents hold.
    for (stream, expected) in [(DECISIONS, "synod.row"), (APP, "synod.fields")] {
        let mapped: Vec<String> = elasticsearch.mapped(stream).into_iter().map(|(path, _)| path).collect();
        assert!(mapped.iter().any(|path| path == expected), "{mapped:?}");
        let forged: Vec<_> = mapped.iter().filter(|path| path.contains("host.") && *path != "host.name" || path.contains("note")).collect();
        assert!(forged.iter().all(|path| *path == "synod.label.note"), "{forged:?}");
    }
    assert!(metric(&server, "synod_sink_records_total{sink=\"elasticsearch\",result=\"delivered\"}") >= 505.0);
    server.stop();
}

/// As [`compare`], where there is a label more.
#[track_caller]
fn compare_with_labels(elasticsearch: &Elasticsearch, at: &Installation) {
    let shipped: BTreeSet<String> = ids(elasticsearch, DECISIONS).into_iter().collect();
    assert!(decided(at).iter().all(|id| shipped.contains(id)));
}

#[test]
fn nothing_is_missing_and_nothing_is_there_twice_however_often_the_process_is_killed() {
    let Some(elasticsearch) = prepared(&[]) else { return };
    let at = installed(&elasticsearch.url(), "");
    let (kills, documents) = (number("SYNOD_KILLS", 4), number("SYNOD_DOCUMENTS", 8000));
    let (next, mut seed) = (AtomicU64::new(0), 0x9e37_79b9_7f4a_7c15_u64);
    for kill in 0..=kills {
        let server = Server::start(&at);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) && next.load(Ordering::Acquire) < documents * (kill + 1) / (kills + 1) {
                    let from = next.fetch_add(200, Ordering::AcqRel);
                    let body = rows(from, 200);
                    // The process may end in the middle of it.
                    let data = server.data;
                    let _ = std::panic::catch_unwind(|| {
                        send(data, "POST", "/v1/score", &[("content-type", "application/json")], body.as_bytes())
                    });
                }
            });
            if kill < kills {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                thread::sleep(Duration::from_millis(300 + (seed >> 33) % 2500));
                stop.store(true, Ordering::Release);
                kill_process(&server);
            } else {
                while next.load(Ordering::Acquire) < documents {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        if kill == kills {
            wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
            server.stop();
        }
    }
    compare(&elasticsearch, &at);
    assert_eq!(elasticsearch.count(DEAD_LETTERS), 0);
}

fn kill_process(server: &Server) {
    let killed = std::process::Command::new("kill").args(["-9", &server.process().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn an_answer_that_never_comes_a_rollover_and_a_kill_make_no_duplicates() {
    let Some(elasticsearch) = prepared(&[]) else { return };
    let relay = Relay::to(elasticsearch.address);
    let at = installed(&relay.url(), "");
    let server = Server::start(&at);
    server.post("/v1/score", &rows(0, 100)).ok();
    wait_for("the first ones", || elasticsearch.count(DECISIONS) == 100);
    // What is sent now is taken, and nobody hears of it.
    relay.swallow(true);
    server.post("/v1/score", &rows(100, 300)).ok();
    // One request of them: whoever waits for its answer sends no other one.
    wait_for("those that nobody hears of", || elasticsearch.count(DECISIONS) > 100);
    elasticsearch.request("POST", &format!("/{DECISIONS}/_rollover"), &json!({})).ok();
    kill_process(&server);
    drop(server);
    relay.swallow(false);
    let server = Server::start(&at);
    server.post("/v1/score", &rows(400, 100)).ok();
    wait_for("all", || elasticsearch.count(DECISIONS) >= 500);
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    assert!(metric(&server, "synod_sink_repeated_total{sink=\"elasticsearch\"}") >= 50.0);
    compare(&elasticsearch, &at);
    // And without a kill: only the answer is lost, and the stream rolls over.
    relay.swallow(true);
    server.post("/v1/score", &rows(500, 100)).ok();
    wait_for("those that nobody hears of", || elasticsearch.count(DECISIONS) > 500);
    elasticsearch.request("POST", &format!("/{DECISIONS}/_rollover"), &json!({})).ok();
    wait_for("the time-out", || metric(&server, "synod_sink_failures_total{sink=\"elasticsearch\",reason=\"late\"}") >= 1.0);
    relay.swallow(false);
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    compare(&elasticsearch, &at);
    server.stop();
}

#[test]
fn what_comes_while_elasticsearch_is_away_arrives_when_it_is_back() {
    let Some(mut elasticsearch) = prepared(&[]) else { return };
    let at = installed(&elasticsearch.url(), "");
    let server = Server::start(&at);
    server.post("/v1/score", &rows(0, 200)).ok();
    wait_for("the first ones", || elasticsearch.count(DECISIONS) == 200);
    elasticsearch.kill();
    (0..20).for_each(|part| drop(server.post("/v1/score", &rows(200 + part * 100, 100)).ok()));
    wait_for("a failure", || metric(&server, "synod_sink_failures_total{sink=\"elasticsearch\",reason=\"unreachable\"}") >= 1.0);
    wait_for("a part that is not well", || server.administer("/readyz?verbose").body.contains("records wait"));
    elasticsearch.resume();
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    compare(&elasticsearch, &at);
    server.stop();
}

#[test]
fn refused_documents_become_dead_letters_and_are_sent_again_once_the_mapping_is_mended() {
    let Some(elasticsearch) = prepared(&[]) else { return };
    // A mapping of somebody else's, in which entities are numbers.
    let mistaken = |kind: &str| {
        json!({"index_patterns": ["logs-synod.decision-*"], "priority": 900, "data_stream": {}, "template": {
            "settings": {"number_of_replicas": 0},
            "mappings": {"dynamic": false, "properties": {"@timestamp": {"type": "date"}, "event": {"properties": {
                "id": {"type": "keyword"}, "sequence": {"type": "long"}}}, "synod": {"properties": {"decision": {"properties": {
                "entity": {"type": kind}}}}}}}}})
    };
    elasticsearch.put("/_index_template/mistaken", &mistaken("long"));
    let at = installed(&elasticsearch.url(), "");
    let server = Server::start(&at);
    let row = |number: u64| {
        let account = if number % 100 == 7 { format!("account-{number}") } else { number.to_string() };
        json!({"account": account, "a": 0.1, "b": 0.2, "c": 0.3})
    };
    (0..10).for_each(|part| {
        let rows: Vec<Value> = (part * 200..(part + 1) * 200).map(row).collect();
        server.post("/v1/score", &Value::from(rows).to_string()).ok();
    });
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    assert_eq!((elasticsearch.count(DECISIONS), elasticsearch.count(DEAD_LETTERS)), (1980, 20));
    assert_eq!(metric(&server, "synod_sink_records_total{sink=\"elasticsearch\",result=\"dead\"}"), 20.0);
    let letter = &elasticsearch.search(DEAD_LETTERS, &json!({"size": 1}))[0]["_source"];
    assert_eq!((&letter["synod"]["dead_letter"]["status"], &letter["synod"]["dead_letter"]["stream"]), (&400.into(), &DECISIONS.into()));
    assert!(letter["synod"]["dead_letter"]["reason"].as_str().unwrap().contains("entity"), "{letter}");
    let original: Value = serde_json::from_str(letter["event"]["original"].as_str().unwrap()).unwrap();
    assert!(original["synod"]["decision"]["entity"].as_str().unwrap().starts_with("account-"));
    // The mapping is mended, for what comes from now on.
    elasticsearch.put("/_index_template/mistaken", &mistaken("keyword"));
    elasticsearch.request("POST", &format!("/{DECISIONS}/_rollover"), &json!({})).ok();
    at.run(&format!("elk redeliver --url {}", elasticsearch.url())).ok();
    assert_eq!((elasticsearch.count(DECISIONS), elasticsearch.count(DEAD_LETTERS)), (2000, 0));
    compare(&elasticsearch, &at);
    server.stop();
}

#[test]
fn after_a_backup_was_restored_nothing_is_shipped_twice_or_overwritten() {
    let Some(elasticsearch) = prepared(&[]) else { return };
    let at = installed(&elasticsearch.url(), "");
    let server = Server::start(&at);
    server.post("/v1/score", &rows(0, 100)).ok();
    // The position that is in it is kept once a second: perhaps it is behind what was told.
    at.run("backup --output early.tar.zst").ok();
    wait_for("the first ones", || elasticsearch.count(DECISIONS) == 100);
    // Then an id that is there already is no refusal in the newest index.
    elasticsearch.request("POST", &format!("/{DECISIONS}/_rollover"), &json!({})).ok();
    server.post("/v1/score", &rows(100, 50)).ok();
    wait_for("those after the backup", || elasticsearch.count(DECISIONS) == 150);
    server.stop();
    let before: BTreeSet<String> = ids(&elasticsearch, DECISIONS).into_iter().collect();

    let other = Installation::new(&at.read("synod.yaml"));
    other.run(&format!("restore --input {}", at.path("early.tar.zst").display())).ok();
    let server = Server::start(&other);
    server.post("/v1/score", &rows(1_000, 70)).ok();
    wait_for("those after the restoring", || elasticsearch.count(DECISIONS) >= 220);
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    server.stop();
    let after = ids(&elasticsearch, DECISIONS);
    let distinct: BTreeSet<String> = after.iter().cloned().collect();
    assert_eq!((after.len(), distinct.len()), (220, 220), "no id twice");
    assert!(before.is_subset(&distinct) && decided(&other).iter().all(|id| distinct.contains(id)), "and none is missing");
}
