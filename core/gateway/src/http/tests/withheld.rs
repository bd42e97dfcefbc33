//! What a caller is told who is not shown scores, or no explanations: by every route that tells of rows.

use super::{Bench, Told, admin, caller};
use crate::access::{Caller, Permission as P};
use crate::http::shown::Shown;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Keys under which scores and votes are told.
const OF_SCORES: [&str; 10] =
    ["score", "raw_score", "threshold", "extrapolated", "combined", "votes", "vote", "contribution", "points", "detail"];
/// Keys under which explanations are told.
const OF_EXPLANATIONS: [&str; 5] = ["reasons", "features", "features_now", "usual", "usual_here"];
/// Declared answers have fixed keys; what is withheld is null.
const DECLARED: [&str; 4] = ["points", "raw", "line", "why"];

const PLAIN: [P; 6] = [P::Score, P::ReadDecisions, P::ReadEntities, P::ReadQuality, P::ReadDetectors, P::LabelDecisions];

fn with(more: &[P]) -> Caller {
    caller("ana", None, &[&PLAIN, more].concat())
}

/// Unusual enough that there are reasons; `second` abstains where there is no device.
fn row(index: u64) -> Value {
    let row = json!({"event": format!("E{index}"), "account": "A1", "at": 1_700_000_000 + index * 60, "amount": 90_000 + index});
    match index % 2 {
        0 => row,
        _ => Value::Object(row.as_object().unwrap().clone().into_iter().chain([("device".to_owned(), json!("D1"))]).collect()),
    }
}

/// Every key of a JSON value with something behind it.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        Value::Object(map) => {
            for (key, value) in map {
                if !value.is_null() {
                    found.insert(key.clone());
                }
                // What a row has for keys is not ours.
                if key != "row" {
                    keys(value, found);
                }
            }
        }
        _ => {}
    }
}

/// What a caller is told by each route that tells of rows.
fn everything(bench: &Bench, caller: &Caller) -> Vec<(String, Value)> {
    let rows = json!([row(0), row(1), row(2), row(3)]);
    let known = bench.get(&admin("somebody", None), "/v1/decisions").ok();
    let ids: Vec<&str> = known["decisions"].as_array().unwrap().iter().filter_map(|decision| decision["id"].as_str()).collect();
    let mut told = vec![
        ("score".to_owned(), bench.post(caller, "/v1/score", &rows).ok()),
        ("score one".to_owned(), bench.post(caller, "/v1/score", &row(0)).ok()),
        ("first".to_owned(), bench.post(caller, "/v1/detectors/first/score", &rows).ok()),
        ("second".to_owned(), bench.post(caller, "/v1/detectors/second/score", &rows).ok()),
        ("predict".to_owned(), bench.post(caller, "/predict", &rows).ok()),
        ("vote".to_owned(), bench.post(caller, "/vote/first", &rows).ok()),
        ("detectors".to_owned(), bench.get(caller, "/v1/detectors").ok()),
    ];
    for path in ["/v1/decisions", "/past", "/past/A1", "/v1/entities/A1"] {
        told.push((path.to_owned(), bench.get(caller, path).ok()));
    }
    told.extend(ids.iter().map(|id| (format!("decision {id}"), bench.get(caller, &format!("/v1/decisions/{id}")).ok())));
    if caller.may(&P::ReadExplanations) {
        told.extend(ids.iter().map(|id| (format!("explanation {id}"), bench.get(caller, &format!("/v1/decisions/{id}/explanation")).ok())));
    }
    told
}

fn bench() -> Bench {
    let bench = Bench::new();
    let rows = json!([row(0), row(1), row(2), row(3)]);
    let told = bench.post(&admin("somebody", None), "/v1/score", &rows).ok();
    let each = told.as_array().unwrap();
    assert!(
        each.iter().any(|row| row["reasons"].is_array()) && each.iter().any(|row| row["abstentions"][0]["detail"].is_string()),
        "{told}"
    );
    bench
}

#[test]
fn nothing_is_withheld_from_a_caller_who_may_see_it() {
    let bench = bench();
    let told = everything(&bench, &with(&[P::ReadScores, P::ReadExplanations]));
    let mut found = BTreeSet::new();
    told.iter().for_each(|(_, told)| keys(told, &mut found));
    for key in OF_SCORES.iter().chain(&OF_EXPLANATIONS).chain(&DECLARED) {
        assert!(found.contains(*key), "`{key}` is told by some route: {found:?}");
    }
    for ((route, told), (_, all)) in told.iter().zip(everything(&bench, &admin("somebody", None))) {
        assert_part_of(told, &all, route);
        assert_part_of(&all, told, route);
    }
}

#[test]
fn scores_and_explanations_are_withheld_each_by_itself() {
    let bench = bench();
    let whole = everything(&bench, &admin("somebody", None));
    for (caller, absent) in [
        (with(&[]), [&OF_SCORES[..], &OF_EXPLANATIONS, &DECLARED].concat()),
        (with(&[P::ReadScores]), [&OF_EXPLANATIONS[..], &["why"]].concat()),
        (with(&[P::ReadExplanations]), [&OF_SCORES[..], &["raw", "line"]].concat()),
    ] {
        for (route, told) in everything(&bench, &caller) {
            let mut found = BTreeSet::new();
            keys(&told, &mut found);
            // A vote alone is one route's whole answer: who asks for it may know whether it is a yes. The features of a detector are no row's.
            let excepted =
                |key: &str| (key == "vote" && ["first", "second"].contains(&route.as_str())) || (key == "features" && route == "detectors");
            let leaked: Vec<_> = absent.iter().filter(|key| found.contains(**key) && !excepted(key)).collect();
            assert!(leaked.is_empty(), "{leaked:?} by {route} for {caller:?}: {told}");
            let (_, all) = whole.iter().find(|(other, _)| *other == route).unwrap();
            assert_part_of(&told, all, &route);
        }
    }
}

/// What is told in part is what is told in whole, less something.
fn assert_part_of(part: &Value, whole: &Value, at: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (key, value) in part {
                assert_part_of(value, whole.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"));
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{at}");
            part.iter().zip(whole).for_each(|(part, whole)| assert_part_of(part, whole, at));
        }
        (Value::Null, _) => {}
        (_, Value::Number(_)) if at.ends_with("duration_us") => {}
        (part, whole) => assert_eq!(part, whole, "{at}"),
    }
}

#[test]
fn outcomes_ids_and_times_remain() {
    let bench = bench();
    let plain = with(&[]);
    let told = bench.post(&plain, "/v1/score", &row(0)).ok();
    let keys_of = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys_of(&told), ["decision", "id", "entity", "verdict", "abstentions"]);
    assert_eq!(keys_of(&told["verdict"]), ["anomalous", "outcome", "policy", "too_few_votes"]);
    assert_eq!(keys_of(&told["abstentions"][0]), ["detector", "reason", "model_version"]);
    let vote = bench.post(&plain, "/v1/detectors/first/score", &row(0)).ok();
    assert_eq!(
        (keys_of(&vote["vote"]), vote["vote"]["anomalous"].is_boolean()),
        (vec!["detector".into(), "anomalous".into(), "model_version".into()], true)
    );
    let one = bench.get(&plain, &format!("/v1/decisions/{}", told["decision"].as_str().unwrap())).ok();
    let expected = [
        "id",
        "event",
        "entity",
        "principal",
        "content",
        "at",
        "decided",
        "row",
        "past",
        "configuration",
        "verdict",
        "abstentions",
        "labels",
        "links",
    ];
    assert_eq!(keys_of(&one), expected);
    let (id, link) = (told["decision"].as_str().unwrap(), one["links"]["kibana"].as_str().unwrap());
    assert!(link.starts_with("https://kibana.example/s/fraud/app/discover#/view/") && link.contains(id), "{link}");
    let predicted = bench.post(&plain, "/predict", &row(0)).ok();
    assert_eq!(
        predicted,
        json!({"odd": predicted["odd"].as_bool().unwrap(), "points": null, "line": null, "do": one["verdict"]["outcome"], "why": null})
    );
    let abstained = bench.post(&plain, "/vote/second", &row(0)).problem(503, "no_verdict");
    assert_eq!(abstained, "the detector second abstained: missing_feature");
    bench.get(&plain, &format!("/v1/decisions/{}/explanation", told["decision"].as_str().unwrap())).problem(403, "forbidden");
}

#[test]
fn nobody_learns_a_score_by_searching_for_it() {
    let bench = bench();
    for query in ["minimum_score=0.5", "maximum_score=0.5", "detector=first&vote=yes", "vote=no", "detector=first", "minimum_score=wrong"] {
        let path = format!("/v1/decisions?{query}");
        let detail = bench.get(&with(&[P::ReadExplanations]), &path).problem(403, "forbidden");
        assert!(detail.contains("read:scores"), "{query}: {detail}");
        assert_ne!(bench.get(&with(&[P::ReadScores]), &path).status, 403, "{query}");
    }
    let anonymous = Caller::anonymous(&["desk".into()], &crate::access::Roles::default().with("desk", PLAIN.to_vec()).unwrap());
    bench.get(&anonymous, "/v1/decisions?minimum_score=0.5").problem(401, "no_credential");
    // A cursor of somebody else's search leads nowhere in another one.
    let next = |told: &Told| told.body["next"].as_str().unwrap().to_owned();
    let of_scores = next(&bench.get(&with(&[P::ReadScores]), "/v1/decisions?limit=1&minimum_score=0.01"));
    bench.get(&with(&[]), &format!("/v1/decisions?limit=1&cursor={of_scores}")).problem(400, "bad_cursor");
}

#[test]
fn a_decision_is_told_whole_as_it_is_recorded() {
    let bench = bench();
    let id = bench.get(&admin("somebody", None), "/v1/decisions").ok()["decisions"][0]["id"].as_str().unwrap().parse().unwrap();
    let recorded = bench.service.ledger.decision(&synod_store::Whose::All, id).unwrap().unwrap().decision;
    let shown = |more: &[P]| serde_json::to_value(Shown::to(&with(more)).decision(&recorded)).unwrap();
    let whole = serde_json::to_value(&recorded).unwrap();
    assert_eq!(shown(&[P::ReadScores, P::ReadExplanations]), whole);
    let without = |keys: &[&str]| {
        let mut map = whole.as_object().unwrap().clone();
        keys.iter().for_each(|key| drop(map.remove(*key)));
        Value::Object(map)
    };
    assert_eq!(
        shown(&[P::ReadScores]),
        without(&["features", "reasons"]),
        "and what a record gets later is withheld until somebody allows it"
    );
}
