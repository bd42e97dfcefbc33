//! Shipping into files, to standard output and to a collector of OpenTelemetry.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, LogReader};
use synod_tests::configurations::{patient, three_numbers_csv};
use synod_tests::otlp::{Collector, LogRecord};
use synod_tests::{Installation, Server, repository, send};

const CONFIGURATION: &str = "version: 1
schema:
  fields:
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
const LONGEST: Duration = Duration::from_secs(120);
/// What a client may write into a text.
const HOSTILE: &str = "x\"}\n{\"@timestamp\":\"1999-01-01T00:00:00Z\",\"event\":{\"id\":\"forged\"}}\r\n";

fn installed(sinks: &str) -> Installation {
    let at = Installation::new(&format!("{}sinks:\n{sinks}", patient(CONFIGURATION)));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn rows(count: u64) -> String {
    let row = |number| json!({"note": HOSTILE, "a": 0.1, "b": 0.2, "c": 0.1 * (number % 7) as f64});
    Value::from((0..count).map(row).collect::<Vec<_>>()).to_string()
}

#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONGEST, "{what} does not come to be");
        thread::sleep(Duration::from_millis(50));
    }
}

fn behind(server: &Server, sink: &str) -> f64 {
    let text = server.administer("/metrics").body;
    let name = format!("synod_sink_behind_records{{sink=\"{sink}\"}}");
    text.lines().find(|line| line.starts_with(&name)).map_or(f64::MAX, |line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

fn kill(server: &Server) {
    assert!(Command::new("kill").args(["-9", &server.process().to_string()]).status().unwrap().success());
}

/// How often each id stands in the files of this folder whose names begin so.
fn ids(folder: &Path, stem: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(stem) {
            continue;
        }
        let mut text = String::new();
        if name.ends_with(".gz") {
            flate2::read::GzDecoder::new(std::fs::File::open(entry.path()).unwrap()).read_to_string(&mut text).unwrap();
        } else {
            text = std::fs::read_to_string(entry.path()).unwrap();
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{name} ends in the middle of a line");
        for line in text.lines() {
            let document: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
            assert!(document["@timestamp"].as_str().unwrap().starts_with("20"));
            *found.entry(document["event"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    found
}

/// The ids of the decisions in the log.
fn decided(at: &Installation) -> Vec<String> {
    let reader = LogReader::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap();
    let records = reader.from(1).unwrap().map(Result::unwrap).filter(|record| record.kind == 1);
    records.map(|record| serde_json::from_slice::<Value>(&record.payload).unwrap()["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_has_every_document_once_however_often_the_process_is_killed() {
    let at = installed("  file: {folder: documents, rotate: {size: 256KiB, keep: 1000}}\n");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..6 {
        let server = Server::start(&at);
        let data = server.data;
        thread::scope(|scope| {
            scope.spawn(|| {
                // Until the process is gone.
                while std::panic::catch_unwind(|| {
                    send(data, "POST", "/v1/score", &[("content-type", "application/json")], rows(50).as_bytes())
                })
                .is_ok()
                {}
            });
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            thread::sleep(Duration::from_millis(400 + seed % 1200));
            kill(&server);
        });
    }
    let server = Server::start(&at);
    wait_for("the end of what waits", || behind(&server, "file") == 0.0);
    wait_for("lines of requests", || ids(&at.path("documents"), "events").len() > 3);
    server.stop();
    let written = ids(&at.path("documents"), "decisions");
    let decided = decided(&at);
    assert!(decided.len() > 500, "{}", decided.len());
    assert_eq!(decided.iter().filter(|id| written.get(*id) != Some(&1)).count(), 0, "missing, or there twice");
    assert!(std::fs::read_dir(at.path("documents")).unwrap().count() > 4, "it was rotated");
}

#[test]
fn logrotate_loses_nothing() {
    if Command::new("logrotate").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: it needs logrotate");
        return;
    }
    let at = installed("  file: {folder: documents, rotate: {size: 1GiB, age: 300d}}\n");
    let server = Server::start(&at);
    let recipe = std::fs::read_to_string(repository().join("deploy/logrotate/synod")).unwrap();
    assert!(!recipe.lines().any(|line| line.trim() == "copytruncate"));
    at.write("logrotate.conf", recipe.replace("/var/log/synod", &at.path("documents").display().to_string()));
    let rotate = || {
        let ran = Command::new("logrotate").arg("-f").arg("-s").arg(at.path("state")).arg(at.path("logrotate.conf")).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    for _ in 0..4 {
        (0..10).for_each(|_| drop(server.post("/v1/score", &rows(50)).ok()));
        rotate();
        // Names have the second.
        thread::sleep(Duration::from_millis(1100));
    }
    server.post("/v1/score", &rows(50)).ok();
    wait_for("the end of what waits", || behind(&server, "file") == 0.0);
    server.stop();
    let written = ids(&at.path("documents"), "decisions");
    let decided = decided(&at);
    assert_eq!((decided.len(), decided.iter().filter(|id| written.get(*id) != Some(&1)).count()), (2050, 0));
    assert!(std::fs::read_dir(at.path("documents")).unwrap().count() >= 5);
}

#[test]
fn standard_output_has_documents_and_nothing_else() {
    let at = installed("  standard_output: {streams: [decision, audit]}\n");
    let mut command = at.command("serve --dev");
    command.env("SYNOD_LISTEN__DATA", "127.0.0.1:0").env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0");
    command.env("SYNOD_IDENTITY__ANONYMOUS", r#"["admin"]"#);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut output, mut errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let lines = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    // Where it listens stands among the lines, which are elsewhere now.
    let (sender, address) = std::sync::mpsc::channel();
    let log = thread::spawn(move || {
        let (mut text, mut piece) = (String::new(), [0; 4096]);
        while let Ok(count @ 1..) = errors.read(&mut piece) {
            text.push_str(&String::from_utf8_lossy(&piece[..count]));
            if let Some(data) = text.split("\"data\":\"").nth(1).and_then(|rest| rest.split_once('"')) {
                let _ = sender.send(data.0.to_owned());
            }
        }
        text
    });
    let data = address.recv_timeout(LONGEST).unwrap().parse().unwrap();
    let answer = send(data, "POST", "/v1/score", &[("content-type", "application/json")], rows(20).as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    thread::sleep(Duration::from_millis(1500));
    assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
    process.wait().unwrap();
    let (lines, log) = (lines.join().unwrap(), log.join().unwrap());
    let documents: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert_eq!(documents.iter().filter(|document| document["event"]["action"] == "decision").count(), 20);
    assert!(documents.iter().any(|document| document["event"]["action"] == "service.started"));
    assert!(log.contains("\"ready\"") && !lines.contains("\"ready\""));
}

fn text(record: &LogRecord, name: &str) -> String {
    record.attributes.iter().find(|of| of.key == name).map_or_else(String::new, |of| format!("{:?}", of.value.as_ref().unwrap().value))
}

fn otlp(collector: &Collector, protocol: &str) {
    let at = installed(&format!("  otlp: {{endpoint: 'http://{}', protocol: {protocol}, begin: earliest}}\n", collector.address));
    let server = Server::start(&at);
    server.post("/v1/score", &rows(100)).ok();
    let decisions = |collector: &Collector| {
        collector
            .logs()
            .iter()
            .filter(|record| record.event_name == "decision")
            .map(|record| text(record, "log.record.uid"))
            .collect::<Vec<_>>()
    };
    wait_for("all decisions", || decisions(collector).len() == 100);
    collector.refuse_logs(true);
    server.post("/v1/score", &rows(100)).ok();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(decisions(collector).len(), 100);
    collector.refuse_logs(false);
    wait_for("the others", || decisions(collector).len() == 200);
    wait_for("requests and lines", || {
        let logs = collector.logs();
        ["request", "log", "service.started"].iter().all(|name| logs.iter().any(|record| record.event_name == *name))
    });
    let mut ids = decisions(collector);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    let record = collector.logs().into_iter().find(|record| record.event_name == "decision").unwrap();
    assert!(record.time_unix_nano > 1_700_000_000_000_000_000 && text(&record, "synod.row.note").contains("forged"));
    assert!(text(&record, "synod.verdict.score").contains("DoubleValue"), "{record:?}");
    server.stop();
}

#[test]
fn a_collector_gets_log_records_by_grpc() {
    otlp(&Collector::grpc(None), "grpc");
}

#[test]
fn a_collector_gets_log_records_by_http() {
    otlp(&Collector::http(), "http");
}
