//! The cases of Wycheproof for signatures (JWS) and keys (JWK). They are not in the repository: `SYNOD_WYCHEPROOF` names the folder that holds
//! them. Run with `--nocapture` for the counts.

use crate::algorithm::Algorithm;
use crate::key_set::{KeySet, KeySetMistake, LeftOutReason};
use crate::refused::Refused;
use crate::token::payload;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What became of a case: nothing if it was accepted, or why it was refused.
type Outcome = Option<&'static str>;

/// No usable key in the set, for the only key is a shared one.
const SHARED_KEY: &str = "shared_key";

#[test]
fn signatures_are_judged_as_wycheproof_says() {
    judge_file("json_web_signature_test.json", 401, |number| match number {
        1 | 348 | 352 | 357..=359 | 372 | 373 | 376 | 377 => Some(SHARED_KEY),
        // P-521.
        347 | 351 => Some(LeftOutReason::Curve.code()),
        // A token signed by PS384 with a key that says it is for PS256.
        346 | 350 => Some(Refused::KeyDoesNotFit.code()),
        _ => None,
    });
}

#[test]
fn keys_are_judged_as_wycheproof_says() {
    judge_file("json_web_key_test.json", 26, |number| match number {
        2 | 13..=15 => Some(SHARED_KEY),
        _ => None,
    });
}

/// Judges all cases of a file. Every invalid one has to be refused, and every valid one accepted unless our rules are stricter.
fn judge_file(name: &str, count: usize, stricter: fn(u64) -> Outcome) {
    let Some(folder) = std::env::var_os("SYNOD_WYCHEPROOF") else {
        eprintln!("skipped: SYNOD_WYCHEPROOF does not name the folder with {name}");
        return;
    };
    let file: Value = serde_json::from_slice(&fs::read(Path::new(&folder).join(name)).unwrap()).unwrap();
    let mut judged: BTreeMap<(&str, Outcome), Vec<u64>> = BTreeMap::new();
    for group in file["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let (number, expected) = (case["tcId"].as_u64().unwrap(), case["result"].as_str().unwrap());
            let outcome = judge(&document(group), case["jws"].as_str().unwrap());
            let right = if expected == "valid" { outcome == stricter(number) } else { expected == "invalid" && outcome.is_some() };
            assert!(right, "{name}: case {number} is {expected}: {outcome:?}");
            judged.entry((expected, outcome)).or_default().push(number);
        }
    }
    for ((expected, outcome), numbers) in &judged {
        eprintln!("{name}: {expected}, {}: {}", outcome.unwrap_or("accepted"), numbers.len());
    }
    assert_eq!(judged.values().map(Vec::len).sum::<usize>(), count);
}

/// The key set of a group: its public keys, or those that the sender shares. A group may have a single key.
fn document(group: &Value) -> Value {
    let keys = group.get("public").or_else(|| group.get("private")).unwrap();
    if keys.get("keys").is_some() { keys.clone() } else { json!({ "keys": [keys] }) }
}

/// Judges a token by this set, with every algorithm allowed. A set without a usable key refuses every token.
fn judge(document: &Value, token: &str) -> Outcome {
    match KeySet::read(document.to_string().as_bytes()) {
        Ok(keys) => payload(token, &keys, &Algorithm::ALL).err().map(Refused::code),
        Err(KeySetMistake::NoUsableKey { left_out }) => Some(match left_out[0].reason {
            LeftOutReason::KeyType if document["keys"][0]["kty"] == "oct" => SHARED_KEY,
            reason => reason.code(),
        }),
        Err(mistake) => panic!("{mistake}"),
    }
}
