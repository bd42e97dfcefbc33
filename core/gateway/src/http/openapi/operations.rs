//! What each route takes and gives. To describe a new one: a line in [`describe`], and a function in the file of its family that returns a
//! [`Description`]. Its types are listed in `schemas.rs`; its errors are values of `Problem`.

mod audit;
mod breakers;
mod console;
mod decisions;
pub(super) mod declared;
pub(super) mod inference;
mod keys;
mod models;
mod oauth;
mod rollouts;
mod scoring;
mod service;

use super::operation::Description;
use super::shape::{one_of, text};
use crate::config::{Config, Durability};
use crate::http::Problem;
use crate::http::console::forward_auth::FORWARD_AUTH;
use crate::http::oauth::TOKEN_PATH;
use inference::Of;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ContentBuilder, RefOr, Required};

const SCORING: &str = "Scoring";
const DECISIONS: &str = "Decisions";
const DETECTORS: &str = "Detectors";
const INFERENCE: &str = "Open Inference Protocol";
const KEYS: &str = "API keys";
const AUTHORISATION: &str = "Authorisation server";
const AUDIT: &str = "Audit";
const BREAKERS: &str = "Breakers";
const MODELS: &str = "Models";
const CONSOLE: &str = "Console";
const SERVICE: &str = "Service";
const DECLARED: &str = "Declared routes";

/// The description of one of Synod's own routes.
#[rustfmt::skip]
pub(super) fn describe(config: &Config, method: &str, path: &str) -> Option<Description> {
    Some(match (method, path) {
        ("POST", "/v1/score") => scoring::score(config),
        ("POST", "/v1/detectors/{detector}/score") => scoring::score_by_one(config),
        ("GET", "/v1/detectors") => service::detectors(),
        ("GET", "/v1/decisions") => decisions::list(config),
        ("GET", "/v1/decisions/{id}") => decisions::one(config),
        ("GET", "/v1/decisions/{id}/explanation") => decisions::explanation(config),
        ("POST", "/v1/decisions/{id}/label") => decisions::label(config),
        ("GET", "/v1/quality") => decisions::quality(config),
        ("GET", "/v1/entities/{key}") => decisions::entity(),
        ("GET", "/v1/keys") => keys::list(),
        ("POST", "/v1/keys") => keys::create(),
        ("POST", "/v1/keys/{id}/rotate") => keys::rotate(),
        ("DELETE", "/v1/keys/{id}") => keys::revoke(),
        ("POST", TOKEN_PATH) => oauth::token(config),
        ("GET", "/.well-known/jwks.json") => oauth::key_set(config),
        ("GET", "/.well-known/oauth-authorization-server") => oauth::metadata(config),
        ("GET", "/v1/audit") => audit::list(config),
        ("GET", "/v1/breakers") => breakers::list(),
        ("POST", "/v1/breakers/{id}/reset") => breakers::reset(),
        ("GET", "/v1/detectors/{detector}/versions") => models::versions(config),
        ("POST", "/v1/detectors/{detector}/versions") => models::upload(config),
        ("GET", "/v1/detectors/{detector}/versions/{version}") => models::one(config),
        ("GET", "/v1/detectors/{detector}/versions/{version}/card") => models::card(config),
        ("POST", "/v1/detectors/{detector}/versions/{version}/propose") => models::propose(config),
        ("POST", "/v1/detectors/{detector}/versions/{version}/promote") => models::promote_one(config),
        ("POST", "/v1/detectors/{detector}/release") => service::release(config),
        ("POST", "/v1/models/promote") => models::promote(),
        ("POST", "/v1/models/rollback") => models::rollback(),
        ("GET", "/v1/rollouts") => rollouts::all(),
        ("POST", "/v1/rollouts") => rollouts::begin(),
        ("POST", "/v1/rollouts/next") => rollouts::next(),
        ("POST", "/v1/rollouts/promote") => rollouts::promote(),
        ("POST", "/v1/rollouts/stop") => rollouts::stop(),
        ("POST", "/v1/configuration/reload") => models::reload(),
        ("GET", "/v1/status") => service::status(),
        ("GET", "/console") => console::page("getConsole", "The console", "Its first page, for people: that of the versions of models."),
        ("GET", "/console/models") => console::page("getConsoleModels", "Models and rollouts", "The console's page of them, for people."),
        ("GET", "/console/assets/{file}") => console::asset(),
        ("GET", "/console/login") => console::login(config),
        ("GET", "/console/callback") => console::callback(config),
        ("GET", "/console/session") => console::session(config),
        ("GET", FORWARD_AUTH) => console::forward_auth(),
        ("POST", "/console/logout") => console::logout(config),
        ("GET", "/v2") => inference::server(),
        ("GET", "/v2/health/live") => inference::live(),
        ("GET", "/v2/health/ready") => inference::ready(),
        ("GET", "/v2/models/stats") => inference::all_statistics(),
        ("GET", "/v2/models/{model}") => inference::metadata(config, Of::Model),
        ("GET", "/v2/models/{model}/ready") => inference::model_ready(config, Of::Model),
        ("GET", "/v2/models/{model}/config") => inference::configuration(config, Of::Model),
        ("GET", "/v2/models/{model}/stats") => inference::statistics(config, Of::Model),
        ("POST", "/v2/models/{model}/infer") => inference::infer(config, Of::Model),
        ("GET", "/v2/models/{model}/versions/{version}") => inference::metadata(config, Of::Version),
        ("GET", "/v2/models/{model}/versions/{version}/ready") => inference::model_ready(config, Of::Version),
        ("GET", "/v2/models/{model}/versions/{version}/config") => inference::configuration(config, Of::Version),
        ("GET", "/v2/models/{model}/versions/{version}/stats") => inference::statistics(config, Of::Version),
        ("POST", "/v2/models/{model}/versions/{version}/infer") => inference::infer(config, Of::Version),
        ("POST", "/v2/repository/index") => inference::index(),
        ("POST", "/v2/repository/models/{model}/load") => inference::fixed("loadModel", "Load a model"),
        ("POST", "/v2/repository/models/{model}/unload") => inference::fixed("unloadModel", "Unload a model"),
        ("GET", "/healthz") => service::alive(),
        ("GET", "/readyz") => service::ready(),
        ("GET", "/openapi.json") => service::document(),
        ("GET", "/docs") => service::page("getSwaggerUi", "Swagger UI", "This document, to try out."),
        ("GET", "/redoc") => service::page("getRedoc", "Redoc", "This document, to read."),
        ("GET", "/docs/{file}") => service::file("getSwaggerUiFile", "A file of Swagger UI", super::pages::SWAGGER_UI_FILES),
        ("GET", "/redoc/{file}") => service::file("getRedocFile", "A file of Redoc", super::pages::REDOC_FILES),
        _ => return None,
    })
}

pub(super) fn tags() -> Vec<Tag> {
    let tag = |(name, words): (&str, &str)| TagBuilder::new().name(name).description(Some(words)).build();
    let tags = [
        (SCORING, "Rows in, verdicts or votes out."),
        (DECISIONS, "What was decided, why, and what people said about it."),
        (DETECTORS, "Who votes."),
        (
            INFERENCE,
            "Version 2, as KServe and Triton have it. Errors have the detail as `error`, too. The same is served by gRPC on this port, as \
                     `inference.GRPCInferenceService`. Shared memory is not: all of its paths answer 400 `no_shared_memory`.",
        ),
        (KEYS, "Who may call without a person: keys are made, rotated and revoked."),
        (AUTHORISATION, "Short-lived access tokens for API keys."),
        (AUDIT, "Who did what that is no decision."),
        (BREAKERS, "What keeps a policy from blocking too much."),
        (MODELS, "Which versions of models there are, which of them judge, and which may be next."),
        (CONSOLE, "People log in by the identity provider, if one is configured for it; if not, there is nothing at these paths."),
        (SERVICE, "Whether it lives, and how it is called."),
        (DECLARED, "Routes that this installation declares, so that other services' clients work unchanged."),
    ];
    tags.into_iter().map(tag).collect()
}

/// An answer in JSON.
fn json(words: &str, schema: impl Into<RefOr<Schema>>) -> ResponseBuilder {
    ResponseBuilder::new().description(words).content("application/json", ContentBuilder::new().schema(Some(schema)).build())
}

/// An answer in plain text of a kind.
fn plain(words: &str, kind: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(words).content(kind, anything())
}

/// Any text.
fn anything() -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(text())).build()
}

fn parameter(place: ParameterIn, name: &str, words: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new().name(name).parameter_in(place).required(required).description(Some(words)).schema(Some(schema)).build()
}

/// A detector's name in a path.
fn detector(config: &Config) -> Parameter {
    parameter(ParameterIn::Path, "detector", "Which detector.", one_of(config.detectors.iter().map(|detector| detector.name.as_str())))
}

fn header(words: &str) -> Header {
    HeaderBuilder::new().schema(Some(text())).description(Some(words)).build()
}

/// Where to go on with a part of an answer or a request.
fn link(operation: &str, parameter: &str, expression: &str, words: &str) -> Link {
    LinkBuilder::new().operation_id(operation).parameter(parameter, expression).description(words).build()
}

/// What comes of reading decisions where others do so as well, or where there are none.
fn of_reading(config: &Config) -> Vec<Problem> {
    let nothing = (config.decisions.durability == Durability::None).then(Problem::nothing_is_stored);
    [Problem::too_many_reads()].into_iter().chain(nothing).collect()
}

/// What can be wrong with a body of JSON.
fn of_json() -> Vec<Problem> {
    let cut = serde_json::from_str::<serde::de::IgnoredAny>("{").err().map(|error| Problem::not_json(&error));
    let others = [Problem::body_incomplete(), Problem::not_declared_json("the body must be JSON: `Content-Type: application/json`")];
    cut.into_iter().chain(others).collect()
}
