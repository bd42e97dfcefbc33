//! `synod plugin`: from nothing to a vote as a new author goes, with the real compiler; what is wrong with a project or a component is told by
//! the check that it breaks. Projects are compiled into a folder of the tests' own, so that their dependencies are compiled once.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use synod_tests::configurations::three_numbers_csv;
use synod_tests::{Installation, Server, binary, guests, plugins};
use tempfile::TempDir;

/// What an author's folder is.
struct Author {
    folder: TempDir,
}

/// What a command came to.
struct Ran {
    code: i32,
    output: String,
    errors: String,
}

impl Author {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        let target = binary().parent().and_then(Path::parent).unwrap().join("plugin-command");
        command.arg("plugin").args(words).current_dir(self.folder.path()).env("CARGO_TARGET_DIR", target).stdin(Stdio::null());
        command.env_remove("CARGO_BUILD_TARGET").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs `synod plugin` with these words, however long it takes: a first compilation takes minutes.
    fn plugin(&self, words: &[&str]) -> Ran {
        ran(&mut self.command(words))
    }

    /// The report of a test or a check, and its exit code.
    #[track_caller]
    fn report(&self, words: &[&str]) -> (i32, Value) {
        let ran = self.plugin(&[words, &["--json"]].concat());
        let report = serde_json::from_str(&ran.output).unwrap_or_else(|_| panic!("no report: {}\n{}", ran.output, ran.errors));
        (ran.code, report)
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let [said, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    // A project's own tests may panic, and say so.
    assert!(!errors.contains("panicked at core"), "{errors}");
    Ran { code: output.status.code().unwrap_or(-1), output: said, errors }
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.output, self.errors);
        self
    }

    #[track_caller]
    fn failed(self, code: i32, naming: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.output, self.errors);
        let said = format!("{}{}", self.output, self.errors);
        naming.iter().for_each(|text| assert!(said.contains(text), "no `{text}` in\n{said}"));
        self
    }
}

/// The names of the checks that failed.
fn failed(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["outcome"] == "failed").map(|finding| finding["check"].as_str().unwrap()).collect()
}

/// A finding by its check.
#[track_caller]
fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("no `{check}` in {report:#}"))
}

#[test]
fn a_new_plugin_passes_at_once_and_votes() {
    let author = Author::new();
    author.plugin(&["new", "spend-velocity"]).ok();
    // A limit is what a laptop is asked; here the machine has other tests to run.
    let manifest = fs::read_to_string(author.path("spend-velocity/plugin.yaml")).unwrap();
    author.write("spend-velocity/plugin.yaml", manifest.replace("limits:\n", "limits:\n  timeout: 20s\n  load_timeout: 60s\n"));
    let (code, report) = author.report(&["test", "spend-velocity"]);
    assert_eq!((code, failed(&report), &report["passed"]), (0, Vec::new(), &json!(true)), "{report:#}");
    assert!(report["findings"].as_array().unwrap().len() > 25 && finding(&report, "unit tests")["outcome"] == "passed", "{report:#}");
    assert_eq!(report["plugin"]["description"]["name"], "spend-velocity");
    for key in ["component_bytes", "compile_seconds", "fit_memory_bytes", "memory_bytes", "one_row_microseconds", "bulk_row_microseconds"] {
        assert!(report["measured"][key].as_f64().unwrap() > 0.0, "{key}: {report:#}");
    }

    // What it says is to be pasted is pasted.
    let fields = ["amount", "payments_today", "minutes_since_last"];
    let schema: String = fields.iter().map(|name| format!("    {name}: {{type: number}}\n")).collect();
    let features: String = fields.iter().map(|name| format!("  {name}: {{expression: {name}}}\n")).collect();
    let detectors = report["configuration"].as_str().unwrap();
    assert!(detectors.contains("limits: {timeout: 20000ms, load_timeout: 60000ms}"), "{detectors}");
    let at = Installation::new(&format!(
        "version: 1\nschema:\n  fields:\n{schema}features:\n{features}{detectors}consensus: {{contamination: 0.02}}\n"
    ));
    at.write("rows.csv", fs::read(author.path("spend-velocity/fixtures/normal.csv")).unwrap());
    at.run("check").ok();
    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    let vote = |row: Value| server.post("/v1/score", &row.to_string()).ok()["votes"][0].clone();
    let odd = vote(json!({"amount": 1890.0, "payments_today": 2, "minutes_since_last": 310.0}));
    let usual = vote(json!({"amount": 25.0, "payments_today": 1, "minutes_since_last": 180.0}));
    assert_eq!((&odd["anomalous"], &usual["anomalous"]), (&json!(true), &json!(false)), "{odd} {usual}");
    assert_eq!(odd["detector"], "spend_velocity");
    server.stop();

    // The same component is made of the core module alone.
    let target = binary().parent().and_then(Path::parent).unwrap().join("plugin-command");
    let core = target.join("wasm32-unknown-unknown/release/spend_velocity.wasm");
    author.plugin(&["build", core.to_str().unwrap()]).failed(2, &["--output"]);
    author.plugin(&["build", core.to_str().unwrap(), "--output", "wrapped.wasm"]).ok();
    assert_eq!(fs::read(author.path("wrapped.wasm")).unwrap(), fs::read(author.path("spend-velocity/spend-velocity.wasm")).unwrap());
    breaks_what_it_has(&author);
}

/// The same project, with mistakes.
fn breaks_what_it_has(author: &Author) {
    let source = fs::read_to_string(author.path("spend-velocity/src/lib.rs")).unwrap();
    let edit = |from: &str, to: &str| {
        assert!(source.contains(from), "{from}");
        author.write("spend-velocity/src/lib.rs", source.replace(from, to));
    };
    // A detector with the sign wrong: the unit tests say so, and so does the component.
    edit(".min(self.cap))", ".min(self.cap) * -1.0)");
    let (code, report) = author.report(&["test", "spend-velocity"]);
    let broken = failed(&report);
    assert!(code == 1 && broken.contains(&"unit tests") && broken.contains(&"ranking"), "{broken:?}");
    // Lower is worse: all scores are at most 0.
    edit("fold(0.0, f64::max)).collect()", "fold(0.0, |sum, one| sum - one)).collect()");
    let (code, report) = author.report(&["test", "spend-velocity", "--no-unit-tests"]);
    assert_eq!((code, failed(&report)), (1, vec!["ranking", "explain"]), "{report:#}");
    assert!(finding(&report, "ranking")["mend"].as_str().unwrap().contains("the wrong way round"), "{report:#}");
    edit("fn width(&self) -> usize {", "fn width(&self) -> String {");
    author.plugin(&["test", "spend-velocity"]).failed(1, &["error[E0053]", "cargo build failed"]);
    edit("synod_sdk::export!(RobustZ);", "");
    author.plugin(&["build", "spend-velocity"]).failed(1, &["cannot be made a component", "synod_sdk::export!"]);
    author.write("spend-velocity/plugin.yaml", "version: 1\nlimits: {timeout: soon}\nfixture: x\n");
    author.plugin(&["test", "spend-velocity"]).failed(2, &["plugin.yaml:2", "limits.timeout: `soon`", "fixture"]);
}

#[test]
fn new_refuses_names_that_cannot_be_and_folders_that_are_taken() {
    let author = Author::new();
    author.write("taken", "mine");
    let long = "a".repeat(80);
    let cases: [(&[&str], &[&str]); 9] = [
        (&["Spend_Velocity"], &["Spend_Velocity", "write `spend-velocity`"]),
        (&["../escape"], &["../escape", "write `escape`"]),
        (&["a/b"], &["lower-case letters"]),
        (&[""], &["lower-case letters"]),
        (&["while"], &["a word of Rust's"]),
        (&["serde"], &["another crate"]),
        (&["--", "-x"], &["write `x`"]),
        (&[&long], &["at most 64"]),
        (&["taken"], &["taken is there already", "--directory"]),
    ];
    for (words, naming) in cases {
        author.plugin(&[&["new"], words].concat()).failed(2, naming);
    }
    let left: Vec<_> = fs::read_dir(author.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["taken"]);
    assert_eq!(fs::read_to_string(author.path("taken")).unwrap(), "mine");
    author.plugin(&["new", "one", "--directory", "below/two"]).ok();
    assert!(author.path("below/two/src/lib.rs").is_file() && author.path("below/two/.gitignore").is_file());
    author.plugin(&["new", "one", "--directory", "below"]).failed(2, &["below is there already"]);
}

#[test]
fn what_is_missing_of_the_toolchain_is_named_with_what_installs_it() {
    let author = Author::new();
    author.plugin(&["new", "one"]).ok();
    for command in ["build", "test"] {
        author.plugin(&[command, "below"]).failed(2, &["below has no Cargo.toml", "synod plugin new"]);
        let without = ran(author.command(&[command, "one"]).env("PATH", author.path("nowhere")));
        without.failed(1, &["there is no `cargo`", "rustup target add wasm32-unknown-unknown", "apt-get install"]);
    }
    if Path::new("/usr/bin/rustc").exists() {
        eprintln!("SKIPPED: Debian's compiler is installed here, and would be taken where the target is missing");
        return;
    }
    // Cargo as it is, beside a compiler whose toolchain has no library for WebAssembly, then also without a linker.
    let tools = author.path("tools");
    fs::create_dir(&tools).unwrap();
    let script = |name: &str, text: &str| {
        fs::write(tools.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(tools.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("cargo", "echo cargo 1.95.0");
    script("rustc", "case $1 in --version) echo 'rustc 1.95.0 (a test)';; *) echo /nowhere;; esac");
    let build = || ran(author.command(&["build", "one"]).env("PATH", &tools));
    build().failed(1, &["there is no `cc`", "apt-get install gcc"]);
    symlink("/bin/true", tools.join("cc")).unwrap();
    build()
        .failed(1, &["rustc 1.95.0 (a test) has no standard library for wasm32-unknown-unknown", "rustc-web cargo-web rust-web-src lld"]);
    script("rustup", "exit 0");
    build().failed(1, &["rustup target add wasm32-unknown-unknown"]);
}

/// Each way to misbehave, and the checks that must fail by it, the first of which says why.
const HOSTILE: [(&str, &[&str], &str); 22] = [
    ("honest", &[], ""),
    ("spin", &["scores"], "no answer within 500ms"),
    ("bomb", &["scores"], "more than 67108864 bytes"),
    ("recursion", &["scores"], "call stack exhausted"),
    ("panic", &["scores"], "trapped"),
    ("nan", &["scores"], "is NaN"),
    ("infinity", &["scores"], "is inf"),
    ("short", &["scores"], "1 numbers instead of 2"),
    ("huge", &["scores"], "bad output"),
    ("refuse", &["scores"], "data:"),
    ("endless_log", &["scores"], "no answer within 500ms"),
    ("log_flood", &["log"], "were dropped"),
    ("counter", &["same batch", "order and split", "explain"], "at first"),
    ("slow_start", &["load"], "no answer within 500ms"),
    ("panic_in_load", &["load"], "trapped"),
    ("bomb_in_load", &["load"], "more than 67108864 bytes"),
    ("spin_in_fit", &["fit"], "no answer within 700ms"),
    ("bomb_in_fit", &["fit"], "more than 134217728 bytes"),
    ("panic_in_fit", &["fit"], "trapped"),
    ("empty_model", &["fit"], "a model of no bytes"),
    ("spin_in_check", &["parameters"], "no answer within 2s"),
    ("many_mistakes", &["parameters"], "mistake; mistake"),
];

#[test]
fn every_hostile_guest_fails_by_the_check_that_it_breaks() {
    let author = Author::new();
    author.write("normal.csv", three_numbers_csv(300));
    author.write("anomalous.csv", "a,b,c\n0.9,0.8,0.9\n0.95,0.7,0.6\n");
    let limits = "timeout: 500ms, memory: 64MiB, load_timeout: 500ms, fit_timeout: 700ms, fit_memory: 128MiB";
    author.write("plugin.yaml", format!("version: 1\nnormal: normal.csv\nanomalous: anomalous.csv\nlimits: {{{limits}}}\n"));
    let guest = guests().join("hostile.wasm");
    for (behaviour, expected, why) in HOSTILE {
        let parameters = json!({ "behaviour": behaviour }).to_string();
        let (code, report) = author.report(&["test", guest.to_str().unwrap(), "--manifest", "plugin.yaml", "--parameters", &parameters]);
        assert_eq!((failed(&report), code), (expected.to_vec(), i32::from(!expected.is_empty())), "{behaviour}: {report:#}");
        let Some(first) = expected.first() else { continue };
        let found = finding(&report, first);
        assert!(found["found"].as_str().unwrap().contains(why) && !found["mend"].as_str().unwrap().is_empty(), "{behaviour}: {found}");
        // What rests on it is passed over, not failed.
        assert_eq!(report["measured"].is_null(), !["log", "same batch"].contains(first), "{behaviour}: {report:#}");
    }
}

#[test]
fn every_shipped_detector_keeps_the_contract() {
    let author = Author::new();
    // A limit is what a laptop is asked; here the machine has other tests to run.
    author.write("plugin.yaml", "version: 1\nlimits: {timeout: 20s, load_timeout: 60s}\n");
    let mut tried = 0;
    for name in [
        "autoencoder",
        "ecod",
        "hbos",
        "half-space-trees",
        "isolation-forest",
        "k-nearest-neighbours",
        "local-outlier-factor",
        "robust-z-score",
        "example-c",
    ] {
        let component = plugins().join(format!("{name}.wasm"));
        if !component.is_file() {
            assert!(name.starts_with("example-"), "{name} is not built");
            continue;
        }
        let (code, report) = author.report(&["test", component.to_str().unwrap(), "--manifest", "plugin.yaml"]);
        assert_eq!((code, failed(&report)), (0, Vec::new()), "{name}: {report:#}");
        // What is made up has categories, and detectors that promise something are asked for it.
        let promises = &report["plugin"]["description"];
        for (promise, check) in [
            ("explains", "explain"),
            ("parts", "parts"),
            ("continues", "continues"),
            ("weights", "weights"),
            ("missing_values", "missing values"),
        ] {
            let asked = finding(&report, check)["outcome"] == "passed";
            assert_eq!(promises[promise] == true, asked, "{name}: {check}");
        }
        tried += 1;
    }
    assert!(tried >= 8);
}

#[test]
fn a_component_is_looked_at_without_a_fit() {
    let author = Author::new();
    let template = guests().join("template.wasm");
    let (code, report) = author.report(&["check", template.to_str().unwrap()]);
    assert_eq!((code, &report["passed"], report["findings"].as_array().unwrap().len()), (0, &json!(true), 4), "{report:#}");
    assert!(finding(&report, "interface")["found"].as_str().unwrap().starts_with("synod:detector/detector@2."), "{report:#}");
    let ran = author.plugin(&["check", template.to_str().unwrap()]).ok();
    assert!(ran.output.contains("parameter cap (1000000.0):") && ran.output.contains("explains"), "{}", ran.output);

    let component = fs::read(&template).unwrap();
    let other = replaced(&component, b"detector@2.0.0", b"detector@9.0.0");
    let import =
        replaced(&fs::read(guests().join("hostile.wasm")).unwrap(), b"synod:detector/logging@2.0.0", b"synod:detector/getting@2.0.0");
    let cases: [(&str, &[u8], &str, &str); 7] = [
        ("text.wasm", b"#!/bin/sh\n", "component", "not WebAssembly"),
        ("empty.wasm", b"", "component", "not WebAssembly"),
        ("core.wasm", b"\0asm\x01\0\0\0", "component", "synod plugin build"),
        ("cut.wasm", &component[..component.len() / 2], "component", "cannot be compiled"),
        ("nothing.wasm", b"\0asm\x0d\0\x01\0", "interface", "does not export"),
        ("other.wasm", &other, "interface", "detector@9.0.0"),
        ("import.wasm", &import, "imports", "detector/getting@2.0.0"),
    ];
    for (name, bytes, check, why) in cases {
        author.write(name, bytes);
        for command in ["check", "test"] {
            let (code, report) = author.report(&[command, name]);
            assert_eq!((code, failed(&report)), (1, vec![check]), "{name}: {report:#}");
            let found = finding(&report, check);
            assert!(format!("{found}").contains(why), "{name}: {found}");
        }
    }
    author.plugin(&["check", "nowhere.wasm"]).failed(1, &["nowhere.wasm"]);
}

/// The bytes with every occurrence of some replaced by as many others.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at..*at + to.len()].copy_from_slice(to));
    bytes
}

#[test]
fn rows_and_parameters_of_the_command_line_go_over_the_manifest() {
    let author = Author::new();
    author.write("normal.csv", three_numbers_csv(100));
    author.write("anomalous.csv", "c,a,b\n90,80,70\n95,70,-60\n");
    author.write("narrow.csv", "a,b\n1,2\n");
    author.write("text.csv", "a,b,c\n1,2,much\n");
    let template = guests().join("template.wasm");
    let test = |words: &[&str]| author.plugin(&[&["test", template.to_str().unwrap()], words].concat());
    let ran = test(&["--normal", "normal.csv", "--anomalous", "anomalous.csv", "--parameters", r#"{"cap": 40}"#]).ok();
    for said in [
        "100 normal rows of normal.csv, 2 anomalous ones",
        r#"ok    parameters       {"cap":40}"#,
        "in 100.0 % of pairs",
        r#"parameters: {"cap":40}"#,
        "synod init --data normal.csv",
    ] {
        assert!(ran.output.contains(said), "no `{said}` in\n{}", ran.output);
    }
    // This one scores by the sum.
    let guest = guests().join("hostile.wasm");
    let swapped = author.plugin(&["test", guest.to_str().unwrap(), "--normal", "anomalous.csv", "--anomalous", "normal.csv"]);
    swapped.failed(1, &["FAIL  ranking", "the wrong way round", "of 28 checks failed"]);
    test(&["--parameters", r#"{"cap": 0}"#]).failed(1, &["FAIL  parameters", "cap: 0 is not at least 1"]);
    test(&["--parameters", "[]"]).failed(2, &["write a JSON object"]);
    test(&["--normal", "normal.csv"]).failed(2, &["--anomalous"]);
    test(&["--normal", "normal.csv", "--anomalous", "nowhere.csv"]).failed(1, &["nowhere.csv"]);
    test(&["--normal", "normal.csv", "--anomalous", "narrow.csv"]).failed(3, &["narrow.csv has no column `c`"]);
    test(&["--normal", "normal.csv", "--anomalous", "text.csv"]).failed(3, &["text.csv, row 1: `c` is `much`"]);
    test(&["--artifact", "nowhere.onnx"]).failed(1, &["nowhere.onnx"]);
}
