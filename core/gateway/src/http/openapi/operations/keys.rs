//! API keys.

use super::{KEYS, header, json, link, of_json, parameter};
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{named, text};
use crate::http::problem::Wrong;
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ContentBuilder, Required};

pub(super) fn list() -> Description {
    let words =
        "The keys that there are, the newest last; for whoever belongs to a tenant, those of that tenant. A key's text is told of no key.";
    Description::new("listKeys", KEYS, "List the API keys", words)
        .answer(200, json("The keys.", named("ListOfKeys")))
        .problems(of_keeping())
}

pub(super) fn create() -> Description {
    let words = "Makes a key, which allows no more than its maker may do. Its text is in this answer and nowhere else.";
    Description::new("createKey", KEYS, "Make an API key", words)
        .body(body(
            "The key that is asked for, in at most 16 KiB.",
            "NewKey",
            Required::True,
            json!({"roles": ["scorer"], "label": "desk"}),
        ))
        .answer(201, made())
        .problems(of_asking())
        .problems([Problem::key_conflict("there are as many keys as there can be"), beyond_own()])
}

pub(super) fn rotate() -> Description {
    let words =
        "Makes a key in place of this one, which still holds for the overlap. The text of the new one is in this answer and nowhere else.";
    Description::new("rotateKey", KEYS, "Rotate an API key", words)
        .parameters([id()])
        .body(body("For how long the old key still holds.", "KeyRotation", Required::False, json!({"overlap": 3600})))
        .answer(201, made())
        .problems(of_asking())
        .problems([Problem::no_key(), Problem::key_conflict("this key has ended: make a new one"), beyond_own()])
}

pub(super) fn revoke() -> Description {
    Description::new("revokeKey", KEYS, "Revoke an API key", "Ends a key at once. One that was revoked stays so, and is told of again.")
        .parameters([id()])
        .answer(200, json("The key, as it is now.", named("Key")))
        .problems([Problem::no_key()])
        .problems(of_keeping())
}

fn id() -> Parameter {
    parameter(ParameterIn::Path, "id", "The key's id: not the key itself.", text())
}

fn made() -> ResponseBuilder {
    json("The key that was made.", named("MadeKey"))
        .header("Cache-Control", header("`no-store`: nobody on its way may keep it."))
        .link("rotate", link("rotateKey", "id", "$response.body#/id", "To put another in its place."))
}

fn body(words: &str, schema: &str, required: Required, example: Value) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(named(schema))).example(Some(example)).build();
    RequestBodyBuilder::new().required(Some(required)).description(Some(words)).content("application/json", content).build()
}

fn beyond_own() -> Problem {
    Problem::forbidden_key("nobody gives away what they do not have: the key would allow keys:manage")
}

/// What comes of keys being on a disk.
fn of_keeping() -> [Problem; 2] {
    [Problem::not_stored("the API keys cannot be read or changed at the moment"), Problem::too_many_reads()]
}

fn of_asking() -> Vec<Problem> {
    let wrong = Wrong { pointer: "/roles".into(), detail: "there is no role `score`; there are admin, scorer, viewer".into() };
    let others = [Problem::invalid_key(vec![wrong]), Problem::key_too_large(16 << 10)];
    of_json().into_iter().chain(others).chain(of_keeping()).collect()
}
