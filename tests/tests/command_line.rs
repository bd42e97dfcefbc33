//! The command line, from generated rows to a report, and what it says about bad input.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use synod_tests::table::{self, Plain, PlainRow};
use synod_tests::{Installation, plugins};

const FORMATS: [&str; 3] = ["csv", "jsonl.gz", "parquet"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn manifest(at: &Installation, detector: &str, version: u32) -> Value {
    json(&at.read(&format!("data/models/{detector}/{version}.json")))
}

/// Generated rows take every way through the commands, and come out the same.
fn whole_way(kind: &str) {
    let at = Installation::example(kind);
    for format in FORMATS {
        at.run(&format!("generate --kind {kind} --rows 3000 --seed 1 --output rows.{format}")).ok();
    }
    at.run("check").ok();
    at.run("fit --data rows.csv").ok();
    let checked = at.run("check").ok();
    assert_eq!(checked.output.matches(", ready").count(), 3, "{}", checked.output);

    let scored = FORMATS.map(|format| {
        at.run(&format!("score --data rows.{format} --output out.{format}")).ok();
        table::read(&at.path(&format!("out.{format}")))
    });
    assert_eq!(scored[0].len(), 3000);
    for (row, others) in scored[0].iter().enumerate() {
        assert_eq!(others["row"], Plain::number(row as f64 + 1.0), "rows keep their order");
    }
    assert!(scored[0] == scored[1] && scored[0] == scored[2], "the format makes no difference");
    let flagged = scored[0].iter().filter(|row| row["anomalous"] == Plain::text("true")).count();
    assert!((15..=150).contains(&flagged), "{flagged} of 3000 rows are anomalous");

    let reports = FORMATS.map(|format| at.run(&format!("evaluate --data rows.{format} --label label --format json")).ok().output);
    assert!(reports[0] == reports[1] && reports[0] == reports[2], "{reports:#?}");
    let report = json(&reports[0]);
    assert_eq!((&report["rows"], &report["abstentions"]), (&3000.into(), &0.into()), "{report}");
    let area = report["consensus"]["aucroc"].as_f64().unwrap();
    assert!((0.8..1.0).contains(&area), "the detectors find what was planted, and not by magic: {area}");
    let table = at.run("evaluate --data rows.csv --label label").ok().output;
    assert!(table.contains("isolation_forest") && table.contains("consensus"), "{table}");
}

#[test]
fn three_fields_go_the_whole_way() {
    whole_way("three-fields");
}

#[test]
fn a_bank_goes_the_whole_way() {
    whole_way("bank");
}

#[test]
fn shipped_examples_have_no_mistakes() {
    for name in ["bank", "three-fields"] {
        let at =
            Installation::new(&std::fs::read_to_string(synod_tests::repository().join(format!("config/examples/{name}.yaml"))).unwrap());
        let checked = at.run("check").ok();
        assert!(checked.output.contains("no mistakes") && checked.output.contains("not fitted yet"), "{}", checked.output);
    }
}

#[test]
fn the_same_rows_make_the_same_model() {
    let at = Installation::example("three-fields");
    for format in FORMATS {
        at.run(&format!("generate --kind three-fields --rows 1000 --seed 3 --output rows.{format}")).ok();
        at.run(&format!("fit --data rows.{format}")).ok();
    }
    at.edit("split: random", "split: random\n  seed: 2");
    at.run("fit --data rows.csv").ok();
    for detector in ["isolation_forest", "local_outlier_factor", "autoencoder"] {
        let digest = |version| manifest(&at, detector, version)["artifact"]["sha256"].clone();
        assert!(digest(1) == digest(2) && digest(1) == digest(3), "{detector}: the file's format makes no difference");
        assert_ne!(digest(1), digest(4), "{detector}: another seed draws other rows");
    }
    let labels: Value = serde_json::from_str(&at.read("data/models.json")).unwrap();
    let of_forest = labels["entries"].as_array().unwrap().iter().find(|labels| labels["detector"] == "isolation_forest").unwrap();
    assert_eq!((&of_forest["live"], &of_forest["previous"]), (&json!(4), &json!(3)));
}

#[test]
fn generated_rows_follow_their_seed() {
    let at = Installation::example("bank");
    for (seed, output) in [(1, "one.csv"), (1, "again.csv"), (2, "two.csv")] {
        at.run(&format!("generate --rows 500 --seed {seed} --output {output}")).ok();
    }
    assert_eq!(at.read("one.csv"), at.read("again.csv"));
    assert_ne!(at.read("one.csv"), at.read("two.csv"));
}

#[test]
fn excluded_rows_are_left_out_and_recorded() {
    let at = Installation::fitted_example("three-fields", 1000);
    at.run("fit --data rows.csv --exclude label=1").ok();
    let anomalies = at.read("rows.csv").lines().filter(|line| line.split(',').nth(3) == Some("1")).count();
    assert!(anomalies > 0);
    for detector in ["isolation_forest", "local_outlier_factor", "autoencoder"] {
        let (all, without) = (manifest(&at, detector, 1), manifest(&at, detector, 2));
        let data = |manifest: &Value, key: &str| manifest["manifest"]["data"][key].as_u64().unwrap() as usize;
        assert_eq!((data(&all, "rows"), data(&all, "excluded"), data(&all, "training")), (1000, 0, 750));
        let training = (1000 - anomalies) - ((1000 - anomalies) as f64 * 0.25).round() as usize;
        assert_eq!((data(&without, "rows"), data(&without, "excluded")), (1000, anomalies));
        assert!(data(&without, "training").abs_diff(training) <= 1, "{without}");
        assert_ne!(all["artifact"]["sha256"], without["artifact"]["sha256"]);
        assert_eq!(without["manifest"]["data"]["file"], "rows.csv");
    }
}

/// Two good rows around every kind of bad one, for the fields of the example `three-fields`.
const BAD_CSV: &str = "Transaction_Amount,Average_Transaction_Amount,Frequency_of_Transactions\n\
    150.75,120,3\nmuch,120,3\nNaN,120,3\n-1,120,3\n150.75,,3\n150.75,120\n150.75,120,3.5\n1e999,120,3\n150.75,120,3\n";
const BAD_JSON: &str = r#"{"Transaction_Amount":150.75,"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":"much","Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":150.75,
[1,2,3]
{"Transaction_Amount":null,"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":[1],"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":true,"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":1e999,"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
{"Transaction_Amount":150.75,"Average_Transaction_Amount":120,"Frequency_of_Transactions":3}
"#;

fn is_missing(row: &PlainRow, column: &str) -> bool {
    row[column] == Plain::Missing
}

#[test]
fn every_row_has_a_line_and_a_bad_row_says_why() {
    let at = Installation::fitted_example("three-fields", 1000);
    at.write("bad.csv", BAD_CSV);
    at.write("bad.jsonl", BAD_JSON);
    for name in ["bad.csv", "bad.jsonl"] {
        for format in FORMATS {
            let ran = at.run(&format!("score --data {name} --output out.{format}")).ok();
            assert!(ran.errors.contains("7 refused by the schema"), "{}", ran.errors);
            let rows = table::read(&at.path(&format!("out.{format}")));
            assert_eq!(rows.len(), 9, "{name} to {format}");
            for (index, row) in rows.iter().enumerate() {
                let good = index == 0 || index == 8;
                let verdict = ["outcome", "score", "isolation_forest.score", "autoencoder.raw_score"];
                assert_eq!(is_missing(row, "error"), good, "{row:?}");
                assert!(verdict.iter().all(|column| is_missing(row, column) != good), "{row:?}");
            }
            assert_eq!((&rows[0]["score"], &rows[0]["outcome"]), (&rows[8]["score"], &rows[8]["outcome"]));
        }
    }
    at.run("fit --data bad.csv").failed(3, &["7 of 9 rows", "--skip-invalid", "bad.csv, line 3: Transaction_Amount must be a number"]);
}

#[test]
fn bad_rows_can_be_left_out_of_a_fit() {
    let at = Installation::fitted_example("three-fields", 1000);
    let mut text = at.read("rows.csv");
    text += "much,120,3,0,\n-5,120,3,0,\n";
    at.write("rows.csv", text);
    at.run("fit --data rows.csv").failed(3, &["2 of 1002 rows", "Transaction_Amount", "much", "-5"]);
    at.run("fit --data rows.csv --skip-invalid").ok();
    assert_eq!(manifest(&at, "autoencoder", 2)["manifest"]["data"]["invalid"], 2);
    assert!(!at.path("data/models/autoencoder/3.json").exists(), "what failed published nothing");
}

/// What is broken about the configuration: from, to, and what the message must hold.
const BAD_CONFIGURATIONS: [(&str, &str, &[&str]); 12] = [
    ("plugin: isolation-forest", "plugn: isolation-forest", &["synod.yaml:", "detectors.isolation_forest.plugn", "unknown field"]),
    ("version: 1", "version: 1\nversion: 1", &["synod.yaml:", "version"]),
    ("version: 1", "version: 7", &["version 7 is not known"]),
    ("version: 1", "version: [", &["synod.yaml:"]),
    ("  fields:\n", "  fields:\n    Transaction_Amount: {type: number}\n", &["synod.yaml:", "Transaction_Amount"]),
    ("log1p(Transaction_Amount)", "log1p(Amount)", &["features.amount.expression", "there is no field `Amount`"]),
    ("[amount_ratio, amount, frequency]", "[amount_ratio, amounts]", &["detectors.isolation_forest.features[1]", "amounts"]),
    ("type: integer", "type: whole", &["schema.fields.Frequency_of_Transactions.type", "whole"]),
    ("trees: 200", "trees: 0", &["isolation_forest", "trees"]),
    ("trees: 200", "treees: 200", &["isolation_forest", "treees"]),
    ("plugin: isolation-forest", "plugin: nowhere", &["isolation_forest", "nowhere.wasm", "scripts/plugins.sh"]),
    ("plugin: isolation-forest", "plugin: ./synod.yaml.wasm", &["isolation_forest", "not WebAssembly"]),
];

#[test]
fn a_bad_configuration_is_refused_by_its_key() {
    let at = Installation::example("three-fields");
    let good = at.read("synod.yaml");
    at.write("synod.yaml.wasm", "this is text");
    at.run("generate --kind three-fields --rows 300 --output rows.csv").ok();
    for (from, to, naming) in BAD_CONFIGURATIONS {
        at.write("synod.yaml", &good);
        at.edit(from, to);
        at.run("check").failed(2, naming);
        at.run("fit --data rows.csv").failed(2, naming);
    }
}

#[test]
fn a_parameter_of_the_wrong_type_is_named() {
    let at = Installation::example("three-fields");
    at.edit("trees: 200", "trees: -1");
    at.run("check").failed(2, &["detectors.isolation_forest.parameters", "trees", "-1"]);
}

/// What is broken about a table: its name, its text, and what the message must hold.
const HEAD: &str = "Transaction_Amount,Average_Transaction_Amount,Frequency_of_Transactions,label";
const BAD_TABLES: [(&str, &str, &[&str]); 9] = [
    ("column.csv", "Average_Transaction_Amount,Frequency_of_Transactions\n1,2\n", &["column.csv", "no column `Transaction_Amount`"]),
    ("empty.csv", "", &["empty.csv"]),
    ("text.csv", "{HEAD}\nmuch,1,2,0\n", &["text.csv, line 2", "Transaction_Amount must be a number", "much"]),
    ("nan.csv", "{HEAD}\n1,1,2,0\n1,NaN,2,0\n", &["nan.csv, line 3", "Average_Transaction_Amount must be a number", "NaN"]),
    ("short.csv", "{HEAD}\n1,1\n", &["short.csv, line 2", "2 fields"]),
    ("twice.csv", "Transaction_Amount,{HEAD}\n1,1,1,1,0\n", &["twice.csv", "`Transaction_Amount` twice"]),
    ("few.csv", "{HEAD}\n1,1,2,0\n", &["1 rows are too few"]),
    ("lines.jsonl", "{\"Transaction_Amount\": }\n", &["lines.jsonl"]),
    ("no.parquet", "this is text", &["no.parquet"]),
];

#[test]
fn a_bad_table_is_refused_by_its_field() {
    let at = Installation::example("three-fields");
    for (name, text, naming) in BAD_TABLES {
        at.write(name, text.replace("{HEAD}", HEAD));
        at.run(&format!("fit --data {name}")).failed(3, naming);
    }
    at.write("labels.csv", format!("{HEAD}\n1,1,2,perhaps\n"));
    at.run("evaluate --data labels.csv --label label --split 0.5").failed(3, &["row 1", "`perhaps` is no label"]);
    assert!(!at.path("data/models/isolation_forest").exists(), "nothing is published");
}

#[test]
fn a_truncated_file_is_no_shorter_file() {
    let at = Installation::fitted_example("three-fields", 1000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(at.read("rows.csv").as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    at.write("rows.csv.gz", &whole);
    at.run("score --data rows.csv.gz --output out.csv").ok();
    let before = at.read("out.csv");
    at.write("rows.csv.gz", &whole[..whole.len() / 2]);
    at.run("fit --data rows.csv.gz").failed(3, &["rows.csv.gz"]);
    at.run("evaluate --data rows.csv.gz --label label").failed(3, &["rows.csv.gz"]);
    at.run("score --data rows.csv.gz --output out.csv").failed(3, &["rows.csv.gz"]);
    assert_eq!(at.read("out.csv"), before, "an output that is not complete replaces nothing");

    at.run("generate --kind three-fields --rows 1000 --output rows.parquet").ok();
    let whole = std::fs::read(at.path("rows.parquet")).unwrap();
    at.write("half.parquet", &whole[..whole.len() / 2]);
    at.run("score --data half.parquet --output out.csv").failed(3, &["half.parquet"]);
}

/// Commands that cannot go well: the command, its exit code, and what the message must hold.
const BAD_COMMANDS: [(&str, i32, &[&str]); 25] = [
    ("score --data rows.csv --output out.csv --nonsense", 2, &["--nonsense"]),
    ("fly", 2, &["fly"]),
    ("score --data rows.csv --output out.csv --config nowhere.yaml", 2, &["nowhere.yaml"]),
    ("score --data rows.csv --output out.csv", 2, &["isolation_forest has no model yet", "synod fit"]),
    ("serve", 2, &["isolation_forest has no model yet", "synod fit"]),
    ("fit --data nowhere.csv", 1, &["nowhere.csv"]),
    ("fit --data rows.csv --detector nobody", 2, &["--detector", "`nobody`", "isolation_forest"]),
    ("fit --data rows.csv --exclude fraud=1", 2, &["no column `fraud`", "label"]),
    ("fit --data rows.csv --exclude fraud", 2, &["COLUMN=VALUE"]),
    ("evaluate --data rows.csv --label fraud --split 0.5", 2, &["no column `fraud`", "label"]),
    ("evaluate --data rows.csv --label label --split 1.5", 2, &["--split", "1.5"]),
    ("export onnx --detector nobody --output x.onnx", 2, &["--detector", "nobody"]),
    ("export --detector autoencoder --output x.onnx", 2, &["--detector", "synod export <COMMAND>"]),
    ("export decisions --output x.txt", 2, &["--output", "x.txt", ".parquet", "make it first"]),
    ("export decisions --output x.csv --format parquet", 2, &["--format", "x.csv", "folder"]),
    ("export decisions --output x.csv --every 1d", 2, &["--every", "x.csv", "folder"]),
    ("export decisions --output x --every 2d", 2, &["--every", "1d, 1h or all"]),
    ("export decisions --output x --format xml", 2, &["--format", "xml", "csv.gz"]),
    ("export decisions --output -", 2, &["--format", "csv or jsonl"]),
    ("export decisions --output - --format jsonl --every 1d", 2, &["--every", "folder"]),
    ("export decisions --output x --from yesterday", 2, &["--from", "yesterday"]),
    ("generate --fraud 0.7 --output x.csv", 2, &["--fraud", "0.7"]),
    ("generate --rows few --output x.csv", 2, &["--rows", "few"]),
    ("init --data rows.csv --label fraud --output new.yaml", 2, &["--label", "`fraud`", "label"]),
    ("init --data rows.csv", 2, &["synod.yaml", "--force"]),
];

#[test]
fn exit_codes_are_as_documented() {
    let at = Installation::example("three-fields");
    at.run("generate --kind three-fields --rows 300 --output rows.csv").ok();
    let mut wrong = Vec::new();
    for (words, code, naming) in BAD_COMMANDS {
        let ran = at.run(words);
        if ran.code != code || naming.iter().any(|text| !ran.errors.contains(text)) {
            wrong.push(format!("synod {words}\n  exit code {}, not {code} with {naming:?}: {}", ran.code, ran.errors));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Commands on a file that is not there, or cannot be.
const UNREACHABLE_FILES: [&str; 6] = [
    "fit --data no.csv",
    "evaluate --data no.csv --label label",
    "score --data no.csv --output out.csv",
    "score --data rows.csv --output no/out.csv",
    "init --data no.csv --output new.yaml",
    "generate --output no/rows.csv",
];

#[test]
fn a_file_that_cannot_be_reached_has_one_exit_code_in_all_commands() {
    let at = Installation::fitted_example("three-fields", 300);
    let codes = UNREACHABLE_FILES.map(|words| (words, at.run(words).code));
    assert_eq!(codes, UNREACHABLE_FILES.map(|words| (words, 1)), "it is neither the command line nor the data that has mistakes");
}

#[test]
fn help_names_the_exit_codes_and_gives_examples() {
    let at = Installation::example("bank");
    let help = at.run("--help").ok().output;
    for line in ["0  done", "1  something failed", "2  the command line or the configuration", "3  the data"] {
        assert!(help.contains(line), "{help}");
    }
    for command in ["init", "check", "fit", "score", "evaluate", "serve", "generate", "export"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        assert!(at.run(&format!("{command} --help")).ok().output.contains("Example"), "{command}");
    }
}

/// The plugins that a team starts with, in a folder of their own.
fn starter_plugins(at: &Installation) {
    std::fs::create_dir(at.path("starters")).unwrap();
    for name in ["isolation-forest.wasm", "local-outlier-factor.wasm", "autoencoder.wasm", "ecod.wasm"] {
        std::fs::copy(plugins().join(name), at.path("starters").join(name)).unwrap();
    }
}

#[test]
fn what_init_writes_works_at_once() {
    for (kind, format) in [("bank", "csv"), ("bank", "jsonl"), ("three-fields", "parquet")] {
        let at = Installation::new("");
        starter_plugins(&at);
        at.run(&format!("generate --kind {kind} --rows 2000 --output rows.{format}")).ok();
        at.run(&format!("init --data rows.{format} --label label --plugins starters --output synod.yaml --force")).ok();
        let text = at.read("synod.yaml");
        for name in ["isolation_forest", "local_outlier_factor", "autoencoder"] {
            assert!(text.contains(&format!("\n  {name}:")), "{text}");
        }
        // It looks at each feature by itself.
        assert!(text.contains("\n  # ecod:") && text.contains("\n  #   plugin: ecod\n"), "{text}");
        at.write("synod.yaml", synod_tests::configurations::patient(&text));
        let run = |words: &str| {
            let mut command = at.command(words);
            let ran = command.env_remove("SYNOD_PLUGINS__DIRECTORY").output().unwrap();
            assert!(ran.status.success(), "{kind}: {words}: {}\n{text}", String::from_utf8_lossy(&ran.stderr));
            String::from_utf8(ran.stdout).unwrap()
        };
        run("check");
        run(&format!("fit --data rows.{format}"));
        let report = json(&run(&format!("evaluate --data rows.{format} --label label --format json")));
        assert_eq!(report["detectors"].as_object().unwrap().len(), 3);
        let area = report["consensus"]["aucroc"].as_f64().unwrap();
        assert!(area > 0.6, "{kind}: a start, not a prize: {area}");
    }
}

#[test]
fn evaluation_on_a_part_publishes_nothing() {
    let at = Installation::example("three-fields");
    at.run("generate --kind three-fields --rows 2000 --output rows.csv").ok();
    let evaluate =
        |seed: u32| at.run(&format!("evaluate --data rows.csv --label label --split 0.7 --seed {seed} --format json")).ok().output;
    let (first, again, other) = (evaluate(1), evaluate(1), evaluate(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(json(&first)["rows"], 600);
    at.run("serve").failed(2, &["no model yet"]);
}

#[test]
fn a_network_can_be_exported_and_a_forest_says_that_it_cannot() {
    let at = Installation::fitted_example("three-fields", 300);
    let ran = at.run("export onnx --detector autoencoder --output network.onnx").ok();
    let size = std::fs::metadata(at.path("network.onnx")).unwrap().len();
    assert!(size > 100 && ran.output.contains(&format!("{size} bytes")), "{}", ran.output);
    at.run("export onnx --detector isolation_forest --output forest.onnx").failed(1, &["isolation_forest", "unsupported"]);
    assert!(!at.path("forest.onnx").exists());
}
