//! The versions of models.

use super::{MODELS, detector, json, parameter, plain};
use crate::config::Config;
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{list, named, text};
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ContentBuilder, Required};

pub(super) fn versions(config: &Config) -> Description {
    Description::new("listVersions", MODELS, "List the versions of a detector", "All that there are, with their labels.")
        .parameters([detector(config)])
        .answer(200, json("The versions, in order.", list(named("ModelVersion"))))
        .problems(of_reading())
}

pub(super) fn one(config: &Config) -> Description {
    Description::new("getVersion", MODELS, "Show a version", "What it has learnt from, by what, and how it is used.")
        .parameters([detector(config), version()])
        .answer(200, json("The version.", named("ModelVersionInFull")))
        .problems(of_reading())
}

pub(super) fn card(config: &Config) -> Description {
    Description::new(
        "getModelCard",
        MODELS,
        "Show a version's model card",
        "For people: what it is for, and what it must not be taken for.",
    )
    .parameters([detector(config), version()])
    .answer(200, plain("The card, in Markdown.", "text/markdown; charset=utf-8"))
    .problems(of_reading())
}

pub(super) fn upload(config: &Config) -> Description {
    let words = "Publishes a version that `synod models export` wrote, as the next one. It is the candidate, and judges nothing.";
    let body = RequestBodyBuilder::new().description(Some("The file, of at most 64 MiB.")).required(Some(Required::True));
    let body = body.content("application/octet-stream", ContentBuilder::new().schema(Some(text())).build()).build();
    Description::new("uploadVersion", MODELS, "Upload a version", words)
        .parameters([detector(config)])
        .body(body)
        .answer(201, json("The version, as it is here.", named("ModelVersion")))
        .problems([Problem::invalid_request("it is no bundle: `synod.json` is missing"), Problem::too_large(64 << 20)])
        .problems(of_reading())
}

pub(super) fn propose(config: &Config) -> Description {
    Description::new("proposeVersion", MODELS, "Propose a version", "Makes it the candidate.")
        .parameters([detector(config), version()])
        .answer(200, json("The version.", named("ModelVersion")))
        .problems(of_reading())
}

pub(super) fn promote_one(config: &Config) -> Description {
    let words = "Has a version judge. It is loaded and its golden rows are scored before; if that fails, what judges goes on. Of versions that were \
                 calibrated together several should be promoted at once: see `/v1/models/promote`.";
    Description::new("promoteVersion", MODELS, "Promote a version", words)
        .parameters([detector(config), version()])
        .answer(200, in_force())
        .problems(of_moving())
        .problems([needs_another()])
}

pub(super) fn promote() -> Description {
    let words = "Has versions judge, all from the same moment on. They are loaded and their golden rows are scored before; if that fails, what judges \
                 goes on.";
    Description::new("promoteVersions", MODELS, "Promote versions", words)
        .body(body("Which.", "PromoteRequest", json!({"versions": {"forest": "candidate"}})))
        .answer(200, in_force())
        .problems(of_moving())
        .problems([Problem::invalid_request("no detector has such a version"), needs_another()])
}

pub(super) fn rollback() -> Description {
    Description::new("rollbackVersions", MODELS, "Take versions back", "Has the versions judge again that judged before.")
        .body(body("Of which detectors; of all, if none is named.", "RollbackRequest", json!({"detectors": ["forest"]})))
        .answer(200, in_force())
        .problems(of_moving())
        .problems([Problem::invalid_request("no detector has such a version")])
}

pub(super) fn reload() -> Description {
    let words = "Reads the configuration again. What is read at the start alone must not have changed; if the rest cannot be put in force, what was \
                 in force goes on.";
    Description::new("reloadConfiguration", MODELS, "Reload the configuration", words)
        .answer(204, ResponseBuilder::new().description("It is in force."))
        .problems([
            Problem::cannot_load(
                "the configuration differs in listen, which is read at the start alone: restart Synod, or undo the change",
            ),
            busy(),
        ])
}

fn version() -> Parameter {
    let words = "A number, `live`, `previous`, `candidate`, or the beginning of the model's SHA-256 (8 digits or more).";
    parameter(ParameterIn::Path, "version", words, text())
}

pub(super) fn body(words: &str, schema: &str, example: Value) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(named(schema))).example(Some(example)).build();
    RequestBodyBuilder::new().description(Some(words)).required(Some(Required::True)).content("application/json", content).build()
}

fn in_force() -> ResponseBuilder {
    json("The versions that were moved. They judge.", named("VersionsInForce"))
}

fn of_reading() -> [Problem; 3] {
    [
        Problem::no_model_version("detector `forest`, version `9`: there is no such version"),
        Problem::not_stored("the models cannot be read or stored at the moment"),
        Problem::too_many_reads(),
    ]
}

fn of_moving() -> [Problem; 3] {
    [
        Problem::no_model_version("detector `forest`, version `9`: there is no such version"),
        Problem::cannot_load(
            "detector forest, version 4: bad_output: golden row 0 has the raw score 0.4, and had 0.5 when the model was fitted",
        ),
        busy(),
    ]
}

pub(super) fn busy() -> Problem {
    Problem::not_stored("other models are being loaded: try it again in a moment")
}

pub(super) fn needs_another() -> Problem {
    Problem::needs_another("forest, version 4: you made or proposed it, and somebody else has to promote it")
}
