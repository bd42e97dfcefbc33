//! What is learnt from, what is calibrated on, and where thresholds lie.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;
use synod_tests::table::{self, Plain};
use synod_tests::{Installation, Server};

const DETECTORS: [&str; 3] = ["isolation_forest", "local_outlier_factor", "autoencoder"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn manifest(at: &Installation, detector: &str, version: u32) -> Value {
    json(&at.read(&format!("data/models/{detector}/{version}.json")))["manifest"].take()
}

/// An installation with generated rows, of which `label` says which are anomalies.
fn with_rows(rows: u32) -> Installation {
    let at = Installation::example("three-fields");
    at.run(&format!("generate --kind three-fields --rows {rows} --seed 1 --output rows.csv")).ok();
    at
}

/// The share of rows that the policy flags.
fn flagged(at: &Installation, data: &str) -> f64 {
    at.run(&format!("score --data {data} --output scored.csv")).ok();
    let rows = table::read(&at.path("scored.csv"));
    rows.iter().filter(|row| row["anomalous"] == Plain::text("true")).count() as f64 / rows.len() as f64
}

#[test]
fn few_rows_are_all_learnt_from_and_all_calibrated_on() {
    let at = with_rows(400);
    at.edit("  split: random\n", "  folds: 4\n");
    let said = at.run("fit --data rows.csv").ok();
    assert!(said.errors.contains("fold 4 of 4: 300 rows to fit, 100 to calibrate on"), "{}", said.errors);
    assert_eq!(said.errors.matches("tree 100 of 200").count(), 1, "of the model itself, and not of each fold");
    let digests = DETECTORS.map(|detector| {
        let manifest = manifest(&at, detector, 1);
        assert_eq!(manifest["held_out"]["split"], "cross");
        assert_eq!((&manifest["data"]["training"], manifest["calibration"].as_array().unwrap().len()), (&400.into(), 400));
        manifest["held_out"]["digest"].as_str().unwrap().to_owned()
    });
    assert_eq!(BTreeSet::from(digests).len(), 1, "all detectors are calibrated on the same rows");
    // Every one of the rows is in the model and scored by one that has not seen it: the share of verdicts holds for new rows.
    at.run("generate --kind three-fields --rows 4000 --seed 2 --output new.csv").ok();
    let share = flagged(&at, "new.csv");
    assert!((0.004..0.025).contains(&share), "{share} of new rows are flagged where 1 % were asked for");
}

#[test]
fn a_fit_that_is_divided_gives_the_same_model() {
    // Alone, a detector has all processors for the parts of its fit; beside another it has one.
    let at = with_rows(28_000);
    at.run("fit --data rows.csv --detector isolation_forest").ok();
    at.run("fit --data rows.csv --detector isolation_forest --detector local_outlier_factor").ok();
    let digest = |version: u32| json(&at.read(&format!("data/models/isolation_forest/{version}.json")))["artifact"]["sha256"].take();
    assert_eq!(digest(1), digest(2));
}

#[test]
fn more_rows_than_a_fit_may_have_are_drawn() {
    let at = with_rows(1000);
    at.edit("split: random", "split: random\n  maximum_rows: 200");
    at.run("fit --data rows.csv").ok();
    for detector in DETECTORS {
        let manifest = manifest(&at, detector, 1);
        assert_eq!((&manifest["data"]["rows"], &manifest["data"]["training"]), (&1000.into(), &200.into()));
        assert_eq!(manifest["calibration"].as_array().unwrap().len(), 250, "what calibrates is no part of the fit, and not bounded by it");
    }
}

#[test]
fn flagged_rows_are_left_out_by_a_first_fit_and_by_live_models() {
    let at = with_rows(2000);
    at.edit("contamination: 0.02", "contamination: 0.05");
    let first = at.run("fit --data rows.csv --exclude-flagged").ok();
    let count = |said: &str| {
        said.lines().find_map(|line| line.strip_prefix("rows.csv: ")?.split_once(" rows that a first fit")?.0.parse::<u64>().ok())
    };
    let flagged = count(&first.errors).unwrap_or_else(|| panic!("{}", first.errors));
    assert!((60..140).contains(&flagged), "{flagged} of 2000 rows");
    let data = &manifest(&at, DETECTORS[0], 1)["data"];
    assert_eq!((&data["flagged"], &data["training"]), (&flagged.into(), &(2000 - flagged - (2000 - flagged + 2) / 4).into()));
    let second = at.run("fit --data rows.csv --exclude-flagged").ok();
    assert!(second.errors.contains("rows that the live models flagged are left out"), "{}", second.errors);

    // What it is for: models that have not learnt what they should find.
    let area = |options: &str| {
        let report = at.run(&format!("evaluate --data rows.csv --label label --split 0.7 --format json {options}")).ok();
        json(&report.output)["detectors"]["local_outlier_factor"]["aucroc"].as_f64().unwrap()
    };
    assert!(area("--exclude-flagged") >= area("") - 0.01);
}

#[test]
fn thresholds_change_without_a_fit() {
    let at = with_rows(4000);
    at.edit("split: random", "split: random\n  clean: true");
    at.run("fit --data rows.csv --exclude label=1").ok();
    at.run("generate --kind three-fields --rows 4000 --seed 2 --output new.csv").ok();
    let rate = |threshold: &str| {
        let text = at.read("synod.yaml");
        let at_consensus = text.find("\nconsensus:").unwrap();
        let (head, rest) = text.split_at(at_consensus);
        let kept: String = rest
            .lines()
            .filter(|line| !["  contamination", "  threshold", "  false_disc"].iter().any(|key| line.starts_with(key)))
            .fold(String::new(), |mut all, line| {
                let _ = writeln!(all, "{line}");
                if line == "consensus:" {
                    let _ = writeln!(all, "{threshold}");
                }
                all
            });
        at.write("synod.yaml", head.to_owned() + &kept);
        flagged(&at, "new.csv")
    };
    let five = rate("  contamination: 0.05");
    assert!((0.035..0.1).contains(&five), "{five}: 5 % of normal rows, and the anomalies");
    let half = rate("  threshold: 0.325");
    assert!((half - five).abs() < 0.01, "{half}: a score of .325 is 5 %, {five}");
    let pot = rate("  threshold: pot\n  contamination: 0.01");
    let counted = rate("  threshold: flag_rate\n  contamination: 0.01");
    assert!((pot - counted).abs() < 0.01, "{pot} {counted}");
    let (few, more) = (rate("  threshold: fdr\n  false_discovery_rate: 0.2"), rate("  threshold: fdr\n  false_discovery_rate: 0.7"));
    assert!(0.0 < few && few < more, "{few} {more}: more false alarms are allowed");
}

#[test]
fn false_discoveries_need_what_they_are_reckoned_from() {
    let at = with_rows(600);
    at.edit("  contamination: 0.02", "  threshold: fdr");
    at.run("check").failed(2, &["consensus.threshold: `fdr` needs held-out rows that are known to be normal"]);
    at.edit("split: random", "split: random\n  clean: true");
    at.run("fit --data rows.csv").ok();
    at.run("score --data rows.csv --output scored.csv").failed(2, &["consensus.threshold: `fdr` needs models", "no rows were"]);
}

#[test]
fn weights_matter_and_must_be_numbers_above_zero() {
    let at = with_rows(1000);
    at.run("fit --data rows.csv --weight Transaction_Amount").ok();
    at.run("fit --data rows.csv --detector isolation_forest").ok();
    assert_eq!(manifest(&at, "local_outlier_factor", 1)["data"]["weighted"], false, "its plugin takes none");
    assert_eq!([1, 2].map(|version| manifest(&at, "isolation_forest", version)["data"]["weighted"].take()), [true, false]);
    let digest = |version: u32| json(&at.read(&format!("data/models/isolation_forest/{version}.json")))["artifact"]["sha256"].take();
    assert_ne!(digest(1), digest(2));
    at.run("fit --data rows.csv --weight label").failed(3, &["row ", "`label` is no weight: write a number above 0"]);
    at.run("fit --data rows.csv --weight nothing").failed(2, &["has no column `nothing`"]);
}

/// A tenth of the rows is far from the others, as when the world has changed since the fit.
fn shifted(at: &Installation) {
    let text = at.read("rows.csv");
    let shift = |(number, line): (usize, &str)| {
        let (amount, rest) = line.split_once(',').unwrap();
        let amount = if number > 0 && number % 10 == 0 {
            format!("{}", amount.parse::<f64>().unwrap() * 40.0 + 20_000.0)
        } else {
            amount.to_owned()
        };
        format!("{amount},{rest}\n")
    };
    at.write("recent.csv", text.lines().enumerate().map(shift).collect::<String>());
}

#[test]
fn a_calibration_is_learnt_again_from_a_file() {
    let at = with_rows(2000);
    at.run("fit --data rows.csv").ok();
    shifted(&at);
    let before = flagged(&at, "recent.csv");
    let said = at.run("recalibrate --data recent.csv").ok();
    assert!(said.output.contains("isolation_forest: version 2"), "{}", said.output);
    let after = flagged(&at, "recent.csv");
    assert!(before > 0.08 && after < 0.04, "{before} before, {after} after");
    for detector in DETECTORS {
        let [old, new] = [1, 2].map(|version| manifest(&at, detector, version));
        assert_eq!(old["recalibrated"], Value::Null);
        assert_eq!((&new["recalibrated"]["of_version"], &new["recalibrated"]["rows"]), (&1.into(), &"recent.csv".into()));
        assert_eq!((&old["data"], &old["view"]), (&new["data"], &new["view"]), "the fit is the same");
        assert_eq!(new["calibration"].as_array().unwrap().len(), 2000);
    }
    at.write("few.csv", at.read("rows.csv").lines().take(51).fold(String::new(), |all, line| all + line + "\n"));
    at.run("recalibrate --data few.csv").failed(3, &["50 rows are too few to calibrate on, at least 100 are needed"]);
}

#[test]
fn a_calibration_is_learnt_again_from_decisions() {
    let at = with_rows(500);
    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    at.run("generate --kind three-fields --rows 300 --seed 5 --output more.jsonl").ok();
    let rows: Vec<Value> = at.read("more.jsonl").lines().map(json).collect();
    let stripped: Vec<Value> = rows
        .into_iter()
        .map(|mut row| {
            row.as_object_mut().unwrap().retain(|name, _| name != "label" && name != "kind");
            row
        })
        .collect();
    let answer = server.post("/v1/score", &Value::Array(stripped).to_string());
    answer.ok();
    server.stop();
    let said = at.run("recalibrate").ok();
    assert!(said.output.contains("calibrated on 300 rows"), "{}", said.output);
    let new = manifest(&at, DETECTORS[1], 2);
    assert_eq!(new["recalibrated"]["rows"], "decisions");
    assert!(new["recalibrated"]["period"].is_array(), "{new}");
    // Those decisions are of another version now.
    at.run("recalibrate --from 2020-01-01 --until 2020-01-02").failed(3, &["0 rows are too few"]);
}

#[test]
fn a_bench_says_what_each_detector_costs() {
    let at = with_rows(300);
    at.run("bench").failed(2, &["has no model yet"]);
    at.run("fit --data rows.csv").ok();
    let report = json(&at.run("bench --rows 1,16 --seconds 0.05 --format json").ok().output);
    for detector in DETECTORS {
        let of = &report["detectors"][detector];
        for rows in ["1", "16"] {
            let cost = &of["calls"][rows];
            let number = |key: &str| cost[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
            assert!(number("call_ns") > 100.0 && number("row_ns") <= number("call_ns") && number("median_row_ns") >= number("row_ns"));
        }
        assert!(
            of["memory_bytes"].as_u64().unwrap() > 65_536
                && of["model_bytes"].as_u64().unwrap() > 100
                && of["explain_ns"].as_f64().unwrap() > 0.0
        );
    }
    assert!(report["policy"]["16"]["row_ns"].as_f64().unwrap() > 0.0);
    let table = at.run("bench --data rows.csv --rows 1 --seconds 0.05").ok().output;
    assert!(table.contains("autoencoder") && table.contains("all, with the consensus"), "{table}");
    at.run("bench --rows 0").failed(2, &["--rows takes numbers from 1"]);
}

#[test]
fn a_fit_that_is_interrupted_leaves_nothing() {
    let at = with_rows(20_000);
    at.edit("{hidden: [16, 2, 16], activation: tanh}", "{hidden: [16, 2, 16], activation: tanh, epochs: 10000, patience: 10000}");
    let mut fit = at.command("fit --data rows.csv").stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(fit.try_wait().unwrap().is_none(), "it takes much longer");
    let ended = std::process::Command::new("kill").args(["-INT", &fit.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert!(!fit.wait().unwrap().success());
    for detector in DETECTORS {
        let folder = at.path(&format!("data/models/{detector}"));
        let published = std::fs::read_dir(&folder).map(|entries| entries.flatten().count()).unwrap_or(0);
        assert_eq!(published, 0, "{}", folder.display());
    }
    at.edit(", epochs: 10000, patience: 10000", "");
    at.run("fit --data rows.csv").ok();
}

#[test]
fn policies_are_compared_by_what_they_expect_and_what_they_flag() {
    let at = with_rows(3000);
    at.run("fit --data rows.csv").ok();
    at.run("generate --kind three-fields --rows 3000 --seed 9 --output new.csv").ok();
    let report = json(&at.run("evaluate --data new.csv --label label --format json").ok().output);
    let policies = report["policies"].as_object().unwrap();
    let names: Vec<&str> = policies.keys().map(String::as_str).collect();
    assert_eq!(names, ["all", "any", "majority", "weighted_mean", "mean", "maximum", "median"]);
    for (name, policy) in policies {
        let number = |key: &str| policy[key].as_f64().unwrap_or_else(|| panic!("{name} {key}: {policy}"));
        let (expected, observed) = (number("expected_flag_rate"), number("flag_rate"));
        assert!(observed < 3.0 * expected + 0.01 && expected < 3.0 * observed + 0.01, "{name}: {expected} expected, {observed} observed");
        assert!(number("false_alarm_rate") <= observed + 0.01);
    }
    let alarms = |name: &str| report["detectors"][name]["false_alarms"]["0.05"].as_f64().unwrap();
    for detector in DETECTORS {
        assert!((0.02..0.08).contains(&alarms(detector)), "{detector}: {}", alarms(detector));
    }
    at.run("evaluate --data new.csv --label label --output judged.csv --format json").ok();
    let judged = table::read(&at.path("judged.csv"));
    let count = |column: &str| judged.iter().filter(|row| row[column] == Plain::text("true")).count();
    assert_eq!((judged.len(), count("label")), (3000, report["anomalies"].as_u64().unwrap() as usize));
    assert_eq!(count("anomalous") as f64 / 3000.0, report["consensus"]["flag_rate"].as_f64().unwrap());
    assert_eq!(count("autoencoder.anomalous") as f64 / 3000.0, report["detectors"]["autoencoder"]["flag_rate"].as_f64().unwrap());
    let (short, long) = (
        at.run("evaluate --data new.csv --label label").ok().output,
        at.run("evaluate --data new.csv --label label --policies").ok().output,
    );
    assert!(!short.contains("majority") && long.contains("majority") && long.contains("expected"), "{long}");
}
