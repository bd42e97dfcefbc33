//! A hostile plugin beside honest ones: whatever it does, the honest votes are the same to the last bit, its own vote is missing with a
//! reason, no row is silently approved, and the process lives.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::OnceLock;
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Installation, Server, guests, tamper};

/// Brings out the guest's behaviour: its first feature is above a half.
const TRIGGER: &str = r#"{"a":0.9,"b":0.2,"c":0.3}"#;
const CALM: [&str; 3] = [r#"{"a":0.1,"b":0.2,"c":0.3}"#, r#"{"a":0.25,"b":0.01,"c":0.49}"#, r#"{"a":0.4,"b":0.3,"c":0.1}"#];
const HONEST: [&str; 2] = ["robust", "forest"];

/// Longest explanation of an abstention that a client is sent, in bytes.
const LONGEST_DETAIL: usize = 5000;

/// Calm rows with the trigger among them, and where it stands.
const TRIGGER_AT: usize = 2;

fn batch() -> String {
    format!("[{},{},{TRIGGER},{},{}]", CALM[0], CALM[1], CALM[2], CALM[0])
}

fn honest() -> String {
    let template = guests().join("template.wasm");
    patient(&three_numbers(&format!("  robust:\n    plugin: {}\n  forest:\n    plugin: isolation-forest\n", template.display())))
}

/// The honest detectors, and between them one that misbehaves as asked. Its own limits are tight.
fn with_hostile(behaviour: &str) -> String {
    let mut hostile = String::new();
    let limits = "timeout: 500ms, memory: 64MiB, load_timeout: 500ms, fit_timeout: 700ms, fit_memory: 128MiB";
    let _ = writeln!(hostile, "  hostile:\n    plugin: {}\n    limits: {{{limits}}}", guests().join("hostile.wasm").display());
    let _ = writeln!(hostile, "    parameters: {{behaviour: {behaviour}}}\n  forest:");
    honest().replacen("  forest:\n", &hostile, 1)
}

fn installed(configuration: &str) -> Installation {
    let at = Installation::new(configuration);
    at.write("rows.csv", three_numbers_csv(400));
    at
}

fn fitted(configuration: &str) -> Installation {
    let at = installed(configuration);
    at.run("fit --data rows.csv").ok();
    at
}

/// What the honest detectors say to each row: raw score, score and threshold as bits, and the vote.
type Votes = Vec<(String, [u64; 3], bool)>;

fn honest_votes(answer: &Value) -> Votes {
    let vote = |vote: &Value| {
        let numbers = ["raw_score", "score", "threshold"].map(|key| vote[key].as_f64().unwrap().to_bits());
        (vote["detector"].as_str().unwrap().to_owned(), numbers, vote["anomalous"].as_bool().unwrap())
    };
    let votes: Votes = answer["votes"].as_array().unwrap().iter().map(vote).collect();
    votes.into_iter().filter(|vote| vote.0 != "hostile").collect()
}

/// The votes on [`batch`] in a gateway without the hostile detector.
fn expected() -> &'static Vec<Votes> {
    static EXPECTED: OnceLock<Vec<Votes>> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let at = fitted(&honest());
        let server = Server::start(&at);
        let answers = server.post("/v1/score", &batch()).ok();
        let votes: Vec<Votes> = answers.as_array().unwrap().iter().map(honest_votes).collect();
        server.stop();
        assert!(votes.iter().all(|votes| votes.iter().map(|vote| vote.0.as_str()).eq(HONEST)), "{answers}");
        votes
    })
}

/// Insists that the hostile detector abstained from a row, for this reason, and that the row is looked at by a person at least.
#[track_caller]
fn abstained(answer: &Value, reason: &str) {
    let abstentions = answer["abstentions"].as_array().unwrap();
    let [abstention] = abstentions.as_slice() else { panic!("{answer}") };
    assert_eq!((&abstention["detector"], &abstention["reason"]), (&json!("hostile"), &json!(reason)), "{answer}");
    assert!(
        abstention["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty() && detail.len() <= LONGEST_DETAIL && !detail.contains('\u{1b}')),
        "{answer}"
    );
    let verdict = &answer["verdict"];
    assert_eq!((&verdict["votes"], &verdict["too_few_votes"]), (&json!(2), &json!(true)), "{answer}");
    assert!(["review", "block"].map(Value::from).contains(&verdict["outcome"]), "{answer}");
}

#[track_caller]
fn all_voted(answer: &Value) {
    let verdict = &answer["verdict"];
    assert_eq!((&verdict["votes"], &verdict["too_few_votes"], &answer["abstentions"]), (&json!(3), &json!(false), &json!([])), "{answer}");
}

/// The guest misbehaves on the row that triggers it, and on that row only.
fn survives(behaviour: &str, reason: &str) {
    let at = fitted(&with_hostile(behaviour));
    let mut server = Server::start(&at);
    let calm = server.post("/v1/score", CALM[0]).ok();
    all_voted(&calm);
    for _ in 0..2 {
        let answer = server.post("/v1/score", TRIGGER).ok();
        abstained(&answer, reason);
        assert_eq!(honest_votes(&answer), expected()[TRIGGER_AT], "alone");
    }
    let answers = server.post("/v1/score", &batch()).ok();
    for (place, answer) in answers.as_array().unwrap().iter().enumerate() {
        assert_eq!(honest_votes(answer), expected()[place], "row {place} of a batch");
        if place == TRIGGER_AT { abstained(answer, reason) } else { all_voted(answer) }
    }
    assert_eq!(server.post("/v1/score", CALM[0]).ok()["verdict"], calm["verdict"], "later answers are right");
    assert!(server.lives() && server.get("/readyz").status == 200);

    let refused = server.post("/v1/detectors/hostile/score", TRIGGER).ok();
    assert_eq!((&refused["abstention"]["reason"], refused.get("vote")), (&json!(reason), None), "{refused}");
    let metrics = server.administer("/metrics").body;
    let line = format!("synod_detector_abstentions_total{{detector=\"hostile\",reason=\"{reason}\"}} 4\n");
    assert!(metrics.contains(&line) && metrics.contains("synod_verdicts_with_too_few_votes_total 3\n"), "no {line} in {metrics}");
    server.stop();

    at.write("new.jsonl", format!("{}\n{TRIGGER}\n{}\n", CALM[0], CALM[1]));
    at.run("score --data new.jsonl --output out.jsonl").ok();
    let lines: Vec<Value> = at.read("out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons: Vec<&Value> = lines.iter().map(|line| &line["hostile.abstention"]).collect();
    assert_eq!(reasons, [&Value::Null, &json!(reason), &Value::Null]);
    assert_ne!(lines[1]["outcome"], "approve");
}

/// A test for each behaviour in `score`, with the reason of the abstention.
macro_rules! behaviours {
    ($($behaviour:ident: $reason:literal,)*) => {$(
        #[test]
        fn $behaviour() {
            survives(stringify!($behaviour), $reason);
        }
    )*};
}

behaviours! {
    spin: "timeout",
    bomb: "memory",
    recursion: "trap",
    panic: "trap",
    nan: "bad_output",
    infinity: "bad_output",
    short: "bad_output",
    huge: "bad_output",
    endless_log: "timeout",
    refuse: "refused",
}

#[test]
fn a_guest_cannot_flood_the_log() {
    let at = fitted(&with_hostile("log_flood"));
    let server = Server::start(&at);
    let answer = server.post("/v1/score", TRIGGER).ok();
    all_voted(&answer);
    assert_eq!(honest_votes(&answer), expected()[TRIGGER_AT]);
    let events = server.stop();
    assert!(events.len() < 1000, "a guest's lines are bounded: {}", events.len());
}

#[test]
fn a_detector_that_does_not_start_abstains_and_the_others_vote() {
    let at = fitted(&with_hostile("honest"));
    for behaviour in ["slow_start", "panic_in_load", "bomb_in_load"] {
        at.write("synod.yaml", with_hostile("honest"));
        tamper(&at, behaviour);
        at.run("check").failed(1, &["hostile does not start"]);
        let mut server = Server::start(&at);
        let answers = server.post("/v1/score", &batch()).ok();
        for (place, answer) in answers.as_array().unwrap().iter().enumerate() {
            abstained(answer, "not_ready");
            assert_eq!(honest_votes(answer), expected()[place], "{behaviour}");
        }
        let readiness = server.get("/readyz");
        assert_eq!(
            (readiness.status, &readiness.json()["detectors"][1]),
            (503, &json!({"name": "hostile", "ready": false})),
            "{behaviour}"
        );
        assert_eq!(server.get("/healthz").status, 200);
        assert!(server.administer("/metrics").body.contains("synod_detector_ready{detector=\"hostile\"} 0\n"));
        assert!(server.lives());
        let events = server.stop();
        assert!(events.iter().any(|event| event["level"] == "ERROR" && event["detector"] == "hostile"), "{behaviour}: {events:#?}");
    }
}

/// Behaviours in `fit`, `load` and `check` that end a fit: the exit code, and what the message must hold.
const UNFIT: [(&str, i32, &[&str]); 8] = [
    ("spin_in_fit", 1, &["detector hostile", "the fit failed", "700ms"]),
    ("bomb_in_fit", 1, &["detector hostile", "the fit failed", "memory"]),
    ("panic_in_fit", 1, &["detector hostile", "the fit failed"]),
    ("slow_start", 1, &["detector hostile", "loading the model failed", "500ms"]),
    ("panic_in_load", 1, &["detector hostile", "loading the model failed"]),
    ("bomb_in_load", 1, &["detector hostile", "loading the model failed", "memory"]),
    ("spin_in_check", 1, &["detector hostile", "checking the parameters failed"]),
    ("many_mistakes", 2, &["hostile", "mistake"]),
];

#[test]
fn a_fit_that_goes_wrong_publishes_nothing() {
    let at = installed("");
    for (behaviour, code, naming) in UNFIT {
        at.write("synod.yaml", with_hostile(behaviour));
        let ran = at.run("fit --data rows.csv").failed(code, naming);
        assert!(ran.errors.len() < 100_000, "{behaviour}: the message is bounded");
    }
    for detector in ["robust", "hostile", "forest"] {
        assert!(!at.path("data/models").join(detector).exists(), "{detector}");
    }
    at.write("synod.yaml", with_hostile("log_flood_in_fit"));
    let ran = at.run("fit --data rows.csv").ok();
    assert!(ran.errors.len() < 1_000_000 && !ran.errors.contains('\u{7}'), "a guest's lines are bounded and clean");
}
