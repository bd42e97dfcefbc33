//! Models that were fitted elsewhere: exported by `scripts/export_model.py`, served from their files, and compared with the libraries that they
//! come from. With the files of `tests/parity/foreign`; and with the libraries themselves, as a user would.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use synod_tests::configurations::three_numbers;
use synod_tests::table::{self, Plain};
use synod_tests::{Installation, Server, repository};

/// The exit code of `tests/clients/python.sh` on a machine without Python.
const NO_PYTHON: i32 = 3;

/// Each model with its plugin.
const MODELS: [(&str, &str); 11] = [
    ("forest", "isolation-forest"),
    ("forest_missing", "isolation-forest"),
    ("forest_scaled", "isolation-forest"),
    ("forest_max_abs", "isolation-forest"),
    ("forest_pyod", "isolation-forest"),
    ("factor", "local-outlier-factor"),
    ("factor_scaled", "local-outlier-factor"),
    ("factor_cubed", "local-outlier-factor"),
    ("factor_cosine", "local-outlier-factor"),
    ("factor_own", "local-outlier-factor"),
    ("factor_pyod", "local-outlier-factor"),
];

fn committed() -> PathBuf {
    repository().join("tests/parity/foreign")
}

/// An installation with these models of a folder, and the folder's files.
fn installation(folder: &Path, models: &[(&str, &str)], parameters: &str) -> Installation {
    let mut detectors = String::new();
    for (name, plugin) in models {
        let file = if *plugin == "onnx" { "onnx" } else { "json" };
        let _ = writeln!(detectors, "  {name}:\n    plugin: {plugin}\n    artifact: {name}.{file}\n    scale: none{parameters}");
        let _ = writeln!(detectors, "    limits: {{timeout: 20s, load_timeout: 60s}}");
    }
    // What a row lacks is missing, and the row is not refused.
    let at = Installation::new(&three_numbers(&detectors).replace("{type: number}", "{type: number, required: false}"));
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        at.write(&path.file_name().unwrap().to_string_lossy(), fs::read(&path).unwrap());
    }
    at
}

fn forest(parameters: &str) -> Installation {
    installation(&committed(), &MODELS[2..3], parameters)
}

/// The report of one model, which must agree with its library.
fn parity(at: &Installation, name: &str, tolerance: &str) -> Value {
    let ran = at.run(&format!("models parity {name} --data {name}.parity.csv --score score --tolerance {tolerance} --json")).ok();
    let report: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!((&report["within"], &report["abstentions"], &report["warnings"]), (&json!(true), &json!(0), &json!([])), "{name}: {report}");
    assert!(report["rows"].as_u64().unwrap() >= 50, "{report}");
    report
}

#[test]
fn models_from_elsewhere_score_as_their_libraries_do() {
    let at = installation(&committed(), &MODELS, "");
    at.run("check").ok();
    at.run("fit --data rows.csv").ok();
    for (name, _) in MODELS {
        let report = parity(&at, name, "1e-9");
        assert!(report["largest_relative_difference"].as_f64().unwrap() <= 1e-9, "{name}: {report}");
        assert!(report["rank_correlation"].as_f64().unwrap() > 0.999, "{name}: {report}");
        assert_eq!(report["agreement_of_top_1_percent"], 1.0, "{name}: {report}");
    }
    let said = at.run("models parity factor --data factor.parity.csv --score score").ok().output;
    assert!(said.contains("factor version 1, 93 rows with both scores") && said.ends_with("the scores agree\n"), "{said}");
}

#[test]
fn a_model_from_elsewhere_is_served_and_compared_by_version() {
    let at = forest("");
    at.run("fit --data rows.csv").ok();
    at.write("forest_scaled.json", fs::read(committed().join("forest_pyod.json")).unwrap());
    at.run("fit --data rows.csv").ok();
    let path = "forest_scaled.parity.csv --score score";
    at.run(&format!("models parity forest_scaled 1 --data {path}")).ok();
    let ran = at.run(&format!("models parity forest_scaled live --data {path}"));
    let ran = ran.failed(1, &["the scores do not agree", "of 93 rows differ by more than 1e-9"]);
    assert!(ran.output.contains("rank correlation") && ran.output.contains("raw score"), "{}", ran.output);
    at.run("models rollback forest_scaled").ok();

    let expected = table::read(&at.path("forest_scaled.parity.csv"));
    let number = |row: usize, name: &str| match &expected[row][name] {
        Plain::Number(bits) => f64::from_bits(*bits),
        Plain::Text(text) => text.parse().unwrap(),
        other => panic!("no number: {other:?}"),
    };
    let server = Server::start(&at);
    let row = json!({"a": number(91, "a"), "b": number(91, "b"), "c": number(91, "c")}).to_string();
    let vote = server.post("/v1/detectors/forest_scaled/score", &row).ok();
    let raw = vote["vote"]["raw_score"].as_f64().unwrap();
    assert!((raw - number(91, "score")).abs() < 1e-12, "{vote}");
    server.stop();
}

#[test]
fn what_makes_a_comparison_meaningless_is_said_with_what_to_write() {
    let at = forest("");
    at.edit("scale: none", "scale: standard");
    at.run("fit --data rows.csv").ok();
    let ran = at.run("models parity forest_scaled --data forest_scaled.parity.csv --score score");
    let ran = ran.failed(1, &["the scores do not agree"]);
    assert!(ran.output.contains("warning: a, b, c are scaled by Synod") && ran.output.contains("write `scale: none`"), "{}", ran.output);
    for (arguments, code, words) in [
        ("forest_scaled --data forest_scaled.parity.csv --score other", 2, "has no column `other`; it has a, b, c, score"),
        ("forest_scaled --data forest_scaled.parity.csv --score score --tolerance=-1", 2, "--tolerance: -1"),
        ("forest_scaled 9 --data forest_scaled.parity.csv --score score", 1, "9"),
        ("other --data forest_scaled.parity.csv --score score", 1, "other"),
        ("forest_scaled --data rows.csv --score a --from 2026-01-01", 2, "schema.time"),
    ] {
        at.run(&format!("models parity {arguments}")).failed(code, &[words]);
    }
    at.write("unscored.csv", "a,b,c,score\n1,2,3,0.5\n1,2,3,none\n");
    at.run("models parity forest_scaled --data unscored.csv --score score").failed(3, &["row 2: `score` is no score"]);
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_what_to_mend() {
    let at = forest("");
    let whole = at.read("forest_scaled.json");
    let refused = |words: &str| at.run("fit --data rows.csv").failed(2, &["detector forest_scaled", words]);
    for (from, to, words) in [
        (r#""version":1"#, r#""version":7"#, "version: 7"),
        (r#""format":"synod/isolation-forest""#, r#""format":"synod/local-outlier-factor""#, "format: "),
        (r#""width":3"#, r#""width":4"#, "4 features"),
        (r#""features":["a","b","c"]"#, r#""features":["b","a","c"]"#, "its order is b, a, c"),
        (r#""left":[1,"#, r#""left":[0,"#, "trees[0].left[0]"),
        (r#""sample":60"#, r#""sample":-60"#, "sample: "),
        (r#""trees":["#, r#""trees":[[[["#, "trees: "),
    ] {
        assert!(whole.contains(from), "{from} does not occur");
        at.write("forest_scaled.json", whole.replacen(from, to, 1));
        refused(words);
    }
    at.write("forest_scaled.json", &whole[..whole.len() / 2]);
    refused("EOF");
    at.write("forest_scaled.json", whole.replacen('{', &format!(r#"{{"source":{},"#, "[".repeat(1 << 20)), 1));
    refused("source: ");
    at.write("forest_scaled.json", "[".repeat(20 << 20));
    refused("at most");
    at.write("forest_scaled.json", whole);
    at.edit("artifact: forest_scaled.json", "artifact: absent.json");
    refused("absent.json");
    at.edit("artifact: absent.json", "artifact: forest_scaled.json\n    parameters: {trees: 100}");
    refused("trees: with `artifact` the model is what its file says");
    at.edit("    parameters: {trees: 100}\n", "");
    at.edit("plugin: isolation-forest", "plugin: robust-z-score");
    at.run("check").failed(2, &["takes no `artifact`"]);
}

/// A Python with the libraries; none, with a word about it, on a machine without Python.
fn python() -> Option<PathBuf> {
    let script = repository().join("tests/clients/python.sh");
    let ran = Command::new(&script).arg(repository().join("tests/parity/requirements-foreign.txt")).output().unwrap();
    let (output, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(NO_PYTHON) {
        println!("skipped: {}", errors.trim());
        return None;
    }
    assert!(ran.status.success(), "{} fails:\n{errors}", script.display());
    Some(output.lines().last().unwrap().into())
}

fn run(command: &mut Command) -> (bool, String) {
    let ran = command.output().unwrap();
    (ran.status.success(), format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

/// All models are fitted and exported here and now, and a network as well, by ONNX.
#[test]
fn what_the_libraries_fit_today_is_served_as_they_score_it() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (made, said) = run(Command::new(&python).arg(repository().join("tests/parity/make_foreign_vectors.py")).arg(folder.path()));
    assert!(made, "{said}");
    let models: Vec<(&str, &str)> = MODELS.into_iter().chain([("network", "onnx")]).collect();
    let at = installation(folder.path(), &models, "");
    at.edit("artifact: network.onnx", "artifact: network.onnx\n    parameters: {standardise: false}");
    at.run("fit --data rows.csv").ok();
    for (name, plugin) in models {
        // Networks compute in single precision.
        parity(&at, name, if plugin == "onnx" { "1e-3" } else { "1e-9" });
    }
}

/// What the script cannot carry it names, and writes nothing.
#[test]
fn the_script_refuses_by_name() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.csv"), "a,b\n1,2\n3,4\n5,7\n8,1\n").unwrap();
    let script = repository().join("scripts/export_model.py");
    for (model, words) in [
        ("make_pipeline(PowerTransformer(), IsolationForest())", "PowerTransformer in the pipeline"),
        ("make_pipeline(MinMaxScaler(clip=True), IsolationForest())", "MinMaxScaler(clip=True)"),
        ("LocalOutlierFactor(n_neighbors=2, novelty=True, metric='chebyshev')", "metric: chebyshev"),
        ("LocalOutlierFactor(n_neighbors=2)", "novelty=False"),
        ("EllipticEnvelope()", "EllipticEnvelope is not carried over"),
    ] {
        let fit = format!(
            "import pickle, sys, warnings\nwarnings.simplefilter('ignore')\nfrom sklearn.pipeline import make_pipeline\n\
             from sklearn.preprocessing import *\nfrom sklearn.ensemble import *\nfrom sklearn.neighbors import *\n\
             from sklearn.covariance import *\nmodel = {model}.fit([[1, 2], [3, 9], [5, 1], [2, 2], [4, 4]])\n\
             pickle.dump(model, open('model.pickle', 'wb'))\n"
        );
        let (fitted, said) = run(Command::new(&python).current_dir(folder.path()).arg("-c").arg(&fit));
        assert!(fitted, "{said}");
        let mut export = Command::new(&python);
        export.current_dir(folder.path()).arg(&script).args(["model.pickle", "--data", "rows.csv", "--output", "model.json"]);
        let (exported, said) = run(&mut export);
        assert!(!exported && said.contains(words) && !said.contains("Traceback"), "{model}: {said}");
        assert!(!folder.path().join("model.json").exists(), "{model}");
    }
    let (helped, said) = run(Command::new(&python).arg(&script).arg("--help"));
    assert!(helped && said.contains("examples:") && said.contains("only files that you trust"), "{said}");
}
