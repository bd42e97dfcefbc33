//! `synod export decisions`: every field of every decision is in the files, whatever the format, whoever writes to the log meanwhile, and
//! whatever happened to the log.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use synod_store::{Cell, DataDirectory, Entry, Log, LogReader, LogSettings, Table};
use synod_tests::{Installation, Server};

/// Kinds of records in the log.
const DECISION: u8 = 1;
const LABEL: u8 = 2;

/// A small configuration: one detector, and a field of every kind and every way to be stored.
const CONFIGURATION: &str = "version: 1
schema:
  fields:
    id: {type: text}
    account: {type: text, store: hmac}
    card: {type: text, store: mask, required: false}
    pin: {type: text, store: drop, required: false}
    when: {type: time}
    amount: {type: number}
    count: {type: integer, required: false}
    present: {type: boolean, required: false}
  id: id
  entity: account
  time: when
features:
  size: {expression: log1p(amount)}
  often: {expression: count, record: true}
detectors:
  forest:
    plugin: isolation-forest
    features: [size]
    parameters: {trees: 20}
consensus: {rule: weighted_mean, contamination: 0.05}
";

fn row(number: u64) -> Value {
    let mut row = json!({
        "id": format!("E{number}"),
        "account": format!("A{}", number % 7),
        "card": "4539123412341234",
        "pin": "1234",
        "when": format!("2026-01-{:02}T12:00:00.{:06}Z", 1 + number / 100 % 28, number),
        "amount": (number * 37 % 1000) as f64 + 0.1,
        "count": number % 5,
        "present": number.is_multiple_of(2),
    });
    if number.is_multiple_of(3) {
        for field in ["count", "present", "card"] {
            row.as_object_mut().unwrap().remove(field);
        }
    }
    row
}

fn fitted() -> Installation {
    let at = Installation::new(&synod_tests::configurations::patient(CONFIGURATION));
    let lines: String = (0..400).map(|number| format!("{}\n", row(number))).collect();
    at.write("rows.jsonl", lines);
    at.run("fit --data rows.jsonl").ok();
    at
}

fn decide(server: &Server, numbers: std::ops::Range<u64>) -> Vec<Value> {
    let rows: Vec<Value> = numbers.map(row).collect();
    match server.post("/v1/score", &json!(rows).to_string()).ok() {
        Value::Array(answers) => answers,
        answer => panic!("no list: {answer}"),
    }
}

fn label(server: &Server, answer: &Value, label: &str, note: &str) {
    let id = answer["decision"].as_str().unwrap();
    let body = json!({"label": label, "by": "ana", "note": note}).to_string();
    assert_eq!(server.post(&format!("/v1/decisions/{id}/label"), &body).status, 201);
}

/// What the log has: decisions with their sequences, and the latest label of each.
struct Recorded {
    decisions: Vec<(u64, Value)>,
    labels: BTreeMap<String, Value>,
}

fn recorded(at: &Installation) -> Recorded {
    let reader = LogReader::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap();
    let mut found = Recorded { decisions: Vec::new(), labels: BTreeMap::new() };
    for record in reader.from(1).unwrap().map_while(Result::ok) {
        match record.kind {
            DECISION => found.decisions.push((record.position.sequence, serde_json::from_slice(&record.payload).unwrap())),
            LABEL => {
                let label: Value = serde_json::from_slice(&record.payload).unwrap();
                found.labels.insert(label["decision"].as_str().unwrap().to_owned(), label);
            }
            _ => {}
        }
    }
    found
}

/// A decision as its columns must have it, made from its JSON alone: objects become names with dots.
fn expected(sequence: u64, decision: &Value, label: Option<&Value>) -> BTreeMap<String, Value> {
    let mut columns = BTreeMap::from([("sequence".to_owned(), json!(sequence))]);
    for (key, value) in decision.as_object().unwrap() {
        match key.as_str() {
            "row" => flatten("row", value, &mut columns),
            "features" => flatten("feature", value, &mut columns),
            "votes" => each(value, "vote", &mut columns),
            "abstentions" => each(value, "abstention", &mut columns),
            "reasons" => drop(columns.insert(key.clone(), json!(value.to_string()))),
            _ => flatten(key, value, &mut columns),
        }
    }
    for (column, key) in [("label", "label"), ("label.by", "by"), ("label.at", "at"), ("label.note", "note")] {
        columns.insert(column.to_owned(), label.map_or(Value::Null, |label| label[key].clone()));
    }
    columns.retain(|_, value| !value.is_null());
    columns
}

fn flatten(name: &str, value: &Value, columns: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, columns)),
        value => drop(columns.insert(name.to_owned(), value.clone())),
    }
}

fn each(list: &Value, name: &str, columns: &mut BTreeMap<String, Value>) {
    for one in list.as_array().unwrap() {
        let mut fields: Map<String, Value> = one.as_object().unwrap().clone();
        let detector = fields.remove("detector").unwrap();
        flatten(&format!("{name}.{}", detector.as_str().unwrap()), &Value::Object(fields), columns);
    }
}

/// The rows of a file, each without what is missing; a time as the microseconds that the log's text means.
fn rows(path: &Path) -> Vec<BTreeMap<String, Value>> {
    let mut table = Table::open(path, None).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = table.next() {
        let cells = row.unwrap().cells;
        let named = table.columns().iter().cloned().zip(cells.iter().map(plain));
        rows.push(named.filter(|(_, value)| !value.is_null()).collect());
    }
    rows
}

fn plain(cell: &Cell) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Boolean(truth) => json!(truth),
        Cell::Integer(integer) => json!(integer),
        Cell::Number(number) => json!(number),
        Cell::Text(text) | Cell::Raw(text) => json!(text),
        Cell::Time(moment) => json!(jiff::Timestamp::from_microsecond(*moment).unwrap().to_string()),
    }
}

/// Files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Appends a record to the log of an installation that is not served.
fn append(at: &Installation, kind: u8, moment: i64, payload: &Value) {
    let (log, _) = Log::open(&DataDirectory::open(at.path("data")).unwrap(), LogSettings::default()).unwrap();
    log.append(vec![Entry::new(kind, moment, payload.to_string().into_bytes()).unwrap()], drop);
    log.close().unwrap();
}

fn all(recorded: &Recorded) -> Vec<BTreeMap<String, Value>> {
    let expected =
        |(sequence, decision): &(u64, Value)| expected(*sequence, decision, recorded.labels.get(decision["id"].as_str().unwrap()));
    recorded.decisions.iter().map(expected).collect()
}

#[test]
fn every_value_of_every_decision_is_in_the_files() {
    let at = fitted();
    let server = Server::start(&at);
    let answers = decide(&server, 1000..1300);
    label(&server, &answers[3], "fraud", "he says so");
    label(&server, &answers[5], "unsure", "first");
    label(&server, &answers[5], "legitimate", "then, with a \"quote\",\na line and a comma");
    // Beside the server that has just made them.
    at.run("export decisions --output beside.parquet").ok();
    assert_eq!(rows(&at.path("beside.parquet")).len(), 300);
    let more = decide(&server, 1300..1400);
    label(&server, &more[0], "fraud", "later");
    server.stop();

    let recorded = recorded(&at);
    assert_eq!((recorded.decisions.len(), recorded.labels.len()), (400, 3));
    let ran = at.run("export decisions --output all.parquet").ok();
    assert!(ran.errors.contains("400 decisions, 3 of them labelled"), "{}", ran.errors);
    assert_eq!(rows(&at.path("all.parquet")), all(&recorded));
    kinds(&at.path("all.parquet"));
    assert!(!String::from_utf8_lossy(&fs::read(at.path("all.parquet")).unwrap()).contains("row.pin"), "what is not stored is no column");

    // JSON lines have times as text, which is how the log has them.
    at.run("export decisions --output all.jsonl.gz").ok();
    assert_eq!(rows(&at.path("all.jsonl.gz")), all(&recorded));
    let printed = at.run("export decisions --output - --format jsonl").ok().output;
    assert_eq!((printed.lines().count(), printed.contains("all.jsonl")), (400, false));
    csv(&at, &recorded);
    selections(&at, &recorded);
    folders(&at);
}

/// Types are those of the schema, and a text that was stored otherwise is text.
fn kinds(path: &Path) {
    let mut table = Table::open(path, None).unwrap();
    let cells = table.by_ref().map(|row| row.unwrap().cells).find(|cells| !cells.contains(&Cell::Missing));
    // Nothing has an abstention or is degraded here, so that a row without missing cells is not there.
    assert!(cells.is_none());
    let mut table = Table::open(path, None).unwrap();
    let first = table.nth(1).unwrap().unwrap().cells;
    let cell = |name: &str| &first[table.columns().iter().position(|column| column == name).unwrap()];
    assert!(matches!(cell("row.when"), Cell::Time(_)) && matches!(cell("decided"), Cell::Time(_)) && matches!(cell("at"), Cell::Time(_)));
    assert!(matches!(cell("row.amount"), Cell::Number(_)) && matches!(cell("row.count"), Cell::Integer(_)));
    assert!(matches!(cell("row.present"), Cell::Boolean(_)));
    assert_eq!(cell("row.card"), &Cell::Text("************1234".to_owned()));
    assert!(matches!(cell("row.account"), Cell::Text(text) if text.len() == 32));
    assert!(matches!(cell("vote.forest.score"), Cell::Number(_)) && matches!(cell("vote.forest.model_version"), Cell::Integer(1)));
}

fn csv(at: &Installation, recorded: &Recorded) {
    at.run("export decisions --output all.csv.gz").ok();
    let read = rows(&at.path("all.csv.gz"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (read, expected) in read.iter().zip(all(recorded)) {
        let expected: BTreeMap<String, Value> = expected.iter().map(|(name, value)| (name.clone(), json!(text(value)))).collect();
        assert_eq!(*read, expected);
    }
    assert_eq!(read.len(), 400);
}

fn selections(at: &Installation, recorded: &Recorded) {
    let count = |words: &str| {
        at.run(&format!("export decisions {words} --output chosen.jsonl")).ok();
        rows(&at.path("chosen.jsonl")).len()
    };
    let with = |outcome: &str| recorded.decisions.iter().filter(|(_, decision)| decision["verdict"]["outcome"] == outcome).count();
    for outcome in ["approve", "review", "block"] {
        assert_eq!(count(&format!("--outcome {outcome}")), with(outcome), "{outcome}");
    }
    let stored = &recorded.decisions[0].1["entity"];
    let of_entity = recorded.decisions.iter().filter(|(_, decision)| decision["entity"] == *stored).count();
    assert!(of_entity > 50, "the first row is one of the account A6");
    assert_eq!((count("--entity A6"), count(&format!("--entity {}", stored.as_str().unwrap()))), (of_entity, of_entity));
    let middle = recorded.decisions[300].1["decided"].as_str().unwrap();
    let before = recorded.decisions.iter().filter(|(_, decision)| decision["decided"].as_str().unwrap() < middle).count();
    assert_eq!((count(&format!("--until {middle}")), count(&format!("--from {middle}"))), (before, 400 - before));
    assert_eq!((count("--tenant nobody"), count("--from 2100-01-01")), (0, 0));
    let mut none = at.command("export decisions --output chosen.jsonl");
    assert!(none.args(["--tenant", ""]).status().unwrap().success(), "those of no tenant");
    assert_eq!(rows(&at.path("chosen.jsonl")).len(), 400);
}

/// A file for each day or hour, the same bytes each time.
fn folders(at: &Installation) {
    // A decision of another day, of a configuration that nobody has, whose fields are others.
    let mut old = recorded(at).decisions[0].1.clone();
    old["id"] = json!("0197f3a2-5b7e-7c31-9d40-2f6a1c8e5b07");
    old["decided"] = json!("2025-07-10T23:59:59.999999Z");
    old["configuration"] = json!("0".repeat(64));
    old["row"] = json!({"amount": 7, "when": "2025-07-10T23:00:00Z", "count": "many", "colour": "red"});
    old["votes"][0]["detector"] = json!("oak");
    old["abstentions"] = json!([{"detector": "elm", "reason": "timeout", "detail": "10 ms", "model_version": 3}]);
    old["reasons"] = json!(["a", "b, \"c\""]);
    append(at, DECISION, 1_752_191_999_999_999, &old);
    let ran = at.run("export decisions --output days").ok();
    assert!(ran.errors.contains(&"0".repeat(64)) && ran.errors.contains("times of its rows"), "{}", ran.errors);
    let first = files(&at.path("days"));
    assert_eq!(first.keys().next().unwrap(), "decisions-2025-07-10.parquet");
    // One day, unless the test runs over midnight.
    assert!(
        (2..=3).contains(&first.len()) && first.keys().all(|name| name.starts_with("decisions-20") && name.len() == 28),
        "{:?}",
        first.keys()
    );
    at.run("export decisions --output days").ok();
    assert_eq!(files(&at.path("days")), first, "the same log makes the same bytes");

    let path = at.path("days/decisions-2025-07-10.parquet");
    let row = rows(&path).remove(0);
    let (sequence, decision) = recorded(at).decisions.pop().unwrap();
    let mut expected = expected(sequence, &decision, None);
    // Of a field whose type has changed all values are text; an integer among numbers is a number.
    expected.insert("row.amount".to_owned(), json!(7.0));
    assert_eq!(row, expected);
    let columns = Table::open(&path, None).unwrap().columns().to_vec();
    assert!(columns.contains(&"vote.forest.score".to_owned()), "all files have all columns");
    at.run("export decisions --output mixed.jsonl").ok();
    assert!(rows(&at.path("mixed.jsonl")).iter().all(|row| row.get("row.count").is_none_or(Value::is_string)));

    at.run("export decisions --output hours --every 1h --format csv.gz").ok();
    assert!(files(&at.path("hours")).contains_key("decisions-2025-07-10T23.csv.gz"));
    at.run("export decisions --output one --every all --format jsonl").ok();
    assert_eq!(files(&at.path("one")).into_keys().collect::<Vec<_>>(), ["decisions.jsonl"]);
    at.run("export decisions --output none --from 2100-01-01").ok();
    assert_eq!(files(&at.path("none")).len(), 0);
}

#[test]
fn what_stands_before_damage_is_written_and_the_exit_code_says_so() {
    let at = fitted();
    let server = Server::start(&at);
    let answers = decide(&server, 0..200);
    label(&server, &answers[0], "fraud", "before the damage");
    decide(&server, 200..300);
    server.stop();
    let whole = recorded(&at);
    let segment = at.path("data/log/00000000000000000001.log");
    let bytes = fs::read(&segment).unwrap();
    let content = whole.decisions[250].1["content"].as_str().unwrap().as_bytes();
    let place = bytes.windows(content.len()).position(|window| window == content).unwrap();

    // A bit of a decision is another one: what stands before it is there, with its labels.
    let mut damaged = bytes.clone();
    damaged[place] ^= 1;
    fs::write(&segment, damaged).unwrap();
    at.run("export decisions --output damaged.parquet").failed(3, &["00000000000000000001.log is damaged", "synod audit verify"]);
    assert_eq!(rows(&at.path("damaged.parquet")), all(&whole)[..250]);
    // The head of the file is gone: nothing can be read, and it is said.
    let mut damaged = bytes.clone();
    damaged[..4].copy_from_slice(b"none");
    fs::write(&segment, damaged).unwrap();
    let code = at.run("export decisions --output headless.parquet").code;
    assert_ne!(code, 0, "a log that cannot be read is not empty");
    // A crash has torn the last record: that is the end of the log, and no damage.
    fs::write(&segment, &bytes[..bytes.len() - 7]).unwrap();
    at.run("export decisions --output torn.parquet").ok();
    let count = rows(&at.path("torn.parquet")).len();
    assert!((299..=300).contains(&count), "{count}");
    // A record that is whole and says nothing is left out, and told.
    fs::write(&segment, &bytes).unwrap();
    append(&at, DECISION, 1_800_000_000_000_000, &json!({"id": "none"}));
    at.run("export decisions --output unreadable.parquet").failed(3, &["1 decisions cannot be read", "record "]);
    assert_eq!(rows(&at.path("unreadable.parquet")), all(&Recorded { labels: whole.labels, decisions: whole.decisions }));
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let at = fitted();
    let server = Server::start(&at);
    decide(&server, 0..300);
    server.stop();
    at.write("old.parquet", "the export before");
    let mut shell = std::process::Command::new("bash");
    let command = at.command("export decisions --output old.parquet");
    let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let script = format!("trap '' XFSZ; ulimit -S -f 4; exec {} {}", command.get_program().to_string_lossy(), words.join(" "));
    let ran = shell.arg("-c").arg(script).current_dir(at.path("")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(at.read("old.parquet"), "the export before");
    assert!(!files(&at.path("")).keys().any(|name| name.ends_with(".tmp")), "no draft stays behind");
}
