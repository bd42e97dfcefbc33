//! `GET /openapi.json`: what can be called here and what it answers, as OpenAPI 3.1. The document is that of *this* installation: its rows, its
//! detectors, its declared routes. It is made once, at the start, from the configuration.
//!
//! - Types: `#[derive(ToSchema)]` beside the structs that are answered, listed in `schemas.rs`; rows in `row.rs`.
//! - Operations: one function a route in the folder `operations/`, found by [`operations::describe`]. A test walks the table of routes and
//!   asks for the description of each. What follows from the table (permission, security, the refusals of callers) is added by `operation.rs`.
//! - Errors: an operation lists those that it can answer as values of [`Problem`](super::Problem); statuses, codes and examples follow from them.

mod operation;
mod operations;
pub(super) mod pages;
mod row;
mod schemas;
mod security;
mod shape;

use super::routes::ROUTES;
use super::{Service, declared};
use crate::config::Config;
use crate::listening::Audience;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use operation::{Common, Place};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Server};

/// The document as it is sent.
#[derive(Debug)]
pub(super) struct Document {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Document {
    pub(super) fn new(config: &Config) -> Self {
        let bytes = Bytes::from(serde_json::to_vec(&describe(config)).expect("a document of plain values is JSON"));
        let digest = crate::hexadecimal::hexadecimal(&Sha256::digest(&bytes)[..16]);
        let tag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("digits can stand in a header");
        Self { bytes, tag }
    }
}

/// Answers with the document, or says that the client has it already.
pub(super) async fn document(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let Document { bytes, tag } = &*service.document;
    let plain = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    match has(&headers, tag) {
        true => (StatusCode::NOT_MODIFIED, plain).into_response(),
        false => (plain, [(header::CONTENT_TYPE, "application/json")], bytes.clone()).into_response(),
    }
}

/// Whether the client has what this tag stands for (RFC 9110, section 13.1.2).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    given.map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
}

const ABOUT: &str = "\
Rows in, verdicts out. This document describes this installation: the fields of its rows, its detectors, and the routes that it declares \
beside Synod's own.

Errors are `application/problem+json` (RFC 9457); `code` is stable. Every answer has an `x-request-id`: the request's own, if it has a \
bearable one. A GET can be a HEAD. Beside what stands below, any path answers 404 `not_found` and 405 `method_not_allowed` (with `Allow`), any \
request without exactly one good `Host` 400 `bad_host`; what is no HTTP, or has a head too large (431), is answered without a body. The \
operators' listener has `/healthz`, `/readyz`, `/metrics` and `/v1/status` for itself.";

/// The document of an installation.
fn describe(config: &Config) -> OpenApi {
    let mut common = Common::default();
    let mut paths = PathsBuilder::new();
    for entry in ROUTES.iter().filter(|entry| entry.audience == Audience::Clients) {
        if let Some(description) = operations::describe(config, entry.method, entry.path) {
            let place = Place { method: entry.method, path: entry.path, needs: &entry.needs };
            let (method, operation) = operation::complete(config, &place, description, &mut common);
            paths = paths.path(entry.path, PathItem::new(method, operation));
        }
    }
    for (index, route) in config.routes.iter().enumerate() {
        let description = operations::declared::describe(config, index, route);
        let place = Place { method: operations::declared::method(route), path: &route.path, needs: &declared::needs(route) };
        let (method, operation) = operation::complete(config, &place, description, &mut common);
        paths = paths.path(route.path.clone(), PathItem::new(method, operation));
    }
    let info = InfoBuilder::new()
        .title("Synod")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0")).build()));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([Server::new("/")]))
        .tags(Some(operations::tags()))
        .paths(paths)
        .components(Some(security::with_schemes(config, common.into_components(schemas::all(config))).build()))
        .build()
}

#[cfg(test)]
mod tests;
