//! What is tried beside what judges: shadows, canaries, and how they end.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::prometheus::{Prometheus, scraping};
use synod_tests::{Installation, Server, guests, repository};

const LONGEST: Duration = Duration::from_secs(60);
const CALM: &str = r#"{"a":0.25,"b":0.25,"c":0.25}"#;
/// Few rows are compared, and one look is enough, so that a test need not wait. What a test does not ask about is wide open.
const GUARDS: &str =
    "rollout:\n  guards: {rows: 50, looks: 1, score_shift: 100, flag_rate: 1000, disagreement: 1, slower: 1000000, failures: 1}\n";

fn template() -> String {
    guests().join("template.wasm").display().to_string()
}

/// Rows of three numbers that lie closely together: most other rows are odd beside them.
fn narrow_csv(rows: u64) -> String {
    let mut text = "a,b,c\n".to_owned();
    for row in 0..rows {
        let number = |step: u64| 0.25 + (row * step % 997) as f64 / 997_000.0;
        let _ = writeln!(text, "{},{},{}", number(7), number(113), number(31));
    }
    text
}

/// A row like those of the fit, another one for each number.
fn ordinary(row: u64) -> String {
    let number = |step: u64| (row * step % 997) as f64 / 997.0 / 2.0;
    json!({"a": number(7), "b": number(113), "c": number(31)}).to_string()
}

/// Two detectors of which the first has a candidate that was fitted on `candidate`.
fn with_candidate(plugin: &str, candidate: &str, guards: &str) -> Installation {
    let detectors = format!("  first:\n    plugin: {plugin}\n  second:\n    plugin: {}\n", template());
    let at = Installation::new(&(patient(&three_numbers(&detectors)).replace("    plugin: hostile", "    plugin: ") + guards));
    at.write("rows.csv", three_numbers_csv(300));
    at.write("candidate.csv", candidate);
    at.run("fit --data rows.csv").ok();
    at.run("fit --data candidate.csv --detector first --candidate").ok();
    at
}

fn score_many(server: &Server, rows: std::ops::Range<u64>) -> Vec<Value> {
    let body = format!("[{}]", rows.map(ordinary).collect::<Vec<_>>().join(","));
    server.post("/v1/score", &body).ok().as_array().unwrap().clone()
}

fn version_of(answer: &Value, detector: &str) -> Option<u64> {
    let vote = answer["votes"].as_array().unwrap().iter().find(|vote| vote["detector"] == detector)?;
    vote["model_version"].as_u64()
}

/// The latest rollout, once it is as wanted.
fn await_rollout(server: &Server, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let latest = server.get("/v1/rollouts").ok()[0].clone();
        if wanted(&latest) {
            return latest;
        }
        assert!(started.elapsed() < LONGEST, "not {what}: {latest:#}\n{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the server has said something so many times.
fn await_words(server: &Server, words: &str, times: usize) {
    let started = Instant::now();
    while server.events().iter().filter(|event| event["message"] == words).count() < times {
        assert!(started.elapsed() < LONGEST, "`{words}` was not said {times} times:\n{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something is tried.
fn await_trial(server: &Server) {
    await_words(server, "a rollout is under way", 1);
}

/// Scores rows until the rollout has ended.
fn score_until_it_ends(server: &Server) -> Value {
    let started = Instant::now();
    for round in 0.. {
        score_many(server, round * 20..round * 20 + 20);
        let latest = server.get("/v1/rollouts").ok()[0].clone();
        if latest["state"] != "under_way" {
            return latest;
        }
        assert!(started.elapsed() < LONGEST, "it goes on: {latest:#}\n{}", server.lines().join("\n"));
    }
    unreachable!()
}

fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.administer("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn shadows_are_scored_kept_and_measured_and_count_for_nothing() {
    let detectors = format!("  judge:\n    plugin: {0}\n  beside:\n    plugin: {0}\n    shadow: true\n", template());
    let policies = "  shadows:\n    both: {rule: any, detectors: [judge, beside]}\n    strict: {contamination: 0.3}\n";
    let at = Installation::new(&patient(&three_numbers(&detectors)).replace("consensus:\n", &format!("consensus:\n{policies}")));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("check").ok();
    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    await_words(&server, "detectors and policies are asked beside", 1);
    let answers = score_many(&server, 0..200);
    for answer in &answers {
        assert_eq!(answer["votes"].as_array().unwrap().len(), 1, "a shadow has no vote: {answer}");
    }
    let started = Instant::now();
    let total = || {
        let metrics = server.administer("/metrics").body;
        let of = |name: &str, labels: &str| -> f64 {
            let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(labels));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
        };
        [
            of("synod_shadow_votes_total", "detector=\"beside\""),
            of("synod_shadow_verdicts_total", "policy=\"both\""),
            of("synod_shadow_verdicts_total", "policy=\"strict\""),
            of("synod_shadow_verdicts_total", "policy=\"strict\",outcome=\"review\""),
        ]
    };
    while total()[0] < 200.0 {
        assert!(started.elapsed() < LONGEST, "{:?}\n{}", total(), server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
    let [votes, both, strict, reviews] = total();
    assert_eq!([votes, both, strict], [200.0; 3]);
    let in_force = answers.iter().filter(|answer| answer["verdict"]["anomalous"] == true).count() as f64;
    assert!(reviews > in_force + 20.0, "a policy that flags 30 % flags more: {reviews}, {in_force}");
    server.post("/v1/detectors/beside/score", CALM).problem(404, "no_such_detector");
    server.stop();
    let verified = at.run("audit verify").ok().output;
    assert!(!verified.contains("knows no records"), "{verified}");
    let kept = at.run("export shadows").ok().output;
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept.len(), 200);
    for (record, answer) in kept.iter().zip(&answers) {
        assert_eq!((&record["decision"], &record["votes"][0]["detector"]), (&answer["decision"], &json!("beside")), "{record}");
        assert_eq!(record["verdicts"].as_array().unwrap().len(), 2, "{record}");
    }
    at.run("replay").ok();
    // What is fitted anew takes the place of the shadow of before, and a shadow without a model keeps nobody from being judged.
    let server = Server::start(&at);
    at.run("fit --data rows.csv --detector beside").ok();
    await_words(&server, "detectors and policies are asked beside", 2);
    at.edit("    shadow: true\n", "    shadow: true\n  later:\n    plugin: template\n    shadow: true\n");
    at.edit("plugin: template\n", &format!("plugin: {}\n", template()));
    assert_eq!(server.post("/v1/configuration/reload", "").status, 204);
    await_words(&server, "what should be asked beside the policy cannot be loaded", 1);
    assert_eq!(score_many(&server, 0..3).len(), 3);
    assert_eq!(metric(&server, "synod_reload_failing{part=\"shadows\"}"), 1.0);
}

#[test]
fn mistakes_in_shadows_and_rollouts_are_told_with_their_keys() {
    let detectors = format!("  judge:\n    plugin: {0}\n  beside:\n    plugin: {0}\n", template());
    let text = patient(&three_numbers(&detectors));
    let with = |from: &str, to: &str| {
        let at = Installation::new(&text.replacen(from, to, 1));
        at.run("check").failed(2, &[]).errors
    };
    let shadows = |what: &str| with("consensus:\n", &format!("consensus:\n  shadows:\n    other: {what}\n"));
    assert!(shadows("{detectors: [nobody]}").contains("consensus.shadows.other.detectors[0]: there is no detector `nobody`"));
    assert!(shadows("{rule: at_least}").contains("consensus.shadows.other.votes: is missing"));
    assert!(shadows("{detectors: [judge, judge]}").contains("consensus.shadows.other.detectors[1]: `judge` is named twice"));
    assert!(shadows("{minimum_votes: 3}").contains("consensus.shadows.other: 3 votes are asked for, and 2 detectors vote"));
    let rollout = |what: &str| with("consensus:\n", &format!("rollout: {what}\nconsensus:\n"));
    assert!(rollout("{steps: []}").contains("rollout.steps: there are 0"));
    assert!(rollout("{steps: [{share: 0.5}, {share: 0.2}]}").contains("rollout.steps[1].share: is less than at the step before"));
    assert!(rollout("{guards: {rows: 1}}").contains("rollout.guards.rows: 1 is not a number from 50"));
    let nobody = text.replace("    plugin: ", "    shadow: true\n    plugin: ");
    let at = Installation::new(&nobody);
    assert!(at.run("check").failed(2, &[]).errors.contains("detectors: all are shadows, and nobody votes"));
}

/// An installation whose rows are about accounts, with a candidate of its only detector.
fn accounts() -> Installation {
    let detectors = format!("  first:\n    plugin: {}\n", template());
    let text = three_numbers(&detectors).replace("  fields:\n", "  entity: account\n  fields:\n    account: {type: text}\n");
    let at = Installation::new(&(patient(&text) + GUARDS));
    let csv = |rows: u64| {
        let lines = three_numbers_csv(rows);
        let mut lines = lines.lines();
        let head = format!("account,{}\n", lines.next().unwrap());
        head + &lines.map(|line| format!("x,{line}\n")).collect::<String>()
    };
    at.write("rows.csv", csv(300));
    at.write("more.csv", csv(500));
    at.run("fit --data rows.csv").ok();
    at.run("fit --data more.csv --candidate").ok();
    at
}

/// Which version judges each account.
fn by_account(server: &Server) -> BTreeMap<String, u64> {
    let row = |account: u64| format!(r#"{{"account":"account-{account}","a":0.2,"b":0.3,"c":0.1}}"#);
    let body = format!("[{}]", (0..200).map(row).collect::<Vec<_>>().join(","));
    let answers = server.post("/v1/score", &body).ok();
    let judged = answers.as_array().unwrap().iter().enumerate();
    judged.map(|(account, answer)| (format!("account-{account}"), version_of(answer, "first").unwrap())).collect()
}

#[test]
fn an_entity_stays_on_its_side_a_larger_share_keeps_all_and_every_decision_says_which() {
    let at = accounts();
    let server = Server::start(&at);
    at.run("rollout start --share 0 --share 0.3 --share 0.6 --hold 1h").ok();
    await_trial(&server);
    assert!(by_account(&server).values().all(|version| *version == 1), "with a share of 0 it judges nobody");
    let tried = |judged: &BTreeMap<String, u64>| {
        judged.iter().filter(|(_, version)| **version == 2).map(|(account, _)| account.clone()).collect::<Vec<_>>()
    };
    server.post("/v1/rollouts/next", "").ok();
    let started = Instant::now();
    let mut first = tried(&by_account(&server));
    while first.is_empty() {
        assert!(started.elapsed() < LONGEST, "{}", server.lines().join("\n"));
        first = tried(&by_account(&server));
    }
    assert!((30..90).contains(&first.len()), "about 30 % of 200: {}", first.len());
    assert_eq!(tried(&by_account(&server)), first, "they stay");
    at.run("rollout next").ok();
    let mut second = first.clone();
    while second.len() == first.len() {
        second = tried(&by_account(&server));
    }
    assert!((90..150).contains(&second.len()), "about 60 % of 200: {}", second.len());
    assert!(first.iter().all(|account| second.contains(account)), "whoever was tried still is");
    // After a restart it goes on, with the same accounts.
    server.stop();
    let server = Server::start(&at);
    await_trial(&server);
    assert_eq!(tried(&by_account(&server)), second);
    let decisions = server.get("/v1/decisions?limit=50").ok();
    for decision in decisions["decisions"].as_array().unwrap() {
        let side = if version_of(decision, "first") == Some(2) { "canary" } else { "control" };
        assert_eq!(decision["rollout"]["side"], side, "{decision}");
    }
    let stopped = server.post("/v1/rollouts/stop", r#"{"why":"enough seen"}"#).ok();
    assert_eq!((&stopped["state"], &stopped["ended"]["why"]), (&json!("stopped"), &json!("enough seen")));
    assert!(by_account(&server).values().all(|version| *version == 1), "whoever is told so is judged by what was before");
    server.post("/v1/rollouts/stop", "").problem(404, "no_rollout");
    server.stop();
    // Every decision is made again by what made it, whichever side that was.
    at.run("replay").ok();
    let acts: Vec<String> = at
        .audited("rollout.changed", 4)
        .iter()
        .map(|record| record["reason"].as_str().unwrap().split(':').next().unwrap().to_owned())
        .collect();
    assert!(["begin", "step", "stopped"].iter().all(|act| acts.iter().any(|found| found == act)), "{acts:?}");
}

#[test]
fn a_candidate_with_other_scores_is_rolled_back_by_itself_and_says_why() {
    let guards = GUARDS.replace("score_shift: 100", "score_shift: 0.25");
    let at = with_candidate(&template(), &narrow_csv(300), &guards);
    let server = Server::start(&at);
    let rules = fs::read_to_string(repository().join("alertmanager/rules/detectors.yaml")).unwrap();
    let configuration = format!("{}rule_files: [rules.yaml]\n", scraping(&[("synod", server.administration)]));
    let prometheus = Prometheus::start(&configuration, &[("rules.yaml", &rules)], &[]);
    // An increase is one over something: it must have been seen at zero.
    if let Some(prometheus) = &prometheus {
        prometheus.until("synod_rollouts_ended_total", |series| series.len() > 5);
    }
    let begun = server.post("/v1/rollouts", r#"{"steps":[{"share":0.2,"hold":"1h"}]}"#);
    assert_eq!(begun.status, 201);
    let begun = begun.json();
    assert_eq!((&begun["versions"], &begun["before"], &begun["state"]), (&json!({"first": 2}), &json!({"first": 1}), &json!("under_way")));
    server.post("/v1/rollouts", "{}").problem(409, "rollout_under_way");
    await_trial(&server);
    let ended = score_until_it_ends(&server);
    assert_eq!(ended["state"], "rolled_back", "{ended:#}");
    let why = ended["ended"]["why"].as_str().unwrap();
    assert!(why.starts_with("score_shift: the scores are distributed otherwise"), "{why}");
    assert_eq!(ended["ended"]["by"], "synod");
    assert!(ended["report"]["measures"]["score_shift"].as_f64().unwrap() > 0.25, "{ended:#}");
    assert!(ended["report"]["disagreements"].as_array().unwrap().len() > 5, "{ended:#}");
    assert_eq!(metric(&server, "synod_rollouts_ended_total{end=\"rolled_back\",why=\"score_shift\"}"), 1.0);
    assert_eq!(metric(&server, "synod_rollout_share"), 0.0);
    assert!(score_many(&server, 0..20).iter().all(|answer| version_of(answer, "first") == Some(1)));
    if let Some(prometheus) = &prometheus {
        let fires = |prometheus: &Prometheus| {
            prometheus
                .alerts()
                .into_iter()
                .find(|alert| alert["labels"]["alertname"] == "SynodRolloutRolledBack" && alert["state"] == "firing")
        };
        let started = Instant::now();
        let alert = loop {
            match fires(prometheus) {
                Some(alert) => break alert,
                None => assert!(started.elapsed() < LONGEST, "nobody is called: {}", prometheus.log()),
            }
            thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(alert["labels"]["why"], "score_shift", "{alert:#}");
        assert!(alert["annotations"]["summary"].as_str().unwrap().ends_with("rolled back by itself: score_shift"), "{alert:#}");
    }
    let shown = at.run("rollout show").ok().output;
    assert!(shown.contains("rolled_back") && shown.contains("score_shift"), "{shown}");
    server.stop();
    at.run("replay").ok();
    let record = at.audited("rollout.changed", 2).into_iter().find(|record| record["outcome"] == "failed").unwrap();
    assert!(record["reason"].as_str().unwrap().contains("score_shift"), "{record}");
}

/// A detector that misbehaves with its candidate alone.
fn misbehaving(behaviour: &str, guards: &str) -> Installation {
    let hostile = guests().join("hostile.wasm").display().to_string();
    let plugin = format!("{hostile}\n    parameters: {{behaviour: {behaviour}}}");
    with_candidate(&plugin, &three_numbers_csv(700), guards)
}

#[test]
fn a_slow_candidate_is_rolled_back_by_itself() {
    let at = misbehaving("slow_with_many", &GUARDS.replace("slower: 1000000", "slower: 3"));
    let server = Server::start(&at);
    at.run("rollout start --share 0.1 --hold 1h").ok();
    await_trial(&server);
    let ended = score_until_it_ends(&server);
    assert_eq!(ended["state"], "rolled_back", "{ended:#}");
    assert!(ended["ended"]["why"].as_str().unwrap().starts_with("slower: the detectors take"), "{ended:#}");
    assert_eq!(metric(&server, "synod_rollouts_ended_total{end=\"rolled_back\",why=\"slower\"}"), 1.0);
}

#[test]
fn a_candidate_that_fails_costs_nobody_a_verdict_and_is_rolled_back() {
    let at = misbehaving("panic_with_many", &GUARDS.replace("failures: 1}", "failures: 0.01}"));
    let server = Server::start(&at);
    at.run("rollout start --share 1 --hold 1h").ok();
    await_trial(&server);
    let triggering = |row: u64| format!(r#"{{"a":0.9,"b":{},"c":0.25}}"#, row as f64 / 1000.0);
    let started = Instant::now();
    let mut sides = BTreeMap::new();
    for round in 0_u64.. {
        let body = format!("[{},{CALM}]", triggering(round));
        let answers = server.post("/v1/score", &body).ok();
        for answer in answers.as_array().unwrap() {
            assert!(answer["abstentions"].as_array().unwrap().is_empty(), "what is in force judges where what is tried fails: {answer}");
            *sides.entry(version_of(answer, "first").unwrap()).or_insert(0) += 1;
        }
        if server.get("/v1/rollouts").ok()[0]["state"] != "under_way" {
            break;
        }
        assert!(started.elapsed() < LONGEST, "{}", server.lines().join("\n"));
    }
    assert!(sides.len() == 2, "both sides judged: {sides:?}");
    let ended = server.get("/v1/rollouts").ok()[0].clone();
    assert!(ended["ended"]["why"].as_str().unwrap().starts_with("failures: "), "{ended:#}");
    server.stop();
    at.run("replay").ok();
}

#[test]
fn a_good_candidate_goes_from_step_to_step_and_is_promoted() {
    let at = with_candidate(&template(), &three_numbers_csv(500), GUARDS);
    let server = Server::start(&at);
    at.run("rollout start --share 0 --share 0.5 --hold 1s --promote").ok();
    let ended = score_until_it_ends(&server);
    assert_eq!((&ended["state"], &ended["step"]), (&json!("promoted"), &json!(2)), "{ended:#}");
    assert!(score_many(&server, 0..20).iter().all(|answer| version_of(answer, "first") == Some(2)));
    let listed: Value = serde_json::from_str(&at.run("models list first --format json").ok().output).unwrap();
    assert_eq!(listed[1]["labels"], json!(["live"]), "{listed}");
    server.stop();
    at.run("replay").ok();
}

#[test]
fn another_policy_is_tried_by_its_name_and_replayed_by_it() {
    let detectors = format!("  first:\n    plugin: {0}\n  second:\n    plugin: {0}\n", template());
    let shadows = "consensus:\n  shadows:\n    strict: {rule: maximum, contamination: 0.3}\n    part: {detectors: [first]}\n";
    let at = Installation::new(&(patient(&three_numbers(&detectors)).replace("consensus:\n", shadows) + GUARDS));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    server.post("/v1/rollouts", r#"{"policy":"part"}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"policy":"nothing"}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"policy":"strict","promote":true}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", "{}").problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"versions":{"first":"1"}}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"versions":{"nobody":"1"}}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"policy":"strict","steps":[{"share":1.5,"hold":"1h"}]}"#).problem(400, "invalid_request");
    server.post("/v1/rollouts", r#"{"policy":"strict","steps":[{"share":1,"hold":"never"}]}"#).problem(400, "invalid_request");
    assert_eq!(server.post("/v1/rollouts", r#"{"policy":"strict","steps":[{"share":1,"hold":"1h"}]}"#).status, 201);
    await_trial(&server);
    let answers = score_many(&server, 0..100);
    assert!(answers.iter().all(|answer| answer["verdict"]["policy"] == "maximum"), "{}", answers[0]);
    let report = await_rollout(&server, "compared", |latest| latest["report"]["rows"] == 100)["report"].clone();
    assert!(report["outcomes"][0][1].as_u64().unwrap() > 10, "the strict policy reviews more: {report:#}");
    server.post("/v1/rollouts/promote", "").problem(400, "invalid_request");
    at.run("rollout promote").failed(2, &["writing it into the configuration"]);
    at.run("rollout stop --why enough").ok();
    await_rollout(&server, "stopped", |latest| latest["state"] == "stopped");
    server.stop();
    at.run("replay").ok();
}

#[test]
fn what_does_not_load_is_rolled_back_and_labels_that_others_move_end_it() {
    let at = with_candidate(&template(), &three_numbers_csv(500), GUARDS);
    let server = Server::start(&at);
    at.run("rollout start first=candidate --share 0 --hold 1h").ok();
    await_trial(&server);
    at.run("models promote first=2").ok();
    let latest = await_rollout(&server, "promoted", |latest| latest["state"] != "under_way");
    assert_eq!(latest["state"], "promoted", "{latest:#}");
    at.run("rollout start first=1 --share 0 --hold 1h").ok();
    await_rollout(&server, "under way", |latest| latest["versions"]["first"] == 1);
    at.run("fit --data candidate.csv --detector first").ok();
    let latest = await_rollout(&server, "superseded", |latest| latest["state"] != "under_way");
    assert_eq!(latest["state"], "superseded", "{latest:#}");
    // An artifact that no other version has.
    at.write("other.csv", three_numbers_csv(400));
    at.run("fit --data other.csv --detector first --candidate").ok();
    let blobs = at.path("data/models/blobs");
    let listed: Value = serde_json::from_str(&at.run("models list first --format json").ok().output).unwrap();
    let digest = listed[3]["sha256"].as_str().unwrap().to_owned();
    // Begun while nobody serves, and damaged before somebody does.
    server.stop();
    at.run("rollout start first=4 --share 1 --hold 1h").ok();
    fs::write(blobs.join(format!("{digest}.zst")), b"something else").unwrap();
    let server = Server::start(&at);
    let latest = await_rollout(&server, "rolled back", |latest| latest["state"] != "under_way");
    assert!(latest["ended"]["why"].as_str().unwrap().starts_with("it does not load: "), "{latest:#}");
    assert_eq!(score_many(&server, 0..3).len(), 3);
    assert_eq!(metric(&server, "synod_rollouts_ended_total{end=\"rolled_back\",why=\"not_loaded\"}"), 1.0);
    at.run("rollout start first=4 --share 1 --hold 1h").failed(2, &["first"]);
}
