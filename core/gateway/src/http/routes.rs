//! The one table of Synod's own routes: where each is called, what its callers need, and who answers. Routes that a configuration declares
//! stand in `declared.rs`.

use super::console::forward_auth::{self, FORWARD_AUTH};
use super::guard::{Needs, guarded};
use super::openapi::{self, pages};
use super::{
    Live, audit, breakers, console, decisions, detectors, entities, health, inference, keys, models, oauth, rollouts, score, status,
};
use crate::access::Permission as P;
use crate::listening::Audience;
use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};

/// A route.
#[derive(Debug)]
pub struct Entry {
    /// Where it is called.
    pub audience: Audience,
    /// The method; with GET goes HEAD.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What its callers need.
    pub needs: Needs,
    handler: fn() -> MethodRouter<Live>,
}

const fn entry(audience: Audience, method: &'static str, path: &'static str, needs: Needs, handler: fn() -> MethodRouter<Live>) -> Entry {
    Entry { audience, method, path, needs, handler }
}

const DATA: Audience = Audience::Clients;
const ADMINISTRATION: Audience = Audience::Operators;

/// All of them.
#[rustfmt::skip]
pub static ROUTES: &[Entry] = &[
    entry(DATA, "POST", "/v1/score", Needs::The(P::ScorePolicy), || post(score::score)),
    entry(DATA, "GET", "/v1/detectors", Needs::The(P::ReadDetectors), || get(detectors::list)),
    entry(DATA, "POST", "/v1/detectors/{detector}/score", Needs::ScoreOfNamedDetector, || post(score::score_by_one)),
    entry(DATA, "GET", "/v1/detectors/{detector}/versions", Needs::The(P::ReadDetectors), || get(models::list)),
    entry(DATA, "POST", "/v1/detectors/{detector}/versions", Needs::The(P::ManageModels), || post(models::upload)),
    entry(DATA, "GET", "/v1/detectors/{detector}/versions/{version}", Needs::The(P::ReadDetectors), || get(models::one)),
    entry(DATA, "GET", "/v1/detectors/{detector}/versions/{version}/card", Needs::The(P::ReadDetectors), || get(models::model_card)),
    entry(DATA, "POST", "/v1/detectors/{detector}/versions/{version}/propose", Needs::The(P::ManageModels), || post(models::propose)),
    entry(DATA, "POST", "/v1/detectors/{detector}/versions/{version}/promote", Needs::The(P::ManageModels), || post(models::promote_one)),
    entry(DATA, "POST", "/v1/detectors/{detector}/release", Needs::The(P::OperateService), || post(detectors::release)),
    entry(DATA, "POST", "/v1/models/promote", Needs::The(P::ManageModels), || post(models::promote)),
    // To take back is for whoever is called at night.
    entry(DATA, "POST", "/v1/models/rollback", Needs::The(P::OperateService), || post(models::rollback)),
    entry(DATA, "GET", "/v1/rollouts", Needs::The(P::ReadDetectors), || get(rollouts::list)),
    entry(DATA, "POST", "/v1/rollouts", Needs::The(P::ManageModels), || post(rollouts::begin)),
    entry(DATA, "POST", "/v1/rollouts/next", Needs::The(P::ManageModels), || post(rollouts::next)),
    entry(DATA, "POST", "/v1/rollouts/promote", Needs::The(P::ManageModels), || post(rollouts::promote)),
    // As rollback: whoever is called at night may take back.
    entry(DATA, "POST", "/v1/rollouts/stop", Needs::The(P::OperateService), || post(rollouts::stop)),
    entry(DATA, "POST", "/v1/configuration/reload", Needs::The(P::OperateService), || post(models::reload)),
    entry(DATA, "GET", "/v1/decisions", Needs::The(P::ReadDecisions), || get(decisions::list)),
    entry(DATA, "GET", "/v1/decisions/{id}", Needs::The(P::ReadDecisions), || get(decisions::one)),
    entry(DATA, "GET", "/v1/decisions/{id}/explanation", Needs::The(P::ReadExplanations), || get(decisions::explanation::explanation)),
    entry(DATA, "POST", "/v1/decisions/{id}/label", Needs::The(P::LabelDecisions), || post(decisions::label::label)),
    entry(DATA, "GET", "/v1/quality", Needs::The(P::ReadQuality), || get(decisions::quality::quality)),
    entry(DATA, "GET", "/v1/entities/{key}", Needs::The(P::ReadEntities), || get(entities::one)),
    entry(DATA, "GET", "/v1/keys", Needs::The(P::ManageKeys), || get(keys::list)),
    entry(DATA, "POST", "/v1/keys", Needs::The(P::ManageKeys), || post(keys::create)),
    entry(DATA, "POST", "/v1/keys/{id}/rotate", Needs::The(P::ManageKeys), || post(keys::rotate)),
    entry(DATA, "DELETE", "/v1/keys/{id}", Needs::The(P::ManageKeys), || delete(keys::revoke)),
    // Clients authenticate there by themselves.
    entry(DATA, "POST", oauth::TOKEN_PATH, Needs::Nothing, || post(oauth::token)),
    entry(DATA, "GET", "/.well-known/jwks.json", Needs::Nothing, || get(oauth::key_set)),
    entry(DATA, "GET", "/.well-known/oauth-authorization-server", Needs::Nothing, || get(oauth::metadata)),
    entry(DATA, "GET", "/v1/audit", Needs::The(P::ReadAudit), || get(audit::list)),
    entry(DATA, "GET", "/v1/breakers", Needs::The(P::OperateService), || get(breakers::list)),
    entry(DATA, "POST", "/v1/breakers/{id}/reset", Needs::The(P::OperateService), || post(breakers::reset)),
    entry(DATA, "GET", "/v1/status", Needs::The(P::OperateService), || get(status::status)),
    // The console: its pages hold no data, logging in needs nothing, and everything else there asks who is logged in.
    entry(DATA, "GET", "/console", Needs::Nothing, || get(console::pages::models)),
    entry(DATA, "GET", "/console/models", Needs::Nothing, || get(console::pages::models)),
    entry(DATA, "GET", "/console/assets/{file}", Needs::Nothing, || get(console::pages::asset)),
    entry(DATA, "GET", "/console/login", Needs::Nothing, || get(console::login)),
    entry(DATA, "GET", "/console/callback", Needs::Nothing, || get(console::callback)),
    entry(DATA, "GET", "/console/session", Needs::Nothing, || get(console::session)),
    entry(DATA, "GET", FORWARD_AUTH, Needs::Nothing, || get(forward_auth::forward_auth)),
    entry(DATA, "POST", "/console/logout", Needs::Nothing, || post(console::logout)),
    entry(DATA, "GET", "/healthz", Needs::Nothing, || get(health::alive)),
    // With `?verbose` it asks for `operate:service`.
    entry(DATA, "GET", "/readyz", Needs::Nothing, || get(health::ready)),
    // The Open Inference Protocol, version 2, and the extensions of Triton that its clients use.
    entry(DATA, "GET", "/v2", Needs::The(P::ReadDetectors), || get(inference::server)),
    entry(DATA, "GET", "/v2/health/live", Needs::Nothing, || get(inference::live)),
    entry(DATA, "GET", "/v2/health/ready", Needs::Nothing, || get(inference::ready)),
    entry(DATA, "GET", "/v2/models/stats", Needs::The(P::ReadDetectors), || get(inference::all_statistics)),
    entry(DATA, "GET", "/v2/models/{model}", Needs::The(P::ReadDetectors), || get(inference::metadata)),
    entry(DATA, "GET", "/v2/models/{model}/ready", Needs::Nothing, || get(inference::model_ready)),
    entry(DATA, "GET", "/v2/models/{model}/config", Needs::The(P::ReadDetectors), || get(inference::configuration)),
    entry(DATA, "GET", "/v2/models/{model}/stats", Needs::The(P::ReadDetectors), || get(inference::statistics)),
    entry(DATA, "POST", "/v2/models/{model}/infer", Needs::ScoreOfNamedModel, || post(inference::infer)),
    entry(DATA, "GET", "/v2/models/{model}/versions/{version}", Needs::The(P::ReadDetectors), || get(inference::metadata)),
    entry(DATA, "GET", "/v2/models/{model}/versions/{version}/ready", Needs::Nothing, || get(inference::model_ready)),
    entry(DATA, "GET", "/v2/models/{model}/versions/{version}/config", Needs::The(P::ReadDetectors), || get(inference::configuration)),
    entry(DATA, "GET", "/v2/models/{model}/versions/{version}/stats", Needs::The(P::ReadDetectors), || get(inference::statistics)),
    entry(DATA, "POST", "/v2/models/{model}/versions/{version}/infer", Needs::ScoreOfNamedModel, || post(inference::infer)),
    entry(DATA, "POST", "/v2/repository/index", Needs::The(P::ReadDetectors), || post(inference::index)),
    entry(DATA, "POST", "/v2/repository/models/{model}/load", Needs::The(P::OperateService), || post(inference::models_are_fixed)),
    entry(DATA, "POST", "/v2/repository/models/{model}/unload", Needs::The(P::OperateService), || post(inference::models_are_fixed)),
    entry(DATA, "GET", "/v2/systemsharedmemory/{*region}", Needs::The(P::ReadDetectors), || get(inference::no_shared_memory)),
    entry(DATA, "POST", "/v2/systemsharedmemory/{*region}", Needs::The(P::ReadDetectors), || post(inference::no_shared_memory)),
    entry(DATA, "GET", "/v2/cudasharedmemory/{*region}", Needs::The(P::ReadDetectors), || get(inference::no_shared_memory)),
    entry(DATA, "POST", "/v2/cudasharedmemory/{*region}", Needs::The(P::ReadDetectors), || post(inference::no_shared_memory)),
    // The same by gRPC, whose calls are POST requests to a path of the method's name.
    entry(DATA, "POST", "/inference.GRPCInferenceService/ServerLive", Needs::Nothing, || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ServerReady", Needs::Nothing, || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ServerMetadata", Needs::The(P::ReadDetectors), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ModelReady", Needs::Nothing, || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ModelMetadata", Needs::The(P::ReadDetectors), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ModelConfig", Needs::The(P::ReadDetectors), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ModelStatistics", Needs::The(P::ReadDetectors), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/ModelInfer", Needs::ScoreOfModelInMessage, || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/RepositoryIndex", Needs::The(P::ReadDetectors), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/RepositoryModelLoad", Needs::The(P::OperateService), || post(inference::grpc)),
    entry(DATA, "POST", "/inference.GRPCInferenceService/RepositoryModelUnload", Needs::The(P::OperateService), || post(inference::grpc)),
    entry(DATA, "GET", "/openapi.json", Needs::Nothing, || get(openapi::document)),
    entry(DATA, "GET", "/docs", Needs::Nothing, || get(pages::swagger_ui)),
    entry(DATA, "GET", "/docs/{file}", Needs::Nothing, || get(pages::swagger_ui_file)),
    entry(DATA, "GET", "/redoc", Needs::Nothing, || get(pages::redoc)),
    entry(DATA, "GET", "/redoc/{file}", Needs::Nothing, || get(pages::redoc_file)),
    // Whoever reaches the listener of the operators is one: it must not be reachable from outside.
    entry(ADMINISTRATION, "GET", "/healthz", Needs::Nothing, || get(health::alive)),
    entry(ADMINISTRATION, "GET", "/readyz", Needs::Nothing, || get(health::ready_for_operators)),
    entry(ADMINISTRATION, "GET", "/metrics", Needs::Nothing, || get(health::metrics)),
    // What no probe needs wants a credential here too.
    entry(ADMINISTRATION, "GET", "/v1/status", Needs::The(P::OperateService), || get(status::status)),
];

/// The routes of a listener.
pub(super) fn of(audience: Audience) -> Router<Live> {
    let own = ROUTES.iter().filter(|entry| entry.audience == audience);
    own.fold(Router::new(), |router, entry| router.route(entry.path, guarded((entry.handler)(), entry.needs.clone())))
}
