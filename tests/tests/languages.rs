//! Detectors in other languages (`plugins/examples`): each is built by its own script, and then does in the real service what a user would
//! have it do. Where a language's tools are missing its test is skipped and says so; in CI that is a failure.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use synod_host::{Failure, Host, HostSettings, Limits, Plugin, PoolLimits, Refusal, Training};
use synod_tests::configurations::patient;
use synod_tests::table::{self, Plain};
use synod_tests::{Installation, Server, guests, repository};

/// The exit code of a build script that misses a tool.
const NO_TOOL: i32 = 3;

/// An example, and what is said of it.
struct Example {
    language: &'static str,
    /// The planted row: the last one of `new.csv`.
    planted: Value,
    /// A parameter and what it must not be, and what is said to that.
    mistakes: &'static [(&'static str, &'static str)],
    /// The features that make the planted row what it is.
    because: &'static [&'static str],
}

impl Example {
    fn folder(&self) -> PathBuf {
        repository().join("plugins/examples").join(self.language)
    }

    /// Whether it is built.
    fn is_built(&self) -> bool {
        let built = Command::new("bash").arg(self.folder().join("build.sh")).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        if built.status.code() == Some(NO_TOOL) {
            assert!(std::env::var_os("CI").is_none(), "in CI every language is tested: {said}");
            eprintln!("SKIPPED: the example in {} is not tested. {said}", self.language);
            return false;
        }
        assert!(built.status.success(), "{said}");
        true
    }

    /// An installation of the example beside the plugin template, as another judge of the same rows.
    fn installation(&self) -> Installation {
        let configuration = std::fs::read_to_string(self.folder().join("synod.yaml")).unwrap();
        let template = guests().join("template.wasm");
        let robust = format!("\ndetectors:\n  robust:\n    plugin: {}\n    features: [amount]\n", template.display());
        let both = configuration.replacen("\ndetectors:\n", &robust, 1).replace("rule: maximum", "rule: any");
        assert!(both.contains("robust:") && both.contains("rule: any"), "{both}");
        let at = Installation::new(&patient(&both));
        for file in ["rows.csv", "new.csv"] {
            at.write(file, std::fs::read(self.folder().join(file)).unwrap());
        }
        at
    }

    fn works(&self) {
        if !self.is_built() {
            return;
        }
        let at = self.installation();
        at.run("fit --data rows.csv").ok();
        self.finds_what_was_planted(&at);
        self.votes_and_explains(&at);
        self.trains_the_same_again(&at);
        self.refuses_mistakes(&at);
        self.keeps_the_contract();
    }

    fn finds_what_was_planted(&self, at: &Installation) {
        at.run("score --data new.csv --output scored.csv").ok();
        let rows = table::read(&at.path("scored.csv"));
        let raw: Vec<f64> = rows.iter().map(|row| number(&row["example.raw_score"])).collect();
        let (planted, others) = raw.split_last().unwrap();
        assert!(others.iter().all(|other| other < planted), "{raw:?}");
        assert_eq!(rows.last().unwrap()["example.anomalous"], Plain::text("true"), "{raw:?}");
    }

    fn votes_and_explains(&self, at: &Installation) {
        let server = Server::start(at);
        let answer = server.post("/v1/score", &self.planted.to_string()).ok();
        let vote = |name: &str| {
            let votes = answer["votes"].as_array().unwrap_or_else(|| panic!("{answer}"));
            votes.iter().find(|vote| vote["detector"] == name).unwrap_or_else(|| panic!("{name} does not vote: {answer}")).clone()
        };
        assert!(vote("robust")["raw_score"].is_f64(), "{answer}");
        assert_eq!(vote("example")["anomalous"], json!(true), "{answer}");
        assert_eq!(answer["verdict"]["anomalous"], json!(true), "{answer}");

        let told = server.get(&format!("/v1/decisions/{}/explanation", answer["decision"].as_str().unwrap())).ok();
        let example = told["detectors"].as_array().unwrap().iter().find(|of| of["detector"] == "example").unwrap();
        let features = example["features"].as_array().unwrap_or_else(|| panic!("{told}"));
        let sum: f64 = features.iter().map(|feature| feature["contribution"].as_f64().unwrap()).sum();
        let raw = example["raw_score"].as_f64().unwrap();
        assert!((sum - raw).abs() <= 1e-9 * raw.abs().max(1.0), "{sum} and {raw}: {told}");
        assert!(self.because.contains(&features[0]["name"].as_str().unwrap()), "{told}");
        server.stop();
    }

    /// Another fit has the same rows and another instance: what an instance could take from the machine would show.
    fn trains_the_same_again(&self, at: &Installation) {
        at.run("fit --data rows.csv").ok();
        let digest = |version: u32| {
            let card: Value = serde_json::from_str(&at.read(&format!("data/models/example/{version}.json"))).unwrap();
            card["artifact"]["sha256"].as_str().unwrap().to_owned()
        };
        assert_eq!(digest(1), digest(2));
    }

    /// An error names the parameter; a trap would name the instruction.
    fn refuses_mistakes(&self, at: &Installation) {
        let text = at.read("synod.yaml");
        let line = text.lines().find(|line| line.starts_with("    parameters: ")).unwrap();
        for (parameters, said) in self.mistakes {
            at.write("synod.yaml", text.replacen(line, &format!("    parameters: {parameters}"), 1));
            let ran = at.run("fit --data rows.csv");
            // What only the rows show is found out by the fit, and has a code of its own.
            assert!([2, 3].contains(&ran.code), "{parameters}: {ran:?}");
            assert!(ran.errors.contains(said) && !ran.errors.contains("trap"), "{parameters}: {}", ran.errors);
        }
        at.write("synod.yaml", text);
    }

    /// By the host itself, for what the service never asks of a plugin: damaged models, and the same rows in other batches.
    fn keeps_the_contract(&self) {
        let host = Host::new(&HostSettings::default(), None).unwrap();
        let component = std::fs::read(synod_tests::plugins().join(format!("example-{}.wasm", self.language))).unwrap();
        let plugin = host.load(&component).unwrap();
        let bytes = fit(&plugin);
        assert_eq!(fit(&plugin), bytes, "the same training gives the same bytes");
        let limits = PoolLimits { call: PLENTY, ..PoolLimits::default() };
        let pool = plugin.pool(bytes.as_slice().into(), &limits).unwrap();
        let rows = rows();
        let whole = pool.score(WIDTH, &rows).unwrap().scores;
        for (row, expected) in rows.chunks(WIDTH).zip(&whole) {
            assert_eq!(pool.score(WIDTH, row).unwrap().scores[0].to_bits(), expected.to_bits(), "{row:?} alone");
        }
        let told = pool.explain(WIDTH, &rows).unwrap();
        for (parts, score) in told.contributions.chunks(WIDTH).zip(&whole) {
            let sum = told.base + parts.iter().sum::<f64>();
            assert!((sum - score).abs() <= 1e-9 * score.abs().max(1.0), "{parts:?} and {score}");
        }
        let narrow = pool.score(WIDTH - 1, &[0.0; WIDTH - 1]).unwrap_err();
        assert!(matches!(narrow, Failure::Refused { kind: Refusal::Data, .. }), "{narrow:?}");

        for damaged in [&bytes[..0], &bytes[..3], &bytes[..bytes.len() / 2], &bytes[..bytes.len() - 1], b"2\0\0\0 another format"] {
            let failure = plugin.pool(damaged.into(), &limits).unwrap_err();
            assert!(matches!(failure, Failure::Refused { kind: Refusal::Model, .. }), "{} bytes: {failure:?}", damaged.len());
        }
        for position in (0..bytes.len()).step_by((bytes.len() / 60).max(1)) {
            let mut changed = bytes.clone();
            changed[position] ^= 0xff;
            // A changed byte may still be a model. It is no trap, neither when it is read nor when it scores.
            let failure = match plugin.pool(changed.into(), &limits) {
                Ok(pool) => pool.score(WIDTH, &rows).err(),
                Err(failure) => Some(failure),
            };
            assert!(failure.as_ref().is_none_or(|failure| matches!(failure, Failure::Refused { .. })), "byte {position}: {failure:?}");
        }
    }
}

const WIDTH: usize = 3;
const PLENTY: Limits = Limits { timeout: Duration::from_secs(20), memory: 512 << 20 };

/// Two codes of four categories, and a number.
fn rows() -> Vec<f64> {
    (0..60_u32).flat_map(|row| [row % 3, row * 7 % 4, row * row % 29].map(f64::from)).collect()
}

fn fit(plugin: &Plugin) -> Vec<u8> {
    let training = Training {
        parameters: "{}",
        artifact: None,
        seed: 1,
        features: &[("a", 4), ("b", 4), ("c", 0)],
        weights: None,
        part: None,
        previous: None,
        width: WIDTH,
        values: &rows(),
    };
    plugin.fit(&training, &PLENTY, &mut |_, _| {}).unwrap()
}

fn number(cell: &Plain) -> f64 {
    match cell {
        Plain::Number(bits) => f64::from_bits(*bits),
        other => panic!("no number: {other:?}"),
    }
}

#[test]
fn a_detector_in_c_works() {
    let example = Example {
        language: "c",
        planted: json!({"amount": 1890.0, "payments_today": 31, "minutes_since_last": 0.1}),
        mistakes: &[
            ("{ignore: -1}", "ignore: must be 0 to 1000"),
            ("{ignore: much}", "ignore: must be a number"),
            ("{ignored: 1}", "unknown parameter"),
        ],
        because: &["amount", "payments_today"],
    };
    example.works();
}

#[test]
fn a_detector_in_go_works() {
    let example = Example {
        language: "go",
        planted: json!({"amount": 240.0, "usual_amount": 14.5, "payments_today": 2}),
        mistakes: &[
            ("{shrinkage: 2}", "shrinkage: 2 is not 0.000001 to 1"),
            ("{shrinkage: much}", "shrinkage: must be a number, not a string"),
            ("{shrink: 0.5}", "unknown field \"shrink\""),
        ],
        because: &["amount", "usual_amount"],
    };
    example.works();
}

#[test]
fn a_detector_in_python_works() {
    let example = Example {
        language: "python",
        planted: json!({"amount": 940.0, "merchant": "bakery", "payments_today": 1}),
        mistakes: &[
            ("{minimum: 2}", "minimum: 2 is not 3 to 100000"),
            ("{cap: true}", "cap: true is no number"),
            ("{groups: merchant}", "groups: no such parameter"),
            ("{group: amount}", "the feature `amount` is a number, no group"),
            ("{group: shop}", "there is no feature `shop`"),
        ],
        because: &["amount"],
    };
    example.works();
}

#[test]
fn a_detector_in_javascript_works() {
    let example = Example {
        language: "javascript",
        planted: json!({"country": "FR", "currency": "GBP", "device": "ios", "amount": 29.9}),
        mistakes: &[
            ("{smoothing: 0}", "smoothing: 0 is not 0.001 to 1000"),
            ("{smoothing: much}", "smoothing: \"much\" is no number"),
            ("{smooth: 1}", "smooth: no such parameter"),
        ],
        because: &["country", "currency"],
    };
    example.works();
}
