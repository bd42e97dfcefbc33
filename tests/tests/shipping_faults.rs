//! Shipping to an Elasticsearch that answers what a real one answers rarely: throttled documents, requests that are too large, keys that do not hold
//! any more, nonsense. And what becomes of rows when nothing is taken at all.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers_csv};
use synod_tests::tls::Authority;
use synod_tests::webhook::{Reply, Request, Webhook};
use synod_tests::{Installation, Server, send};

const CONFIGURATION: &str = "version: 1
schema:
  fields:
    note: {type: text, required: false, length: 100000}
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
const LONGEST: Duration = Duration::from_secs(120);

/// An installation that ships decisions and audit records to this server, with more keys for the sink, and more keys for all of them.
fn installed(url: &str, more: &str, whole: &str) -> Installation {
    let sink = format!("sinks:\n  elasticsearch: {{nodes: ['{url}'], compression: none, timeout: 5s, streams: [decision]{more}}}\n");
    let at = Installation::new(&format!("{}{sink}{whole}", patient(CONFIGURATION)));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn rows(count: u64, note: usize) -> String {
    let row = |number| json!({"note": "x".repeat(note), "a": 0.1, "b": 0.2, "c": 0.1 * (number % 7) as f64});
    Value::from((0..count).map(row).collect::<Vec<_>>()).to_string()
}

/// The documents of a bulk request: stream, id, and the document.
fn documents(request: &Request) -> Vec<(String, String, String)> {
    let lines: Vec<&str> = request.body.lines().collect();
    assert!(request.body.ends_with('\n') && lines.len().is_multiple_of(2));
    let one = |pair: &[&str]| {
        let action: Value = serde_json::from_str(pair[0]).unwrap();
        let text = |key: &str| action["create"][key].as_str().unwrap().to_owned();
        (text("_index"), text("_id"), pair[1].to_owned())
    };
    lines.chunks(2).map(one).collect()
}

/// A cluster that has what it took.
#[derive(Default)]
struct Cluster {
    taken: Mutex<BTreeMap<(String, String), usize>>,
}

impl Cluster {
    fn take(&self, document: &(String, String, String)) -> Value {
        let (stream, id, _) = document.clone();
        let mut taken = self.taken.lock().unwrap();
        let count = taken.entry((stream, id)).or_default();
        *count += 1;
        json!({"create": {"status": if *count == 1 { 201 } else { 409 }}})
    }

    fn count(&self, stream: &str) -> usize {
        self.taken.lock().unwrap().keys().filter(|(of, _)| of == stream).count()
    }

    /// What a search for ids finds.
    fn found(&self, request: &Request) -> Reply {
        let stream = request.path.trim_start_matches('/').split('/').next().unwrap().to_owned();
        let asked = request.json()["query"]["ids"]["values"].as_array().unwrap().clone();
        let taken = self.taken.lock().unwrap();
        let hits: Vec<Value> = asked
            .iter()
            .filter(|id| taken.contains_key(&(stream.clone(), id.as_str().unwrap().to_owned())))
            .map(|id| json!({"_id": id}))
            .collect();
        Reply::new(200, &json!({"timed_out": false, "hits": {"hits": hits}}).to_string())
    }

    /// Answers what has nothing to do with documents.
    fn else_answered(&self, request: &Request) -> Option<Reply> {
        match () {
            () if request.path.contains("/_refresh") => Some(Reply::new(200, "{}")),
            () if request.path.contains("/_search") => Some(self.found(request)),
            () => None,
        }
    }
}

fn items(items: &[Value]) -> Reply {
    Reply::new(200, &json!({"items": items}).to_string())
}

fn bulks(server: &Webhook) -> Vec<Request> {
    server.requests().into_iter().filter(|request| request.path.starts_with("/_bulk")).collect()
}

#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONGEST, "{what} does not come to be");
        thread::sleep(Duration::from_millis(50));
    }
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.administer("/metrics").body;
    // What never happened is not there.
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0.0, |line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

const DECISIONS: &str = "logs-synod.decision-default";
const DEAD_LETTERS: &str = "logs-synod.dead_letter-default";

#[test]
fn of_throttled_documents_only_those_are_sent_again() {
    let cluster = Arc::new(Cluster::default());
    let attempts: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let (of_cluster, of_attempts) = (Arc::clone(&cluster), Arc::clone(&attempts));
    let elasticsearch = Webhook::answering(move |request| {
        let answer = |document: &(String, String, String)| {
            let mut attempts = of_attempts.lock().unwrap();
            let number = attempts.len();
            let attempt = attempts.entry(document.1.clone()).or_insert(0);
            *attempt += 1;
            // Three of ten are throttled the first time, with either of the two statuses.
            match (number % 10, *attempt) {
                (0 | 3, 1) => json!({"create": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "busy"}}}),
                (7, 1) => json!({"create": {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "away"}}}),
                _ => of_cluster.take(document),
            }
        };
        of_cluster.else_answered(request).unwrap_or_else(|| items(&documents(request).iter().map(answer).collect::<Vec<_>>()))
    });
    let at = installed(&elasticsearch.url(""), "", "");
    let server = Server::start(&at);
    (0..5).for_each(|_| drop(server.post("/v1/score", &rows(200, 10)).ok()));
    wait_for("all documents", || cluster.count(DECISIONS) == 1000);
    wait_for("the end of what waits", || metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0);
    let attempts = attempts.lock().unwrap();
    assert_eq!(attempts.len(), 1000);
    assert_eq!(attempts.values().filter(|attempts| **attempts == 2).count(), 300);
    assert_eq!(attempts.values().filter(|attempts| **attempts > 2).count(), 0);
    assert!(cluster.taken.lock().unwrap().values().all(|times| *times == 1), "no neighbour was sent twice");
    assert_eq!(metric(&server, "synod_sink_retried_total{sink=\"elasticsearch\"}"), 300.0);
    server.stop();
}

#[test]
fn a_request_that_is_too_large_is_halved_down_to_the_one_document() {
    let cluster = Arc::new(Cluster::default());
    let of_cluster = Arc::clone(&cluster);
    let elasticsearch = Webhook::answering(move |request| {
        let taken = |document: &(String, String, String)| of_cluster.take(document);
        match request.body.len() {
            _ if !request.path.starts_with("/_bulk") => of_cluster.else_answered(request).unwrap(),
            // One document alone is larger, and so is a dead letter with all of it.
            60_000.. => Reply::new(413, ""),
            _ => items(&documents(request).iter().map(taken).collect::<Vec<_>>()),
        }
    });
    let at = installed(&elasticsearch.url(""), "", "");
    let server = Server::start(&at);
    let (small, large) = (rows(300, 10), rows(1, 90_000));
    let small: Vec<Value> = serde_json::from_str(&small).unwrap();
    let large: Vec<Value> = serde_json::from_str(&large).unwrap();
    let rows: Vec<&Value> = small[..150].iter().chain(&large).chain(&small[150..]).collect();
    server.post("/v1/score", &json!(rows).to_string()).ok();
    wait_for("the end of what waits", || {
        metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0 && cluster.count(DECISIONS) == 300
    });
    assert_eq!(cluster.count(DEAD_LETTERS), 1);
    let letter = bulks(&elasticsearch).iter().flat_map(documents_of_small).find(|(stream, ..)| stream == DEAD_LETTERS).unwrap().2;
    let letter: Value = serde_json::from_str(&letter).unwrap();
    assert_eq!((&letter["synod"]["dead_letter"]["status"], &letter["synod"]["dead_letter"]["truncated"]), (&413.into(), &true.into()));
    server.stop();
}

fn documents_of_small(request: &Request) -> Vec<(String, String, String)> {
    if request.body.len() < 60_000 { documents(request) } else { Vec::new() }
}

#[test]
fn a_revoked_key_stops_everything_until_its_file_changes_and_loses_nothing() {
    let cluster = Arc::new(Cluster::default());
    let good = Arc::new(Mutex::new("first".to_owned()));
    let (of_cluster, of_good) = (Arc::clone(&cluster), Arc::clone(&good));
    let elasticsearch = Webhook::answering(move |request| {
        if request.header("authorization") != Some(&format!("ApiKey {}", of_good.lock().unwrap())) {
            return Reply::new(401, r#"{"error":{"type":"security_exception"}}"#);
        }
        let taken = |document: &(String, String, String)| of_cluster.take(document);
        of_cluster.else_answered(request).unwrap_or_else(|| items(&documents(request).iter().map(taken).collect::<Vec<_>>()))
    });
    let at = installed(&elasticsearch.url(""), ", api_key_file: elasticsearch.key", "");
    at.write("elasticsearch.key", "first\n");
    let server = Server::start(&at);
    server.post("/v1/score", &rows(100, 10)).ok();
    wait_for("the first ones", || cluster.count(DECISIONS) == 100);
    *good.lock().unwrap() = "second".into();
    server.post("/v1/score", &rows(100, 10)).ok();
    wait_for("the refusal", || metric(&server, "synod_sink_failures_total{sink=\"elasticsearch\",reason=\"credential\"}") >= 1.0);
    let refused = elasticsearch.requests().len();
    thread::sleep(Duration::from_secs(3));
    assert!(elasticsearch.requests().len() <= refused + 2, "it is not asked again with the same key");
    let health = server.administer("/readyz?verbose").body;
    assert!(health.contains("refuses the credential"), "{health}");
    at.write("elasticsearch.key", "second\n");
    wait_for("the others", || cluster.count(DECISIONS) == 200);
    wait_for("good health", || !server.administer("/readyz?verbose").body.contains("refuses the credential"));
    assert!(cluster.taken.lock().unwrap().values().all(|times| *times == 1));
    server.stop();
}

#[test]
fn what_cannot_be_understood_is_in_doubt_and_looked_up() {
    let cluster = Arc::new(Cluster::default());
    let in_doubt = Arc::new(AtomicUsize::new(0));
    let (of_cluster, of_doubt, turn) = (Arc::clone(&cluster), Arc::clone(&in_doubt), AtomicUsize::new(0));
    let elasticsearch = Webhook::answering(move |request| {
        if let Some(reply) = of_cluster.else_answered(request) {
            return reply;
        }
        let answers: Vec<Value> = documents(request).iter().map(|document| of_cluster.take(document)).collect();
        let turn = turn.fetch_add(1, Ordering::AcqRel);
        of_doubt.fetch_add(if turn < 3 { answers.len() } else { 0 }, Ordering::AcqRel);
        match turn {
            0 => Reply::new(200, "<html>"),
            1 => items(&answers[1..]),
            2 => Reply::new(502, "bad gateway"),
            _ => items(&answers),
        }
    });
    let at = installed(&elasticsearch.url(""), "", "");
    let server = Server::start(&at);
    for part in 1..=4 {
        server.post("/v1/score", &rows(50, 10)).ok();
        wait_for("the part", || {
            cluster.count(DECISIONS) == 50 * part && metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0
        });
    }
    assert!(cluster.taken.lock().unwrap().values().all(|times| *times == 1), "what was taken is not sent again");
    assert_eq!(metric(&server, "synod_sink_repeated_total{sink=\"elasticsearch\"}"), in_doubt.load(Ordering::Acquire) as f64);
    server.stop();
}

#[test]
fn failure_stores_are_recognised_and_several_nodes_take_turns() {
    let cluster = Arc::new(Cluster::default());
    let node = |is_store: bool| {
        let cluster = Arc::clone(&cluster);
        Webhook::answering(move |request| {
            let answer = |document: &(String, String, String)| {
                cluster.take(document);
                if is_store { json!({"create": {"status": 201, "failure_store": "used"}}) } else { json!({"create": {"status": 201}}) }
            };
            cluster.else_answered(request).unwrap_or_else(|| items(&documents(request).iter().map(answer).collect::<Vec<_>>()))
        })
    };
    let (first, second) = (node(false), node(true));
    let away = "http://127.0.0.1:9";
    let at = installed(&first.url(""), "", "");
    at.edit(&format!("['{}']", first.url("")), &format!("['{}', '{away}', '{}']", first.url(""), second.url("")));
    let server = Server::start(&at);
    for part in 1..=6 {
        server.post("/v1/score", &rows(10, 10)).ok();
        wait_for("the part", || {
            cluster.count(DECISIONS) == 10 * part && metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0
        });
    }
    let count = |result: &str| metric(&server, &format!("synod_sink_records_total{{sink=\"elasticsearch\",result=\"{result}\"}}"));
    assert!(bulks(&first).len() >= 2 && bulks(&second).len() >= 2);
    assert_eq!(count("delivered") + count("dead"), 60.0);
    assert!(count("dead") >= 20.0 && count("delivered") >= 20.0);
    server.stop();
}

/// A server that takes nothing until it is told to.
fn unwilling() -> (Webhook, Arc<Cluster>) {
    let cluster = Arc::new(Cluster::default());
    (Webhook::answering(|_| Reply::new(503, "")), cluster)
}

fn relent(elasticsearch: &Webhook, cluster: &Arc<Cluster>) {
    let cluster = Arc::clone(cluster);
    elasticsearch.answer(move |request| {
        let taken = |document: &(String, String, String)| cluster.take(document);
        cluster.else_answered(request).unwrap_or_else(|| items(&documents(request).iter().map(taken).collect::<Vec<_>>()))
    });
}

#[test]
fn rows_are_refused_when_no_more_decisions_may_wait_and_taken_again_when_they_may() {
    let (elasticsearch, cluster) = unwilling();
    let spool = "  spool: {decisions: {maximum: 1MiB, when_full: refuse}}\ndecisions: {segment: 128KiB}\n";
    let at = installed(&elasticsearch.url(""), "", spool);
    let server = Server::start(&at);
    let mut decided = 0;
    let refusal = loop {
        let answer = server.post("/v1/score", &rows(50, 10));
        match answer.status {
            200 => decided += 50,
            _ => break answer,
        }
        assert!(decided < 10_000, "it is never full");
    };
    let problem = refusal.problem(503, "spool_full");
    assert!(refusal.header("retry-after").is_some(), "{problem}");
    assert!(decided > 200, "{decided}");
    assert_eq!(metric(&server, "synod_requests_limited_total{limit=\"spool\"}"), 1.0);
    assert!(metric(&server, "synod_spool_size_bytes{spool=\"decisions\"}") >= 1024.0 * 1024.0);
    relent(&elasticsearch, &cluster);
    wait_for("room", || server.post("/v1/score", &rows(1, 10)).status == 200);
    wait_for("all that was acknowledged", || cluster.count(DECISIONS) == decided + 1);
    server.stop();
}

#[test]
fn rows_wait_for_room_where_that_is_configured() {
    let (elasticsearch, cluster) = unwilling();
    let spool = "  spool: {decisions: {maximum: 1MiB, when_full: block}}\ndecisions: {segment: 128KiB}\nlimits: {timeout: 3s}\n";
    let at = installed(&elasticsearch.url(""), "", spool);
    let server = Server::start(&at);
    let mut decided = 0;
    let refusal = loop {
        let started = Instant::now();
        let answer = server.post("/v1/score", &rows(50, 10));
        if answer.status != 200 {
            assert!(started.elapsed() >= Duration::from_secs(3), "it waited");
            break answer;
        }
        decided += 50;
        assert!(decided < 10_000, "it is never full");
    };
    refusal.problem(503, "spool_full");
    let data = server.data;
    let waiting =
        thread::spawn(move || send(data, "POST", "/v1/score", &[("content-type", "application/json")], rows(1, 10).as_bytes()).status);
    thread::sleep(Duration::from_millis(500));
    relent(&elasticsearch, &cluster);
    // It takes up to half a minute until it is tried again; who waits less than that may be refused.
    let status = waiting.join().unwrap();
    wait_for("all that was acknowledged", || cluster.count(DECISIONS) >= decided);
    assert!(matches!(status, 200 | 503), "{status}");
    wait_for("room", || server.post("/v1/score", &rows(1, 10)).status == 200);
    server.stop();
}

#[test]
fn a_share_is_shipped_of_what_is_plain_and_says_so() {
    let (elasticsearch, cluster) = unwilling();
    relent(&elasticsearch, &cluster);
    let at = installed(&elasticsearch.url(""), ", sample: {decisions: 0.1}", "");
    let server = Server::start(&at);
    (0..10).for_each(|_| drop(server.post("/v1/score", &rows(200, 10)).ok()));
    server.post("/v1/score", &json!({"a": 90.0, "b": 90.0, "c": 90.0}).to_string()).ok();
    wait_for("the end of what waits", || {
        metric(&server, "synod_sink_behind_records{sink=\"elasticsearch\"}") == 0.0 && cluster.count(DECISIONS) > 0
    });
    let shipped: Vec<Value> =
        bulks(&elasticsearch).iter().flat_map(documents).map(|(.., text)| serde_json::from_str(&text).unwrap()).collect();
    let (plain, others): (Vec<&Value>, Vec<&Value>) =
        shipped.iter().partition(|document| document["synod"]["verdict"]["outcome"] == "approve");
    assert!((100..320).contains(&plain.len()), "{}", plain.len());
    assert!(plain.iter().all(|document| document["synod"]["sample"]["share"] == 0.1));
    assert!(!others.is_empty() && others.iter().all(|document| document["synod"]["sample"].is_null()));
    let distinct: BTreeSet<&str> = shipped.iter().map(|document| document["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), shipped.len());
    server.stop();
}

#[test]
fn events_that_the_disk_refuses_are_dropped_and_each_one_is_counted() {
    let (elasticsearch, cluster) = unwilling();
    let at = installed(&elasticsearch.url(""), "", "");
    at.edit("streams: [decision]", "streams: [access]");
    // Files of the service may not become longer: the log of events cannot grow any more.
    let server = Server::start_command(&at, at.limited_server(1024), &[]);
    let answered = || sum(&server, "synod_http_requests_total{route=\"/v1/detectors\"");
    (0..8000).for_each(|_| drop(server.get("/v1/detectors")));
    wait_for("events that are dropped", || sum(&server, "synod_events_dropped_total{stream=\"access\",reason=\"disk\"") > 0.0);
    // Each request is an event; the last ones may still be on their way.
    wait_for("the same count", || {
        let before = answered();
        thread::sleep(Duration::from_millis(300));
        let told = sum(&server, "synod_events_total{stream=\"access\"") + sum(&server, "synod_events_dropped_total{stream=\"access\"");
        (told - before).abs() <= 4.0
    });
    let written = sum(&server, "synod_events_total{stream=\"access\"");
    assert!(written > 100.0);
    // Requests are answered all the same, and what was written is shipped.
    assert_eq!(server.get("/v1/detectors").status, 200);
    relent(&elasticsearch, &cluster);
    wait_for("what was written", || cluster.count("logs-synod.access-default") as f64 >= written);
    server.stop();
}

/// All series of a metric together.
fn sum(server: &Server, beginning: &str) -> f64 {
    let text = server.administer("/metrics").body;
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()).sum()
}

/// A server that is encrypted by this certificate and key, takes every document, and counts them.
fn encrypted(pems: &(String, String), taken: &Arc<AtomicUsize>) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(pems.0.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(pems.1.as_bytes()).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::clone(taken));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (connection, taken) = (ServerConnection::new(Arc::clone(&config)).unwrap(), Arc::clone(&taken));
            thread::spawn(move || take_all(BufReader::new(StreamOwned::new(connection, stream)), &taken));
        }
    });
    address
}

fn take_all(mut stream: BufReader<StreamOwned<ServerConnection, TcpStream>>, taken: &AtomicUsize) {
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
            length = line.to_lowercase().strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
            line.clear();
        }
        let mut body = vec![0; length];
        if line.is_empty() || stream.read_exact(&mut body).is_err() {
            return;
        }
        let count = String::from_utf8(body).unwrap().lines().filter(|line| line.starts_with("{\"create\"")).count();
        taken.fetch_add(count, Ordering::AcqRel);
        let answer = json!({"items": vec![json!({"create": {"status": 201}}); count]}).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn another_authority_is_trusted_as_soon_as_its_file_changes_and_nothing_is_sent_before() {
    let (mine, other, taken) = (Authority::new("mine"), Authority::new("other"), Arc::new(AtomicUsize::new(0)));
    let server_address = encrypted(&mine.certificate_for("127.0.0.1", 2099), &taken);
    let at = installed(&format!("https://{server_address}"), ", root: ca.pem", "");
    at.write("ca.pem", other.pem());
    let server = Server::start(&at);
    server.post("/v1/score", &rows(50, 10)).ok();
    let failures = || metric(&server, "synod_sink_failures_total{sink=\"elasticsearch\",reason=\"unreachable\"}");
    wait_for("a refusal of the certificate", || failures() >= 1.0);
    assert_eq!(taken.load(Ordering::Acquire), 0);
    at.write("ca.pem", "no certificate");
    wait_for("another refusal", || failures() >= 3.0);
    assert_eq!(taken.load(Ordering::Acquire), 0);
    at.write("ca.pem", mine.pem());
    wait_for("all documents", || taken.load(Ordering::Acquire) == 50);
    server.stop();
}
