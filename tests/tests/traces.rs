//! Traces, by the real binary and a collector that speaks OTLP: what of a request is recorded, what never is, and that nobody waits for it.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use synod_tests::configurations::{AMOUNTS, patient};
use synod_tests::otlp::{Collector, Span, attribute, hexadecimal};
use synod_tests::tls::Authority;
use synod_tests::{Answer, Installation, Server, guests, send};
use tonic::codegen::http::uri::PathAndQuery;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What one scored request goes through, once each; the detectors come beside it.
const HOPS: [&str; 10] = ["credentials", "limits", "body", "schema", "queue", "past", "features", "consensus", "store", "answer"];

/// Two detectors: an honest one, and one that traps for an amount above a half.
fn fitted(tracing: &str) -> Installation {
    let (robust, ill) = (guests().join("template.wasm"), guests().join("hostile.wasm"));
    let detectors = format!(
        "  robust:\n    plugin: {}\n    features: [amount]\n    threshold: 0\n  ill:\n    plugin: {}\n    parameters: {{behaviour: panic}}\n",
        robust.display(),
        ill.display()
    );
    let at = Installation::new(&patient(&format!("{AMOUNTS}{detectors}consensus: {{contamination: 0.05}}\n{tracing}")));
    let row = |row: u32| format!("e{row},a{},2026-01-{:02}T{:02}:00:00Z,0.{:03}\n", row % 7, row / 24 + 1, row % 24, row * 37 % 499);
    at.write("rows.csv", format!("event,account,at,amount\n{}", (0..300).map(row).collect::<String>()));
    at.run("fit --data rows.csv").ok();
    at
}

fn tracing(endpoint: &str, rest: &str) -> String {
    format!("tracing: {{endpoint: '{endpoint}', timeout: 5s, {rest}}}\n")
}

fn row(event: &str, amount: f64) -> String {
    json!({"event": event, "account": "a1", "at": "2026-02-01T00:00:00Z", "amount": amount}).to_string()
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn score(server: &Server, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    send(server.data, "POST", "/v1/score", &headers, body.as_bytes())
}

/// The access line of the request with this id.
fn access_line(server: &Server, request: &str) -> Value {
    server.await_event(|event| event["target"] == "access" && event["request_id"] == request)
}

fn metric(server: &Server, series: &str) -> Option<f64> {
    let text = server.administer("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix(series)?.split_whitespace().next()?.parse().ok())
}

fn await_metric(server: &Server, series: &str, wanted: impl Fn(f64) -> bool) -> f64 {
    let started = Instant::now();
    loop {
        match metric(server, series) {
            Some(value) if wanted(value) => return value,
            value => assert!(started.elapsed() < Duration::from_secs(60), "{series} is {value:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_root(span: &Span) -> bool {
    span.name.starts_with("POST ")
}

/// Insists that a trace has each hop once, the two detectors, and all of them below the request's own span.
#[track_caller]
fn insist_on_hops(spans: &[Span]) -> (&Span, BTreeMap<String, &Span>) {
    let root = spans.iter().find(|span| is_root(span)).unwrap();
    let mut names: Vec<&str> = spans.iter().filter(|span| !is_root(span)).map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    let mut expected = [&HOPS[..], &["detector"; 2]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for span in spans.iter().filter(|span| !is_root(span)) {
        assert_eq!(span.parent_span_id, root.span_id, "{}", span.name);
        assert!(span.start_time_unix_nano >= root.start_time_unix_nano && span.end_time_unix_nano <= root.end_time_unix_nano, "{span:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.events.is_empty(), "{span:?}");
    }
    let detectors = spans.iter().filter(|span| span.name == "detector");
    (root, detectors.map(|span| (attribute(span, "synod.detector.name").unwrap(), span)).collect())
}

#[test]
fn a_collector_gets_a_whole_trace_by_grpc_and_nothing_of_what_a_client_sent() {
    let authority = Authority::new("collector's authority");
    let collector = Collector::grpc(Some(authority.certificate_for("localhost", 2100)));
    let rest = "root: root.pem, headers_file: headers, service_name: synod-test, resource: {deployment.environment.name: tests}, \
                sampling: {share: 0}";
    let at = fitted(&tracing(&format!("https://localhost:{}", collector.address.port()), rest));
    at.write("root.pem", authority.pem());
    at.write("headers", "authorization: Bearer of-the-collector\n");
    let key = at.run("keys create --role admin --label canary-principal").ok().output.trim().to_owned();
    let server = Server::start(&at);

    let (card, account) = ("4539148803436467", "DE89370400440532013000");
    let body = json!({"event": format!("e-{card}"), "account": account, "at": "2026-02-01T00:00:00Z", "amount": 47_110_815.25}).to_string();
    let bearer = format!("Bearer {key}");
    let headers = [
        ("traceparent", parent("01")),
        ("tracestate", "canary=in-the-state".into()),
        ("authorization", bearer),
        ("x-request-id", "canary-request".into()),
        ("user-agent", "canary-agent".into()),
        ("idempotency-key", "canary-idempotency".into()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    score(&server, &headers, &body).ok();
    // A path with a name in it, and a mistake that repeats what was wrong.
    send(server.data, "GET", &format!("/v1/entities/{account}"), &headers, b"");
    score(&server, &headers, r#"{"event": "e", "canary-field": 1}"#);

    let spans = collector.await_trace(TRACE, |spans| spans.iter().filter(|span| span.parent_span_id == id(PARENT)).count() == 3);
    let root = spans.iter().find(|span| is_root(span) && attribute(span, "http.response.status_code").unwrap() == "200").unwrap();
    let own: Vec<Span> = spans.iter().filter(|span| span.span_id == root.span_id || span.parent_span_id == root.span_id).cloned().collect();
    let (root, detectors) = insist_on_hops(&own);
    assert_eq!((root.name.as_str(), root.kind, &root.parent_span_id), ("POST /v1/score", 2, &id(PARENT)));
    for (name, value) in [("http.request.method", "POST"), ("http.route", "/v1/score"), ("url.scheme", "http")] {
        assert_eq!(attribute(root, name).as_deref(), Some(value), "{name}");
    }
    // Each detector with its version, its vote and its memory.
    for (name, vote, reason) in [("robust", "yes", None), ("ill", "abstained", Some("trap"))] {
        let of = |key: &str| attribute(detectors[name], &format!("synod.detector.{key}"));
        assert_eq!(
            (of("model_version").as_deref(), of("vote").as_deref(), of("abstention_reason").as_deref()),
            (Some("1"), Some(vote), reason)
        );
        assert!(of("plugin_version").is_some() && of("scoring_seconds").unwrap().parse::<f64>().unwrap() > 0.0, "{name}");
        let memory: Option<u64> = of("memory_bytes").map(|bytes| bytes.parse().unwrap());
        // Of a sandbox that failed nothing is known: it is gone.
        assert_eq!(memory.map(|bytes| bytes >= 65_536), reason.is_none().then_some(true), "{name}");
    }
    let consensus = own.iter().find(|span| span.name == "consensus").unwrap();
    assert_eq!(attribute(consensus, "synod.consensus.rule").as_deref(), Some("weighted_mean"));
    assert!(attribute(consensus, "synod.consensus.outcome").is_some());
    // Who sends, and how it may.
    let resource: BTreeMap<String, String> = collector.resource().into_iter().collect();
    assert_eq!((&resource["service.name"], &resource["deployment.environment.name"]), (&"synod-test".to_owned(), &"tests".to_owned()));
    assert!(collector.credentials().iter().all(|credential| credential == "Bearer of-the-collector"));

    // The log line and the exemplars lead to the trace.
    let line = access_line(&server, "canary-request");
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &json!(hexadecimal(&root.span_id))));
    let metrics = server.administer("/metrics").body;
    for series in ["synod_http_request_duration_seconds_bucket{", "synod_detector_duration_seconds_bucket{"] {
        let exemplar = |line: &str| line.starts_with(series) && line.contains(&format!("# {{trace_id=\"{TRACE}\"}}"));
        assert!(metrics.lines().any(exemplar), "{series}\n{metrics}");
    }
    assert!(metric(&server, "synod_detector_memory_bytes{detector=\"robust\"}").unwrap() >= 65_536.0);
    await_metric(&server, "synod_trace_spans_total{result=\"exported\"}", |spans| spans >= 13.0);

    // What a client sent is in no span, whatever it is.
    let everything = collector.everything();
    let token = key.split('_').next_back().unwrap();
    for canary in [card, account, &key, token, "canary", "47110815"] {
        assert!(!everything.contains(canary), "{canary} is in a span");
    }
    server.stop();
}

fn id(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn a_batch_on_another_thread_is_one_trace_by_http() {
    let collector = Collector::http();
    let at = fitted(&tracing(&format!("http://{}", collector.address), "protocol: http, sampling: {share: 1}"));
    // What the environment says of traces does not count.
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer canary"),
        ("OTEL_SERVICE_NAME", "canary"),
        ("OTEL_RESOURCE_ATTRIBUTES", "canary=1"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
    ];
    let server = Server::start_with(&at, &environment);
    // The first request is expected to be slow, so that it goes to a thread that may block.
    let rows: Vec<Value> = (0..300).map(|number| serde_json::from_str(&row(&format!("b{number}"), 0.1)).unwrap()).collect();
    score(&server, &[("x-request-id", "batch")], &json!(rows).to_string()).ok();
    let line = access_line(&server, "batch");
    let trace = line["trace_id"].as_str().unwrap();
    let spans = collector.await_trace(trace, |spans| spans.iter().any(is_root));
    let (root, detectors) = insist_on_hops(&spans);
    assert!(root.parent_span_id.is_empty() && line["span_id"] == hexadecimal(&root.span_id));
    for name in ["robust", "ill"] {
        let of = |key: &str| attribute(detectors[name], key);
        assert_eq!((of("synod.rows").as_deref(), of("synod.detector.rows_scored").as_deref()), (Some("300"), Some("300")), "{name}");
    }
    // Requests for health and metrics are none that anybody wants to see.
    server.get("/healthz");
    server.administer("/metrics");
    score(&server, &[], &row("c1", 0.2)).ok();
    await_metric(&server, "synod_trace_spans_total{result=\"exported\"}", |spans| spans >= 26.0);
    server.stop();
    assert_eq!(collector.spans().len(), 26);
    assert!(!collector.everything().contains("canary"));
    assert!(collector.credentials().iter().all(String::is_empty));
}

#[test]
fn grpc_goes_on_with_its_callers_trace() {
    let collector = Collector::http();
    let at = fitted(&tracing(&format!("http://{}", collector.address), "protocol: http, sampling: {share: 0}"));
    let server = Server::start(&at);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.data)).unwrap().connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(());
        request.metadata_mut().insert("traceparent", parent("01").parse().unwrap());
        let path = PathAndQuery::from_static("/inference.GRPCInferenceService/RepositoryIndex");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        client.unary(request, path, codec).await.unwrap();
    });
    let spans = collector.await_trace(TRACE, |spans| spans.iter().any(is_root));
    let root = spans.iter().find(|span| is_root(span)).unwrap();
    assert_eq!((root.name.as_str(), &root.parent_span_id), ("POST /inference.GRPCInferenceService/RepositoryIndex", &id(PARENT)));
    assert_eq!(attribute(root, "network.protocol.version").as_deref(), Some("2"));
    server.stop();
}

#[test]
fn what_is_not_drawn_is_not_recorded_and_its_log_lines_have_ids_all_the_same() {
    let collector = Collector::http();
    let at = fitted(&tracing(&format!("http://{}", collector.address), "protocol: http, sampling: {share: 0, rate: 3/h}"));
    let server = Server::start(&at);
    score(&server, &[("x-request-id", "own")], &row("d1", 0.1)).ok();
    score(&server, &[("x-request-id", "unsampled"), ("traceparent", &parent("00"))], &row("d2", 0.1)).ok();
    score(&server, &[("x-request-id", "malformed"), ("traceparent", "00-nonsense-01")], &row("d3", 0.1)).ok();
    let ids = |request| {
        let line = access_line(&server, request);
        let length = |key: &str| line[key].as_str().map_or(0, str::len);
        assert_eq!((length("trace_id"), length("span_id")), (32, 16), "{line}");
        line["trace_id"].as_str().unwrap().to_owned()
    };
    assert!(ids("unsampled") == TRACE && ids("own") != TRACE && ids("malformed") != TRACE);
    // Whoever asks for traces gets as many as there may be.
    (0..20).for_each(|number| drop(score(&server, &[("traceparent", &parent("01"))], &row(&format!("f{number}"), 0.1)).ok()));
    server.stop();
    assert_eq!(collector.spans().iter().filter(|span| is_root(span)).count(), 3);
}

#[test]
fn without_the_section_the_callers_trace_is_in_the_log() {
    let at = fitted("");
    let server = Server::start(&at);
    score(&server, &[("x-request-id", "theirs"), ("traceparent", &parent("01"))], &row("g1", 0.1)).ok();
    score(&server, &[("x-request-id", "none")], &row("g2", 0.1)).ok();
    let theirs = access_line(&server, "theirs");
    assert_eq!((&theirs["trace_id"], &theirs["span_id"]), (&json!(TRACE), &Value::Null));
    assert_eq!(access_line(&server, "none")["trace_id"], Value::Null);
    assert_eq!(metric(&server, "synod_trace_spans_total{result=\"exported\"}"), Some(0.0));
    server.stop();
}

/// Scores, and insists that no request waits for the collector.
#[track_caller]
fn insist_on_answers(address: SocketAddr, protocol: &str) -> (Installation, Server) {
    let rest = format!("protocol: {protocol}, queue: 20, sampling: {{share: 1}}");
    let at = fitted(&tracing(&format!("http://{address}"), &rest).replace("timeout: 5s", "timeout: 200ms"));
    at.edit("version: 1\n", "version: 1\nlisten: {drain: 2s}\n");
    let server = Server::start(&at);
    let started = Instant::now();
    (0..50).for_each(|number| drop(score(&server, &[], &row(&format!("h{number}"), 0.1)).ok()));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    await_metric(&server, "synod_trace_spans_total{result=\"dropped\"}", |spans| spans > 0.0);
    await_metric(&server, "synod_trace_export_attempts_failed_total", |attempts| attempts > 0.0);
    assert!(metric(&server, "synod_trace_spans_waiting").unwrap() <= 20.0);
    let _ = server.await_event(|event| event["message"] == "the collector of traces does not take spans");
    (at, server)
}

#[test]
fn a_collector_that_is_away_or_silent_costs_spans_and_no_request() {
    // Nobody listens there.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_at, server) = insist_on_answers(away, "grpc");
    await_metric(&server, "synod_trace_spans_total{result=\"failed\"}", |spans| spans > 0.0);
    let stopping = Instant::now();
    server.stop();
    assert!(stopping.elapsed() < Duration::from_secs(15), "{:?}", stopping.elapsed());
    // Connections are taken, and nothing is ever said.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for protocol in ["http", "grpc"] {
        let (_at, server) = insist_on_answers(silent.local_addr().unwrap(), protocol);
        server.stop();
    }
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    let at = fitted(&tracing("https://localhost:1", "headers_file: headers"));
    at.run("serve --dev").failed(1, &["cannot read", "headers"]);
    at.write("headers", "authorization Bearer secret\n");
    at.run("serve --dev").failed(1, &["line 1: there is no `:`"]);
    at.write("headers", "authorization: Bearer secret\n");
    at.edit("headers_file", "root: headers, headers_file");
    at.run("serve --dev").failed(1, &["holds no certificates in PEM"]);
    at.edit("https://localhost:1", "http://collector.example:4317");
    let told = at.run("doctor").ok().output;
    assert!(told.contains("tracing.endpoint: spans, and the credential of `headers_file` with them, cross the network"), "{told}");
}
