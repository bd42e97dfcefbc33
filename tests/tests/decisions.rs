//! The routes that show decisions: found, explained, labelled, counted, and kept from whoever asks for too much.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Server, guests, send};

/// `neighbours` cannot vote where the balance is missing.
const CONFIGURATION: &str = "version: 1
schema:
  id: event
  entity: account
  time: at
  fields:
    event: {type: text, length: 64}
    account: {type: text}
    at: {type: time, format: epoch_seconds}
    amount: {type: number, minimum: 0}
    balance: {type: number, required: false}
    channel: {type: text, values: [atm, online]}
features:
  amount: {expression: log1p(amount)}
  balance: {expression: log1p(balance)}
  channel: {encode: one_hot, of: channel}
  day_count: {history: count, over: 1d}
  mean_amount: {history: mean, of: amount, over: 30d, missing: median}
  amount_ratio: {history: ratio_to_mean, of: amount, over: 30d, missing: 1}
  pair_count: {history: count, per: [account, channel], over: 1d}
  above_mean: {expression: amount - mean_amount, missing: 0}
detectors:
  forest: {plugin: isolation-forest, features: [amount, amount_ratio, day_count], parameters: {trees: 50}, contamination: 0.02}
  neighbours: {plugin: local-outlier-factor, features: [amount, balance, amount_ratio, above_mean], scale: standard, contamination: 0.02}
  network:
    plugin: autoencoder
    features: [amount, channel, amount_ratio, pair_count]
    contamination: 0.02
consensus:
  minimum_votes: 2
  contamination: 0.02
outcomes:
  block: 0.75
routes:
  - path: /past
    serves: decisions
    answer: {Event: id, who: entity, odd: anomalous, points: score, line: threshold, do: outcome, ref: decision, when: decided, at: at,
             why: reasons, row: row}
  - path: /past/{entity}/all
    serves: decisions
    answer: {'*': row, amount: score, odd: anomalous}
";

/// Accounts of the rows.
const ACCOUNTS: u64 = 7;
/// Seconds that the rows cover, up to now.
const PERIOD: u64 = 20 * 3600;
const ROWS: u64 = 280;
/// Rows of one request.
const AT_ONCE: u64 = 40;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn account(row: u64) -> String {
    format!("AC/{}", row % ACCOUNTS)
}

/// Ordinary amounts, and a few that are not.
fn amount(row: u64) -> f64 {
    let usual = 20.0 + (row * 7919 % 997) as f64 / 10.0;
    if row % 41 == 40 { usual * 500.0 } else { usual }
}

fn row(row: u64, from: u64) -> Value {
    let mut made = json!({
        "event": format!("E{row}"), "account": account(row), "at": from + row * PERIOD / ROWS, "amount": amount(row),
        "balance": 1000 + row * 31 % 700, "channel": if row.is_multiple_of(5) { "atm" } else { "online" }
    });
    if row % 29 == 7 {
        made.as_object_mut().unwrap().remove("balance");
    }
    made
}

fn csv(rows: u64) -> String {
    let mut text = "event,account,at,amount,balance,channel\n".to_owned();
    for index in 0..rows {
        let amount = 20.0 + (index * 7919 % 997) as f64 / 10.0;
        let channel = if index.is_multiple_of(5) { "atm" } else { "online" };
        let at = 1_700_000_000 + index * 257;
        let _ = writeln!(text, "T{index},{},{at},{amount},{},{channel}", account(index), 1000 + index * 31 % 700);
    }
    text
}

fn fitted(configuration: &str) -> Installation {
    let at = Installation::new(&patient(configuration));
    at.write("rows.csv", csv(700));
    at.run("fit --data rows.csv").ok();
    at
}

/// Limits of detectors that stand on one line are left as they are by [`patient`].
fn installation() -> Installation {
    let limits = ", limits: {timeout: 20s, load_timeout: 60s}, ";
    fitted(&CONFIGURATION.replace(", features: [amount, ", &format!("{limits}features: [amount, ")))
}

/// Scores the rows in a few requests, and answers their time of beginning.
fn score(server: &Server) -> u64 {
    let from = now() - PERIOD;
    for first in (0..ROWS).step_by(AT_ONCE as usize) {
        let rows: Vec<Value> = (first..first + AT_ONCE).map(|index| row(index, from)).collect();
        let answers = server.post("/v1/score", &json!(rows).to_string()).ok();
        assert!(answers.as_array().unwrap().iter().all(|answer| answer["decision"].is_string()), "{answers}");
    }
    from
}

/// The path of the header that says where the next page is.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(path.unwrap_or_else(|| panic!("no link: {link}")).to_owned())
}

/// All decisions that a path lists, page by page.
fn all(server: &Server, path: &str) -> Vec<Value> {
    let (mut path, mut found) = (path.to_owned(), Vec::new());
    loop {
        let answer = server.get(&path);
        let page = answer.ok();
        let next = next(&answer);
        assert_eq!(page["next"].is_string(), next.is_some(), "{page}");
        found.extend(page["decisions"].as_array().unwrap().iter().cloned());
        match next {
            Some(next) => path = next,
            None => return found,
        }
    }
}

fn ids(decisions: &[Value]) -> Vec<&str> {
    decisions.iter().map(|decision| decision["id"].as_str().unwrap()).collect()
}

fn voted(decision: &Value, detector: &str) -> Option<bool> {
    let votes = decision["votes"].as_array().unwrap();
    votes.iter().find(|vote| vote["detector"] == detector).map(|vote| vote["anomalous"].as_bool().unwrap())
}

fn abstained(decision: &Value, detector: &str) -> bool {
    decision["abstentions"].as_array().unwrap().iter().any(|abstention| abstention["detector"] == detector)
}

fn of_score(decision: &Value) -> f64 {
    decision["verdict"]["score"].as_f64().unwrap()
}

type Fits = Box<dyn Fn(&Value) -> bool>;

/// Each filter with what it means.
fn filters(middle: &str) -> Vec<(String, Fits)> {
    let (since, before) = (middle.to_owned(), middle.to_owned());
    let mut filters: Vec<(String, Fits)> = vec![
        (String::new(), Box::new(|_| true)),
        ("entity=AC%2F3".into(), Box::new(|one| one["entity"] == "AC/3")),
        ("entity=nobody".into(), Box::new(|_| false)),
        ("anomalous=true".into(), Box::new(|one| one["verdict"]["anomalous"] == true)),
        ("anomalous=false".into(), Box::new(|one| one["verdict"]["anomalous"] == false)),
        ("detector=neighbours&vote=abstained".into(), Box::new(|one| abstained(one, "neighbours"))),
        ("detector=nobody&vote=yes".into(), Box::new(|_| false)),
        (format!("from={middle}"), Box::new(move |one| one["decided"].as_str().unwrap() >= since.as_str())),
        (format!("until={middle}"), Box::new(move |one| one["decided"].as_str().unwrap() < before.as_str())),
        ("minimum_score=0.25".into(), Box::new(|one| of_score(one) >= 0.25)),
        ("minimum_score=0.1&maximum_score=0.3".into(), Box::new(|one| (0.1..=0.3).contains(&of_score(one)))),
        ("entity=AC/2&detector=neighbours&vote=no&anomalous=false".into(), {
            Box::new(|one| one["entity"] == "AC/2" && voted(one, "neighbours") == Some(false) && one["verdict"]["anomalous"] == false)
        }),
    ];
    for outcome in ["approve", "review", "block"] {
        filters.push((format!("outcome={outcome}"), Box::new(move |one| one["verdict"]["outcome"] == outcome)));
    }
    for (vote, said) in [("yes", true), ("no", false)] {
        filters.push((format!("detector=network&vote={vote}"), Box::new(move |one| voted(one, "network") == Some(said))));
    }
    filters
}

#[test]
fn decisions_are_found_by_what_they_are() {
    let at = installation();
    let server = Server::start(&at);
    score(&server);
    let whole = all(&server, "/v1/decisions?limit=200");
    let events: Vec<&str> = whole.iter().map(|decision| decision["event"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..ROWS).rev().map(|row| format!("E{row}")).collect();
    assert_eq!(events, expected, "newest first");
    let outcomes: BTreeSet<&str> = whole.iter().map(|decision| decision["verdict"]["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.len() > 1, "rows of several outcomes, or the filters are not tested: {outcomes:?}");
    let abstaining = whole.iter().filter(|one| abstained(one, "neighbours")).count();
    assert_eq!(abstaining, (0..ROWS).filter(|row| row % 29 == 7).count());

    let middle = whole[150]["decided"].as_str().unwrap().to_owned();
    for (filter, fits) in filters(&middle) {
        let expected: Vec<Value> = whole.iter().filter(|decision| fits(decision)).cloned().collect();
        for limit in [7, 200] {
            let found = all(&server, &format!("/v1/decisions?limit={limit}&{filter}"));
            assert_eq!(ids(&found), ids(&expected), "{filter} in pages of {limit}");
        }
    }
    assert_eq!(server.get("/v1/decisions").ok()["decisions"].as_array().unwrap().len(), 50, "by default");

    for decision in &whole[..5] {
        let mut one = server.get(&format!("/v1/decisions/{}", decision["id"].as_str().unwrap())).ok();
        assert_eq!(one.as_object_mut().unwrap().remove("labels"), Some(json!([])));
        assert_eq!(&one, decision);
    }
    server.stop();
}

/// Paths that go wrong: path, status, code, and what the problem names.
const WRONG: [(&str, u16, &str, &str); 22] = [
    ("/v1/decisions?account=1", 400, "bad_query", "`account` is no parameter of this path, which knows entity, outcome"),
    ("/v1/decisions?outcome=deny", 400, "bad_query", "`outcome` must be one of approve, review, block"),
    ("/v1/decisions?limit=201", 400, "bad_query", "`limit` must be a number from 1 to 200"),
    ("/v1/decisions?limit=5&limit=6", 400, "bad_query", "`limit` must be given once"),
    ("/v1/decisions?vote=yes", 400, "bad_query", "`vote` needs `detector`"),
    ("/v1/decisions?from=2026-01-01T00:00:00+01:00", 400, "bad_query", "%2B"),
    ("/v1/decisions?minimum_score=2", 400, "bad_query", "`minimum_score` must be a score from 0 to 1"),
    ("/v1/decisions?cursor=1", 400, "bad_cursor", "`cursor`: this is not a cursor"),
    ("/v1/decisions?cursor=%00", 400, "bad_cursor", "`cursor`"),
    ("/v1/decisions?entity=%ff", 400, "bad_query", "`entity` is no text"),
    ("/v1/quality?limit=5", 400, "bad_query", "`limit` is no parameter of this path, which knows from, until"),
    ("/v1/quality?from=2026-01-02&until=2026-01-01", 400, "bad_query", "`until` must not be before `from`"),
    ("/v1/decisions/1", 404, "no_such_decision", ""),
    ("/v1/decisions/..", 404, "no_such_decision", ""),
    ("/v1/decisions/%2e%2e%2f%2e%2e", 404, "no_such_decision", ""),
    ("/v1/decisions/%ff", 404, "no_such_decision", ""),
    ("/v1/decisions/%00/explanation", 404, "no_such_decision", ""),
    ("/v1/decisions/../../etc/passwd", 404, "not_found", ""),
    ("/v1/decisions/01890000-0000-7000-8000-000000000000", 404, "no_such_decision", ""),
    ("/v1/entities/%27%20OR%201=1--", 404, "no_such_entity", ""),
    ("/v1/entities/%00", 404, "no_such_entity", ""),
    ("/past?entity=x", 400, "bad_query", "`entity` is no parameter of this path, which knows limit, cursor"),
];

#[test]
fn what_is_asked_wrongly_is_named() {
    let at = installation();
    let server = Server::start(&at);
    for (path, status, code, detail) in WRONG {
        let problem = server.get(path).problem(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    let vast = "x".repeat(10_000);
    server.get(&format!("/v1/decisions/{vast}")).problem(404, "no_such_decision");
    server.get(&format!("/v1/decisions/{vast}/explanation")).problem(404, "no_such_decision");
    server.get(&format!("/v1/entities/{vast}")).problem(404, "no_such_entity");
    server.get(&format!("/past/{vast}/all")).problem(404, "no_such_entity");
    for parameter in ["entity", "detector", "cursor", "from"] {
        let problem = server.get(&format!("/v1/decisions?{parameter}={vast}")).problem(400, "bad_query");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{parameter}` must have at most 256 bytes")), "{problem}");
    }
    let problem = server.get(&format!("/v1/decisions?{vast}=1")).problem(400, "bad_query");
    assert!(problem.to_string().len() < 1000, "{problem}");

    score(&server);
    let path = next(&server.get("/v1/decisions?limit=5&anomalous=false")).unwrap();
    server.get(&path).ok();
    let other = path.replace("anomalous=false", "anomalous=true");
    let problem = server.get(&other).problem(400, "bad_cursor");
    assert!(problem["detail"].as_str().unwrap().contains("cursor belongs to a search with another filter"), "{problem}");
    server.stop();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Linear between the two nearest ranks.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

fn assert_usual(told: &Value, feature: &str, decisions: &[&Value]) {
    let mut values: Vec<f64> = decisions.iter().filter_map(|decision| decision["features"][feature].as_f64()).collect();
    values.sort_by(f64::total_cmp);
    for (key, share) in [("low", 0.05), ("median", 0.5), ("high", 0.95)] {
        let expected = quantile(&values, share);
        assert!((number(&told[key]) - expected).abs() <= 1e-12 * expected.abs(), "{feature} {key}: {told}, not {expected}");
    }
}

/// What the contributions of an explained detector add up to, and what they were measured against: see the plugins.
fn explained(of_detector: &Value, decision: &Value, others: &[&Value]) -> (f64, f64) {
    let features = of_detector["features"].as_array().unwrap_or_else(|| panic!("not explained: {of_detector}"));
    let contributions: Vec<f64> = features.iter().map(|feature| number(&feature["contribution"])).collect();
    assert!(contributions.is_sorted_by(|a, b| a >= b), "{of_detector}");
    for feature in features {
        let name = feature["name"].as_str().unwrap();
        assert_eq!(feature["value"], decision["features"][name], "{feature}");
        assert!(feature["words"].as_str().unwrap().starts_with(name), "{feature}");
        assert!(number(&feature["usual"]["low"]) <= number(&feature["usual"]["high"]), "{feature}");
        assert_usual(&feature["usual_here"], name, others);
    }
    (contributions.iter().sum(), number(&of_detector["raw_score"]))
}

#[test]
fn decisions_are_explained_by_the_models_that_made_them() {
    let at = installation();
    let server = Server::start(&at);
    score(&server);
    let whole = all(&server, "/v1/decisions?limit=200");
    let mut bases = Vec::new();
    for decision in whole.iter().step_by(23) {
        let id = decision["id"].as_str().unwrap();
        let others: Vec<&Value> = whole.iter().filter(|other| other["entity"] == decision["entity"] && other["id"] != id).collect();
        let told = server.get(&format!("/v1/decisions/{id}/explanation")).ok();
        let detectors = told["detectors"].as_array().unwrap();
        assert_eq!((&told["decision"], detectors.len()), (&decision["id"], decision["votes"].as_array().unwrap().len()));
        for (of_detector, vote) in detectors.iter().zip(decision["votes"].as_array().unwrap()) {
            for key in ["detector", "model_version", "raw_score", "score", "anomalous"] {
                assert_eq!(of_detector[key], vote[key], "{of_detector}");
            }
            let (sum, raw) = explained(of_detector, decision, &others);
            match of_detector["detector"].as_str() {
                // Against the score of the mean path; all others split the raw score itself.
                Some("forest") => bases.push(raw - sum),
                _ => assert!((sum - raw).abs() < 1e-9 * raw.abs().max(1.0), "{of_detector}"),
            }
        }
    }
    assert!(bases.len() > 5 && bases.iter().all(|base| (base - bases[0]).abs() < 1e-9), "{bases:?}");
    let outlying = whole.iter().find(|decision| decision["event"] == "E40").unwrap();
    let told = server.get(&format!("/v1/decisions/{}/explanation", outlying["id"].as_str().unwrap())).ok();
    let most = &told["detectors"][1]["features"][0];
    assert!(["amount", "above_mean", "amount_ratio"].map(Value::from).contains(&most["name"]), "{most}");
    assert!(number(&most["value"]) > number(&most["usual"]["high"]), "an amount that is 500 times the usual one: {most}");
    server.stop();

    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    let told = server.get(&format!("/v1/decisions/{}/explanation", outlying["id"].as_str().unwrap())).ok();
    for of_detector in told["detectors"].as_array().unwrap() {
        assert_eq!((&of_detector["not_explained"]["reason"], of_detector.get("features")), (&json!("model_not_served"), None));
        assert!(of_detector["not_explained"]["detail"].as_str().unwrap().contains("synod replay"), "{of_detector}");
    }
    server.stop();
}

/// Detectors of a hostile plugin, whose first feature above a half brings out what it does.
fn with_hostile(behaviour: &str) -> Installation {
    let limits = "limits: {timeout: 1s, load_timeout: 20s, fit_timeout: 20s}";
    let plugin = guests().join("hostile.wasm");
    let hostile = format!("  hostile: {{plugin: {}, {limits}, parameters: {{behaviour: {behaviour}}}}}\n", plugin.display());
    let at = Installation::new(&patient(&three_numbers(&format!("{hostile}  forest:\n    plugin: isolation-forest\n"))));
    at.write("rows.csv", three_numbers_csv(400));
    at.run("fit --data rows.csv").ok();
    at
}

#[test]
fn a_score_that_does_not_come_again_is_not_explained() {
    let at = with_hostile("counter");
    let server = Server::start(&at);
    let told = |row: &str| {
        let decision = server.post("/v1/score", row).ok()["decision"].as_str().unwrap().to_owned();
        server.get(&format!("/v1/decisions/{decision}/explanation")).ok()["detectors"].clone()
    };
    let counted = told(r#"{"a":0.9,"b":0.2,"c":0.3}"#);
    assert_eq!(counted[0]["not_explained"]["reason"], "not_reproduced", "{counted}");
    assert_eq!(counted[1]["features"].as_array().map(Vec::len), Some(3), "the other one is: {counted}");
    // Its scores are sums, and its explanations the values.
    let honest = told(r#"{"a":0.1,"b":0.3,"c":0.2}"#);
    let order: Vec<&Value> = honest[0]["features"].as_array().unwrap().iter().map(|feature| &feature["name"]).collect();
    assert_eq!(order, ["b", "c", "a"], "{honest}");
    assert_eq!(honest[0]["features"][0]["usual_here"], Value::Null, "these rows have no entity");
    server.stop();
}

/// What is said about the decision on row `row`, oldest first.
fn said(row: u64) -> Vec<&'static str> {
    match row % 6 {
        0 => vec!["fraud"],
        1 => vec!["legitimate"],
        2 => vec!["fraud", "legitimate"],
        3 => vec!["legitimate", "unsure", "fraud"],
        4 => vec!["unsure"],
        _ => Vec::new(),
    }
}

/// Counts as the service has them: true and false positives, true and false negatives.
fn counted(decisions: &[Value], says: impl Fn(&Value) -> Option<bool>) -> BTreeMap<&'static str, u64> {
    let keys = ["true_positive", "false_positive", "true_negative", "false_negative"];
    let mut counts: BTreeMap<&str, u64> = keys.map(|key| (key, 0)).into();
    for decision in decisions {
        let row = decision["event"].as_str().unwrap()[1..].parse().unwrap();
        let key = match (said(row).last().copied(), says(decision)) {
            (Some("fraud"), Some(true)) => "true_positive",
            (Some("legitimate"), Some(true)) => "false_positive",
            (Some("legitimate"), Some(false)) => "true_negative",
            (Some("fraud"), Some(false)) => "false_negative",
            _ => continue,
        };
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn assert_measured(told: &Value, counts: &BTreeMap<&'static str, u64>) {
    for (key, count) in counts {
        assert_eq!(told[key], *count, "{key}: {told}");
    }
    let [hits, alarms, misses] = ["true_positive", "false_positive", "false_negative"].map(|key| counts[key] as f64);
    for (key, part, whole) in
        [("precision", hits, hits + alarms), ("recall", hits, hits + misses), ("f1", 2.0 * hits, 2.0 * hits + alarms + misses)]
    {
        match whole > 0.0 {
            true => assert!((number(&told[key]) - part / whole).abs() < 1e-12, "{key}: {told}"),
            false => assert_eq!(told[key], Value::Null, "{key}: {told}"),
        }
    }
}

fn assert_quality(server: &Server, query: &str, decisions: &[Value]) {
    let told = server.get(&format!("/v1/quality{query}")).ok();
    assert_eq!(told["of"], "labelled decisions");
    let last = |decision: &Value| said(decision["event"].as_str().unwrap()[1..].parse().unwrap()).last().copied();
    for label in ["fraud", "legitimate", "unsure"] {
        let count = decisions.iter().filter(|decision| last(decision) == Some(label)).count();
        assert_eq!(told["labels"][label], count, "{told}");
    }
    assert_measured(&told["policy"], &counted(decisions, |decision| decision["verdict"]["anomalous"].as_bool()));
    for of_detector in told["detectors"].as_array().unwrap() {
        let name = of_detector["detector"].as_str().unwrap();
        assert_measured(of_detector, &counted(decisions, |decision| voted(decision, name)));
        let judged = decisions.iter().filter(|decision| matches!(last(decision), Some("fraud" | "legitimate")));
        assert_eq!(of_detector["abstentions"], judged.filter(|decision| abstained(decision, name)).count(), "{of_detector}");
    }
}

#[test]
fn labels_are_kept_and_counted() {
    let at = installation();
    let server = Server::start(&at);
    let nothing = server.get("/v1/quality").ok();
    assert_eq!((&nothing["policy"]["precision"], &nothing["policy"]["recall"]), (&Value::Null, &Value::Null));
    score(&server);
    let whole = all(&server, "/v1/decisions?limit=200");
    let labelled: Vec<Value> = whole.iter().step_by(3).cloned().collect();
    for decision in &labelled {
        let (id, event) = (decision["id"].as_str().unwrap(), decision["event"].as_str().unwrap());
        for label in said(event[1..].parse().unwrap()) {
            let answer =
                server.post(&format!("/v1/decisions/{id}/label"), &json!({"label": label, "by": "ana", "note": event}).to_string());
            let record = answer.json();
            assert_eq!((answer.status, &record["label"], &record["decision"]), (201, &json!(label), &json!(id)), "{record}");
            assert!(record["at"].is_string() && record["by"] == "ana" && record["note"] == event, "{record}");
        }
    }
    let check = |server: &Server| {
        assert_quality(server, "", &labelled);
        let middle = labelled[40]["decided"].as_str().unwrap();
        let (before, since): (Vec<Value>, Vec<Value>) = labelled.iter().cloned().partition(|one| one["decided"].as_str().unwrap() < middle);
        assert!(!before.is_empty() && !since.is_empty());
        assert_quality(server, &format!("?until={middle}"), &before);
        assert_quality(server, &format!("?from={middle}"), &since);
        for label in ["fraud", "legitimate", "unsure"] {
            let holds = |one: &&Value| said(one["event"].as_str().unwrap()[1..].parse().unwrap()).last() == Some(&label);
            let expected: Vec<Value> = labelled.iter().filter(holds).cloned().collect();
            assert_eq!(ids(&all(server, &format!("/v1/decisions?limit=9&label={label}"))), ids(&expected), "{label}");
        }
        for decision in &labelled[..12] {
            let one = server.get(&format!("/v1/decisions/{}", decision["id"].as_str().unwrap())).ok();
            let labels: Vec<&str> = one["labels"].as_array().unwrap().iter().map(|label| label["label"].as_str().unwrap()).collect();
            assert_eq!(labels, said(decision["event"].as_str().unwrap()[1..].parse().unwrap()), "oldest first");
        }
    };
    check(&server);
    server.stop();
    let server = Server::start(&at);
    check(&server);
    server.stop();
}

#[test]
fn a_wrong_label_is_refused() {
    let at = installation();
    let server = Server::start(&at);
    let id = server.post("/v1/score", &row(0, now() - 60).to_string()).ok()["decision"].as_str().unwrap().to_owned();
    let path = format!("/v1/decisions/{id}/label");
    let table = [
        ("", 400, "invalid_json", ""),
        (r#"{"label":"fraud","by":"a"} {}"#, 400, "invalid_json", ""),
        (r#"{"label":"Fraud","by":"a"}"#, 422, "invalid_label", "/label"),
        (r#"{"label":"fraud"}"#, 422, "invalid_label", "`by`"),
        (r#"{"label":"fraud","by":"a","reason":"x"}"#, 422, "invalid_label", "/reason"),
        (r#"["fraud","a"]"#, 422, "invalid_label", "must be an object"),
        (r#"{"label":"fraud","by":["a"]}"#, 422, "invalid_label", "/by"),
    ];
    for (body, status, code, named) in table {
        let problem = server.post(&path, body).problem(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
    let body = |by: usize, note: usize| json!({"label": "fraud", "by": "é".repeat(by), "note": "ü".repeat(note)}).to_string();
    assert_eq!(server.post(&path, &body(100, 1000)).status, 201);
    let both = server.post(&path, &body(101, 1001)).problem(422, "invalid_label");
    let pointers: Vec<&Value> = both["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/by", "/note"]);
    server.post(&path, &body(1, 20_000)).problem(413, "body_too_large");
    let vast = "k".repeat(15_000);
    let problem = server.post(&path, &format!(r#"{{"{vast}":1}}"#)).problem(422, "invalid_label");
    assert!(problem.to_string().len() < 2000, "{problem}");
    server.post("/v1/decisions/nonsense/label", &body(1, 1)).problem(404, "no_such_decision");
    server.post("/v1/decisions/01890000-0000-7000-8000-000000000000/label", &body(1, 1)).problem(404, "no_such_decision");
    send(server.data, "PUT", &path, &[], b"{}").problem(405, "method_not_allowed");

    (1..100).for_each(|_| assert_eq!(server.post(&path, &body(1, 0)).status, 201));
    server.post(&path, &body(1, 0)).problem(409, "too_many_labels");
    assert_eq!(server.get(&format!("/v1/decisions/{id}")).ok()["labels"].as_array().map(Vec::len), Some(100));
    server.stop();
}

#[test]
fn what_is_known_of_an_entity_is_told() {
    let at = installation();
    let server = Server::start(&at);
    let from = score(&server);
    let whole = all(&server, "/v1/decisions?limit=200");
    for index in [0, 5] {
        let name = account(index);
        let told = server.get(&format!("/v1/entities/{}", name.replace('/', "%2f"))).ok();
        let own: Vec<u64> = (index..ROWS).step_by(ACCOUNTS as usize).collect();
        let decisions: Vec<&Value> = whole.iter().filter(|decision| decision["entity"] == *name).collect();
        assert_eq!((&told["entity"], decisions.len()), (&json!(name), own.len()));
        let history = &told["histories"][0];
        assert_eq!((&history["per"], &history["events"]), (&json!(["account"]), &json!(own.len())), "{told}");
        assert_eq!(told["histories"].as_array().map(Vec::len), Some(1), "of the account and the channel nothing is told: {told}");
        let first = own.first().map(|row| from + row * PERIOD / ROWS);
        assert_eq!((&history["first"], &history["last"]), (&decisions.last().unwrap()["at"], &decisions[0]["at"]), "{first:?}");

        let mean = own.iter().map(|row| amount(*row)).sum::<f64>() / own.len() as f64;
        let now = told["features_now"].as_object().unwrap();
        let names: BTreeSet<&str> = now.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["day_count", "mean_amount"]), "no feature that needs a row's own value");
        assert_eq!(number(&now["day_count"]), own.len() as f64);
        assert!((number(&now["mean_amount"]) - mean).abs() < 1e-9 * mean, "{now:?}, not {mean}");

        assert_eq!(told["latest"]["decisions"], decisions.len());
        for outcome in ["approve", "review", "block"] {
            let count = decisions.iter().filter(|decision| decision["verdict"]["outcome"] == outcome).count();
            assert_eq!(told["latest"]["outcomes"][outcome], count, "{told}");
        }
        for (feature, usual) in told["latest"]["usual"].as_object().unwrap() {
            assert_usual(usual, feature, &decisions);
        }
        let short = told["decisions"].as_array().unwrap();
        assert_eq!(short.len(), 20);
        for (short, decision) in short.iter().zip(&decisions) {
            assert_eq!((&short["id"], &short["event"], &short["decided"]), (&decision["id"], &decision["event"], &decision["decided"]));
            assert_eq!((&short["outcome"], &short["score"]), (&decision["verdict"]["outcome"], &decision["verdict"]["score"]));
            let reasons = decision.get("reasons").cloned().unwrap_or(json!([]));
            assert_eq!(short["reasons"], reasons);
        }
    }
    server.get("/v1/entities/AC").problem(404, "no_such_entity");
    server.stop();
}

#[test]
fn an_entity_that_is_stored_hashed_is_found_by_its_name_and_never_shown() {
    let at = installation();
    at.edit("account: {type: text}", "account: {type: text, store: hmac}");
    let server = Server::start(&at);
    score(&server);
    let plain = |answer: &Answer| answer.body.contains("AC/");
    let listed = server.get("/v1/decisions?entity=AC%2F3&limit=200");
    assert!(!plain(&listed), "{}", listed.body);
    let decisions = listed.ok()["decisions"].as_array().unwrap().clone();
    assert_eq!(decisions.len() as u64, ROWS / ACCOUNTS);
    assert!(decisions.iter().all(|decision| decision["event"].as_str().unwrap()[1..].parse::<u64>().unwrap() % ACCOUNTS == 3));
    let told = server.get("/v1/entities/AC%2F3");
    assert!(!plain(&told), "{}", told.body);
    assert_eq!((&told.ok()["entity"], &told.ok()["histories"][0]["events"]), (&decisions[0]["entity"], &json!(ROWS / ACCOUNTS)));
    let declared = server.get("/past/AC%2F3/all?limit=200");
    assert!(!plain(&declared) && declared.ok().as_array().map(Vec::len) == Some(decisions.len()), "{}", declared.body);
    let one = format!("/v1/decisions/{}", decisions[0]["id"].as_str().unwrap());
    for path in [one.clone(), format!("{one}/explanation"), "/v1/decisions?limit=200".into(), "/past?limit=200".into()] {
        let answer = server.get(&path);
        answer.ok();
        assert!(!plain(&answer), "{path}: {}", answer.body);
    }
    server.stop();
}

#[test]
fn declared_routes_list_decisions() {
    let at = installation();
    let server = Server::start(&at);
    score(&server);
    let whole = all(&server, "/v1/decisions?limit=200");
    let (mut path, mut found) = ("/past?limit=50".to_owned(), Vec::new());
    loop {
        let answer = server.get(&path);
        found.extend(answer.ok().as_array().unwrap().iter().cloned());
        match next(&answer) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(found.len(), whole.len());
    for (told, decision) in found.iter().zip(&whole) {
        let verdict = &decision["verdict"];
        let reasons = decision.get("reasons").cloned().unwrap_or(json!([]));
        let expected = json!({
            "Event": decision["event"], "who": decision["entity"], "odd": verdict["anomalous"], "points": verdict["score"],
            "line": verdict["threshold"], "do": verdict["outcome"], "ref": decision["id"], "when": decision["decided"],
            "at": decision["at"], "why": reasons, "row": decision["row"]
        });
        assert_eq!(told, &expected);
    }

    let path = "/past/AC%2F1/all?limit=3";
    let answer = server.get(path);
    let page = answer.ok();
    let of_account: Vec<&Value> = whole.iter().filter(|decision| decision["entity"] == "AC/1").collect();
    for (told, decision) in page.as_array().unwrap().iter().zip(&of_account) {
        let mut expected = decision["row"].clone();
        // A key that comes later goes over the row's own.
        expected["amount"] = decision["verdict"]["score"].clone();
        expected["odd"] = decision["verdict"]["anomalous"].clone();
        assert_eq!(told, &expected);
    }
    assert!(next(&answer).unwrap().starts_with("/past/AC%2F1/all?limit=3&cursor="), "{answer:?}");
    assert_eq!(server.get(&next(&answer).unwrap()).ok()[0]["event"], of_account[3]["event"]);
    assert_eq!(server.get("/past/nobody/all").ok(), json!([]));
    send(server.data, "POST", "/past", &[], b"{}").problem(405, "method_not_allowed");
    server.stop();
}

#[test]
fn the_bank_service_lists_its_transactions() {
    let at = Installation::fitted_example("bank", 800);
    let server = Server::start(&at);
    let row = |id: &str, account: &str| {
        json!({
            "TransactionID": id, "AccountID": account, "TransactionAmount": 12.5, "TransactionDate": "2023-04-11T16:29:14Z",
            "TransactionType": "Debit", "Location": "Washington", "DeviceID": "D1", "IP Address": "84.197.43.72", "MerchantID": "M077",
            "Channel": "Online", "CustomerAge": 46, "CustomerOccupation": "Doctor", "TransactionDuration": 95, "LoginAttempts": 1,
            "AccountBalance": 5712.53
        })
    };
    let rows = [row("T1", "AC1"), row("T2", "AC2"), row("T3", "AC1")];
    server.post("/models/predict", &json!(rows).to_string()).ok();
    let ids = |server: &Server, path: &str| {
        let told = server.get(path).ok();
        told.as_array().unwrap().iter().map(|one| one["TransactionID"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&server, "/transactions/"), ["T3", "T2", "T1"]);
    assert_eq!(ids(&server, "/transactions/AC1"), ["T3", "T1"]);
    let told = server.get("/transactions/AC2").ok()[0].clone();
    for (key, value) in rows[1].as_object().unwrap() {
        // A whole number is a number where the schema wants one.
        assert!(&told[key] == value || number(&told[key]) == number(value), "{key}: {told}");
    }
    assert!(told["is_anomaly"].is_boolean() && told["anomaly_score"].is_number() && told["decision"].is_string(), "{told}");
    server.stop();

    at.edit("AccountID: {type: text, length: 64}", "AccountID: {type: text, length: 64, store: mask}");
    at.run("check").failed(2, &["schema.fields.AccountID.store", "decisions are found by the entity"]);
}

#[test]
fn where_there_is_nothing_to_show_that_is_said() {
    let at = Installation::fitted_example("three-fields", 600);
    let server = Server::start(&at);
    let mend = |problem: &Value| assert!(problem["detail"].as_str().unwrap().contains("declare `schema.entity`"), "{problem}");
    mend(&server.get("/v1/entities/anybody").problem(404, "no_entities"));
    mend(&server.get("/v1/decisions?entity=anybody").problem(400, "bad_query"));
    server.stop();

    let at = installation();
    at.edit("consensus:", "decisions:\n  durability: none\nconsensus:");
    let server = Server::start(&at);
    score(&server);
    for path in ["/v1/decisions", "/v1/decisions/01890000-0000-7000-8000-000000000000", "/v1/quality", "/past"] {
        server.get(path).problem(404, "nothing_is_stored");
    }
    let label = r#"{"label":"fraud","by":"a"}"#;
    server.post("/v1/decisions/01890000-0000-7000-8000-000000000000/label", label).problem(404, "nothing_is_stored");
    let told = server.get("/v1/entities/AC%2F1").ok();
    assert_eq!((&told["histories"][0]["events"], &told["decisions"]), (&json!(ROWS / ACCOUNTS), &json!([])), "{told}");
    server.stop();
}

#[test]
fn searches_do_not_stop_scoring() {
    let at = installation();
    let server = Server::start(&at);
    let from = score(&server);
    let (mut slowest, mut refused, mut answered) = (Duration::ZERO, 0, 0);
    std::thread::scope(|scope| {
        let reading = || {
            let answers = (0..6).map(|_| server.get("/v1/decisions?limit=200"));
            answers.map(|answer| (answer.status, answer.header("retry-after").map(str::to_owned))).collect::<Vec<_>>()
        };
        let readers: Vec<_> = (0..24).map(|_| scope.spawn(reading)).collect();
        for index in ROWS..ROWS + 20 {
            let started = Instant::now();
            server.post("/v1/score", &row(index, from).to_string()).ok();
            slowest = slowest.max(started.elapsed());
        }
        for (status, retry) in readers.into_iter().flat_map(|reader| reader.join().unwrap()) {
            match status {
                200 => answered += 1,
                503 if retry.is_some() => refused += 1,
                other => panic!("{other}"),
            }
        }
    });
    println!("beside {answered} searches ({refused} put off) the slowest row took {slowest:?}");
    assert!(answered > 0, "somebody is answered");
    server.stop();
}
