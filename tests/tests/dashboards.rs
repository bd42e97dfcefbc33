//! Dashboards as Grafana shows them: every query of every panel, variable and annotation is asked of a real Prometheus that reads a busy gateway,
//! and has an answer.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use synod_tests::alertmanager::Alertmanager;
use synod_tests::otlp::{Collector, hexadecimal};
use synod_tests::prometheus::{Prometheus, scraping, value};
use synod_tests::tls::Authority;
use synod_tests::{Connection, Installation, Server, configurations, guests, repository, send};

/// By then every query has to have an answer.
const LATEST: Duration = Duration::from_secs(150);
/// What Grafana puts in place of its own interval; metrics are read every second.
const INTERVAL: &str = "10s";
/// Panels whose data cannot be caused here, each with the reason.
const WITHOUT_DATA: [(&str, &str); 0] = [];
/// What selects nothing here, because nothing fails.
const SELECTING_NOTHING: [&str; 1] = ["status=~\"5..\""];
/// An alert that fires, as those of the rules do.
const RULES: &str = "groups:\n- {name: test, rules: [{alert: SynodTested, expr: 'up == 1', labels: {severity: info, detector: none}}]}\n";

/// A query, and where it stands.
#[derive(Debug, Clone)]
struct Asked {
    place: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Of a panel or an annotation.
    Series(String),
    /// Of a variable: a label's values, of these series.
    Values { series: String, label: String },
}

/// Everything that the dashboards ask.
fn all_queries() -> Vec<Asked> {
    let folder = repository().join("deploy/grafana/dashboards");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files.iter().flat_map(|file| queries(&serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())).collect()
}

fn queries(dashboard: &Value) -> Vec<Asked> {
    let title = dashboard["title"].as_str().unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let mut asked = Vec::new();
    for variable in list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query") {
        let query = variable["query"]["query"].as_str().unwrap();
        let (series, label) = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
        let what = What::Values { series: filled(series), label: label.to_owned() };
        asked.push(Asked { place: format!("{title}: variable {}", variable["name"]), what });
    }
    let annotations = list(&dashboard["annotations"]["list"]);
    let panels = list(&dashboard["panels"]);
    let of_panels = panels.iter().filter(|panel| panel["type"] != "row").flat_map(|panel| {
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{panel}");
        targets.into_iter().map(|target| (panel["title"].clone(), target["expr"].clone()))
    });
    let of_annotations = annotations.iter().filter(|one| one["builtIn"] != 1).map(|one| (one["name"].clone(), one["expr"].clone()));
    asked.extend(of_panels.chain(of_annotations).map(|(place, query)| Asked {
        place: format!("{title}: {}", place.as_str().unwrap()),
        what: What::Series(filled(query.as_str().unwrap())),
    }));
    asked
}

/// A query as Grafana sends it, with everything chosen.
fn filled(query: &str) -> String {
    let filled = query.replace("$__rate_interval", INTERVAL);
    let filled = ["$job", "$instance", "$detector"].iter().fold(filled, |text, variable| text.replace(variable, ".+"));
    assert!(!filled.contains('$'), "{query}");
    filled
}

/// The selectors of a query, `name{matchers}`.
fn selectors(query: &str) -> Vec<&str> {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || "_:".contains(char);
    let start = |brace: usize| query[..brace].rfind(|char| !is_of_name(char)).map_or(0, |before| before + 1);
    query.match_indices('{').map(|(brace, _)| &query[start(brace)..=brace + query[brace..].find('}').unwrap()]).collect()
}

impl Asked {
    /// What is wrong with the answer. A part of a query that finds nothing is a mistake as well, even if another one stands in for it.
    fn complaint(&self, prometheus: &Prometheus) -> Option<String> {
        let query = match &self.what {
            What::Values { series, .. } => series,
            What::Series(query) => query,
        };
        let parts = selectors(query).into_iter().filter(|part| !SELECTING_NOTHING.iter().any(|nothing| part.contains(nothing)));
        let found = |part: &&str| prometheus.query(part).is_ok_and(|series| !series.is_empty());
        let nothing: Vec<&str> = parts.filter(|part| !found(part)).collect();
        if nothing.is_empty() { self.complaint_of_whole(prometheus) } else { Some(format!("nothing is found by {nothing:?}")) }
    }

    fn complaint_of_whole(&self, prometheus: &Prometheus) -> Option<String> {
        match &self.what {
            What::Values { series, label } => {
                let values = prometheus.ask(&format!("label/{label}/values"), &[("match[]", series)]);
                let some = values.as_ref().is_ok_and(|values| values.as_array().is_some_and(|values| !values.is_empty()));
                (!some).then(|| format!("{values:?}"))
            }
            What::Series(query) => match prometheus.query(query) {
                Err(error) => Some(error),
                Ok(series) if series.is_empty() => Some("no series".to_owned()),
                Ok(series) => {
                    let values: Vec<f64> = series.iter().map(value).collect();
                    // Where nothing was observed of one series, a quantile of it is no number; there must be some that is.
                    let idle = |value: &f64| value.is_nan() && query.contains("histogram_quantile");
                    let finite = values.iter().any(|value| value.is_finite());
                    let right = finite && values.iter().all(|value| value.is_finite() || idle(value));
                    (!right).then(|| format!("{values:?}"))
                }
            },
        }
    }
}

/// An identity provider's discovery document and keys, for as long as the test runs.
fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let issuer = format!("http://{address}");
    let [keys, login, token] = ["keys", "login", "token"].map(|end| format!("{issuer}/{end}"));
    let discovery = json!({"issuer": issuer, "jwks_uri": keys, "authorization_endpoint": login, "token_endpoint": token}).to_string();
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let keys = json!({"keys": [key]}).to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let body = if head[..read].starts_with(b"GET /keys") { &keys } else { &discovery };
            let head = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").as_bytes());
        }
    });
    address
}

/// The example of a bank, with a detector that traps at a place called Nowhere, an identity provider, and two who are told of anomalies, one of
/// which is not there, a shadow and another policy. Every request is traced.
fn bank(alertmanager: &Alertmanager, collector: &Collector) -> Installation {
    let text = configurations::example("bank");
    let hostile = guests().join("hostile.wasm");
    let features = "  nowhere: {expression: 'if(Location == \"Nowhere\", 1, 0)'}\n\ndetectors:\n";
    let detector = format!(
        "  hostile:\n    plugin: {}\n    features: [nowhere, night, hour_sine]\n    parameters: {{behaviour: panic}}\n    limits: {{timeout: 20s, load_timeout: 60s}}\n",
        hostile.display()
    );
    let shadow = format!(
        "  beside:\n    plugin: {}\n    features: [nowhere, night, hour_sine]\n    shadow: true\n",
        guests().join("template.wasm").display()
    );
    let text = text.replacen("\ndetectors:\n", &format!("{features}{detector}{shadow}"), 1);
    let text = text.replacen("\nconsensus:\n", "\nconsensus:\n  shadows:\n    strict: {rule: maximum, contamination: 0.1}\n", 1);
    let issuer = format!("{{issuer: 'http://{}', audiences: [synod], private: true}}", provider());
    let login = "{issuer: bank, client_id: synod-console, redirect: 'http://127.0.0.1:1/console/callback'}";
    let identity = format!("identity:\n  issuers:\n    bank: {issuer}\n  login: {login}\n");
    let alertmanagers = format!("['{}', 'http://127.0.0.1:1']", alertmanager.url());
    let alerts = format!(
        "alerts: {{alertmanagers: {alertmanagers}, rules: [{{outcome: review, severity: warning}}]}}\nsinks: {{file: {{folder: documents}}}}\n"
    );
    let tracing = format!("tracing: {{endpoint: 'http://{}', sampling: {{share: 1}}}}\n", collector.address);
    let at = Installation::new(&format!(
        "{text}{identity}{alerts}{tracing}drift: {{window: 1000, minimum: 100}}\nrollout: {{guards: {{rows: 50, looks: 1000}}}}\n"
    ));
    at.run("generate --kind bank --rows 1500 --seed 1 --output rows.csv").ok();
    at.run("generate --kind bank --rows 5000 --seed 2 --output load.jsonl").ok();
    at.run("fit --data rows.csv").ok();
    at
}

/// A generated row, without what says what it was generated as.
fn row(line: &str) -> Value {
    let mut row: Value = serde_json::from_str(line).unwrap();
    row.as_object_mut().unwrap().retain(|field, _| !["label", "kind"].contains(&field.as_str()));
    row
}

/// A small installation with a certificate.
fn encrypted() -> Installation {
    let at = Installation::fitted_example("three-fields", 300);
    let (certificate, key) = Authority::new("Bank").fresh_certificate_for("synod", 90);
    at.write("server.pem", certificate);
    at.write("server.key", key);
    let configuration = at.read("synod.yaml");
    at.write("synod.yaml", format!("{configuration}\nlisten: {{tls: {{certificate: server.pem, key: server.key}}}}\n"));
    at
}

/// Sets a flag when it is dropped, whatever happens.
struct Sets<'a>(&'a AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Rows, one after the other, until it is told to stop; every tenth is at a place called Nowhere.
fn load(server: SocketAddr, rows: &[Value], stop: &AtomicBool) {
    let mut connection = Connection::open(server);
    for (number, row) in rows.iter().enumerate().cycle() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let mut row = row.clone();
        if number % 10 == 0 {
            row["Location"] = "Nowhere".into();
        }
        let body = row.to_string();
        let head = "POST /v1/score HTTP/1.1\r\nhost: synod\r\ncontent-type: application/json";
        connection.write(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        let answer = connection.answer();
        // In a second round the ids are known, with the same or another place.
        assert!([200, 409].contains(&answer.status), "{}", answer.body);
        thread::sleep(Duration::from_millis(5));
    }
}

/// What is not caused by rows: credentials, tokens, logins, labels, reloads, handshakes.
fn cause(server: &Server, encrypted: &Server) {
    let refused = send(server.data, "GET", "/v1/decisions", &[("authorization", "Bearer nonsense")], b"");
    refused.problem(401, "invalid_credential");
    let made = server.post("/v1/keys", r#"{"roles": ["scorer"]}"#).json();
    let [id, key] = ["id", "key"].map(|field| made[field].as_str().unwrap().to_owned());
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={key}");
    let form_type = [("content-type", "application/x-www-form-urlencoded")];
    let token = send(server.data, "POST", "/oauth2/token", &form_type, form.as_bytes());
    assert_eq!(token.status, 200, "{}", token.body);
    // A login that nobody has begun.
    server.get("/console/callback?code=1&state=2");
    let decisions = server.get("/v1/decisions?limit=20").ok();
    for decision in decisions["decisions"].as_array().unwrap() {
        let label = if decision["verdict"]["anomalous"] == true || decision["anomalous"] == true { "fraud" } else { "legitimate" };
        let path = format!("/v1/decisions/{}/label", decision["id"].as_str().unwrap());
        assert_eq!(server.post(&path, &json!({"label": label, "by": "ana"}).to_string()).status, 201);
    }
    // It is under way when this is done again.
    let begun = server.post("/v1/rollouts", r#"{"policy": "strict", "steps": [{"share": 0.1, "hold": "1h"}]}"#);
    assert!([201, 409].contains(&begun.status), "{}", begun.body);
    // No handshake.
    let mut stream = TcpStream::connect(encrypted.data).unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
    assert!(Command::new("kill").arg("-HUP").arg(encrypted.process().to_string()).status().unwrap().success());
}

#[test]
fn every_query_of_every_panel_has_an_answer() {
    let Some(alertmanager) = Alertmanager::start("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n") else { return };
    let collector = Collector::grpc(None);
    let (installation, other) = (bank(&alertmanager, &collector), encrypted());
    let (server, encrypted) = (Server::start(&installation), Server::start(&other));
    let targets = [("synod", server.administration), ("synod-tls", encrypted.administration)];
    let levels = repository().join("alertmanager/rules/levels.yaml");
    let configuration = format!("{}rule_files: [rules.yaml, {}]\n", scraping(&targets), levels.display());
    let flags = ["--enable-feature=exemplar-storage"];
    let Some(prometheus) = Prometheus::start(&configuration, &[("rules.yaml", RULES)], &flags) else { return };
    targets.iter().for_each(|(job, _)| prometheus.await_up(job));
    let rows: Vec<Value> = installation.read("load.jsonl").lines().map(row).collect();
    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let left = thread::scope(|scope| {
        scope.spawn(|| {
            let _ended = Sets(&ended);
            load(server.data, &rows, &stop);
        });
        let _stop = Sets(&stop);
        answered(&prometheus, &server, &encrypted, &ended)
    });
    let excused = |place: &str| WITHOUT_DATA.iter().any(|(excused, _)| *excused == place);
    let missing: Vec<String> = left
        .iter()
        .filter(|(asked, _)| !excused(&asked.place))
        .map(|(asked, complaint)| format!("{}: {complaint}: {:?}", asked.place, asked.what))
        .collect();
    assert!(missing.is_empty(), "{} queries have no data:\n{}", missing.len(), missing.join("\n"));
    for (place, reason) in WITHOUT_DATA {
        assert!(left.iter().any(|(asked, _)| asked.place == place), "{place} has data: it needs no excuse ({reason})");
    }
    points_open_traces(&prometheus, &collector);
    prometheus.stop();
    server.stop();
    encrypted.stop();
    drop(alertmanager);
}

/// The points in panels of response times name traces that the collector has.
fn points_open_traces(prometheus: &Prometheus, collector: &Collector) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (start, end) = ((now - 600).to_string(), now.to_string());
    let of_requests = "synod_http_request_duration_seconds_bucket{route=\"/v1/score\"}";
    for series in [of_requests, "synod_detector_duration_seconds_bucket{phase=\"scoring\"}"] {
        let found = prometheus.ask("query_exemplars", &[("query", series), ("start", &start), ("end", &end)]).unwrap();
        let points = found.as_array().unwrap().iter().flat_map(|series| series["exemplars"].as_array().unwrap());
        let traces: Vec<&str> = points.map(|point| point["labels"]["trace_id"].as_str().unwrap()).collect();
        let latest = traces.last().unwrap_or_else(|| panic!("no points: {found}"));
        let spans = collector.await_trace(latest, |spans| !spans.is_empty());
        assert!(spans.iter().all(|span| hexadecimal(&span.trace_id) == *latest), "{spans:?}");
    }
}

/// Asks until all queries but the excused ones have an answer, and returns those that have none.
fn answered(prometheus: &Prometheus, server: &Server, encrypted: &Server, ended: &AtomicBool) -> Vec<(Asked, String)> {
    let queries = all_queries();
    println!("{} queries", queries.len());
    let mut left: Vec<(Asked, String)> = queries.into_iter().map(|asked| (asked, String::new())).collect();
    let started = Instant::now();
    while left.len() > WITHOUT_DATA.len() && started.elapsed() < LATEST && !ended.load(Ordering::SeqCst) {
        cause(server, encrypted);
        thread::sleep(Duration::from_secs(2));
        left = left.into_iter().filter_map(|(asked, _)| asked.complaint(prometheus).map(|complaint| (asked, complaint))).collect();
    }
    left
}

#[test]
fn prometheus_reads_native_histograms_where_it_takes_them() {
    let installation = Installation::fitted_example("three-fields", 300);
    let server = Server::start(&installation);
    let flags = ["--enable-feature=native-histograms,exemplar-storage"];
    let Some(prometheus) = Prometheus::start(&scraping(&[("synod", server.administration)]), &[], &flags) else { return };
    prometheus.await_up("synod");
    let median = "histogram_quantile(0.5, sum(rate(synod_http_request_duration_seconds[10s])))";
    let median = prometheus.until(median, |series| !series.is_empty());
    let median = value(&median[0]);
    assert!(median > 0.0 && median < 1.0, "{median}");
    prometheus.stop();
    server.stop();
}
