//! A row's score is its own: bit for bit the same alone and among others, from a file and by HTTP, today and after a restart. And a model
//! is only used with what it was fitted with.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use synod_tests::table::{self, Plain, PlainRow, object};
use synod_tests::{Installation, Server, plugins};

const DETECTORS: [&str; 3] = ["isolation_forest", "local_outlier_factor", "autoencoder"];

/// The bits of a row's scores: the verdict's, then each detector's calibrated and raw one.
type Scores = Vec<u64>;

fn bits(number: &Value) -> u64 {
    number.as_f64().unwrap_or_else(|| panic!("no number: {number}")).to_bits()
}

/// The scores in an answer of `/v1/score` to one row.
fn answered(answer: &Value) -> Scores {
    let votes = answer["votes"].as_array().unwrap_or_else(|| panic!("no votes: {answer}"));
    let names: Vec<&Value> = votes.iter().map(|vote| &vote["detector"]).collect();
    assert_eq!(names, DETECTORS, "{answer}");
    let of_votes = votes.iter().flat_map(|vote| [bits(&vote["score"]), bits(&vote["raw_score"])]);
    std::iter::once(bits(&answer["verdict"]["score"])).chain(of_votes).collect()
}

/// The scores in a line that `synod score` wrote.
fn written(row: &PlainRow) -> Scores {
    let number = |column: &str| match &row[column] {
        Plain::Number(bits) => *bits,
        other => panic!("{column} is {other:?}"),
    };
    let of_detectors = DETECTORS.iter().flat_map(|name| [number(&format!("{name}.score")), number(&format!("{name}.raw_score"))]);
    std::iter::once(number("score")).chain(of_detectors).collect()
}

/// Rows for requests and for files: what the schema knows of generated rows.
fn rows(at: &Installation, kind: &str, count: u32) -> Vec<Value> {
    at.run(&format!("generate --kind {kind} --rows {count} --seed 9 --fraud 0.1 --output new.jsonl")).ok();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let fields = row.as_object_mut().unwrap();
        fields.shift_remove("label");
        fields.shift_remove("kind");
        row
    };
    at.read("new.jsonl").lines().map(row).collect()
}

/// The same row with its fields in the opposite order.
fn reversed(row: &Value) -> Value {
    object(row).iter().rev().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn by_file(at: &Installation, rows: &[Value], format: &str) -> Vec<Scores> {
    table::write(&at.path(&format!("in.{format}")), rows);
    at.run(&format!("score --data in.{format} --output out.{format}")).ok();
    table::read(&at.path(&format!("out.{format}"))).iter().map(written).collect()
}

fn by_list(server: &Server, rows: &[Value]) -> Vec<Scores> {
    let answer = server.post("/v1/score", &json!(rows).to_string()).ok();
    answer.as_array().unwrap().iter().map(answered).collect()
}

fn one_by_one(server: &Server, rows: &[Value]) -> Vec<Scores> {
    rows.iter().map(|row| answered(&server.post("/v1/score", &row.to_string()).ok())).collect()
}

fn in_batches(server: &Server, rows: &[Value], size: usize) -> Vec<Scores> {
    rows.chunks(size).flat_map(|rows| by_list(server, rows)).collect()
}

/// What each detector says of a row when it is asked alone, and then what the decision says: asking changes nothing.
fn asked_before(server: &Server, rows: &[Value]) -> Vec<Scores> {
    let ask = |row: &Value| {
        let alone: Vec<u64> = DETECTORS.iter().flat_map(|detector| by_detector(server, row, detector)).collect();
        let decided = answered(&server.post("/v1/score", &row.to_string()).ok());
        assert_eq!(alone, decided[1..], "{row}");
        decided
    };
    rows.iter().map(ask).collect()
}

fn by_detector(server: &Server, row: &Value, detector: &str) -> [u64; 2] {
    let answer = server.post(&format!("/v1/detectors/{detector}/score"), &row.to_string()).ok();
    [bits(&answer["vote"]["score"]), bits(&answer["vote"]["raw_score"])]
}

/// A server that remembers nothing: an event that was decided is not judged again, and would have another past.
fn fresh(at: &Installation) -> Server {
    for folder in ["data/log", "data/history"] {
        let _ = fs::remove_dir_all(at.path(folder));
    }
    for file in ["data/index.sqlite", "data/index.sqlite-wal", "data/index.sqlite-shm"] {
        let _ = fs::remove_file(at.path(file));
    }
    Server::start(at)
}

fn keeps_its_scores(kind: &str) {
    let at = Installation::fitted_example(kind, 2000);
    // More than one call's worth of rows.
    let rows = rows(&at, kind, 600);
    let backwards: Vec<Value> = rows.iter().rev().map(reversed).collect();
    let expected = by_file(&at, &rows, "csv");
    assert!(expected.len() == 600 && expected[0] != expected[1], "rows differ");

    let same = |what: &str, found: Vec<Scores>| {
        assert_eq!(found.len(), expected.len(), "{what}");
        let other = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert!(other.is_none(), "{kind}, {what}: row {other:?} has other scores");
    };
    let turned = |mut scores: Vec<Scores>| {
        scores.reverse();
        scores
    };
    for format in ["jsonl", "parquet", "csv.gz"] {
        same(format, by_file(&at, &rows, format));
    }
    same("a file with rows and fields in the opposite order", turned(by_file(&at, &backwards, "csv")));

    type Way<'a> = (&'a str, &'a dyn Fn(&Server) -> Vec<Scores>);
    let ways: [Way<'_>; 5] = [
        ("one by one", &|server| one_by_one(server, &rows)),
        ("a list", &|server| by_list(server, &rows)),
        ("a list with fields in the opposite order", &|server| by_list(server, &rows.iter().map(reversed).collect::<Vec<_>>())),
        ("lists of seven", &|server| in_batches(server, &rows, 7)),
        ("detector by detector first", &|server| asked_before(server, &rows)),
    ];
    for (what, way) in ways {
        let server = fresh(&at);
        same(what, way(&server));
        server.stop();
    }
    let server = fresh(&at);
    let first = in_batches(&server, &rows[..300], 50);
    server.stop();
    let server = Server::start(&at);
    same("with a restart in the middle", [first, in_batches(&server, &rows[300..], 50)].concat());
    server.stop();
    same("a file after the server", by_file(&at, &rows, "parquet"));
}

#[test]
fn a_row_of_three_fields_keeps_its_scores() {
    keeps_its_scores("three-fields");
}

#[test]
fn a_row_of_a_bank_keeps_its_scores() {
    keeps_its_scores("bank");
}

/// Changes of a configuration after the fit: from, to, and how the difference is named.
const CHANGES: [(&str, &str, &[&str]); 7] = [
    (
        "[amount_ratio, amount, frequency]",
        "[amount, amount_ratio, frequency]",
        &["detector isolation_forest", "fitted with the features amount_ratio, amount, frequency", "amount, amount_ratio, frequency"],
    ),
    (
        "[amount_ratio, amount, frequency]",
        "[amount_ratio, amount]",
        &["detector isolation_forest", "fitted with the features amount_ratio, amount, frequency"],
    ),
    ("expression: log1p(Transaction_Amount)", "expression: log(Transaction_Amount + 2)", &["the feature `amount` was declared otherwise"]),
    ("scale: robust", "scale: standard", &["detector local_outlier_factor", "the feature `amount_ratio` was declared otherwise"]),
    ("frequency: {expression:", "frequency: {missing: 0, expression:", &["the feature `frequency` was declared otherwise"]),
    ("trees: 200", "trees: 100", &["detector isolation_forest", "parameters", "{\"trees\":200}", "{\"trees\":100}"]),
    (
        "Frequency_of_Transactions: {type: integer",
        "Frequency_of_Transactions: {type: number",
        &["the field `Frequency_of_Transactions` as Integer", "Number now"],
    ),
];

/// Whatever would use a model refuses one that belongs to something else.
#[track_caller]
fn all_refuse(at: &Installation, naming: &[&str]) {
    let naming = [naming, &["version 1", "synod fit"]].concat();
    for words in ["check", "score --data rows.csv --output out.csv", "serve", "evaluate --data rows.csv --label label"] {
        at.run(words).failed(2, &naming);
    }
    assert!(!at.path("out.csv").exists());
}

#[test]
fn a_model_is_not_used_with_another_view() {
    let at = Installation::fitted_example("three-fields", 400);
    let fitted = at.read("synod.yaml");
    for (from, to, naming) in CHANGES {
        at.write("synod.yaml", &fitted);
        at.edit(from, to);
        all_refuse(&at, naming);
    }
    at.write("synod.yaml", &fitted);
    at.run("check").ok();
}

/// Where a change makes no difference to what the detectors see, the models are still good.
#[test]
fn a_model_outlives_what_does_not_concern_it() {
    let at = Installation::fitted_example("three-fields", 400);
    let rows = rows(&at, "three-fields", 50);
    let before = by_file(&at, &rows, "csv");
    at.edit("Transaction_Amount: {type: number, minimum: 0}", "Transaction_Amount: {type: number, minimum: 0, maximum: 1e9}");
    at.edit("block: 0.75", "block: 0.9");
    at.edit("  frequency: {", "  unused: {expression: Transaction_Amount}\n  frequency: {");
    assert_eq!(by_file(&at, &rows, "csv"), before);
}

/// A custom section named `note`, which changes what a component is called by its digest, and nothing that it does.
const NOTE: [u8; 7] = [0, 5, 4, b'n', b'o', b't', b'e'];

#[test]
fn a_model_is_not_used_with_another_build_of_its_plugin() {
    let at = Installation::example("three-fields");
    let (original, copy) = (plugins().join("isolation-forest.wasm"), at.path("forest.wasm"));
    fs::copy(original, &copy).unwrap();
    at.edit("plugin: isolation-forest", "plugin: ./forest.wasm");
    at.run("generate --kind three-fields --rows 400 --output rows.csv").ok();
    at.run("fit --data rows.csv").ok();
    at.run("check").ok();
    let other = [fs::read(&copy).unwrap(), NOTE.to_vec()].concat();
    fs::write(&copy, other).unwrap();
    // By the build that fitted it, which the archive has, everything goes on; without it nothing does.
    at.run("check").ok();
    let manifest: Value = serde_json::from_str(&at.read("data/models/isolation_forest/1.json")).unwrap();
    fs::remove_file(at.path("data/archive").join(manifest["manifest"]["plugin"]["sha256"].as_str().unwrap())).unwrap();
    all_refuse(&at, &["detector isolation_forest", "it was fitted by isolation-forest 0.1.0 (", "the plugin is isolation-forest 0.1.0 ("]);
    at.run("fit --data rows.csv").ok();
    at.run("check").ok();
}

#[test]
fn a_damaged_model_is_not_used() {
    let at = Installation::fitted_example("three-fields", 400);
    let manifest: Value = serde_json::from_str(&at.read("data/models/autoencoder/1.json")).unwrap();
    let blob = at.path("data/models/blobs").join(format!("{}.zst", manifest["artifact"]["sha256"].as_str().unwrap()));
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    for words in ["check", "serve", "score --data rows.csv --output out.csv"] {
        let ran = at.run(words);
        assert!(ran.code != 0 && ran.errors.contains("autoencoder") && ran.errors.contains("is damaged"), "{words}: {ran:?}");
    }
}
