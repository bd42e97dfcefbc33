use super::*;
use crate::http::decisions::label;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Set, the golden copy is written anew: read what changed before committing it.
const RENEW: &str = "SYNOD_RENEW_OPENAPI";
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
/// How the paths of routes begin that the document does not describe, and why it does not.
const UNDESCRIBED: [(&str, &str); 3] = [
    ("/inference.GRPCInferenceService/", "OpenAPI has no words for gRPC: `proto/inference.proto` describes it"),
    ("/v2/systemsharedmemory/", "OpenAPI has no paths of any depth; whatever is asked there is refused, as the tag says"),
    ("/v2/cudasharedmemory/", "the same"),
];

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/examples/{name}.yaml"));
    crate::config::archived(&std::fs::read_to_string(path).unwrap(), name).unwrap()
}

fn document(config: &Config) -> Value {
    serde_json::to_value(describe(config)).unwrap()
}

#[test]
fn every_route_is_described() {
    let config = example("bank");
    for entry in ROUTES.iter().filter(|entry| entry.audience == Audience::Clients) {
        let described = operations::describe(&config, entry.method, entry.path).is_some();
        let excepted = UNDESCRIBED.iter().any(|(beginning, _)| entry.path.starts_with(beginning));
        assert!(
            described != excepted,
            "{} {}: describe it in `openapi/operations.rs`, or except it above with a reason, and not both",
            entry.method,
            entry.path
        );
    }
    for (beginning, why) in UNDESCRIBED {
        assert!(ROUTES.iter().any(|entry| entry.path.starts_with(beginning)), "nothing begins with {beginning} any more ({why})");
    }
}

#[test]
fn the_golden_copy_is_what_the_code_says() {
    let text = serde_json::to_string_pretty(&document(&example("three-fields"))).unwrap() + "\n";
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(GOLDEN, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let differs = golden.lines().zip(text.lines()).enumerate().find(|(_, (golden, code))| golden != code);
    assert!(
        golden == text,
        "{GOLDEN} is not what the code says; first difference: {differs:?}\nif the change is meant, run this test with {RENEW}=1, read \
         the difference, and commit it"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    for name in ["three-fields", "bank", "card-stream"] {
        let document = document(&example(name));
        let mut references = BTreeSet::new();
        collect(&document, &mut references);
        for reference in &references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{name}: {reference}");
        }
        for kind in ["schemas", "responses", "parameters", "headers"] {
            for component in document["components"][kind].as_object().unwrap().keys() {
                assert!(references.contains(&format!("#/components/{kind}/{component}")), "{name}: nothing uses {kind}/{component}");
            }
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_need() {
    let document = document(&example("bank"));
    let operations: Vec<&Value> =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()).collect();
    let names: BTreeSet<&str> = operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len());
    for operation in operations {
        let open = operation["security"].as_array().unwrap().is_empty();
        let statuses = operation["responses"].as_object().unwrap();
        // A login can fail for whoever needs no permission to try, to know why something is not ready needs one, and a proxy names the one that
        // it asks about.
        let forbids = statuses.get("403").is_some_and(|refusal| refusal["$ref"].as_str().unwrap().contains("Forbidden"))
            && !["isReady", "getForwardAuth"].contains(&operation["operationId"].as_str().unwrap());
        assert_eq!((operation["x-permission"].is_null(), !forbids), (open, open), "{}", operation["operationId"]);
        assert!(["400", "401", "500"].iter().all(|status| statuses.contains_key(*status)), "{}", operation["operationId"]);
    }
}

#[test]
fn anybody_may_call_what_the_configuration_gives_to_anybody() {
    let open = |roles: &str| {
        let mut config = example("three-fields");
        config.identity.anonymous = vec![roles.to_owned()];
        let document = document(&config);
        ["/v1/score", "/v1/decisions"].map(|path| {
            let operation = document["paths"][path].as_object().unwrap().values().next().unwrap().clone();
            operation["security"][0] == serde_json::json!({})
        })
    };
    assert_eq!(open("admin"), [true, true]);
    assert_eq!(open("viewer"), [false, true]);
}

/// A configuration in which each kind of field, and each kind of declared route, occurs.
const ALL_KINDS: &str = include_str!("../../../../../tests/openapi/synod.yaml");

#[test]
fn rows_are_described_as_the_schema_has_them() {
    let config = crate::config::archived(ALL_KINDS, "synod.yaml").unwrap();
    let document = document(&config);
    let row = &document["components"]["schemas"]["Row"];
    let expected = serde_json::json!({
        "event": {"type": "string", "maxLength": 64, "description": "Identifies the row: an id is judged once. At most 64 bytes in UTF-8."},
        "account": {"type": "string", "maxLength": 40, "description": "Whom the row is about. At most 40 bytes in UTF-8."},
        "at": {
            "type": "string", "format": "date-time",
            "description": "When it happened. Without an offset it is UTC; the time of day may be left out."
        },
        "amount": {"type": "number", "minimum": 0, "maximum": 1_000_000},
        "balance": {"type": ["number", "null"], "minimum": -0.5, "maximum": 100_000},
        "items": {"type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_992_u64},
        "abroad": {"type": "boolean"},
        "channel": {"type": "string", "enum": ["atm", "online", "branch"]},
        "country": {"type": ["string", "null"], "enum": ["at", "de", null]},
        "opened": {
            "type": ["number", "null"], "exclusiveMinimum": -62_000_000_000_i64, "exclusiveMaximum": 250_000_000_000_u64,
            "description": "Seconds since 1970."
        },
        "device": {"type": ["string", "null"], "maxLength": 1024, "description": "At most 1024 bytes in UTF-8."},
    });
    assert_eq!(row["properties"], expected);
    assert_eq!(row["additionalProperties"], false);
    assert_eq!(row["required"], serde_json::json!(["event", "account", "at", "amount", "items", "abroad", "channel"]));
    let examples = row["examples"][0].to_string();
    let decoded = synod_detection::decode_rows(&config.schema, examples.as_bytes(), 1).unwrap();
    assert_eq!(decoded.rows, [Ok(0)], "{examples}");
}

#[test]
fn the_limits_of_a_label_are_those_of_the_code() {
    let said = document(&example("bank"))["components"]["schemas"]["Saying"].clone();
    assert_eq!(said["properties"]["by"]["maxLength"], label::LONGEST_NAME);
    assert_eq!(said["properties"]["note"]["maxLength"], label::LONGEST_NOTE);
    assert_eq!((&said["additionalProperties"], &said["required"]), (&Value::Bool(false), &serde_json::json!(["label"])));
}

#[test]
fn a_client_that_has_the_document_is_told_so() {
    let tag = HeaderValue::from_static("\"abc\"");
    let asks = |text: &str| has(&[(header::IF_NONE_MATCH, text.parse().unwrap())].into_iter().collect(), &tag);
    assert!(asks("\"abc\"") && asks("W/\"abc\"") && asks("\"x\", \"abc\"") && asks("*"));
    assert!(!asks("\"abcd\"") && !asks("abc") && !asks("") && !has(&HeaderMap::new(), &tag));
}
