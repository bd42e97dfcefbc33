//! The one table of Synod's own routes: where each is called, what its callers need, and who answers. Routes that a configuration declares
//! stand in `declared.rs`.

use super::guard::{Needs, guarded};
use super::{Service, console, decisions, detectors, entities, health, score};
use crate::access::Permission as P;
use crate::listening::Audience;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;

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
    handler: fn() -> MethodRouter<Arc<Service>>,
}

const fn entry(
    audience: Audience,
    method: &'static str,
    path: &'static str,
    needs: Needs,
    handler: fn() -> MethodRouter<Arc<Service>>,
) -> Entry {
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
    entry(DATA, "GET", "/v1/decisions", Needs::The(P::ReadDecisions), || get(decisions::list)),
    entry(DATA, "GET", "/v1/decisions/{id}", Needs::The(P::ReadDecisions), || get(decisions::one)),
    entry(DATA, "GET", "/v1/decisions/{id}/explanation", Needs::The(P::ReadExplanations), || get(decisions::explanation::explanation)),
    entry(DATA, "POST", "/v1/decisions/{id}/label", Needs::The(P::LabelDecisions), || post(decisions::label::label)),
    entry(DATA, "GET", "/v1/quality", Needs::The(P::ReadQuality), || get(decisions::quality::quality)),
    entry(DATA, "GET", "/v1/entities/{key}", Needs::The(P::ReadEntities), || get(entities::one)),
    // The console: logging in needs nothing, and everything else there asks who is logged in.
    entry(DATA, "GET", "/console/login", Needs::Nothing, || get(console::login)),
    entry(DATA, "GET", "/console/callback", Needs::Nothing, || get(console::callback)),
    entry(DATA, "GET", "/console/session", Needs::Nothing, || get(console::session)),
    entry(DATA, "POST", "/console/logout", Needs::Nothing, || post(console::logout)),
    entry(DATA, "GET", "/healthz", Needs::Nothing, || get(health::alive)),
    entry(DATA, "GET", "/readyz", Needs::Nothing, || get(health::ready)),
    // Whoever reaches the listener of the operators is one: it must not be reachable from outside.
    entry(ADMINISTRATION, "GET", "/healthz", Needs::Nothing, || get(health::alive)),
    entry(ADMINISTRATION, "GET", "/readyz", Needs::Nothing, || get(health::ready)),
    entry(ADMINISTRATION, "GET", "/metrics", Needs::Nothing, || get(health::metrics)),
];

/// The routes of a listener.
pub(super) fn of(audience: Audience) -> Router<Arc<Service>> {
    let own = ROUTES.iter().filter(|entry| entry.audience == audience);
    own.fold(Router::new(), |router, entry| router.route(entry.path, guarded((entry.handler)(), entry.needs.clone())))
}
