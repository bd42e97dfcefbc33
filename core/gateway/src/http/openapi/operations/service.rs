//! Who votes, whether the service lives, and how it is called.

use super::{DETECTORS, SERVICE, anything, header, json, parameter, plain};
use crate::access::Permission;
use crate::config::Config;
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{list, named, of, one_of, text};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{ContentBuilder, Type};

pub(super) fn detectors() -> Description {
    Description::new("listDetectors", DETECTORS, "List the detectors", "Which detectors there are, and what they rest on.")
        .answer(200, json("All of them, in the order of their votes.", list(named("Detector"))))
}

pub(super) fn release(config: &Config) -> Description {
    let words = "Has a detector asked again that failed again and again (`paused`), or is in quarantine for it, whatever was counted.";
    Description::new("releaseDetector", DETECTORS, "Release a detector", words)
        .parameters([super::detector(config)])
        .answer(204, ResponseBuilder::new().description("It is asked."))
        .problems([Problem::no_detector("nobody", &["forest"])])
}

pub(super) fn alive() -> Description {
    Description::new("isAlive", SERVICE, "Whether it lives", "").answer(200, plain("It does.", "text/plain; charset=utf-8"))
}

pub(super) fn ready() -> Description {
    let words = "Ready is when every detector can vote and decisions can be stored. With `verbose`, which needs `operate:service`, each part is \
                 told with its state, since when, and why; as text for whoever accepts `text/plain`.";
    let readiness = || {
        let either = Schema::AnyOf(AnyOfBuilder::new().item(named("Readiness")).item(named("ReadinessInFull")).build());
        ContentBuilder::new().schema(Some(either)).build()
    };
    let answer = |words: &str| {
        let lines = ContentBuilder::new().schema(Some(text())).build();
        ResponseBuilder::new().description(words).content("application/json", readiness()).content("text/plain", lines)
    };
    let verbose =
        parameter(ParameterIn::Query, "verbose", "Empty, `1` or `true`: to be told of each part. Anything else asks for nothing.", text());
    Description::new("isReady", SERVICE, "Whether it is ready", words)
        .parameters([verbose])
        .answer(200, answer("It is."))
        .answer(
            503,
            answer("It is not: if detectors cannot vote, rows are judged by the others; if decisions cannot be stored, none is made."),
        )
        .problems([Problem::no_credential(), Problem::forbidden(&Permission::OperateService)])
}

pub(super) fn status() -> Description {
    Description::new("getStatus", SERVICE, "What runs here, since when, and how it is", "").answer(200, json("That.", named("Status")))
}

pub(super) fn document() -> Description {
    let words = "This document. It has an `ETag`: ask again with `If-None-Match`.";
    let tag = parameter(ParameterIn::Header, "If-None-Match", "The `ETag` of the document that the client has.", text());
    let changed = || header("What the document is known by.");
    Description::new("getOpenApi", SERVICE, "This document", words)
        .parameters([tag])
        .answer(200, json("The document.", of(Type::Object)).header("ETag", changed()))
        .answer(304, ResponseBuilder::new().description("The client has it already.").header("ETag", changed()))
}

pub(super) fn page(id: &str, name: &str, words: &str) -> Description {
    Description::new(id, SERVICE, name, words).answer(200, plain("A page.", "text/html; charset=utf-8"))
}

pub(super) fn file(id: &str, name: &str, files: &[(&str, &str)]) -> Description {
    let which = parameter(ParameterIn::Path, "file", "Which file.", one_of(files.iter().map(|(file, _)| *file)));
    let mut kinds: Vec<&str> = files.iter().map(|(_, kind)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let answer = kinds.into_iter().fold(ResponseBuilder::new().description("The file."), |answer, kind| answer.content(kind, anything()));
    Description::new(id, SERVICE, name, "").parameters([which]).answer(200, answer)
}
