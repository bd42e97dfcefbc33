//! What can be said of decisions afterwards: they are judged again, by what they were made by or by a candidate; their log is verified; their
//! index is built anew.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use synod_store::{DataDirectory, Entry, Log, LogSettings};
use synod_tests::table::{self, Plain};
use synod_tests::{Installation, Server, configurations};

/// The detectors of the example `bank`.
const DETECTORS: [&str; 3] = ["isolation_forest", "local_outlier_factor", "autoencoder"];

/// The example `bank` with features of the past. The first event of an account has no mean, so that one detector abstains there.
fn with_history() -> String {
    let text = configurations::example("bank");
    let features = "features:\n  count_7d: {history: count, over: 7d}\n  mean_30d: {history: mean, of: TransactionAmount, over: 30d}\n  \
        ratio_30d: {history: ratio_to_mean, of: TransactionAmount, over: 30d, missing: 1}\n";
    let text = text.replacen("features:\n", features, 1);
    let changes = [
        ("login_attempts, night, amount_ratio, hours_since_last]", "login_attempts, night, count_7d, ratio_30d]"),
        ("login_attempts, night]", "login_attempts, night, mean_30d]"),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has changed: {from}");
        text.replacen(from, to, 1)
    })
}

/// An installation of this configuration, fitted on generated rows, and other rows to be judged.
fn fitted(configuration: &str, rows: u32) -> (Installation, Vec<Value>) {
    let at = Installation::new(configuration);
    at.run("generate --kind bank --rows 2000 --seed 1 --output training.csv").ok();
    at.run("fit --data training.csv").ok();
    at.run(&format!("generate --kind bank --rows {rows} --seed 2 --output rows.jsonl")).ok();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let fields = row.as_object_mut().unwrap();
        fields.retain(|name, value| !["label", "kind"].contains(&name.as_str()) && !value.is_null());
        row
    };
    let rows: Vec<Value> = at.read("rows.jsonl").lines().map(row).collect();
    let times: Vec<&str> = rows.iter().map(|row| row["TransactionDate"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "they are sent in the order in which they happened");
    (at, rows)
}

/// Has a server decide rows, and answers what it said to each.
fn decide(server: &Server, rows: &[Value]) -> Vec<Value> {
    let answers = rows.chunks(700).flat_map(|rows| match server.post("/v1/score", &json!(rows).to_string()).ok() {
        Value::Array(answers) => answers,
        answer => panic!("no list: {answer}"),
    });
    answers.inspect(|answer| assert!(answer["verdict"].is_object(), "{answer}")).collect()
}

/// Audit records of a fit: three detectors that go live.
const OF_A_FIT: u64 = 3;
/// The audit records of a server that is started and stopped: its configuration, its start, its stop.
const OF_A_SESSION: u64 = 3;

/// Starts a server, has it decide rows, and stops it.
fn serve(at: &Installation, rows: &[Value]) -> Vec<Value> {
    let server = Server::start(at);
    let answers = decide(&server, rows);
    server.stop();
    answers
}

fn report(at: &Installation, words: &str, code: i32) -> Value {
    let ran = at.run(&format!("{words} --format json"));
    assert_eq!(ran.code, code, "{}\n{}", ran.output, ran.errors);
    serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {}", ran.output))
}

fn counts(report: &Value) -> [u64; 4] {
    ["decisions", "equal", "different", "not_replayable"].map(|key| report[key].as_u64().unwrap())
}

/// Changes a byte of a file, and answers what undoes it.
fn damage(path: PathBuf, place: usize) -> impl FnOnce() {
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[place] ^= 1;
    fs::write(&path, damaged).unwrap();
    move || fs::write(&path, whole).unwrap()
}

fn live_blob(at: &Installation, detector: &str, version: u32) -> PathBuf {
    let manifest: Value = serde_json::from_str(&at.read(&format!("data/models/{detector}/{version}.json"))).unwrap();
    at.path(&format!("data/models/blobs/{}.zst", manifest["artifact"]["sha256"].as_str().unwrap()))
}

#[test]
fn decisions_come_out_again_by_their_own_versions() {
    let (at, rows) = fitted(&with_history(), 2500);
    let server = Server::start(&at);
    let answers = decide(&server, &rows[..2000]);
    let abstained = answers.iter().filter(|answer| !answer["abstentions"].as_array().unwrap().is_empty()).count();
    assert!((50..1500).contains(&abstained), "{abstained} rows are the first of their account");
    let first = report(&at, "replay", 0);
    assert_eq!(counts(&first), [2000, 2000, 0, 0], "beside the server that made them: {first}");
    server.stop();

    // Another model and another configuration later, the old decisions rest on what they rested on.
    at.run("fit --data training.csv --exclude label=1").ok();
    at.edit("contamination: 0.02", "contamination: 0.03");
    serve(&at, &rows[2000..]);
    let both = report(&at, "replay", 0);
    assert_eq!(counts(&both), [2500, 2500, 0, 0], "{both}");
    let versions: Vec<(&Value, &Value)> =
        both["made_by"].as_array().unwrap().iter().map(|made| (&made["decisions"], &made["models"]["autoencoder"])).collect();
    assert_eq!(versions, [(&json!(2000), &json!(1)), (&json!(500), &json!(2))]);

    selections(&at, &answers);
    explanation(&at, &answers);
    broken_things(&at);
}

/// Detectors that were fitted at different times have learnt different encodings of one field, and their rows differ.
#[test]
fn what_each_detector_has_learnt_for_itself_comes_out_again() {
    let text = with_history()
        .replace("night, count_7d,", "night, location, count_7d,")
        .replace("night, hour_sine,", "night, location, hour_sine,");
    let (at, rows) = fitted(&text, 300);
    at.run("generate --kind bank --rows 1500 --seed 7 --output others.csv").ok();
    at.run("fit --data others.csv --detector autoencoder").ok();
    let answers = serve(&at, &rows);
    let same = report(&at, "replay", 0);
    assert_eq!((counts(&same), &same["made_by"][0]["models"]["autoencoder"]), ([300, 300, 0, 0], &json!(2)));
    let id = answers[0]["decision"].as_str().unwrap();
    let table = at.run(&format!("replay --decision {id} --explain")).ok().output;
    assert!(table.contains("location ") && table.contains("location@autoencoder"), "{table}");
    let judged = report(&at, "replay --candidate synod.yaml", 0);
    assert_eq!((&judged["way"], &judged["judged"], &judged["flipped"]), (&json!("recorded"), &json!(300), &json!(0)));
    // The same encoding stands in the records under the name of the detector that learnt it first; another one does not.
    at.run("fit --data others.csv").ok();
    assert_eq!(report(&at, "replay --candidate synod.yaml", 0)["way"], "recorded");
    at.run("generate --kind bank --rows 1500 --seed 8 --output third.csv").ok();
    at.run("fit --data third.csv").ok();
    assert_eq!(report(&at, "replay --candidate synod.yaml", 0)["way"], "folded");
}

/// Parts of the decisions can be chosen.
fn selections(at: &Installation, answers: &[Value]) {
    let chosen = |words: &str| counts(&report(at, &format!("replay {words}"), 0))[0];
    let entity = answers[7]["entity"].as_str().unwrap();
    let of_entity = report(at, &format!("replay --entity {entity}"), 0);
    let expected = answers.iter().filter(|answer| answer["entity"] == entity).count() as u64;
    assert!(counts(&of_entity)[0] >= expected && counts(&of_entity)[0] < 200, "{of_entity}");
    let by_outcome: u64 = ["approve", "review", "block"].map(|outcome| chosen(&format!("--outcome {outcome}"))).iter().sum();
    assert_eq!((by_outcome, chosen("--limit 3"), chosen("--until 2020-01-01"), chosen("--from 2020-01-01")), (2500, 3, 0, 2500));
    at.run("replay --decision 00000000-0000-7000-8000-000000000000").failed(1, &["00000000-0000-7000-8000-000000000000", "not in the log"]);
    at.run("replay --outcome perhaps").failed(2, &["approve, review or block"]);
}

/// The old model says what made its score.
fn explanation(at: &Installation, answers: &[Value]) {
    let flagged = answers.iter().find(|answer| answer["verdict"]["anomalous"] == true).unwrap();
    let id = flagged["decision"].as_str().unwrap();
    let explained = report(at, &format!("replay --decision {id} --explain"), 0);
    assert_eq!((counts(&explained), &explained["explained"][0]["decision"]), ([1, 1, 0, 0], &json!(id)));
    let detectors = explained["explained"][0]["detectors"].as_array().unwrap();
    assert_eq!(detectors.iter().map(|one| one["detector"].as_str().unwrap()).collect::<Vec<_>>(), DETECTORS);
    for detector in detectors.iter().filter(|detector| detector["unavailable"].is_null()) {
        let features = detector["features"].as_array().unwrap();
        let sizes: Vec<f64> = features.iter().map(|one| one["contribution"].as_f64().unwrap().abs()).collect();
        assert!(sizes.len() >= 6 && sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 0.0, "{detector}");
    }
    let table = at.run(&format!("replay --decision {id} --explain")).ok().output;
    assert!(table.contains("contribution") && table.contains("share_spent"), "{table}");
    at.run("replay --explain").failed(2, &["--decision"]);
}

/// What was changed since is named, and decisions that do not rest on it come out all the same.
fn broken_things(at: &Installation) {
    let blob = live_blob(at, "autoencoder", 1);
    let name = blob.file_name().unwrap().to_str().unwrap().to_owned();
    let mend = damage(blob, 100);
    let broken = report(at, "replay", 3);
    assert_eq!(counts(&broken), [2500, 500, 0, 2000], "{broken}");
    let (reason, concerned) = broken["reasons"].as_object().unwrap().iter().next().unwrap();
    assert!(reason.contains(&name) && concerned["decisions"] == 2000, "{broken}");
    mend();

    let configuration = report(at, "replay --limit 1", 0)["made_by"][0]["configuration"].as_str().unwrap().to_owned();
    let archived = at.path(&format!("data/archive/{configuration}"));
    let mend = damage(archived.clone(), 40);
    at.run("replay").failed(3, &["2000 could not be judged"]);
    let table = at.run("replay").output;
    assert!(table.contains(&configuration) && table.contains("is damaged"), "{table}");
    mend();
    let gone = fs::read(&archived).unwrap();
    fs::remove_file(&archived).unwrap();
    assert!(at.run("replay").output.contains(&format!("the archive has nothing with the SHA-256 {configuration}")));
    fs::write(archived, gone).unwrap();

    // A calibration that was changed gives other scores, and that shows.
    let path = "data/models/isolation_forest/1.json";
    let whole = at.read(path);
    let mut manifest: Value = serde_json::from_str(&whole).unwrap();
    for raw in manifest["manifest"]["calibration"].as_array_mut().unwrap().iter_mut().take(100) {
        *raw = json!(raw.as_f64().unwrap() * 1.01);
    }
    at.write(path, manifest.to_string());
    let changed = report(at, "replay", 3);
    let [_, equal, different, not_replayable] = counts(&changed);
    assert!(different > 1000 && not_replayable == 0 && equal >= 500, "{different} of 2000 differ");
    let listed = changed["differences"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["what"]), (100, &json!("isolation_forest.score")), "{}", listed[0]);
    assert!(listed[0]["recorded"] != listed[0]["replayed"] && changed["more_differences"].as_u64().unwrap() > 100);
    at.write(path, whole);
    assert_eq!(counts(&report(at, "replay", 0)), [2500, 2500, 0, 0]);
}

/// Puts labels into the log, as a server would.
fn append(at: &Installation, kind: u8, records: impl IntoIterator<Item = Vec<u8>>) {
    let directory = DataDirectory::open(at.path("data")).unwrap();
    let (log, _) = Log::open(&directory, LogSettings::default()).unwrap();
    let entries = records.into_iter().map(|record| Entry::new(kind, 1_790_000_000_000_000, record).unwrap()).collect();
    let (sender, receiver) = std::sync::mpsc::channel();
    log.append(entries, move |appended| sender.send(appended.map(|positions| positions.len())).unwrap());
    receiver.recv().unwrap().unwrap();
    log.close().unwrap();
}

#[test]
fn a_candidate_flips_what_follows_from_its_threshold() {
    let (at, rows) = fitted(&with_history(), 2000);
    let answers = serve(&at, &rows);
    at.write("candidate.yaml", at.read("synod.yaml").replace("contamination: 0.02", "threshold: 0.3"));
    // As the candidate's policy has it: few votes are reviewed, a score of .75 is blocked.
    let outcome = |verdict: &Value| match verdict["score"].as_f64().unwrap() {
        score if score >= 0.75 => "block",
        score if score >= 0.3 || verdict["too_few_votes"] == true => "review",
        _ => "approve",
    };
    let flipped: BTreeMap<&str, &str> = answers
        .iter()
        .filter(|answer| answer["verdict"]["outcome"] != outcome(&answer["verdict"]))
        .map(|answer| (answer["decision"].as_str().unwrap(), outcome(&answer["verdict"])))
        .collect();
    assert!((20..1000).contains(&flipped.len()), "{}", flipped.len());

    let label = |(place, answer): (usize, &Value)| {
        let label = if place % 3 == 0 { "fraud" } else { "legitimate" };
        json!({"decision": answer["decision"], "label": label, "by": "ana", "at": "2026-01-31T12:00:00Z"}).to_string().into_bytes()
    };
    append(&at, 2, answers.iter().enumerate().filter(|(place, _)| place % 5 == 0).map(label));
    let judged = report(&at, "replay --candidate candidate.yaml", 0);
    assert_eq!((&judged["way"], &judged["judged"], &judged["flipped"]), (&json!("recorded"), &json!(2000), &json!(flipped.len())));
    let flips = judged["flips"].as_array().unwrap();
    let found: BTreeMap<&str, &str> =
        flips.iter().map(|flip| (flip["decision"].as_str().unwrap(), flip["candidate"].as_str().unwrap())).collect();
    assert_eq!(found, flipped);
    assert!(flips.iter().all(|flip| flip["recorded_score"] == flip["candidate_score"]), "the same models");

    let share = |flagged: &dyn Fn(&Value) -> bool| answers.iter().filter(|answer| flagged(&answer["verdict"])).count() as f64 / 2000.0;
    let now = |verdict: &Value| verdict["anomalous"] == true;
    let then = |verdict: &Value| verdict["votes"] != 0 && verdict["score"].as_f64().unwrap() >= 0.3;
    assert_eq!(judged["recorded_flag_rate"].as_f64(), Some(share(&now)));
    assert_eq!(judged["candidate_flag_rate"].as_f64(), Some(share(&then)));
    let labelled: Vec<(bool, &Value)> = answers
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 5 == 0)
        .map(|(place, answer)| (place % 3 == 0, &answer["verdict"]))
        .collect();
    for (whose, flagged) in [("recorded", &now as &dyn Fn(&Value) -> bool), ("candidate", &then)] {
        let hits = labelled.iter().filter(|(fraud, verdict)| *fraud && flagged(verdict)).count() as f64;
        let all = labelled.iter().filter(|(_, verdict)| flagged(verdict)).count() as f64;
        let fraud = labelled.iter().filter(|(fraud, _)| *fraud).count() as f64;
        let measures = &judged["labels"][whose];
        assert_eq!((measures["precision"].as_f64(), measures["recall"].as_f64()), (Some(hits / all), Some(hits / fraud)), "{whose}");
    }
    let table = at.run("replay --candidate candidate.yaml --flips 2").ok().output;
    assert!(table.contains("recorded features were used") && table.contains(&format!("and {} more", flipped.len() - 2)), "{table}");
    at.run("replay --candidate nowhere.yaml").failed(2, &["nowhere.yaml"]);
}

#[test]
fn a_candidate_with_another_past_folds_the_log_and_agrees_with_score() {
    let (at, rows) = fitted(&with_history(), 1500);
    let answers = serve(&at, &rows);
    let text = at.read("synod.yaml");
    let text = text.replacen("features:\n", "features:\n  device_count: {history: count, per: DeviceID, over: 30d}\n", 1);
    at.write("candidate.yaml", text.replacen("night, count_7d,", "night, device_count, count_7d,", 1));
    at.run("fit --config candidate.yaml --data training.csv").ok();
    at.run("score --config candidate.yaml --data rows.jsonl --output scored.csv").ok();
    let scored = table::read(&at.path("scored.csv"));
    let recorded: BTreeMap<&str, &Value> = answers.iter().map(|answer| (answer["id"].as_str().unwrap(), &answer["verdict"])).collect();

    let judged = report(&at, "replay --candidate candidate.yaml", 0);
    assert_eq!((&judged["way"], &judged["judged"], &judged["models"]["autoencoder"]), (&json!("folded"), &json!(1500), &json!(2)));
    assert!(judged["notes"][0].as_str().unwrap().contains("`device_count`"), "{}", judged["notes"]);
    let mut table: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut flips: BTreeMap<String, Plain> = BTreeMap::new();
    for row in &scored {
        let (Plain::Text(id), Plain::Text(outcome)) = (&row["TransactionID"], &row["outcome"]) else { panic!("{row:?}") };
        let before = recorded[id.as_str()]["outcome"].as_str().unwrap().to_owned();
        if before != *outcome {
            flips.insert(id.clone(), row["score"].clone());
        }
        *table.entry((before, outcome.clone())).or_default() += 1;
    }
    for before in ["approve", "review", "block"] {
        for after in ["approve", "review", "block"] {
            let expected = table.get(&(before.to_owned(), after.to_owned())).copied().unwrap_or(0);
            assert_eq!(judged["outcomes"][before][after], expected, "{before} to {after}");
        }
    }
    let found: BTreeMap<String, Plain> = judged["flips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flip| (flip["event"].as_str().unwrap().to_owned(), Plain::number(flip["candidate_score"].as_f64().unwrap())))
        .collect();
    assert!(!found.is_empty() && found == flips, "bit for bit: {found:?} {flips:?}");

    // A part of the decisions is judged in the light of all that was before it.
    let late = report(&at, "replay --candidate candidate.yaml --outcome review", 0);
    let reviewed: u64 = table.iter().filter(|((before, _), _)| before == "review").map(|(_, count)| count).sum();
    assert_eq!((&late["judged"], &late["outcomes"]["review"]), (&json!(reviewed), &judged["outcomes"]["review"]));
    // Its own decisions do not change by it.
    assert_eq!(counts(&report(&at, "replay", 0)), [1500, 1500, 0, 0]);
}

#[test]
fn what_was_not_kept_cannot_be_computed_again() {
    let text = with_history();
    for (store, kept) in [("mask", "the last characters"), ("hmac", "a digest"), ("drop", "nothing")] {
        let declared = "CustomerOccupation: {type: text, length: 100";
        let (at, rows) = fitted(&text.replacen(declared, &format!("{declared}, store: {store}"), 1), 200);
        serve(&at, &rows);
        assert_eq!(counts(&report(&at, "replay", 0)), [200, 200, 0, 0], "what was seen is recorded, whatever is stored of the row");
        let text = at.read("synod.yaml");
        at.write("candidate.yaml", text.replacen("night, count_7d,", "night, occupation, count_7d,", 1));
        at.run("fit --config candidate.yaml --data training.csv").ok();
        at.run("replay --candidate candidate.yaml").failed(2, &["`occupation`", "`CustomerOccupation`", kept]);
        if store != "hmac" {
            continue;
        }
        // For a history a digest is as good as the value.
        let text = text.replacen("features:\n", "features:\n  same_job: {history: count, per: CustomerOccupation, over: 30d}\n", 1);
        at.write("candidate.yaml", text.replacen("night, count_7d,", "night, same_job, count_7d,", 1));
        at.run("fit --config candidate.yaml --data training.csv").ok();
        assert_eq!(report(&at, "replay --candidate candidate.yaml", 0)["way"], "folded");
    }
}

#[test]
fn a_log_that_was_touched_is_found_out() {
    let (at, rows) = fitted(&with_history(), 400);
    serve(&at, &rows[..300]);
    let head = at.run("audit head").ok().output.trim().to_owned();
    assert!(head.starts_with(&format!("{}:", 300 + OF_A_FIT + OF_A_SESSION)) && head.len() == 68, "{head}");
    serve(&at, &rows[300..]);
    let clean = report(&at, &format!("audit verify --expect {head}"), 0);
    assert_eq!(
        (&clean["records"], &clean["anchors"], &clean["faults"], &clean["contents"]["decisions"]),
        (&json!(400 + OF_A_FIT + 2 * OF_A_SESSION), &json!(1), &json!([]), &json!(400))
    );
    assert_eq!(clean["head"], at.run("audit head").ok().output.trim());

    let log = at.path("data/log/00000000000000000001.log");
    let length = fs::metadata(&log).unwrap().len() as usize;
    let mend = damage(log.clone(), length / 2);
    let found = report(&at, "audit verify", 3);
    let fault = &found["faults"][0];
    let (offset, sequence) = (fault["offset"].as_u64().unwrap(), fault["sequence"].as_u64().unwrap());
    assert!(fault["file"].as_str().unwrap().ends_with("00000000000000000001.log"), "{fault}");
    assert!((length as u64 / 2).abs_diff(offset) < 4096 && (150..250).contains(&sequence), "{fault}");
    at.run("audit verify").failed(3, &["1 faults"]);
    mend();

    let other = format!("{}{}", &head[..head.len() - 1], if head.ends_with('0') { '1' } else { '0' });
    at.write("heads.txt", format!("# noted\n{head} # good\n\n{other}\n"));
    let found = report(&at, "audit verify --anchors heads.txt", 3);
    assert!(found["faults"][0]["what"].as_str().unwrap().contains("the anchor does not match"), "{found}");
    assert_eq!(found["faults"][0]["sequence"], 300 + OF_A_FIT + OF_A_SESSION);
    at.run("audit verify --expect 7").failed(2, &["`7` is no head"]);
    at.write("heads.txt", "300:xyz");
    at.run("audit verify --anchors heads.txt").failed(2, &["heads.txt, line 1"]);

    things_that_are_missing(&at);
    append(&at, 1, [b"{\"id\": 1}".to_vec()]);
    append(&at, 9, [b"x".to_vec()]);
    let found = report(&at, "audit verify", 3);
    let sequences: Vec<&Value> = found["contents"]["unreadable"].as_array().unwrap().iter().map(|record| &record["sequence"]).collect();
    let next = 401 + OF_A_FIT + 2 * OF_A_SESSION;
    assert_eq!((sequences, &found["faults"]), (vec![&json!(next), &json!(next + 1)], &json!([])), "whole, and yet no decision");
    fs::create_dir(at.path("empty")).unwrap();
    let empty = at.path("empty");
    let mut command = std::process::Command::new(synod_tests::binary());
    let ran = command.args(["audit", "verify", "--data-directory"]).arg(&empty).output().unwrap();
    assert!(ran.status.code() == Some(2) && String::from_utf8_lossy(&ran.stderr).contains("is no data directory"), "{ran:?}");
    assert_eq!(fs::read_dir(empty).unwrap().count(), 0, "nothing is made");
}

/// What decisions rest on is looked for, each thing once.
fn things_that_are_missing(at: &Installation) {
    let blob = live_blob(at, "local_outlier_factor", 1);
    let mend = damage(blob.clone(), 50);
    let archived: BTreeSet<PathBuf> = fs::read_dir(at.path("data/archive")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(archived.len(), 4, "three plugins and a configuration");
    let gone = archived.iter().map(|path| (path, fs::read(path).unwrap())).inspect(|(path, _)| fs::remove_file(path).unwrap());
    let gone: Vec<_> = gone.collect();
    let found = report(at, "audit verify", 3);
    let missing = found["contents"]["missing"].as_array().unwrap();
    let told = |name: &str| missing.iter().filter(|one| one["what"].as_str().unwrap().contains(name)).count();
    assert_eq!((missing.len(), told("local_outlier_factor")), (5, 1), "{found}");
    for path in &archived {
        assert_eq!(told(path.file_name().unwrap().to_str().unwrap()), 1, "{found}");
    }
    assert!(missing.iter().any(|one| one["what"].as_str().unwrap().starts_with("configuration ") && one["decisions"] == 400), "{found}");
    gone.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    mend();
    report(at, "audit verify", 0);
}

#[test]
fn a_rebuilt_index_gives_the_same_answers() {
    let (at, rows) = fitted(&with_history(), 600);
    let answers = serve(&at, &rows);
    let server = Server::start(&at);
    at.run("index rebuild").failed(1, &["serve.lock", "another server"]);
    server.stop();
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(at.path(&format!("data/{name}")));
    }
    let rebuilt = report(&at, "index rebuild", 0);
    let records = 600 + OF_A_FIT + 2 * OF_A_SESSION;
    assert_eq!(rebuilt["records"], records, "{rebuilt}");
    assert!(at.run("index rebuild").ok().output.contains(&format!("{records} records indexed")));
    // Every event is known again by its id: it is told what was decided, and nothing is decided anew.
    assert_eq!(serve(&at, &rows), answers);
    assert!(at.run("audit head").ok().output.starts_with(&format!("{}:", records + OF_A_SESSION)));
}

#[test]
fn the_size_that_is_stated_is_about_the_size_that_it_is() {
    let (at, rows) = fitted(&with_history(), 1500);
    serve(&at, &rows);
    let on_disk: u64 = fs::read_dir(at.path("data/log")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let stated = report(&at, "size --entities 400 --events-per-day 1500 --days 1", 0);
    let disk = &stated["disk"];
    let of_decision = disk["bytes_of_decision"].as_f64().unwrap() + disk["bytes_of_frame"].as_f64().unwrap();
    let real = on_disk as f64 / 1500.0;
    assert!((real / of_decision - 1.0).abs() < 0.15, "{real} bytes, {of_decision} stated");
    assert_eq!(disk["after"].as_f64(), Some(1500.0 * (of_decision + disk["bytes_of_index"].as_f64().unwrap())));
    let key = &stated["histories"][0];
    assert_eq!((&key["per"], &key["keys"], &key["bytes_of_event"]), (&json!(["AccountID"]), &json!(400), &json!(56)));
    let table = at.run("size --entities 400 --events-per-day 1500").ok().output;
    assert!(table.contains("per AccountID") && table.contains("a year") && table.contains("Assumed:"), "{table}");
    let checked = at.run("check").ok().output;
    assert!(checked.contains("history per AccountID: 56 bytes an event"), "{checked}");
    at.write("short.yaml", at.read("synod.yaml") + "decisions: {keep_for: 30d}\n");
    let kept = report(&at, "size --config short.yaml --entities 400 --events-per-day 150000", 0);
    assert_eq!(kept["disk"]["kept_by"], "decisions.keep_for", "{kept}");
    at.run("size --entities 400 --events-per-day 1500 --keys Nobody=3").failed(2, &["Nobody", "AccountID"]);
    at.run("size --entities 0 --events-per-day 1500").failed(2, &["--entities"]);
}
