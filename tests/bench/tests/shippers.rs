//! The measurement of shipping, in small: both shippers tell the same documents, each once. What it costs is no part of this.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENTS: u64 = 2000;
const CONFIGURATION: &str = "config/examples/three-fields.yaml";

/// Whether rsyslog is there with its output to Elasticsearch.
fn has_rsyslog() -> bool {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.into_iter().any(|folder| folder.path().join("rsyslog/omelasticsearch.so").is_file())
}

fn run(program: &Path, words: &[&str], folder: &Path) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(program);
    command.current_dir(&repository).args(words).args(["--config", CONFIGURATION, "--data-directory"]).arg(folder.join("data"));
    command.env("SYNOD_PLUGINS__DIRECTORY", repository.join("plugins/dist"));
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn both_shippers_tell_the_same_documents() {
    if !has_rsyslog() {
        eprintln!("skipped: there is no rsyslog with omelasticsearch (Debian: rsyslog, rsyslog-elasticsearch)");
        return;
    }
    let bench = PathBuf::from(env!("CARGO_BIN_EXE_synod-bench"));
    let synod = bench.with_file_name("synod");
    assert!(synod.is_file(), "{} is not there: build it with `cargo build -p synod-gateway`", synod.display());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (rows, report, place) = (path("rows.csv"), path("report.json"), path("run"));
    let made = Command::new(&synod).args(["generate", "--kind", "three-fields", "--rows", "500", "--output", &rows]).status().unwrap();
    assert!(made.success());
    run(&synod, &["fit", "--data", &rows], folder.path());
    let documents = DOCUMENTS.to_string();
    let told = run(&bench, &["decisions", "--documents", &documents], folder.path());
    assert!(told.starts_with("2000 decisions of "), "{told}");
    run(&synod, &["index", "rebuild"], folder.path());
    let words = ["shipping", "--synod", synod.to_str().unwrap(), "--documents", &documents, "--rounds", "1", "--no-pinning"];
    run(&bench, &[&words[..], &["--folder", &place, "--json", &report]].concat(), folder.path());

    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.iter().map(|line| line["shipper"].as_str().unwrap()).collect::<Vec<_>>(), ["rsyslog", "synod", "synod, gzip"]);
    for line in lines {
        let round = &line["rounds"][0];
        assert_eq!((&round["documents"], &line["idle"]["documents"]), (&DOCUMENTS.into(), &0.into()), "{line}");
        assert_eq!(round["bytes"], lines[0]["rounds"][0]["bytes"], "the same documents");
    }
}
